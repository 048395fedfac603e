//! The calls of the admin API.

mod answers;
mod history;
mod watch;

use std::sync::Arc;

use bus::{Bus, Outgoing, Subject};
use chassis::Shutdown;
use domain::{ContactId, LocationId};
use eventlog::{ContactFilter, ContactState, EventLog, SyncState};
use jiff::Timestamp;
use proto::admin::v1 as api;
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use self::history::History;
use self::watch::Watch;
use crate::api::request;
use crate::api::stream::{self, AnswerStream};
use crate::config::Limits;
use crate::status::{status_of_bus, status_of_log, unknown_contact, unknown_location};

pub(crate) struct Service {
    log: EventLog,
    bus: Bus,
    limits: Limits,
    watchers: Arc<Semaphore>,
    stop: Shutdown,
}

impl Service {
    pub(crate) fn new(log: EventLog, bus: Bus, limits: Limits, stop: Shutdown) -> Self {
        let watchers = Arc::new(Semaphore::new(limits.watchers_max.get()));
        Self { log, bus, limits, watchers, stop }
    }

    /// When the oldest change was recorded that has not reached Pagico yet.
    async fn waiting_since(&self, location_id: &LocationId, state: &ContactState) -> Result<Option<Timestamp>, Status> {
        let waiting = state.objects.iter().filter(|object| matches!(object.state, SyncState::Behind | SyncState::Parked));
        let Some(oldest) = waiting.filter_map(|object| object.ghl).map(|revision| revision.seq).min() else { return Ok(None) };
        let events = self.log.read(location_id, oldest.saturating_sub(1), 1).await.map_err(status_of_log)?;
        Ok(events.first().map(|event| event.recorded_at))
    }
}

#[tonic::async_trait]
impl api::admin_server::Admin for Service {
    async fn get_overview(&self, _: Request<api::GetOverviewRequest>) -> Result<Response<api::GetOverviewResponse>, Status> {
        let overview = self.log.answers().overview().await.map_err(status_of_log)?;
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
        let location_id = request::location(self.log.locations(), &request.location_id).await?;
        let size = request::rows(request.page_size, &self.limits)?;
        let after = request::cursor(&request.page_token, |token| ContactId::new(token).ok())?;
        let rows = self.log.answers().contacts(&location_id, filter, after.as_ref(), size + 1).await.map_err(status_of_log)?;
        let (rows, next_page_token) = request::page(rows, size, |last| last.contact_id.to_string());
        Ok(Response::new(api::ListContactsResponse { contacts: rows.into_iter().map(answers::contact).collect(), next_page_token }))
    }

    async fn get_contact(&self, request: Request<api::GetContactRequest>) -> Result<Response<api::GetContactResponse>, Status> {
        let request = request.into_inner();
        let (location_id, contact_id) =
            (request::location(self.log.locations(), &request.location_id).await?, request::contact(&request.contact_id)?);
        let state = self.log.answers().contact(&location_id, &contact_id).await.map_err(status_of_log)?;
        let waiting_since = self.waiting_since(&location_id, &state).await?;
        Ok(Response::new(answers::contact_state(state, waiting_since, Timestamp::now())))
    }

    async fn get_history(&self, request: Request<api::GetHistoryRequest>) -> Result<Response<api::GetHistoryResponse>, Status> {
        let query = request.get_ref();
        let (location_id, contact_id) =
            (request::location(self.log.locations(), &query.location_id).await?, request::contact(&query.contact_id)?);
        let size = request::rows(query.page_size, &self.limits)?;
        let before = request::number_cursor(&query.page_token)?;
        let (selection, fields) = request::filter(query.filter.clone())?;
        request::record_access(self.log.answers(), &request, "GetHistory", &location_id, Some(&contact_id)).await?;
        let history = History {
            answers: self.log.answers(),
            keys: self.log.keys(),
            limits: &self.limits,
            location_id: &location_id,
            contact_id: &contact_id,
        };
        let (page, next) = history.page(&selection, &fields, before, size).await.map_err(status_of_log)?;
        if page.is_empty() && !self.log.answers().has_contact(&location_id, &contact_id).await.map_err(status_of_log)? {
            return Err(unknown_contact());
        }
        let mut arrivals = history.arrivals(&page).await.map_err(status_of_log)?;
        let events = page.into_iter().map(answers::event);
        let events = events.map(|event| api::Event { arrivals: arrivals.remove(&event.seq).unwrap_or_default(), ..event }).collect();
        Ok(Response::new(api::GetHistoryResponse { events, next_page_token: next.map(|next| next.to_string()).unwrap_or_default() }))
    }

