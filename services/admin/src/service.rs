//! The calls of the admin API.

use std::sync::Arc;

use bus::{Bus, Outgoing, Subject};
use chassis::Shutdown;
use domain::{ContactId, LocationId};
use eventlog::{ContactFilter, ContactState, EventLog, SyncState};
use jiff::Timestamp;
use proto::admin::v1 as api;
use tokio::sync::Semaphore;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::config::Limits;
use crate::{answers, refusal, watch};

pub(crate) struct Service {
    log: EventLog,
    bus: Bus,
    limits: Limits,
    watchers: Arc<Semaphore>,
    stop: Shutdown,
}

impl Service {
    pub(crate) fn new(log: EventLog, bus: Bus, limits: Limits, stop: Shutdown) -> Self {
        let watchers = Arc::new(Semaphore::new(limits.watchers_max));
        Self { log, bus, limits, watchers, stop }
    }

    async fn location(&self, named: &str) -> Result<LocationId, Status> {
        location(&self.log, named).await
    }

    fn rows(&self, asked: u32) -> Result<u32, Status> {
        rows(&self.limits, asked)
    }

    /// When the oldest change was recorded that has not reached Pagico.
    async fn waiting_since(&self, location_id: &LocationId, state: &ContactState) -> Result<Option<Timestamp>, Status> {
        let waiting = state.objects.iter().filter(|object| matches!(object.state, SyncState::Behind | SyncState::Parked));
        let Some(oldest) = waiting.filter_map(|object| object.ghl).map(|revision| revision.seq).min() else { return Ok(None) };
        let events = self.log.read(location_id, oldest.saturating_sub(1), 1).await.map_err(refusal::of_log)?;
        Ok(events.first().map(|event| event.recorded_at))
    }
}

/// The location that is meant: the one that is named, or the only one there is.
pub(crate) async fn location(log: &EventLog, named: &str) -> Result<LocationId, Status> {
    if !named.is_empty() {
        return LocationId::new(named).map_err(|error| Status::invalid_argument(format!("location_id: {error}")));
    }
    let mut locations = log.locations().await.map_err(refusal::of_log)?;
    match (locations.pop(), locations.len()) {
        (Some(only), 0) => Ok(only.location_id),
        (Some(_), more) => Err(Status::invalid_argument(format!("{} locations are connected; name one as location_id", more + 1))),
        (None, _) => Err(Status::failed_precondition("no location is connected yet; give one to the poller")),
    }
}

pub(crate) fn rows(limits: &Limits, asked: u32) -> Result<u32, Status> {
    match asked {
        0 => Ok(limits.page_rows),
        asked if asked <= limits.page_rows_max => Ok(asked),
        asked => Err(Status::invalid_argument(format!("page_size {asked} is more than {}", limits.page_rows_max))),
    }
}

fn contact_id(id: &str) -> Result<ContactId, Status> {
    ContactId::new(id).map_err(|error| Status::invalid_argument(format!("contact_id: {error}")))
}

/// One row more than a page tells whether there is another page.
pub(crate) fn page<T>(mut rows: Vec<T>, size: u32, token: impl Fn(&T) -> String) -> (Vec<T>, String) {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let more = rows.len() > size;
    rows.truncate(size);
    let token = rows.last().filter(|_| more).map(token).unwrap_or_default();
    (rows, token)
}

pub(crate) fn bad_token() -> Status {
    Status::invalid_argument("page_token is none that this call gave; leave it empty for the first page")
}

#[tonic::async_trait]
impl api::admin_server::Admin for Service {
    async fn get_overview(&self, _: Request<api::GetOverviewRequest>) -> Result<Response<api::GetOverviewResponse>, Status> {
        let overview = self.log.overview().await.map_err(refusal::of_log)?;
        Ok(Response::new(api::GetOverviewResponse { locations: overview.into_iter().map(answers::location).collect() }))
    }

    async fn list_contacts(&self, request: Request<api::ListContactsRequest>) -> Result<Response<api::ListContactsResponse>, Status> {
        let request = request.into_inner();
        let filter = match request.filter() {
            api::ContactFilter::Unspecified => ContactFilter::Any,
            api::ContactFilter::InSync => ContactFilter::InSync,
            api::ContactFilter::Behind => ContactFilter::Behind,
            api::ContactFilter::Parked => ContactFilter::Parked,
        };
        let location_id = self.location(&request.location_id).await?;
        let size = self.rows(request.page_size)?;
        let after = match request.page_token.as_str() {
            "" => None,
            token => Some(ContactId::new(token).map_err(|_| bad_token())?),
        };
        let rows = self.log.contacts(&location_id, filter, after.as_ref(), size + 1).await.map_err(refusal::of_log)?;
        let (rows, next_page_token) = page(rows, size, |last| last.contact_id.to_string());
        Ok(Response::new(api::ListContactsResponse { contacts: rows.into_iter().map(answers::contact).collect(), next_page_token }))
    }

