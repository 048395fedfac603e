//! The calls of the audit API.

mod answers;
mod export;
mod past;

use std::sync::Arc;

use chassis::Shutdown;
use domain::{BlameQuery, ContactId, LocationId, Point, RecordId, RecordKind};
use eventlog::{AccessFilter, Answers, Keys, Locations};
use proto::audit::v1 as api;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::{Request, Response, Status};

use self::export::{Export, ExportedContact, Moments};
use self::past::Reader;
use crate::api::request;
use crate::api::stream::{self, AnswerStream};
use crate::config::Limits;
use crate::status::{status_of_log, unknown_contact};

pub(crate) struct Service {
    locations: Locations,
    answers: Answers,
    keys: Keys,
    limits: Limits,
    exports: Arc<Semaphore>,
    stop: Shutdown,
}

impl Service {
    pub(crate) fn new(locations: Locations, answers: Answers, keys: Keys, limits: Limits, stop: Shutdown) -> Self {
        let exports = Arc::new(Semaphore::new(limits.exports_max.get()));
        Self { locations, answers, keys, limits, exports, stop }
    }

    fn reader(&self) -> Reader<'_> {
        Reader { answers: &self.answers, keys: &self.keys, limits: &self.limits }
    }

    fn permit(&self) -> Result<OwnedSemaphorePermit, Status> {
        stream::permit(&self.exports, "too many exports run; wait for one to end and try again")
    }

    /// Exports a location as a stream. At most one batch is read ahead, and a few answers wait.
    fn export<T: Send + 'static>(
        &self,
        permit: OwnedSemaphorePermit,
        location_id: LocationId,
        after: Option<ContactId>,
        moments: Moments,
        answer: fn(ExportedContact) -> Option<T>,
    ) -> Response<AnswerStream<T>> {
        let (answers, keys, limits) = (self.answers.clone(), self.keys.clone(), self.limits.clone());
        let export = Export { answers, keys, limits, location_id, after, moments };
        let advice = "export again after the last contact that arrived";
        Response::new(stream::start(Some(permit), &self.stop, 4, advice, |contacts| export.send(contacts, answer)))
    }
}

#[tonic::async_trait]
impl api::audit_server::Audit for Service {
    async fn blame(&self, request: Request<api::BlameRequest>) -> Result<Response<api::BlameResponse>, Status> {
        let query = request.get_ref();
        let (location_id, contact_id) =
            (request::location(&self.locations, &query.location_id).await?, request::contact(&query.contact_id)?);
        let size = usize::try_from(request::rows(query.page_size, &self.limits)?).unwrap_or(usize::MAX);
        let before = request::number_cursor(&query.page_token)?;
        let blame = blame(query)?;
        request::record_access(&self.answers, &request, "Blame", &location_id, Some(&contact_id)).await?;
        let (mut values, unreadable) = self.reader().blame(&location_id, &contact_id, blame).await?;
        if values.is_empty() && !self.answers.has_contact(&location_id, &contact_id).await.map_err(status_of_log)? {
            return Err(unknown_contact());
        }
        // Values are only ever added at the end, so a page is found by how many come before it.
        let end = before.map_or(values.len(), |before| usize::try_from(before).unwrap_or(usize::MAX)).min(values.len());
        values.truncate(end);
        let begin = end.saturating_sub(size);
        let next_page_token = if begin == 0 { String::new() } else { begin.to_string() };
        let values = values.drain(begin..).rev().map(answers::value).collect();
        Ok(Response::new(api::BlameResponse { values, next_page_token, unreadable }))
    }

    async fn get_contact_as_of(
        &self,
        request: Request<api::GetContactAsOfRequest>,
    ) -> Result<Response<api::GetContactAsOfResponse>, Status> {
        let query = request.get_ref();
        let (location_id, contact_id) =
            (request::location(&self.locations, &query.location_id).await?, request::contact(&query.contact_id)?);
        let point = past::point(&self.locations, &location_id, query.at.as_ref(), None).await?;
        request::record_access(&self.answers, &request, "GetContactAsOf", &location_id, Some(&contact_id)).await?;
        let past = self.reader().contact(&location_id, &contact_id, point).await?;
        Ok(Response::new(api::GetContactAsOfResponse { contact: Some(answers::snapshot(&contact_id, past)) }))
    }

