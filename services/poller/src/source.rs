//! `mirror.source.v1`: access to GHL through the poller, so that every call counts against the budget.
//!
//! - `forward`: forwards to the holder of a location's lease what only it may answer
//! - `locations`: which locations are mirrored
//! - `resync`: takes requests to look again
//! - `verify`: reads GHL again and compares it with the log
//! - `answers`, `operations`: converts answers to the types of the API
//! - `refusal`: converts failures to gRPC statuses

mod answers;
mod forward;
mod locations;
mod operations;
mod refusal;
mod resync;
mod verify;

use std::sync::Arc;

use domain::{ContactId, LocationId};
use eventlog::MirrorState;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use jiff::Timestamp;
use proto::source::v1 as api;
use proto::source::v1::source_client::SourceClient;
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value};
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};

use self::forward::forwarded;
use self::locations::{Asked, Locations};
use self::refusal::{status_of_call, status_of_log};
use crate::app::candidate::{CandidateMap, Standing};
use crate::context::Context;
use crate::look::connection::{Connection, Connections};

/// Serves from the start. Calls that need a location are answered `Unavailable` until the locations are connected.
pub(crate) struct Source {
    context: Arc<Context>,
    connections: Arc<Connections>,
    locations: Locations,
}

/// The replica that holds a location's lease.
enum Holder {
    This(Arc<Connection>),
    Other(SourceClient<Channel>),
}

impl Source {
    pub(crate) fn new(context: Arc<Context>, connections: Arc<Connections>, transport: ghl::Transport) -> Self {
        let locations = Locations { context: Arc::clone(&context), connections: Arc::clone(&connections), transport };
        Self { context, connections, locations }
    }

    fn candidates(&self) -> Result<Arc<CandidateMap>, Status> {
        let candidates = self.context.candidates.connected();
        candidates.ok_or_else(|| Status::unavailable("the locations are not connected yet; try again in a moment"))
    }

    /// The named location, or the only one there is.
    fn location(&self, name: &str) -> Result<LocationId, Status> {
        let candidates = self.candidates()?;
        let location_id = match (name, candidates.len(), candidates.keys().next()) {
            ("", 1, Some(only)) => only.clone(),
            ("", _, None) => {
                return Err(Status::failed_precondition("no location is connected yet; give one to the poller, or install its app in one"));
            }
            ("", several, Some(_)) => {
                return Err(Status::invalid_argument(format!("{several} locations are connected; name one as location_id")));
            }
            (name, _, _) => LocationId::new(name).map_err(|error| Status::invalid_argument(format!("location_id: {error}")))?,
        };
        if candidates.contains_key(&location_id) {
            return Ok(location_id);
        }
        Err(Status::not_found("this location is not connected; `mirrorctl status` lists those that are"))
    }

    /// The replica that holds the named location's lease: no other may spend its calls.
    async fn holder(&self, name: &str, metadata: &MetadataMap) -> Result<Holder, Status> {
        let location_id = self.location(name)?;
        if self.context.candidates.standing(&location_id) == Some(Standing::Paused) {
            let what = "this location is paused, and nothing is asked of GHL for it; `mirrorctl location resume` ends that";
            return Err(Status::failed_precondition(what));
        }
        match self.connections.get(&location_id) {
            Some(connection) => Ok(Holder::This(connection)),
            None => {
                let Context { log, config, .. } = &*self.context;
                Ok(Holder::Other(forward::holder(log.leases(), &location_id, metadata, config.lease.connect_timeout).await?))
            }
        }
    }
}

#[tonic::async_trait]
impl api::source_server::Source for Source {
    type VerifySourceStream = BoxStream<'static, Result<api::VerifySourceResponse, Status>>;