    async fn get_contact(&self, request: Request<api::GetContactRequest>) -> Result<Response<api::GetContactResponse>, Status> {
        let request = request.into_inner();
        let (location_id, contact_id) = (self.location(&request.location_id).await?, contact_id(&request.contact_id)?);
        let state = self.log.contact(&location_id, &contact_id).await.map_err(refusal::of_log)?;
        let waiting_since = self.waiting_since(&location_id, &state).await?;
        Ok(Response::new(answers::contact_state(state, waiting_since, Timestamp::now())))
    }

    async fn get_history(&self, request: Request<api::GetHistoryRequest>) -> Result<Response<api::GetHistoryResponse>, Status> {
        let request = request.into_inner();
        let (location_id, contact_id) = (self.location(&request.location_id).await?, contact_id(&request.contact_id)?);
        let size = self.rows(request.page_size)?;
        let before = match request.page_token.as_str() {
            "" => None,
            token => Some(token.parse::<u64>().map_err(|_| bad_token())?),
        };
        let rows = self.log.history(&location_id, &contact_id, before, size + 1).await.map_err(refusal::of_log)?;
        if rows.is_empty() && before.is_none() {
            return Err(Status::not_found("this contact was never seen; check the id and the location"));
        }
        let (rows, next_page_token) = page(rows, size, |last| last.seq.to_string());
        Ok(Response::new(api::GetHistoryResponse { events: rows.into_iter().map(answers::event).collect(), next_page_token }))
    }

    type WatchEventsStream = ReceiverStream<Result<api::WatchEventsResponse, Status>>;

    async fn watch_events(&self, request: Request<api::WatchEventsRequest>) -> Result<Response<Self::WatchEventsStream>, Status> {
        let request = request.into_inner();
        let location_id = self.location(&request.location_id).await?;
        let locations = self.log.locations().await.map_err(refusal::of_log)?;
        let head = locations.into_iter().find(|location| location.location_id == location_id).map(|location| location.head);
        let head = head.ok_or_else(|| Status::not_found("this location is not connected; `mirrorctl status` lists those that are"))?;
        let after = request.after.unwrap_or(head);
        if after > head {
            return Err(Status::out_of_range(format!("position {after} is past the end of the log, which is {head}")));
        }
        let place = Arc::clone(&self.watchers).try_acquire_owned();
        let place = place.map_err(|_| Status::resource_exhausted("too many streams of events are open; close one and try again"))?;
        let watch = watch::Watch { log: self.log.clone(), location_id, after, limits: self.limits.clone(), stop: self.stop.clone() };
        Ok(Response::new(watch.start(place)))
    }

    async fn list_parked(&self, request: Request<api::ListParkedRequest>) -> Result<Response<api::ListParkedResponse>, Status> {
        let request = request.into_inner();
        let location_id = match request.location_id.as_str() {
            "" => None,
            id => Some(LocationId::new(id).map_err(|error| Status::invalid_argument(format!("location_id: {error}")))?),
        };
        let size = self.rows(request.page_size)?;
        let after = match request.page_token.as_str() {
            "" => None,
            token => Some(token.parse::<Uuid>().map_err(|_| bad_token())?),
        };
        let rows = self.log.parked(location_id.as_ref(), after, size + 1).await.map_err(refusal::of_log)?;
        let (rows, next_page_token) = page(rows, size, |last| last.id.to_string());
        Ok(Response::new(api::ListParkedResponse { parked: rows.into_iter().map(answers::parked).collect(), next_page_token }))
    }

    async fn redrive(&self, request: Request<api::RedriveRequest>) -> Result<Response<api::RedriveResponse>, Status> {
        let request = request.into_inner();
        let location_id = self.location(&request.location_id).await?;
        let parked_id = request.parked_id.parse::<Uuid>();
        let parked_id = parked_id.map_err(|_| Status::invalid_argument("parked_id is none that ListParked gave"))?;
        let who = if request.who.is_empty() { "operator" } else { request.who.as_str() };
        let parked = self.log.redrive(&location_id, parked_id, who).await.map_err(refusal::of_log)?;
        let parking = &parked.parking;
        if !parking.message.is_empty() {
            let unknown = || Status::failed_precondition("what was parked names no way back; it is seen again at the next look at GHL");
            let subject = Subject::parse(&parking.subject).ok_or_else(unknown)?;
            // Unlike any id before, so that the bus does not take it for a repeat.
            let id = Some(format!("redrive:{parked_id}:{}", Uuid::new_v4()));
            let traceparent = chassis::trace::traceparent().or_else(|| parking.traceparent.clone());
            let outgoing = Outgoing { subject, id, traceparent, body: parking.message.clone() };
            self.bus.publish(outgoing).await.map_err(refusal::of_bus)?;
        }
        self.log.redrive_published(&location_id, parked_id).await.map_err(refusal::of_log)?;
        Ok(Response::new(api::RedriveResponse { parked: Some(answers::parked(parked)) }))
    }
}