    async fn diff(&self, request: Request<api::DiffRequest>) -> Result<Response<api::DiffResponse>, Status> {
        let query = request.get_ref();
        let (location_id, contact_id) =
            (request::location(&self.locations, &query.location_id).await?, request::contact(&query.contact_id)?);
        let from = past::point(&self.locations, &location_id, query.from.as_ref(), Some(BEGINNING)).await?;
        let to = past::point(&self.locations, &location_id, query.to.as_ref(), None).await?;
        request::record_access(&self.answers, &request, "Diff", &location_id, Some(&contact_id)).await?;
        let from = self.reader().contact(&location_id, &contact_id, from).await?;
        let to = self.reader().contact(&location_id, &contact_id, to).await?;
        Ok(Response::new(api::DiffResponse { contact: Some(answers::difference(&contact_id, &from, &to)) }))
    }

    type ExportAsOfStream = AnswerStream<api::ExportAsOfResponse>;

    async fn export_as_of(&self, request: Request<api::ExportAsOfRequest>) -> Result<Response<Self::ExportAsOfStream>, Status> {
        let query = request.get_ref();
        let location_id = request::location(&self.locations, &query.location_id).await?;
        let point = past::point(&self.locations, &location_id, query.at.as_ref(), None).await?;
        let (after, permit) = (request::optional_contact(&query.after_contact_id)?, self.permit()?);
        request::record_access(&self.answers, &request, "ExportAsOf", &location_id, None).await?;
        let answer = |contact: ExportedContact| contact.snapshot().map(|contact| api::ExportAsOfResponse { contact: Some(contact) });
        Ok(self.export(permit, location_id, after, Moments::AsOf(point), answer))
    }

    type ExportDiffStream = AnswerStream<api::ExportDiffResponse>;

    async fn export_diff(&self, request: Request<api::ExportDiffRequest>) -> Result<Response<Self::ExportDiffStream>, Status> {
        let query = request.get_ref();
        let location_id = request::location(&self.locations, &query.location_id).await?;
        let from = past::point(&self.locations, &location_id, query.from.as_ref(), Some(BEGINNING)).await?;
        let to = past::point(&self.locations, &location_id, query.to.as_ref(), None).await?;
        let (after, permit) = (request::optional_contact(&query.after_contact_id)?, self.permit()?);
        request::record_access(&self.answers, &request, "ExportDiff", &location_id, None).await?;
        let answer = |contact: ExportedContact| contact.difference().map(|contact| api::ExportDiffResponse { contact: Some(contact) });
        Ok(self.export(permit, location_id, after, Moments::Diff { from, to }, answer))
    }

    async fn list_access(&self, request: Request<api::ListAccessRequest>) -> Result<Response<api::ListAccessResponse>, Status> {
        let query = request.get_ref();
        let location_id = request::location(&self.locations, &query.location_id).await?;
        let filter = AccessFilter {
            contact_id: request::optional_contact(&query.contact_id)?,
            who: request::given(&query.who).map(str::to_owned),
            at: request::span(query.from.as_ref(), query.until.as_ref())?,
        };
        let size = request::rows(query.page_size, &self.limits)?;
        let before = request::number_cursor(&query.page_token)?;
        let rows = self.answers.accesses(&location_id, &filter, before, size + 1).await.map_err(status_of_log)?;
        let (rows, next_page_token) = request::page(rows, size, |last| last.id.to_string());
        Ok(Response::new(api::ListAccessResponse { accesses: rows.into_iter().map(answers::access).collect(), next_page_token }))
    }
}

/// Before anything was seen.
const BEGINNING: Point = Point::Position(0);

fn blame(query: &api::BlameRequest) -> Result<BlameQuery, Status> {
    if query.field.is_empty() {
        return Err(Status::invalid_argument("field must be given, for instance city or custom_fields; the history shows which there are"));
    }
    let record_id = request::given(&query.record_id).map(RecordId::new).transpose();
    Ok(BlameQuery {
        kind: if query.record_kind.is_empty() { RecordKind::Contact } else { request::kind(&query.record_kind)? },
        record_id: record_id.map_err(|error| Status::invalid_argument(format!("record_id: {error}")))?,
        field: query.field.clone(),
    })
}
