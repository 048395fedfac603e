//! Planning as the admin service does it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use ::admin::planning::{Planning, Request};
use domain::{LocationId, Rules, Workspace};
use eventlog::EventLog;
use tests::lives;

use crate::log::rate;

/// As the admin service has them by default.
const PAGE_EVENTS: u32 = 2_000;
pub(super) const CONNECTIONS: usize = 2;

/// What is asked of the planner when a workspace that holds nothing is to be filled.
pub(super) fn request(location_id: &LocationId, workspace: Workspace, size: usize) -> anyhow::Result<Request> {
    Ok(Request {
        location_id: location_id.clone(),
        contact_id: None,
        workspace,
        edition: 1,
        rules: Arc::new(Rules::builtin()?),
        earlier: Arc::new(BTreeMap::new()),
        through: u64::try_from(size)?,
        bridge: None,
        page_events: PAGE_EVENTS,
        connections: CONNECTIONS,
    })
}

/// Plans the whole log as the admin service does, and drops each contact's actions as they come.
pub(super) async fn plan(log: &EventLog, location_id: &LocationId, size: usize) -> anyhow::Result<f64> {
    let request = request(location_id, Workspace::live_of(location_id), size)?;
    let begin = Instant::now();
    let mut planning = Planning::start(log, request);
    while planning.next().await.is_some() {}
    let events = planning.progress().events;
    let tally = planning.finish().await?;
    let took = begin.elapsed();
    anyhow::ensure!(events == u64::try_from(size)?, "not all events were read");
    anyhow::ensure!(tally.actions() == u64::try_from(size / lives::EVENTS * lives::OBJECTS)?, "not every object is planned");
    Ok(rate(size, took))
}
