use std::num::{NonZeroU32, NonZeroU64};

use jiff::Timestamp;
use proptest::prelude::*;
use settings::Check as _;
use tokio::sync::oneshot::Receiver;

use super::*;

const STEP_MS: u64 = 20;

/// A budget on clocks of its own, which begin at midnight.
struct Office {
    rate: Rate,
    state: State,
    began: Instant,
    passed: Duration,
    waiting: Vec<(Lane, Receiver<()>)>,
    /// Who got a turn, and when.
    turns: Vec<(Lane, Duration)>,
}

impl Office {
    fn new(rate: Rate) -> Self {
        let began = Instant::now();
        let state = State::new(&rate, at(began, Duration::ZERO));
        Self { rate, state, began, passed: Duration::ZERO, waiting: Vec::new(), turns: Vec::new() }
    }

    fn now(&self) -> Now {
        at(self.began, self.passed)
    }

    fn ask(&mut self, lane: Lane, calls: usize) {
        for _ in 0..calls {
            let (turn, granted) = oneshot::channel();
            self.state.lanes.queue(lane, turn);
            self.waiting.push((lane, granted));
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.passed + time;
        loop {
            let now = self.now();
            self.state.grant(&self.rate, now);
            let (turns, passed) = (&mut self.turns, self.passed);
            self.waiting.retain_mut(|(lane, granted)| {
                let got = granted.try_recv().is_ok();
                if got {
                    turns.push((*lane, passed));
                }
                !got
            });
            if self.passed >= end {
                return;
            }
            self.passed = end.min(self.passed + Duration::from_millis(STEP_MS));
        }
    }

    fn skip(&mut self, time: Duration) {
        self.passed += time;
    }

    fn count(&self, lane: Lane) -> usize {
        self.turns.iter().filter(|(of, _)| *of == lane).count()
    }

    fn most_within(&self, window: Duration) -> usize {
        let within = |start: &Duration| self.turns.iter().filter(|(_, at)| at >= start && *at < *start + window).count();
        self.turns.iter().map(|(_, start)| within(start)).max().unwrap_or(0)
    }
}

fn at(began: Instant, passed: Duration) -> Now {
    let midnight = Timestamp::from_second(1_780_012_800).unwrap();
    Now { steady: began + passed, wall: midnight + passed }
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn no_window_holds_more_calls_than_allowed_and_the_rate_is_used() {
    let mut office = Office::new(Rate::default());
    office.skip(secs(30));
    office.ask(Lane::Hints, 1_000);
    office.pass(secs(60));
    assert!(office.most_within(secs(10)) <= 90, "{}", office.most_within(secs(10)));
    assert!(office.turns.len() >= 480, "{} calls in a minute", office.turns.len());
}

#[test]
fn whoever_spent_before_left_nothing() {
    let mut office = Office::new(Rate::default());
    office.ask(Lane::Hints, 100);
    office.pass(secs(1));
    assert!(office.turns.len() <= 8, "{}", office.turns.len());
}

#[test]
fn the_urgent_come_first_and_nobody_never() {
    let mut office = Office::new(Rate::default());
    for lane in Lane::ALL {
        office.ask(lane, 1_000);
    }
    office.pass(secs(100));
    let total = office.turns.len();
    for (lane, percent) in [(Lane::Watch, 10), (Lane::Sweep, 10), (Lane::Backfill, 5)] {
        let (calls, least) = (office.count(lane), total * percent / 100);
        assert!(calls + 2 >= least && calls <= least + 2, "{lane:?}: {calls} of {total}");
    }
}

#[test]
fn without_hints_the_others_share_everything_in_their_order() {
    let mut office = Office::new(Rate::default());
    office.ask(Lane::Sweep, 50);
    office.ask(Lane::Backfill, 1_000);
    office.pass(secs(60));
    assert_eq!(office.count(Lane::Sweep), 50);
    assert!(office.count(Lane::Backfill) >= 420, "{}", office.count(Lane::Backfill));
}

#[test]
fn a_hint_finds_something_left_of_the_burst() {
    let mut office = Office::new(Rate::default());
    office.skip(secs(30));
    office.ask(Lane::Backfill, 100);
    office.pass(Duration::ZERO);
    assert_eq!(office.turns.len(), 8);
    office.ask(Lane::Hints, 2);
    office.pass(Duration::ZERO);
    assert_eq!(office.count(Lane::Hints), 2);
}

#[test]
fn after_a_429_everything_waits_and_then_starts_slowly() {
    let mut office = Office::new(Rate::default());
    office.skip(secs(30));
    office.pass(Duration::ZERO);
    let now = office.now();
    office.state.bucket.throttled(&office.rate, secs(12), now);
    office.ask(Lane::Hints, 1_000);
    office.pass(secs(12));
    assert_eq!(office.turns.len(), 0);
    office.pass(secs(10));
    assert!((35..=50).contains(&office.turns.len()), "{} calls, half of 8 a second", office.turns.len());
    office.pass(secs(300));
    assert!(office.state.bucket.pace() >= 1.0, "it recovers");
}

#[test]
fn each_429_halves_the_pace_down_to_a_least() {
    let mut office = Office::new(Rate::default());
    let now = office.now();
    let paces: Vec<f64> = (0..5)
        .map(|_| {
            office.state.bucket.throttled(&office.rate, Duration::ZERO, now);
            office.state.bucket.pace()
        })
        .collect();
    assert_eq!(paces, [0.5, 0.25, 0.125, 0.125, 0.125]);
}

#[test]
fn ghl_may_allow_less_than_is_configured() {
    let mut office = Office::new(Rate::default());
    let said = Left { remaining: Some(50), limit: Some(50), interval: Some(secs(10)), ..Left::default() };
    let now = office.now();
    office.state.bucket.answered(&office.rate, said, now);
    office.ask(Lane::Hints, 1_000);
    office.pass(secs(60));
    assert!(office.most_within(secs(10)) <= 45, "{}", office.most_within(secs(10)));
    assert!(office.turns.len() >= 230, "{}", office.turns.len());
}

#[test]
fn what_ghl_says_is_left_is_spread_over_its_interval() {
    let mut office = Office::new(Rate::default());
    let now = office.now();
    let said = Left { remaining: Some(1), limit: Some(100), interval: Some(secs(10)), ..Left::default() };
    office.state.bucket.answered(&office.rate, said, now);
    assert_eq!(office.state.bucket.held(now), secs(5));
}

#[test]
fn what_is_left_of_the_day_is_spread_over_its_hours() {
    let mut office = Office::new(Rate::default());
    office.skip(secs(12 * 3_600));
    let now = office.now();
    // An hour for each thousand, and as much again that is kept for hints.
    office.state.day.answered(Left { remaining_today: Some(32_000), limit_a_day: Some(200_000), ..Left::default() }, now);
    office.ask(Lane::Backfill, 5_000);
    office.pass(secs(600));
    assert!((160..=180).contains(&office.turns.len()), "{} calls in ten minutes", office.turns.len());
    office.ask(Lane::Hints, 80);
    office.pass(secs(11));
    assert_eq!(office.count(Lane::Hints), 80, "hints are not slowed down");
}

#[test]
fn only_hints_use_up_the_day_and_tomorrow_is_another() {
    let rate = Rate { day_calls_max: NonZeroU64::new(1_000).unwrap(), ..Rate::default() };
    let mut office = Office::new(rate);
    office.ask(Lane::Watch, 2_000);
    office.pass(secs(400));
    assert!((780..=805).contains(&office.turns.len()), "a fifth is kept: {}", office.turns.len());
    office.ask(Lane::Hints, 2_000);
    office.pass(secs(60));
    assert!((995..=1_001).contains(&office.turns.len()), "{}", office.turns.len());
    office.skip(secs(23 * 3_600));
    office.pass(secs(1));
    assert!((995..=1_003).contains(&office.turns.len()), "only probes: {}", office.turns.len());
    office.skip(secs(3_600));
    office.pass(secs(10));
    assert!(office.turns.len() > 1_050, "{}", office.turns.len());
}

#[tokio::test]
async fn whoever_stops_waiting_gives_the_place_up() {
    let budget = Budget::new(Rate {
        calls_per_second: 50.0,
        window_calls_max: NonZeroU32::new(10_000).unwrap(),
        wait_max: secs(5),
        ..Rate::default()
    });
    for _ in 0..200 {
        let impatient = tokio::time::timeout(Duration::ZERO, budget.admit(Lane::Hints)).await;
        assert!(impatient.is_err() || impatient == Ok(Ok(())));
    }
    // Two hundred that had stayed would take four seconds.
    let began = Instant::now();
    budget.admit(Lane::Backfill).await.unwrap();
    assert!(began.elapsed() < secs(2));
}

#[tokio::test]
async fn a_turn_too_far_away_is_turned_down() {
    let budget = Budget::new(Rate { wait_max: secs(1), ..Rate::default() });
    budget.throttled(Some(secs(30)), 0.0);
    let wait = budget.admit(Lane::Hints).await.unwrap_err();
    assert!(wait > secs(25), "{wait:?}");
    assert_eq!(budget.spending().throttled, 1);
}

#[test]
fn a_pause_lasts_at_least_what_was_configured_and_what_was_asked() {
    let budget = Budget::new(Rate::default());
    assert!(budget.throttled(None, 0.0) >= secs(10));
    assert!(budget.throttled(Some(secs(20)), 1.0) >= secs(20));
}

#[test]
fn settings_that_make_no_sense_are_named() {
    assert!(Rate::default().problems().is_empty());
    let bad =
        Rate { calls_per_second: 0.0, spread_below: 2.0, shares: Shares { watch: 0.5, sweep: 0.5, backfill: 0.1 }, ..Rate::default() };
    assert_eq!(bad.problems().len(), 3);
}

fn lane() -> impl Strategy<Value = Lane> {
    prop::sample::select(Lane::ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// However calls arrive, give up and are throttled: the window holds, and whoever waits all the time gets their share.
    #[test]
    fn the_window_holds_and_shares_are_kept(
        acts in prop::collection::vec((lane(), 0_usize..40, 0_u64..1_500, any::<bool>(), 0_u32..20), 1..20)
    ) {
        let mut office = Office::new(Rate::default());
        office.ask(Lane::Backfill, 300);
        for (lane, calls, millis, gives_up, luck) in acts {
            office.ask(lane, calls);
            if gives_up {
                let mut index = 0;
                office.waiting.retain(|(lane, _)| { index += 1; index % 3 != 0 || *lane == Lane::Backfill });
            }
            if luck == 0 {
                let now = office.now();
                office.state.bucket.throttled(&office.rate, secs(1), now);
            }
            office.pass(Duration::from_millis(millis));
        }
        prop_assert!(office.most_within(secs(10)) <= 100);
        let (backfill, total) = (office.count(Lane::Backfill), office.turns.len());
        prop_assert!(backfill + 2 >= total / 20, "{} of {}", backfill, total);
    }
}