    async fn get_budget(&self, request: Request<api::GetBudgetRequest>) -> Result<Response<api::GetBudgetResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let connection = match self.holder(&request.location_id, &metadata).await? {
            Holder::This(connection) => connection,
            Holder::Other(mut holder) => return Ok(Response::new(holder.get_budget(forwarded(metadata, request)).await?.into_inner())),
        };
        let progress = self.context.log.passes().progress(&connection.location_id).await.map_err(status_of_log)?;
        let spending = connection.client.spending();
        Ok(Response::new(answers::budget(connection.location_id.to_string(), spending, &progress.backfill, Timestamp::now())))
    }

    async fn get_coverage(&self, request: Request<api::GetCoverageRequest>) -> Result<Response<api::GetCoverageResponse>, Status> {
        let location_id = self.location(&request.into_inner().location_id)?;
        let known = self.context.log.known();
        let kinds = known.coverage(&location_id).await.map_err(status_of_log)?;
        let vanishing = known.vanishing(&location_id).await.map_err(status_of_log)?;
        let mirrored = self.context.log.mirrored().find(&location_id).await.map_err(status_of_log)?;
        let troubles = match mirrored.filter(|mirrored| mirrored.state == MirrorState::Paused) {
            Some(mirrored) => answers::paused_by_hand(&mirrored),
            None => known.source_troubles(&location_id).await.map_err(status_of_log)?,
        };
        Ok(Response::new(answers::coverage(location_id.to_string(), kinds, &vanishing, troubles)))
    }

    async fn release_vanished(
        &self,
        request: Request<api::ReleaseVanishedRequest>,
    ) -> Result<Response<api::ReleaseVanishedResponse>, Status> {
        let request = request.into_inner();
        let location_id = self.location(&request.location_id)?;
        let who = request.who.trim();
        if who.is_empty() {
            return Err(Status::invalid_argument("who: must not be empty"));
        }
        let released = self.context.log.known().release_vanishing(&location_id, Timestamp::now(), who).await.map_err(status_of_log)?;
        if released.held_since.is_none() {
            return Err(Status::failed_precondition("nothing is held back in this location"));
        }
        tracing::info!(location.id = %location_id, held = released.held, "what was held back as vanished is released");
        Ok(Response::new(answers::released(location_id.to_string(), &released)))
    }

    async fn resync(&self, request: Request<api::ResyncRequest>) -> Result<Response<api::ResyncResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let location_id = self.location(&request.location_id)?;
        let target = resync::target(&request, &self.context.config.resync)?;
        let connection = self.connections.get(&location_id);
        if connection.is_none() {
            // The holder begins at once. Where it cannot be reached, it finds the request by itself.
            match self.holder(&request.location_id, &metadata).await {
                Ok(Holder::Other(mut holder)) => match holder.resync(forwarded(metadata, request.clone())).await {
                    Err(status) if status.code() == Code::Unavailable => {}
                    answer => return Ok(Response::new(answer?.into_inner())),
                },
                Ok(Holder::This(_)) | Err(_) => {}
            }
        }
        let answer = resync::ask(self.context.log.resyncs(), &location_id, &target, &request).await?;
        if let (Some(connection), false) = (connection, answer.joined) {
            connection.resync_wanted.notify_one();
        }
        Ok(Response::new(answer))
    }

    async fn get_resync(&self, request: Request<api::GetResyncRequest>) -> Result<Response<api::GetResyncResponse>, Status> {
        let location_id = self.location(&request.into_inner().location_id)?;
        Ok(Response::new(resync::progress(&self.context.log, &location_id).await?))
    }

    async fn verify_source(&self, request: Request<api::VerifySourceRequest>) -> Result<Response<Self::VerifySourceStream>, Status> {
        let (metadata, _, request) = request.into_parts();
        let connection = match self.holder(&request.location_id, &metadata).await? {
            Holder::This(connection) => connection,
            Holder::Other(mut holder) => {
                return Ok(Response::new(holder.verify_source(forwarded(metadata, request)).await?.into_inner().boxed()));
            }
        };
        let contact = match request.contact_id.as_str() {
            "" => None,
            id => Some(ContactId::new(id).map_err(|error| Status::invalid_argument(format!("contact_id: {error}")))?),
        };
        Ok(Response::new(verify::verify(Arc::clone(&self.context), connection, contact).boxed()))
    }

    async fn list_credentials(&self, _: Request<api::ListCredentialsRequest>) -> Result<Response<api::ListCredentialsResponse>, Status> {
        self.candidates()?;
        let credentials = self.context.log.credentials().list().await.map_err(status_of_log)?;
        Ok(Response::new(api::ListCredentialsResponse { credentials: credentials.into_iter().map(answers::credential).collect() }))
    }

    async fn create_workflow_secret(
        &self,
        request: Request<api::CreateWorkflowSecretRequest>,
    ) -> Result<Response<api::CreateWorkflowSecretResponse>, Status> {
        let location_id = self.location(&request.into_inner().location_id)?;
        let (kept, secret) = self.context.log.webhooks().create_secret(&location_id).await.map_err(status_of_log)?;
        let (kept, secret) = (Some(answers::workflow_secret(kept)), secret.expose_secret().to_owned());
        Ok(Response::new(api::CreateWorkflowSecretResponse { kept, secret }))
    }

    async fn list_workflow_secrets(
        &self,
        _: Request<api::ListWorkflowSecretsRequest>,
    ) -> Result<Response<api::ListWorkflowSecretsResponse>, Status> {
        let secrets = self.context.log.webhooks().secrets().await.map_err(status_of_log)?;
        Ok(Response::new(api::ListWorkflowSecretsResponse { secrets: secrets.into_iter().map(answers::workflow_secret).collect() }))
    }

    async fn revoke_workflow_secret(
        &self,
        request: Request<api::RevokeWorkflowSecretRequest>,
    ) -> Result<Response<api::RevokeWorkflowSecretResponse>, Status> {
        let request = request.into_inner();
        let location_id = self.location(&request.location_id)?;
        if !self.context.log.webhooks().revoke_secret(&location_id, &request.secret_id).await.map_err(status_of_log)? {
            return Err(Status::not_found("the location has no such secret that holds; `mirrorctl webhook list` lists those there are"));
        }
        Ok(Response::new(api::RevokeWorkflowSecretResponse {}))
    }

    async fn list_locations(&self, _: Request<api::ListLocationsRequest>) -> Result<Response<api::ListLocationsResponse>, Status> {
        Ok(Response::new(api::ListLocationsResponse { locations: self.locations.list().await? }))
    }

    async fn add_location(&self, request: Request<api::AddLocationRequest>) -> Result<Response<api::AddLocationResponse>, Status> {
        let request = request.into_inner();
        let asked = Asked::new(&request.location_id, &request.who, &request.reason)?;
        let (location, verdict) = self.locations.add(asked, &request.token).await?;
        Ok(Response::new(api::AddLocationResponse { location: Some(location), verdict }))
    }

    async fn pause_location(&self, request: Request<api::PauseLocationRequest>) -> Result<Response<api::PauseLocationResponse>, Status> {
        let request = request.into_inner();
        let location = self.locations.pause(Asked::new(&request.location_id, &request.who, &request.reason)?).await?;
        Ok(Response::new(api::PauseLocationResponse { location: Some(location) }))
    }

    async fn resume_location(&self, request: Request<api::ResumeLocationRequest>) -> Result<Response<api::ResumeLocationResponse>, Status> {
        let request = request.into_inner();
        let location = self.locations.resume(Asked::new(&request.location_id, &request.who, &request.reason)?).await?;
        Ok(Response::new(api::ResumeLocationResponse { location: Some(location) }))
    }

    async fn retire_location(&self, request: Request<api::RetireLocationRequest>) -> Result<Response<api::RetireLocationResponse>, Status> {
        let request = request.into_inner();
        let location = self.locations.retire(Asked::new(&request.location_id, &request.who, &request.reason)?).await?;
        Ok(Response::new(api::RetireLocationResponse { location: Some(location) }))
    }

    async fn list_operations(&self, _: Request<api::ListOperationsRequest>) -> Result<Response<api::ListOperationsResponse>, Status> {
        Ok(Response::new(api::ListOperationsResponse { operations: ghl::OPERATIONS.iter().copied().map(operations::operation).collect() }))
    }

    async fn call(&self, request: Request<api::CallRequest>) -> Result<Response<api::CallResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let arguments = match request.arguments_json.as_str() {
            "" => Map::new(),
            json => serde_json::from_str(json).map_err(|_| Status::invalid_argument("arguments_json must be a JSON object"))?,
        };
        if ghl::Operation::named(&request.operation).is_some_and(|operation| operation.writes) && !request.allow_write {
            let what = format!("{} changes something at GHL; allow_write (`--yes`) says that this is meant", request.operation);
            return Err(Status::failed_precondition(what));
        }
        let connection = match self.holder(&request.location_id, &metadata).await? {
            Holder::This(connection) => connection,
            Holder::Other(mut holder) => return Ok(Response::new(holder.call(forwarded(metadata, request)).await?.into_inner())),
        };
        // A task of its own: a caller that gives up must not leave a write of unknown outcome behind.
        let called = tokio::spawn(async move { connection.client.call(&request.operation, &arguments).await });
        let answer = called.await.map_err(|_| Status::internal("the call ended unexpectedly"))?.map_err(|error| status_of_call(&error))?;
        let trace_id = answer.trace_id.unwrap_or_default();
        Ok(Response::new(api::CallResponse { answer_json: Value::to_string(&answer.value), trace_id }))
    }
}