    type WatchEventsStream = AnswerStream<api::WatchEventsResponse>;

    async fn watch_events(&self, request: Request<api::WatchEventsRequest>) -> Result<Response<Self::WatchEventsStream>, Status> {
        let query = request.get_ref();
        let location_id = request::location(self.log.locations(), &query.location_id).await?;
        let contact_id = request::optional_contact(&query.contact_id)?;
        let (selection, fields) = request::filter(query.filter.clone())?;
        let locations = self.log.locations().list().await.map_err(status_of_log)?;
        let head = locations.into_iter().find(|location| location.location_id == location_id).map(|location| location.head);
        let head = head.ok_or_else(unknown_location)?;
        let after = query.after.unwrap_or(head);
        if after > head {
            return Err(Status::out_of_range(format!("position {after} is past the end of the log, which is {head}")));
        }
        let permit = stream::permit(&self.watchers, "too many streams of events are open; close one and try again")?;
        request::record_access(self.log.answers(), &request, "WatchEvents", &location_id, contact_id.as_ref()).await?;
        let watch = Watch {
            appends: self.log.appends(),
            answers: self.log.answers().clone(),
            keys: self.log.keys().clone(),
            location_id,
            contact_id,
            selection,
            fields,
            after,
            limits: self.limits.clone(),
        };
        let advice = "watch again after the last position that arrived";
        Ok(Response::new(stream::start(Some(permit), &self.stop, 16, advice, |events| watch.send(events))))
    }

    async fn list_parked(&self, request: Request<api::ListParkedRequest>) -> Result<Response<api::ListParkedResponse>, Status> {
        let request = request.into_inner();
        let location_id = request::optional_location(&request.location_id)?;
        let size = request::rows(request.page_size, &self.limits)?;
        let after = request::cursor(&request.page_token, |token| token.parse::<Uuid>().ok())?;
        let rows = self.log.parked().list(location_id.as_ref(), after, size + 1).await.map_err(status_of_log)?;
        let (rows, next_page_token) = request::page(rows, size, |last| last.id.to_string());
        Ok(Response::new(api::ListParkedResponse { parked: rows.into_iter().map(answers::parked).collect(), next_page_token }))
    }

    async fn redrive(&self, request: Request<api::RedriveRequest>) -> Result<Response<api::RedriveResponse>, Status> {
        let request = request.into_inner();
        let location_id = request::location(self.log.locations(), &request.location_id).await?;
        let parked_id = request.parked_id.parse::<Uuid>();
        let parked_id = parked_id.map_err(|_| Status::invalid_argument("parked_id was not issued by ListParked"))?;
        let parked = self.log.parked().redrive(&location_id, parked_id, request::operator(&request.who)).await.map_err(status_of_log)?;
        let parking = &parked.parking;
        if !parking.message.is_empty() {
            let unknown =
                || Status::failed_precondition("this message cannot be published again; the record is read again at the next look at GHL");
            let subject = Subject::parse(&parking.subject)
                .or_else(|| Subject::parked_hints(&parking.subject, parking.contact_id.as_ref(), "redriven"))
                .ok_or_else(unknown)?;
            // A new id, so that the bus does not drop it as a duplicate.
            let id = Some(format!("redrive:{parked_id}:{}", Uuid::new_v4()));
            let traceparent = chassis::trace::traceparent().or_else(|| parking.traceparent.clone());
            let outgoing = Outgoing { subject, id, traceparent, body: parking.message.clone() };
            self.bus.publish(outgoing).await.map_err(status_of_bus)?;
        }
        self.log.parked().resolve_redriven(&location_id, parked_id).await.map_err(status_of_log)?;
        Ok(Response::new(api::RedriveResponse { parked: Some(answers::parked(parked)) }))
    }
}
