//! The calls of the replay API.

mod answers;
mod plans;
mod staleness;
mod target;
mod workspaces;

use std::sync::Arc;

use chassis::tasks::sleep;
use domain::Hash;
use eventlog::{Phase, Replay};
use proto::replay::v1 as api;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::api::request;
use crate::api::stream::{self, AnswerStream};
use crate::replay::Context;
use crate::status::status_of_log;
use crate::verify::{self, Comparison};

#[derive(Clone)]
pub(crate) struct Service(pub(crate) Arc<Context>);

const PLANS_TAKEN: &str = "too many plans are being made; wait for one to end";

/// How many replays a page holds, where the caller asks for none and at most.
const PAGE: u32 = 50;
const PAGE_MAX: u32 = 500;

impl Service {
    fn state(&self, replay: Replay) -> Option<api::ReplayState> {
        Some(answers::replay(replay, self.0.settings.outdate_items.get()))
    }

    async fn replay(&self, named: &str) -> Result<Replay, Status> {
        let id = match named {
            "" => None,
            id => Some(id.parse::<Uuid>().map_err(|_| Status::invalid_argument("replay_id was not issued by ListReplays"))?),
        };
        self.0.log.replays().get(id).await.map_err(|error| {
            if matches!(error, eventlog::Error::NotFound) {
                Status::not_found("there is no such replay; `mirrorctl replay status` shows the last one")
            } else {
                status_of_log(error)
            }
        })
    }

    async fn set_phase(&self, named: &str, phase: Phase, who: &str) -> Result<Option<api::ReplayState>, Status> {
        let replay = self.replay(named).await?;
        let ended = |error| {
            if matches!(error, eventlog::Error::AlreadyResolved) {
                Status::failed_precondition("the replay has ended; plan and apply again")
            } else {
                status_of_log(error)
            }
        };
        let replay = self.0.log.replays().set_phase(&replay, phase, "", who).await.map_err(ended)?;
        self.0.started.notify_one();
        Ok(self.state(replay))
    }
}

#[tonic::async_trait]
impl api::replay_server::Replay for Service {
    type PlanReplayStream = AnswerStream<api::PlanReplayResponse>;

    async fn plan_replay(&self, request: Request<api::PlanReplayRequest>) -> Result<Response<Self::PlanReplayStream>, Status> {
        let permit = stream::permit(&self.0.plan_permits, PLANS_TAKEN)?;
        let query = request.get_ref();
        let (plan, rules) = plans::begin(&self.0, query.selection.clone().unwrap_or_default(), request::operator(&query.who)).await?;
        request::record_access(self.0.log.answers(), &request, "PlanReplay", &plan.location_id, plan.contact_id.as_ref()).await?;
        let with_skipped = query.with_skipped;
        let context = Arc::clone(&self.0);
        let planning = |parts| async move { plans::make(&context, plan, rules, with_skipped, &parts).await };
        Ok(Response::new(stream::start(Some(permit), &self.0.stop, 64, "plan again", planning)))
    }

    async fn apply_replay(&self, request: Request<api::ApplyReplayRequest>) -> Result<Response<api::ApplyReplayResponse>, Status> {
        let request = request.into_inner();
        let mut hash = Hash::default();
        hex::decode_to_slice(&request.plan_hash, &mut hash)
            .map_err(|_| Status::invalid_argument("plan_hash must be 64 hexadecimal digits"))?;
        let _permit = stream::permit(&self.0.plan_permits, PLANS_TAKEN)?;
        let no_plan = || Status::not_found("no plan has this hash; plan first");
        let found = self.0.log.replays().plan(&hash).await;
        let plan = found.map_err(|error| if matches!(error, eventlog::Error::NotFound) { no_plan() } else { status_of_log(error) })?;
        let plan = Box::pin(staleness::ensure_current(&self.0, plan, request.accept_newer)).await?;
        let replay = self.0.log.replays().start(&plan, request::operator(&request.who)).await.map_err(|error| {
            if matches!(error, eventlog::Error::AlreadyResolved) {
                Status::failed_precondition("the plan is stale: the workspace has moved; plan again")
            } else if matches!(error, eventlog::Error::NotFound) {
                no_plan()
            } else if error.is_taken() {
                Status::already_exists("another replay of this location is not finished; wait for it, or cancel it")
            } else {
                status_of_log(error)
            }
        })?;
        self.0.started.notify_one();
        Ok(Response::new(api::ApplyReplayResponse { replay: self.state(replay) }))
    }

    async fn get_replay(&self, request: Request<api::GetReplayRequest>) -> Result<Response<api::GetReplayResponse>, Status> {
        let replay = self.replay(&request.into_inner().replay_id).await?;
        Ok(Response::new(api::GetReplayResponse { replay: self.state(replay) }))
    }

    type WatchReplayStream = AnswerStream<api::WatchReplayResponse>;

