//! A year of an agency's life, with most of what can go wrong: afterwards the log holds what GHL holds, and tells how it came to be.

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use sandbox::year::{Year, YearSettings};
use sandbox::{AnswerChaos, Limits, SearchSettings, Settings, Shapes, World};
use tests::pollers::Pollers;
use tests::truth;
use tests::wait::within;
use toml::{Table, toml};

/// Changes of the year. `YEAR_CHANGES=50000` lives a whole one.
fn changes() -> usize {
    std::env::var("YEAR_CHANGES").ok().and_then(|text| text.parse().ok()).unwrap_or(3_000)
}

const SEED: u64 = 20_260_101;
const POLLERS: usize = 2;
/// What the agency does in one breath, and how likely one of the pollers dies meanwhile.
const CHANGES_AT_ONCE: usize = 20;
const DEATH: f64 = 0.03;
/// How long the last sweep may take: a call for the notes of each contact, and the whole log read at every look.
const AFTERWARDS: Duration = Duration::from_secs(300);

/// What not every answer speaks of, in the shapes that people have seen: do-not-disturb is in rows alone, its channels and the time zone in
/// answers by id, place and notes of an appointment in its calendar, and there alone when it was booked.
const SAID_BY_SOME: [&str; 6] = ["do_not_disturb", "do_not_disturb_channels", "time_zone", "place", "notes", "added_at"];

/// What people at GHL do beside the records, and how likely in a breath: a scope is unticked and ticked again, a user, a calendar or a field
/// is renamed.
const TAKES_A_SCOPE: f64 = 0.03;
const GIVES_IT_BACK: f64 = 0.15;
const RENAMES: f64 = 0.05;
const SCOPES: [&str; 7] = ["/tasks", "/notes", "/appointments", "/calendars", "/calendars/events", "/users", "/customFields"];

#[derive(Default)]
struct People {
    withheld: bool,
    taken: usize,
    renamed: usize,
}

impl People {
    fn act(&mut self, world: &World, dice: &mut StdRng) -> anyhow::Result<()> {
        if self.withheld && dice.random_bool(GIVES_IT_BACK) {
            world.give_back();
            self.withheld = false;
        } else if !self.withheld && dice.random_bool(TAKES_A_SCOPE) {
            let scope = SCOPES.get(dice.random_range(0..SCOPES.len())).context("a scope")?;
            world.withhold(scope, if dice.random_bool(0.5) { 401 } else { 403 });
            (self.withheld, self.taken) = (true, self.taken + 1);
        }
        if dice.random_bool(RENAMES) {
            let fields = world.custom_field_ids().into_values();
            let ids: Vec<String> = world.user_ids().into_iter().chain(world.calendar_ids()).chain(fields).collect();
            self.renamed += 1;
            let id = ids.get(dice.random_range(0..ids.len())).context("something with a name")?;
            world.rename(id, &format!("Renamed {}", self.renamed))?;
        }
        Ok(())
    }
}

/// A tenth of GHL's interval and five times its calls, so that a year takes minutes: what one poller spends at most. It is the one that
/// holds the location's lease; two of them spending at once would be seen.
fn limits() -> Limits {
    Limits { burst: 500, interval: Duration::from_secs(1), day: 10_000_000, ..Limits::default() }
}

fn weather(world: &World, bad: bool) {
    if !bad {
        world.clear_faults();
        world.give_back();
        world.set_search(SearchSettings::default());
        world.settle_search();
        return;
    }
    let storm = Duration::from_millis(50);
    world.set_answer_chaos(AnswerChaos { throttled: 0.01, storm, failed: 0.005, ..AnswerChaos::default() });
    let stale_up_to = Duration::from_secs(10);
    world.set_search(SearchSettings { short: 0.02, empty: 0.01, same_cursor: 0.01, stale_up_to, ..SearchSettings::default() });
}

/// Each changed contact is looked at: what is on several contacts is told by the first of them alone in every list of all, so who is only taken
/// from a row does not show it.
fn poller() -> Table {
    toml! {
        ghl = { rate = { calls_per_second = 400.0, window_calls_max = 450, window = "1s", day_calls_max = 10000000, throttled_pause = "100ms", recovery = "2s" } }
        hints = { debounce = "50ms" }
        watch = { interval = "1s", overlap = "30s", bulk_min = 100000, tasks_interval = "2s", appointments_interval = "2s" }
        sweep = { interval = "3s", check_interval = "200ms", broken_off_pause = "500ms", empty_page_pause = "50ms", notes_within = "4s", notes_interval = "200ms" }
        backfill = { check_interval = "200ms" }
        settled = { interval = "500ms" }
        refuted = { missing_pause = "500ms" }
        vanishing = { again_after = "500ms", share = 1.0 }
        names = { lifetime = "2s" }
        retry = { scope_pause = "200ms", scope_pause_max = "1s" }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_year_of_losses_and_deaths_the_log_holds_and_tells_what_was() -> anyhow::Result<()> {
    let settings = Settings { limits: limits(), history: true, shapes: Shapes::AsSeen, ..Settings::default() };
    let mut pollers = Pollers::start("year", settings, 150, POLLERS, &poller()).await?;
    let (world, location_id) = (pollers.world(), pollers.location()?);
    weather(&world, true);
    pollers.backfilled().await?;

    let mut year = Year::new(&world, YearSettings { seed: SEED, changes: changes(), ..YearSettings::default() });
    let began = Instant::now();
    let mut dice = StdRng::seed_from_u64(SEED);
    let (mut made, mut deaths) = (0, 0);
    let mut people = People::default();
    while let Some(step) = year.step(&world) {
        made = step?.number;
        if !made.is_multiple_of(CHANGES_AT_ONCE) {
            continue;
        }
        people.act(&world, &mut dice)?;
        // As fast as looks can follow, and no faster: a year that is over before anybody looked proves little.
        tokio::time::sleep(Duration::from_millis(60)).await;
        if dice.random_bool(DEATH) {
            let victim = dice.random_range(0..POLLERS);
            pollers.kill(victim).await;
            pollers.send_webhooks_to((victim + 1) % POLLERS)?;
            pollers.revive(victim)?;
            deaths += 1;
        }
    }
    let lived = began.elapsed();
    world.webhooks_settled().await;
    weather(&world, false);

    within(AFTERWARDS, "the log holds what GHL holds", async || {
        // Reading the whole log takes as much as the pollers need for their work.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let told = truth::of_the_log(&pollers.log, &location_id).await.map_err(|error| error.to_string())?;
        let mut found = truth::differences(&truth::of_ghl(&world), &told);
        if found.is_empty() {
            found = truth::misnamed(&pollers.log, &location_id, &world).await.map_err(|error| error.to_string())?;
        }
        if found.is_empty() {
            Ok(())
        } else {
            Err(format!("{} differences, first {:?}", found.len(), found.iter().take(3).collect::<Vec<_>>()))
        }
    })
    .await?;
    let equal = began.elapsed();
    let told = truth::of_the_log(&pollers.log, &location_id).await?;
    truth::told_in_order(&world, &told, &SAID_BY_SOME)?;
    pollers.log.chain().verify(&location_id, &eventlog::Verification::default(), |_, _| ()).await?;
    assert_eq!(world.limits_violated(), []);
    let stats = world.stats();
    writeln!(
        std::io::stderr().lock(),
        "{made} changes lived in {lived:.1?} with {deaths} deaths, {} scopes taken away and {} renames, in the log after {equal:.1?}: {stats:?}, {:?}",
        people.taken,
        people.renamed,
        year.counts()
    )?;
    pollers.stop().await
}
