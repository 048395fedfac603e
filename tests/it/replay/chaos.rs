//! A workspace is rebuilt while people go on working and everything that takes part is killed again and again.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use domain::ContactId;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use sandbox::Webhook::Sent;
use sandbox::World;
use sandbox::story::{Story, StorySettings};
use serde_json::{Value, json};
use standalone::compare::Object;
use tests::lives;
use tests::replays::{self, Client};
use tests::system::{KEY, System, SystemSettings};
use tests::wait::PATIENCE;
use tokio::task::JoinHandle;
use toml::toml;

/// Events of the log that is replayed, and how often. `REPLAY_CHAOS_EVENTS=200000 REPLAY_CHAOS_SEEDS=10` is the whole of it.
fn asked(what: &str, otherwise: usize) -> usize {
    std::env::var(format!("REPLAY_CHAOS_{what}")).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

const PEOPLE: usize = 40;
/// Between two changes of the story, and between two of the changes whose way is timed.
const PACE: Duration = Duration::from_millis(100);
const PROBES: Duration = Duration::from_millis(300);
/// The longest that a live change may take while one after the other dies, also on a machine that has other things to do: what a dead
/// one held is given out again after `ack_wait`, and the dead need their time to come back.
const LAG_MAX: Duration = Duration::from_secs(60);
/// Who always gets killed, at least once each.
const VICTIMS: [&str; 6] = ["mapper", "writer", "bridge", "admin", "nats", "postgres"];
/// Then the replay is left alone, so that it can end.
const KILLS_MAX: usize = 24;

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_under_live_load_survives_the_death_of_anything() -> anyhow::Result<()> {
    let (events, seeds) = (asked("EVENTS", 3_000), asked("SEEDS", 1));
    // What was in hand at a death comes again soon, what failed is tried again soon, and a small replay still takes its time.
    let bus = toml! {
        bus = { ack_wait = "3s" }
        retry = { longest = "2s" }
    };
    let admin = toml! {
        bus = { ack_wait = "3s" }
        replay = { batch_intents = 100, backlog_max = 400, lease = "3s" }
    };
    let settings = SystemSettings::new("replay-chaos").contacts(PEOPLE).apart(env!("CARGO_BIN_EXE_bench"));
    let settings = ["poller", "mapper", "writer"].into_iter().fold(settings, |settings, service| settings.with(service, bus.clone()));
    let settings = settings.with("admin", admin);
    let mut system = System::start(settings).await?;
    system.in_sync().await?;
    let began = Instant::now();
    let history = fill(&system, events.next_multiple_of(lives::EVENTS)).await?;
    tell(&format!("{events} events delivered in {:.0?}", began.elapsed()))?;
    let before = of_history(&system, &history).await?;
    for seed in 0..seeds {
        let began = Instant::now();
        let (deaths, lags) = Box::pin(rebuild(&mut system, seed as u64)).await.with_context(|| format!("seed {seed}"))?;
        Box::pin(unharmed(&system, &history, &before)).await.with_context(|| format!("seed {seed}"))?;
        let (middle, longest) = (lags.get(lags.len() / 2), lags.last());
        tell(&format!(
            "seed {seed}: {deaths}, {} lags timed, {middle:.1?} in the middle, {longest:.1?} at most, {:.0?}",
            lags.len(),
            began.elapsed()
        ))?;
        ensure!(longest.is_some_and(|longest| *longest < LAG_MAX), "seed {seed}: a live change took {longest:?}");
    }
    system.stop().await
}

fn tell(what: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stderr().lock(), "replay chaos: {what}")?)
}

/// A past that GHL no longer tells: it stands in the log alone. Returns when it is delivered.
async fn fill(system: &System, events: usize) -> anyhow::Result<BTreeSet<String>> {
    let (location_id, contacts) = (system.location()?, events / lives::EVENTS);
    for start in (0..events).step_by(1_000) {
        let batch = (start..events.min(start + 1_000)).map(|index| lives::entry(index, contacts)).collect::<anyhow::Result<Vec<_>>>()?;
        system.log.append(&location_id, batch).await?;
    }
    patiently(Duration::from_secs(900), async || system.quiet().await).await?;
    (0..contacts).map(|contact| Ok(lives::contact_id(contact)?.to_string())).collect()
}

