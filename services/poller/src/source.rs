//! `mirror.source.v1`: GHL asked through the poller, so that whoever asks keeps to the budget.

pub(crate) mod answers;
mod forward;
mod verify;

use std::sync::{Arc, OnceLock};

use domain::{ContactId, LocationId};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use jiff::Timestamp;
use proto::source::v1 as api;
use proto::source::v1::source_client::SourceClient;
use serde_json::{Map, Value};
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use self::forward::passed_on;
use crate::Poller;
use crate::context::Tools;
use crate::look::connection::Connection;

/// Serves from the start; what needs a location is unavailable until the locations are connected.
#[derive(Default)]
pub(crate) struct Source {
    pub(crate) poller: Arc<OnceLock<Arc<Poller>>>,
}

impl Source {
    /// The location that is meant: the one that is named, or the only one there is.
    fn location(&self, named: &str) -> Result<LocationId, Status> {
        let poller = self.poller.get().ok_or_else(|| Status::unavailable("the locations are not connected yet; try again in a moment"))?;
        let candidates = poller.tools.candidates();
        let location_id = match (named, candidates.len(), candidates.keys().next()) {
            ("", 1, Some(only)) => only.clone(),
            ("", _, None) => {
                return Err(Status::failed_precondition("no location is connected yet; give one to the poller, or install its app in one"));
            }
            ("", several, Some(_)) => {
                return Err(Status::invalid_argument(format!("{several} locations are connected; name one as location_id")));
            }
            (named, _, _) => LocationId::new(named).map_err(|error| Status::invalid_argument(format!("location_id: {error}")))?,
        };
        if candidates.contains_key(&location_id) {
            return Ok(location_id);
        }
        Err(Status::not_found("this location is not connected; `mirrorctl status` lists those that are"))
    }

    /// Where the location is looked after that is meant: no other replica may spend its calls.
    async fn place(&self, named: &str, metadata: &MetadataMap) -> Result<Place, Status> {
        let location_id = self.location(named)?;
        if let Some(connection) = self.poller.get().and_then(|poller| poller.connection(&location_id)) {
            return Ok(Place::Here(connection));
        }
        Ok(Place::There(forward::holder(&*self.tools()?, &location_id, metadata).await?))
    }
}

/// Where a location is looked after.
enum Place {
    Here(Arc<Connection>),
    There(SourceClient<Channel>),
}

impl Source {
    fn tools(&self) -> Result<Arc<Tools>, Status> {
        let poller = self.poller.get().ok_or_else(|| Status::unavailable("the locations are not connected yet; try again in a moment"))?;
        Ok(Arc::clone(&poller.tools))
    }
}

pub(crate) fn refusal_of_log(error: eventlog::Error) -> Status {
    if error.is_transient() {
        Status::unavailable("the log database does not answer; try again when it is back")
    } else {
        Status::internal(error.to_string())
    }
}

#[tonic::async_trait]
impl api::source_server::Source for Source {
    type VerifySourceStream = BoxStream<'static, Result<api::VerifySourceResponse, Status>>;

