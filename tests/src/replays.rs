//! Replays as an operator asks for them.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use proto::replay::v1 as api;
use proto::replay::v1::plan_replay_response::Part;
use proto::replay::v1::replay_client::ReplayClient;
use proto::replay::v1::verify_replay_response::Part as Verified;
use reqwest::Method;
use sandbox::Webhook::Sent;
use serde_json::{Value, json};
use tokio::time::Instant;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

use crate::grpc::WithToken;
use crate::system::{KEY, System, SystemSettings};
use crate::wait::eventually;

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
        if let Some(Part::Plan(plan)) = response.part {
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

/// A plan with the actions that were streamed before it.
pub struct Planned {
    pub actions: Vec<api::Action>,
    pub plan: api::Plan,
}

impl Planned {
    /// How many objects it writes or removes.
    #[must_use]
    pub fn acts(&self) -> u64 {
        acts(&self.plan)
    }
}

/// Asks for a plan and keeps its actions.
///
/// # Errors
/// When there is no plan.
pub async fn plan_with_actions(client: &mut Client, selection: api::Selection) -> anyhow::Result<Planned> {
    let request = api::PlanReplayRequest { selection: Some(selection), ..Default::default() };
    let mut parts = client.plan_replay(request).await?.into_inner();
    let mut actions = Vec::new();
    while let Some(response) = parts.message().await? {
        match response.part {
            Some(Part::Action(action)) => actions.push(action),
            Some(Part::Plan(plan)) => return Ok(Planned { actions, plan }),
            Some(Part::Progress(_)) | None => {}
        }
    }
    anyhow::bail!("the plan has no end")
}

/// Starts what was planned, whatever came since.
///
/// # Errors
/// When it is refused.
pub async fn apply(client: &mut Client, plan: &api::Plan) -> Result<api::ReplayState, tonic::Status> {
    let request = api::ApplyReplayRequest { plan_hash: plan.hash.clone(), accept_newer: true, ..Default::default() };
    let replay = client.apply_replay(request).await?.into_inner().replay;
    replay.ok_or_else(|| tonic::Status::internal("no replay"))
}

/// The replay that was started last.
///
/// # Errors
/// When there is none, or the service is away.
pub async fn state(client: &mut Client) -> anyhow::Result<api::ReplayState> {
    let answer = client.get_replay(api::GetReplayRequest::default()).await?;
    answer.into_inner().replay.context("no replay")
}

/// Waits until the replay has ended, also while its service is away; gives what it ended as.
///
/// # Errors
/// When it does not end in time.
pub async fn ended(client: &mut Client, patience: Duration) -> anyhow::Result<api::ReplayState> {
    let deadline = Instant::now() + patience;
    loop {
        let state = state(client).await;
        match state {
            Ok(state) if state.ended_at.is_some() => return Ok(state),
            Ok(state) => ensure!(Instant::now() < deadline, "not within {patience:?}: {} of {} {}", state.done, state.total, state.reason),
            Err(error) => ensure!(Instant::now() < deadline, "not within {patience:?}: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until the replay is done.
///
/// # Errors
/// When it ends otherwise, or not in time.
pub async fn done(client: &mut Client, patience: Duration) -> anyhow::Result<api::ReplayState> {
    let state = ended(client, patience).await?;
    ensure!(state.phase() == api::ReplayPhase::Done, "it ended as {:?}: {}", state.phase(), state.reason);
    Ok(state)
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

/// Starts the system, and lets one new contact come whose onboarding a rule starts.
///
/// # Errors
/// When something of it does not come.
pub async fn onboarded(settings: SystemSettings) -> anyhow::Result<System> {
    let system = System::start(settings).await?;
    system.in_sync().await?;
    system.world().create_contact(&json!({"firstName": "Nadia", "email": "nadia@example.com"}), Sent)?;
    system.in_sync().await?;
    system.quiet().await?;
    eventually("the onboarding", async || {
        let started = system.objects().await.map_err(|error| error.to_string())?.into_keys().filter(|key| key.starts_with("rule:")).count();
        if started == 5 { Ok(()) } else { Err(format!("{started} objects")) }
    })
    .await?;
    system.in_sync().await?;
    system.quiet().await?;
    Ok(system)
}

/// Asks the bridge for something in the live workspace, past everything that the mirror knows.
///
/// # Errors
/// When it is refused.
pub async fn meddle(system: &System, method: Method, path: &[&str], query: &str, body: Option<Value>) -> anyhow::Result<()> {
    let mut url = url::Url::parse(&system.workspace_url(system.sandbox.location_id())?)?;
    url.path_segments_mut().map_err(|()| anyhow::anyhow!("a path"))?.extend(path);
    url.set_query(Some(query).filter(|query| !query.is_empty()));
    let mut request = system.http.request(method, url).bearer_auth(KEY);
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    request.send().await?.error_for_status()?;
    Ok(())
}