async fn patiently(patience: Duration, mut wait: impl AsyncFnMut() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let deadline = Instant::now() + patience;
    loop {
        match wait().await {
            Err(error) if Instant::now() < deadline => tell(&format!("{error}"))?,
            outcome => return outcome,
        }
    }
}

fn is_of(history: &BTreeSet<String>, held: &Object) -> bool {
    let contact = if held.kind == "contact" { &held.key } else { &held.contact };
    contact.strip_prefix("ghl:contact/").is_some_and(|id| history.contains(id))
}

async fn of_history(system: &System, history: &BTreeSet<String>) -> anyhow::Result<BTreeMap<String, Value>> {
    let held = system.workspace().await?.into_iter().filter(|held| is_of(history, held));
    Ok(held.map(|held| (held.key, held.content)).collect())
}

/// Drops the workspace and replays into it, under load and deaths. Gives what died and how long live changes took.
async fn rebuild(system: &mut System, seed: u64) -> anyhow::Result<(String, Vec<Duration>)> {
    let mut client = system.replay().await?;
    let workspace = system.workspace_url(system.sandbox.location_id())?;
    system.drop_workspace(system.sandbox.location_id()).await?;
    let plan = replays::plan(&mut client, replays::against_workspace()).await?;
    replays::apply(&mut client, &plan).await?;
    let over = Arc::new(AtomicBool::new(false));
    let working = tokio::spawn(work(system.world(), seed, Arc::clone(&over)));
    let timing = tokio::spawn(time(system.world(), system.http.clone(), workspace, Arc::clone(&over)));
    let deaths = kill(system, &client, seed).await;
    let patience = PATIENCE + Duration::from_millis(replays::acts(&plan) * 5);
    let done = replays::done(&mut client, patience).await;
    over.store(true, Ordering::Relaxed);
    working.await??;
    let lags = timing.await?;
    let (deaths, done) = (deaths?, done?);
    Ok((format!("{} objects, {deaths}, {} rounds", done.total, done.rounds), lags?))
}

/// Kills one after the other, in another order each time round, everyone at least once, until the replay has ended.
async fn kill(system: &mut System, client: &Client, seed: u64) -> anyhow::Result<String> {
    let mut dice = StdRng::seed_from_u64(seed);
    let mut turn = VICTIMS;
    let (mut deaths, mut during, mut ended): (BTreeMap<&str, usize>, usize, bool) = (BTreeMap::new(), 0, false);
    for number in 0..KILLS_MAX {
        if number >= turn.len() && ended {
            break;
        }
        tokio::time::sleep(Duration::from_millis(dice.random_range(300..2_500))).await;
        let state = replays::state(&mut client.clone()).await;
        ended = ended || state.is_ok_and(|state| state.ended_at.is_some());
        if number.is_multiple_of(turn.len()) {
            turn.shuffle(&mut dice);
        }
        let victim = turn.get(number % turn.len()).copied().context("a victim")?;
        let away = Duration::from_millis(dice.random_range(0..800));
        strike(system, victim, away).await.with_context(|| format!("killing {victim}"))?;
        *deaths.entry(victim).or_default() += 1;
        during += usize::from(!ended);
    }
    Ok(format!("killed {deaths:?}, {during} of them before the end of the replay"))
}

async fn strike(system: &mut System, victim: &'static str, away: Duration) -> anyhow::Result<()> {
    match victim {
        "postgres" => system.crash_postgres().await,
        "nats" => {
            system.kill_nats().await;
            tokio::time::sleep(away).await;
            system.revive_nats(true).await
        }
        service => {
            system.kill_service(service).await;
            tokio::time::sleep(away).await;
            system.start_service(service)
        }
    }
}