    async fn get_budget(&self, request: Request<api::GetBudgetRequest>) -> Result<Response<api::GetBudgetResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let connection = match self.place(&request.location_id, &metadata).await? {
            Place::Here(connection) => connection,
            Place::There(mut holder) => return Ok(Response::new(holder.get_budget(passed_on(metadata, request)).await?.into_inner())),
        };
        let tools = self.tools()?;
        let progress = tools.log.progress(&connection.location_id).await.map_err(refusal_of_log)?;
        let spending = connection.client.spending();
        Ok(Response::new(answers::budget(connection.location_id.to_string(), spending, &progress.backfill, Timestamp::now())))
    }

    async fn get_coverage(&self, request: Request<api::GetCoverageRequest>) -> Result<Response<api::GetCoverageResponse>, Status> {
        let location_id = self.location(&request.into_inner().location_id)?;
        let kinds = self.tools()?.log.coverage(&location_id).await.map_err(refusal_of_log)?;
        Ok(Response::new(answers::coverage(location_id.to_string(), kinds)))
    }

    async fn verify_source(&self, request: Request<api::VerifySourceRequest>) -> Result<Response<Self::VerifySourceStream>, Status> {
        let (metadata, _, request) = request.into_parts();
        let connection = match self.place(&request.location_id, &metadata).await? {
            Place::Here(connection) => connection,
            Place::There(mut holder) => {
                return Ok(Response::new(holder.verify_source(passed_on(metadata, request)).await?.into_inner().boxed()));
            }
        };
        let contact = match request.contact_id.as_str() {
            "" => None,
            id => Some(ContactId::new(id).map_err(|error| Status::invalid_argument(format!("contact_id: {error}")))?),
        };
        Ok(Response::new(verify::verify(self.tools()?, connection, contact).boxed()))
    }

    async fn list_credentials(&self, _: Request<api::ListCredentialsRequest>) -> Result<Response<api::ListCredentialsResponse>, Status> {
        let credentials = self.tools()?.log.credentials().await.map_err(refusal_of_log)?;
        Ok(Response::new(api::ListCredentialsResponse { credentials: credentials.into_iter().map(answers::credential).collect() }))
    }

    async fn list_operations(&self, _: Request<api::ListOperationsRequest>) -> Result<Response<api::ListOperationsResponse>, Status> {
        Ok(Response::new(api::ListOperationsResponse { operations: ghl::OPERATIONS.iter().copied().map(operation).collect() }))
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
        let connection = match self.place(&request.location_id, &metadata).await? {
            Place::Here(connection) => connection,
            Place::There(mut holder) => return Ok(Response::new(holder.call(passed_on(metadata, request)).await?.into_inner())),
        };
        // A caller that gives up does not leave a write of unknown outcome behind.
        let called = tokio::spawn(async move { connection.client.call(&request.operation, &arguments).await });
        let answer = called.await.map_err(|_| Status::internal("the call ended unexpectedly"))?.map_err(|error| refusal(&error))?;
        let trace_id = answer.trace_id.unwrap_or_default();
        Ok(Response::new(api::CallResponse { answer_json: Value::to_string(&answer.value), trace_id }))
    }
}

fn operation(operation: &ghl::Operation) -> api::Operation {
    let kind = |kind| match kind {
        ghl::Kind::Text => api::ArgumentKind::Text,
        ghl::Kind::Number => api::ArgumentKind::Number,
        ghl::Kind::Flag => api::ArgumentKind::Flag,
        ghl::Kind::Texts => api::ArgumentKind::Texts,
        ghl::Kind::Json => api::ArgumentKind::Json,
        ghl::Kind::Location => api::ArgumentKind::Unspecified,
    };
    let argument = |argument: &ghl::Argument| api::Argument {
        name: argument.name.to_owned(),
        kind: kind(argument.kind).into(),
        needed: argument.needed,
        in_path: argument.place == ghl::Place::Path,
    };
    api::Operation {
        name: operation.name.to_owned(),
        about: operation.about.to_owned(),
        writes: operation.writes,
        arguments: operation.wanted().map(argument).collect(),
    }
}

/// A failure as a code and a sentence that a person can act on.
fn refusal(error: &ghl::CallError) -> Status {
    use ghl::{CallError, Error};
    let failed = match error {
        CallError::Unknown(_) => return Status::not_found(format!("{error}; `mirrorctl ghl` lists those there are")),
        CallError::Arguments { .. } => return Status::invalid_argument(error.to_string()),
        CallError::SwitchedOff(_) => return Status::failed_precondition(error.to_string()),
        CallError::Failed(failed) => failed,
    };
    match failed {
        Error::Unavailable { .. } => Status::unavailable(format!("{failed}; try again later")),
        Error::Throttled { .. } => Status::resource_exhausted(failed.to_string()),
        Error::UnknownOutcome { .. } => Status::aborted(failed.to_string()),
        Error::Unauthorized { .. } => Status::failed_precondition(format!("{failed}; the location needs one that works and has the scope")),
        Error::NotFound { .. } => Status::not_found(failed.to_string()),
        Error::Duplicate { contact_id: Some(contact_id), .. } => Status::already_exists(format!("{failed}: {contact_id}")),
        Error::Duplicate { contact_id: None, .. } => Status::already_exists(failed.to_string()),
        Error::Refused { .. } => Status::failed_precondition(failed.to_string()),
        Error::TooLong => Status::out_of_range(format!("{failed}; ask for less at once")),
        Error::Unreadable { .. } => Status::data_loss(failed.to_string()),
    }
}
