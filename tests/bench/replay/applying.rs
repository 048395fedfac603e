//! A workspace is lost and rebuilt, alone and while people go on working.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ::admin::planning::Planning;
use anyhow::Context as _;
use domain::Workspace;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use pagico::Bridge;
use serde_json::Value;
use settings::Period;
use tests::lives;
use tests::replays::{self, Client};
use tests::system::{KEY, System, SystemSettings};
use tests::wait::eventually;
use toml::toml;

use super::memory::Admin;
use super::planning::request;
use crate::log::{BATCH, rate};
use crate::path::{PACE, PATIENCE, get, waits};
use crate::report::{Figure, Report, percentile};

/// People who are at work meanwhile.
const PEOPLE: usize = 300;
const WRITES_IN_FLIGHT: usize = 2;
const WRITE_ITEMS: usize = 500;

pub(super) async fn measure(report: &mut Report, size: usize, seconds: u64) -> anyhow::Result<()> {
    let at_once = toml! { hints = { debounce = "0s" } };
    let mut system = System::start(SystemSettings::new("bench-replay").contacts(PEOPLE).with("poller", at_once)).await?;
    system.in_sync().await?;
    system.quiet().await?;
    fill(&system, size).await?;
    let bare = bare(&system).await?;

    // Its memory is to be told from everything else's.
    system.stop_service("admin").await?;
    let mut admin = Admin::start(&system.settings_file("admin")?, system.address("admin", "grpc")?).await?;
    let total = PACE * seconds;
    let mut alone = waits(&system, "Alone", |number| number < total).await?;
    system.quiet().await?;

    let begin = Instant::now();
    rebuild(&system, &mut admin.client).await?;
    let state = replays::done(&mut admin.client, PATIENCE).await?;
    let all = format!("{} objects of a log of {size} events and {PEOPLE} people, all services on this machine", state.total);
    let applied = rate(usize::try_from(state.total)?, begin.elapsed());
    let conditions = format!(
        "{all}, from the drop of the workspace to done, both planned and planned again; reference: the same objects put into the bridge in batches of 500, {WRITES_IN_FLIGHT} at once"
    );
    report.add(Figure::new("replay", "dropped, planned, applied", applied, "objects/s", &conditions).against(bare))?;

    let ended = Arc::new(AtomicBool::new(false));
    let begin = Instant::now();
    let planned = rebuild(&system, &mut admin.client).await?;
    let watch = tokio::spawn({
        let (mut client, ended) = (admin.client.clone(), Arc::clone(&ended));
        async move {
            let outcome = replays::done(&mut client, PATIENCE).await;
            ended.store(true, Ordering::Relaxed);
            outcome.map(|_| begin.elapsed())
        }
    });
    let mut beside = waits(&system, "Beside", |_| !ended.load(Ordering::Relaxed)).await?;
    let took = watch.await??;
    let conditions = format!(
        "{PACE} changes/s of {PEOPLE} people for {took:.0?} while {planned} objects are replayed; reference: for {seconds} s without"
    );
    for (metric, share) in [("live p50 while a replay runs", 0.5), ("live p99 while a replay runs", 0.99)] {
        let reference = percentile(&mut alone, share);
        report.add(Figure::new("replay", metric, percentile(&mut beside, share), "ms", &conditions).against(reference))?;
    }
    report.add(Figure::new(
        "replay",
        "memory of planning and applying",
        admin.peak()?,
        "MiB",
        format!("{all}; the admin service's process alone, by the kernel's count"),
    ))?;
    system.quiet().await?;
    let (result, differences) = replays::verify(&mut admin.client).await?;
    anyhow::ensure!(result.equal, "the workspace is not what the log says: {differences:?}");
    admin.stop().await?;
    system.stop().await
}

/// Fills the log by the live path until everything is delivered.
async fn fill(system: &System, size: usize) -> anyhow::Result<()> {
    let location_id = system.location()?;
    let before = objects(system).await?;
    for start in (0..size).step_by(BATCH) {
        let end = size.min(start + BATCH);
        let batch = (start..end).map(|index| lives::entry(index, size / lives::EVENTS)).collect::<anyhow::Result<Vec<_>>>()?;
        system.log.append(&location_id, batch).await?;
    }
    let wanted = before + u64::try_from(size / lives::EVENTS * lives::OBJECTS)?;
    let begin = Instant::now();
    while objects(system).await? < wanted {
        anyhow::ensure!(begin.elapsed() < PATIENCE, "not all objects arrived");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // What is left are changes of objects that are there.
    loop {
        match system.quiet().await {
            Ok(()) => return Ok(()),
            Err(error) => anyhow::ensure!(begin.elapsed() < PATIENCE, "{error}"),
        }
    }
}

async fn objects(system: &System) -> anyhow::Result<u64> {
    get(system, &system.workspace_url(system.sandbox.location_id())?)
        .await?
        .get("objects")
        .and_then(Value::as_u64)
        .context("a number of objects")
}

/// Drops the workspace, plans and applies; returns when the replay has begun to write, with the number of objects planned.
async fn rebuild(system: &System, client: &mut Client) -> anyhow::Result<u64> {
    system.drop_workspace(system.sandbox.location_id()).await?;
    let plan = replays::plan(client, replays::against_workspace()).await?;
    replays::apply(client, &plan).await?;
    eventually("the replay writes", async || {
        let state = replays::state(&mut client.clone()).await.map_err(|error| error.to_string())?;
        if state.done > 0 { Ok(()) } else { Err("nothing yet".to_owned()) }
    })
    .await?;
    Ok(replays::acts(&plan))
}

/// How fast the bridge takes the same objects from a client that does nothing else.
async fn bare(system: &System) -> anyhow::Result<f64> {
    let (location_id, workspace) = (system.location()?, Workspace::new("bare")?);
    let head = system.log.locations().list().await?.iter().map(|location| location.head).max().unwrap_or_default();
    let mut planning = Planning::start(&system.log, request(&location_id, workspace.clone(), usize::try_from(head)?)?);
    let mut items = Vec::new();
    while let Some(page) = planning.next().await {
        for intent in page.iter().flat_map(|of_contact| &of_contact.planned).filter_map(|one| one.intent.as_ref()) {
            items.push(pagico::item(intent, None)?);
        }
    }
    planning.finish().await?;
    let bridge = Bridge::new(pagico::Settings {
        url: system.address("bridge", "http")?.parse()?,
        key: KEY.into(),
        key_file: None,
        connect_timeout: Period::from_secs(5),
        request_timeout: Period::from_secs(20),
        answer_bytes_max: (16_usize << 20).try_into()?,
        items_max: WRITE_ITEMS.try_into()?,
        body_bytes_max: (8_usize << 20).try_into()?,
        page_items: 500_u32.try_into()?,
    })?;
    bridge.create(&workspace).await?;
    let begin = Instant::now();
    let writes = items.chunks(WRITE_ITEMS).map(|some| {
        let items: Vec<&[u8]> = some.iter().map(Vec::as_slice).collect();
        let (bridge, workspace) = (&bridge, &workspace);
        async move { bridge.write(workspace, &items).await.map(drop) }
    });
    stream::iter(writes).buffer_unordered(WRITES_IN_FLIGHT).try_collect::<Vec<()>>().await?;
    let rate = rate(items.len(), begin.elapsed());
    bridge.retire(&workspace).await?;
    Ok(rate)
}