/// People go on working.
async fn work(world: World, seed: u64, over: Arc<AtomicBool>) -> anyhow::Result<()> {
    let mut story = Story::new(StorySettings { seed, changes: usize::MAX, ..StorySettings::default() });
    while !over.load(Ordering::Relaxed) {
        story.step(&world).transpose()?;
        tokio::time::sleep(PACE).await;
    }
    Ok(())
}

/// Times from a contact's webhook to its object, one contact after the other but several on their way; sorted.
async fn time(world: World, http: reqwest::Client, workspace: String, over: Arc<AtomicBool>) -> anyhow::Result<Vec<Duration>> {
    let mut waiting: Vec<JoinHandle<Option<Duration>>> = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let id = world.create_contact(&json!({"firstName": "Probe"}), Sent)?;
        let id = ContactId::new(id)?;
        waiting.push(tokio::spawn(arrival(world.clone(), http.clone(), workspace.clone(), id)));
        tokio::time::sleep(PROBES).await;
    }
    let mut lags = Vec::with_capacity(waiting.len());
    for lag in waiting {
        lags.extend(lag.await?);
    }
    lags.sort_unstable();
    Ok(lags)
}

/// How long the contact takes to arrive; nothing when the story deleted it meanwhile. What does not arrive has taken all the patience.
async fn arrival(world: World, http: reqwest::Client, workspace: String, id: ContactId) -> Option<Duration> {
    let sent = Instant::now();
    let url = format!("{workspace}/contacts/{}", domain::ObjectKey::of_contact(&id).as_str().replace('/', "%2F"));
    while sent.elapsed() < PATIENCE {
        let answer = http.get(&url).bearer_auth(KEY).send().await;
        if answer.is_ok_and(|answer| answer.status().is_success()) {
            return Some(sent.elapsed());
        }
        if !world.contact_ids().iter().any(|there| there == id.as_str()) {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Some(sent.elapsed())
}

/// Equal, nothing twice, and nothing lost.
async fn unharmed(system: &System, history: &BTreeSet<String>, before: &BTreeMap<String, Value>) -> anyhow::Result<()> {
    system.world().webhooks_settled().await;
    system.quiet().await?;
    system.in_sync_beside(|held| is_of(history, held)).await.context("no live change is lost")?;
    system.quiet().await?;
    ensure!(of_history(system, history).await? == *before, "the past is not what it was, object by object");
    let mut client = system.replay().await?;
    let (result, differences) = replays::verify(&mut client).await?;
    ensure!(result.equal, "{result:?} {differences:?}");
    ensure!(replays::acts(&replays::plan(&mut client, replays::against_workspace()).await?) == 0, "there is something left to do");
    ensure!(replays::acts(&replays::plan(&mut client, Default::default()).await?) == 0, "the ledger is behind the workspace");
    ensure!(system.log.parked().list(None, None, 10).await?.is_empty(), "something waits for a person");
    system.log.chain().verify(&system.location()?, &eventlog::Verification::default(), |_, _| ()).await?;
    written_once(system).await
}

/// The workspace's own feed, from its first write: no revision of an object was written twice, and nothing was started twice.
async fn written_once(system: &System) -> anyhow::Result<()> {
    let feed = format!("{}/changes", system.workspace_url(system.sandbox.location_id())?);
    let (mut after, mut written) = (0, BTreeSet::new());
    loop {
        let answer = system.http.get(format!("{feed}?after={after}&limit=500")).bearer_auth(KEY).send().await?.error_for_status()?;
        let page: Value = serde_json::from_slice(&answer.bytes().await?)?;
        let changes = page.get("items").and_then(Value::as_array).context("changes")?;
        let Some(last) = changes.last() else { return Ok(()) };
        after = last.get("position").and_then(Value::as_u64).context("a position")?;
        for change in changes {
            let key = change.get("key").and_then(Value::as_str).context("a key")?;
            let revision = if key.starts_with("rule:") { String::new() } else { change.get("revision").context("a revision")?.to_string() };
            ensure!(written.insert((key.to_owned(), revision)), "{key} was written twice");
        }
    }
}