    async fn watch_replay(&self, request: Request<api::WatchReplayRequest>) -> Result<Response<Self::WatchReplayStream>, Status> {
        let first = self.replay(&request.into_inner().replay_id).await?;
        let (sender, receiver) = mpsc::channel(4);
        let service = self.clone();
        tokio::spawn(async move {
            let (id, mut replay) = (first.replay_id.to_string(), Ok(first));
            loop {
                let ended = replay.as_ref().map_or(true, |replay| replay.phase.has_ended());
                let told = replay.map(|replay| api::WatchReplayResponse { replay: service.state(replay) });
                if sender.send(told).await.is_err() || ended {
                    return;
                }
                if !sleep(&service.0.stop, *service.0.settings.interval).await {
                    return;
                }
                replay = service.replay(&id).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn list_replays(&self, request: Request<api::ListReplaysRequest>) -> Result<Response<api::ListReplaysResponse>, Status> {
        let request = request.into_inner();
        let location_id = request::optional_location(&request.location_id)?;
        let size = request::page_size(request.page_size, PAGE, PAGE_MAX)?;
        let after = request::cursor(&request.page_token, |token| token.parse::<Uuid>().ok())?;
        let replays = self.0.log.replays().list(location_id.as_ref(), after, size + 1).await.map_err(status_of_log)?;
        let (replays, next_page_token) = request::page(replays, size, |last| last.replay_id.to_string());
        Ok(Response::new(api::ListReplaysResponse {
            replays: replays.into_iter().filter_map(|one| self.state(one)).collect(),
            next_page_token,
        }))
    }

    async fn pause_replay(&self, request: Request<api::PauseReplayRequest>) -> Result<Response<api::PauseReplayResponse>, Status> {
        let request = request.into_inner();
        let replay = self.set_phase(&request.replay_id, Phase::Paused, request::operator(&request.who)).await?;
        Ok(Response::new(api::PauseReplayResponse { replay }))
    }

    async fn resume_replay(&self, request: Request<api::ResumeReplayRequest>) -> Result<Response<api::ResumeReplayResponse>, Status> {
        let request = request.into_inner();
        let replay = self.set_phase(&request.replay_id, Phase::Running, request::operator(&request.who)).await?;
        Ok(Response::new(api::ResumeReplayResponse { replay }))
    }

    async fn cancel_replay(&self, request: Request<api::CancelReplayRequest>) -> Result<Response<api::CancelReplayResponse>, Status> {
        let request = request.into_inner();
        let replay = self.set_phase(&request.replay_id, Phase::Cancelled, request::operator(&request.who)).await?;
        Ok(Response::new(api::CancelReplayResponse { replay }))
    }

    type VerifyReplayStream = AnswerStream<api::VerifyReplayResponse>;

    async fn verify_replay(&self, request: Request<api::VerifyReplayRequest>) -> Result<Response<Self::VerifyReplayStream>, Status> {
        let query = request.get_ref();
        let context = &self.0;
        let location_id = context.location(&query.location_id).await?;
        let generation = context.workspace(&location_id, &query.workspace).await?;
        let revision = context.rules_of(&generation).await?;
        let rules = plans::rules(context, None, &revision).await?;
        let contact_id = request::optional_contact(&query.contact_id)?;
        request::record_access(context.log.answers(), &request, "VerifyReplay", &location_id, contact_id.as_ref()).await?;
        let comparison = Comparison {
            locations: context.log.locations().clone(),
            known: context.log.known().clone(),
            answers: context.log.answers().clone(),
            keys: context.log.keys().clone(),
            ledger: context.log.ledger().clone(),
            bridge: context.bridge.clone(),
            location_id,
            workspace: generation.workspace,
            rules,
            contact_id,
            contacts_max: request.get_ref().contacts_max.max(1),
            settings: context.verify.clone(),
        };
        let permit = stream::permit(&context.comparison_permits, "too many workspaces are being compared; wait for one comparison to end")?;
        Ok(Response::new(stream::start(Some(permit), &context.stop, 16, "try again", |parts| verify::run(comparison, parts))))
    }

    async fn create_workspace(
        &self,
        request: Request<api::CreateWorkspaceRequest>,
    ) -> Result<Response<api::CreateWorkspaceResponse>, Status> {
        let workspace = workspaces::create(&self.0, request.into_inner()).await?;
        Ok(Response::new(api::CreateWorkspaceResponse { workspace: Some(workspace) }))
    }

    async fn promote_workspace(
        &self,
        request: Request<api::PromoteWorkspaceRequest>,
    ) -> Result<Response<api::PromoteWorkspaceResponse>, Status> {
        let request = request.into_inner();
        let location_id = self.0.location(&request.location_id).await?;
        let (live, former) = workspaces::promote(&self.0, &location_id, &request.workspace, request::operator(&request.who)).await?;
        Ok(Response::new(api::PromoteWorkspaceResponse { live: Some(live), former: Some(former) }))
    }

    async fn roll_back_workspace(
        &self,
        request: Request<api::RollBackWorkspaceRequest>,
    ) -> Result<Response<api::RollBackWorkspaceResponse>, Status> {
        let request = request.into_inner();
        let location_id = self.0.location(&request.location_id).await?;
        let (live, shadow) = workspaces::roll_back(&self.0, &location_id, request::operator(&request.who)).await?;
        Ok(Response::new(api::RollBackWorkspaceResponse { live: Some(live), shadow: Some(shadow) }))
    }

    async fn retire_workspace(
        &self,
        request: Request<api::RetireWorkspaceRequest>,
    ) -> Result<Response<api::RetireWorkspaceResponse>, Status> {
        let request = request.into_inner();
        let location_id = self.0.location(&request.location_id).await?;
        let workspace = workspaces::retire(&self.0, &location_id, &request.workspace, request::operator(&request.who)).await?;
        Ok(Response::new(api::RetireWorkspaceResponse { workspace: Some(workspace) }))
    }

    async fn list_workspaces(&self, request: Request<api::ListWorkspacesRequest>) -> Result<Response<api::ListWorkspacesResponse>, Status> {
        let location_id = self.0.location(&request.into_inner().location_id).await?;
        Ok(Response::new(api::ListWorkspacesResponse { workspaces: workspaces::list(&self.0, &location_id).await? }))
    }
}
