//! Replays as an operator asks for them.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use proto::replay::v1 as api;
use proto::replay::v1::plan_replay_response::Part as Planned;
use proto::replay::v1::replay_client::ReplayClient;
use proto::replay::v1::verify_replay_response::Part as Verified;
use reqwest::Method;
use serde_json::Value;
use tokio::time::Instant;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

use crate::grpc::WithToken;
use crate::system::{KEY, System};

pub type Client = ReplayClient<InterceptedService<Channel, WithToken>>;

/// The whole log, against what the workspace really holds.
#[must_use]
pub fn against_workspace() -> api::Selection {
    api::Selection { against: api::Against::Workspace.into(), ..Default::default() }
}

/// Asks for a plan and passes over its actions.
///
/// # Errors
/// When there is no plan.
pub async fn plan(client: &mut Client, selection: api::Selection) -> anyhow::Result<api::Plan> {
    let request = api::PlanReplayRequest { selection: Some(selection), ..Default::default() };
    let mut parts = client.plan_replay(request).await?.into_inner();
    while let Some(response) = parts.message().await? {
        if let Some(Planned::Plan(plan)) = response.part {
            return Ok(plan);
        }
    }
    anyhow::bail!("the plan has no end")
}

/// How many objects a plan writes or removes.
#[must_use]
pub fn acts(plan: &api::Plan) -> u64 {
    plan.totals.map_or(0, |totals| totals.puts + totals.removes)
}

/// Starts what was planned, whatever came since.
///
/// # Errors
/// When it is refused.
pub async fn apply(client: &mut Client, plan: &api::Plan) -> anyhow::Result<()> {
    let request = api::ApplyReplayRequest { plan_hash: plan.hash.clone(), accept_newer: true, ..Default::default() };
    client.apply_replay(request).await?;
    Ok(())
}

/// The replay that was started last.
///
/// # Errors
/// When there is none, or the service is away.
pub async fn state(client: &mut Client) -> anyhow::Result<api::ReplayState> {
    let answer = client.get_replay(api::GetReplayRequest::default()).await?;
    answer.into_inner().replay.context("no replay")
}

/// Waits until the replay is done.
///
/// # Errors
/// When it ends otherwise, or not in time.
pub async fn done(client: &mut Client, patience: Duration) -> anyhow::Result<api::ReplayState> {
    let deadline = Instant::now() + patience;
    loop {
        let state = state(client).await?;
        if state.ended_at.is_some() {
            ensure!(state.phase() == api::ReplayPhase::Done, "it ended as {:?}: {}", state.phase(), state.reason);
            return Ok(state);
        }
        ensure!(Instant::now() < deadline, "not within {patience:?}: {} of {} objects", state.done, state.total);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Compares the live workspace with the log.
///
/// # Errors
/// When the comparison does not end.
pub async fn verify(client: &mut Client) -> anyhow::Result<(api::VerifyResult, Vec<api::Difference>)> {
    let mut parts = client.verify_replay(api::VerifyReplayRequest { contacts_max: 3, ..Default::default() }).await?.into_inner();
    let mut differences = Vec::new();
    while let Some(response) = parts.message().await? {
        match response.part {
            Some(Verified::Result(result)) => return Ok((result, differences)),
            Some(Verified::Difference(difference)) => differences.push(difference),
            Some(Verified::Progress(_)) | None => {}
        }
    }
    anyhow::bail!("the comparison has no end")
}

/// A replay would write nothing, by the ledger and by what the workspace holds, and nothing differs from the log.
///
/// # Errors
/// Says what would be written or differs.
pub async fn is_settled(client: &mut Client) -> anyhow::Result<()> {
    for selection in [api::Selection::default(), against_workspace()] {
        let planned = plan(client, selection).await?;
        anyhow::ensure!(acts(&planned) == 0, "to be written: {:?}", planned.totals);
    }
    let (result, differences) = verify(client).await?;
    anyhow::ensure!(result.equal, "{differences:?}");
    Ok(())
}

/// Asks the bridge for something in the live workspace, past everything that the mirror knows.
///
/// # Errors
/// When it is refused.
pub async fn meddle(system: &System, method: Method, path: &[&str], query: &str, body: Option<Value>) -> anyhow::Result<()> {
    let mut url = url::Url::parse(&system.address("bridge", "http")?)?;
    let place = ["v1", "workspaces", system.sandbox.location_id()];
    url.path_segments_mut().map_err(|()| anyhow::anyhow!("a path"))?.extend(place).extend(path);
    url.set_query(Some(query).filter(|query| !query.is_empty()));
    let mut request = system.http.request(method, url).bearer_auth(KEY);
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    request.send().await?.error_for_status()?;
    Ok(())
}
