//! The calls of the erasure API.

use std::time::{Duration, Instant};

use chassis::Shutdown;
use domain::{ContactId, LocationId};
use eventlog::{Credentials, Erasure, ErasureRequest, Keys, Locations, MirroredLocations, Purge, PurgeRequest};
use proto::erasure::v1 as api;
use tonic::{Request, Response, Status};

use crate::api::answers::at;
use crate::api::request;
use crate::api::stream::{self, AnswerStream, Sender};
use crate::erasure::Eraser;
use crate::purge::Purger;
use crate::status::status_of_log;

/// The longest texts that are accepted, in bytes.
const REASON_BYTES_MAX: usize = 500;
const WHO_BYTES_MAX: usize = 200;

/// How long to wait before the bridge or the bus is asked again by a call that waits for them.
const PURGE_PAUSE: Duration = Duration::from_millis(200);

/// The calls.
pub(crate) struct Service {
    pub(crate) eraser: Eraser,
    pub(crate) purger: Purger,
    pub(crate) locations: Locations,
    pub(crate) keys: Keys,
    pub(crate) credentials: Credentials,
    pub(crate) mirrored: MirroredLocations,
    pub(crate) stop: Shutdown,
}

#[tonic::async_trait]
impl api::erasure_server::Erasure for Service {
    async fn erase_contact(&self, request: Request<api::EraseContactRequest>) -> Result<Response<api::EraseContactResponse>, Status> {
        let request = request.into_inner();
        let (location_id, contact_id) = self.whom(&request.location_id, &request.contact_id).await?;
        let erase = ErasureRequest {
            reason: checked_reason(&request.reason)?,
            who: operator(request.who)?,
            leave_plain_events: request.leave_plain_events,
        };
        let erasure = self.eraser.erasures.erase(&location_id, &contact_id, &erase).await.map_err(status_of_log)?;
        if erasure.finished_at.is_none() {
            // In a task of its own: it goes on when the caller waits no longer.
            let (eraser, begun) = (self.eraser.clone(), erasure.clone());
            let purging = tokio::spawn(async move { eraser.purge(&begun).await });
            drop(tokio::time::timeout(*self.eraser.settings.answer_within, purging).await);
        }
        let erasure = self.now(&location_id, &contact_id).await?;
        Ok(Response::new(api::EraseContactResponse { erasure: Some(answer(erasure)) }))
    }

    async fn get_erasure(&self, request: Request<api::GetErasureRequest>) -> Result<Response<api::GetErasureResponse>, Status> {
        let request = request.into_inner();
        let (location_id, contact_id) = self.whom(&request.location_id, &request.contact_id).await?;
        let erasure = self.now(&location_id, &contact_id).await?;
        Ok(Response::new(api::GetErasureResponse { erasure: Some(answer(erasure)) }))
    }

    async fn lift_erasure(&self, request: Request<api::LiftErasureRequest>) -> Result<Response<api::LiftErasureResponse>, Status> {
        let request = request.into_inner();
        let (location_id, contact_id) = self.whom(&request.location_id, &request.contact_id).await?;
        let lifted = self.eraser.erasures.lift(&location_id, &contact_id, &operator(request.who)?).await.map_err(status_of_log)?;
        Ok(Response::new(api::LiftErasureResponse { erasure: Some(answer(lifted)) }))
    }

    type PurgeLocationStream = AnswerStream<api::PurgeLocationResponse>;

    async fn purge_location(&self, request: Request<api::PurgeLocationRequest>) -> Result<Response<Self::PurgeLocationStream>, Status> {
        let request = request.into_inner();
        let location_id =
            LocationId::new(request.location_id.as_str()).map_err(|error| Status::invalid_argument(format!("location_id: {error}")))?;
        if request.confirm != request.location_id {
            return Err(Status::invalid_argument("confirm must be the id of the location again: a purge cannot be undone"));
        }
        let reason = checked_reason(&request.reason)?;
        let purge = PurgeRequest { reason, who: operator(request.who)?, leave_plain_events: request.leave_plain_events };
        let begun = self.purger.purges.begin(&location_id, &purge).await.map_err(status_of_purge)?;
        tracing::info!(location.id = %location_id, seq = begun.revision.seq, "location is purged");
        let (purger, within) = (self.purger.clone(), *self.eraser.settings.answer_within);
        let going_on = |to| async move { going_on(&purger, begun, within, &to).await };
        Ok(Response::new(stream::start(None, &self.stop, 16, "the purge goes on by itself", going_on)))
    }

    type RotateKekStream = AnswerStream<api::RotateKekResponse>;

    async fn rotate_kek(&self, _: Request<api::RotateKekRequest>) -> Result<Response<Self::RotateKekStream>, Status> {
        let (keys, tokens) = (self.keys.clone(), (self.credentials.clone(), self.mirrored.clone()));
        let kek_id = keys.kek().map(|kek| kek.current().to_owned());
        let kek_id = kek_id
            .ok_or_else(|| Status::failed_precondition("there is no key-encryption key; give one to the admin service as log.kek_file"))?;
        let (total, _) = keys.count().await.map_err(status_of_log)?;
        let batch = self.eraser.settings.rewrap_batch.get();
        let begun = api::RotateKekResponse { seen: 0, total, rewrapped: 0, kek_id, credentials: 0 };
        let rotate = |to| async move { rotate(&keys, &tokens, begun, batch, &to).await };
        Ok(Response::new(stream::start(None, &self.stop, 16, "try again", rotate)))
    }
}

async fn rotate(
    keys: &Keys,
    (credentials, mirrored): &(Credentials, MirroredLocations),
    mut progress: api::RotateKekResponse,
    batch: u32,
    to: &Sender<api::RotateKekResponse>,
) -> Result<(), Status> {
    let mut after = None;
    loop {
        let done = keys.rewrap(after.as_ref(), batch).await.map_err(status_of_log)?;
        progress.seen += done.seen;
        progress.rewrapped += done.rewrapped;
        after = done.next;
        if after.is_none() {
            progress.credentials = credentials.reseal().await.map_err(status_of_log)?;
            progress.credentials += mirrored.reseal().await.map_err(status_of_log)?;
        }
        if to.send(Ok(progress.clone())).await.is_err() || after.is_none() {
            return Ok(());
        }
    }
}

impl Service {
    async fn now(&self, location_id: &LocationId, contact_id: &ContactId) -> Result<Erasure, Status> {
        let erasure = self.eraser.erasures.find(location_id, contact_id).await.map_err(status_of_log)?;
        erasure.ok_or_else(|| Status::not_found("this contact was never erased; check the id and the location"))
    }

    async fn whom(&self, location_id: &str, contact_id: &str) -> Result<(LocationId, ContactId), Status> {
        Ok((request::location(&self.locations, location_id).await?, request::contact(contact_id)?))
    }
}

/// Says how far a purge is after each step, until it is finished, or nothing more could be done for so long.
async fn going_on(purger: &Purger, mut purge: Purge, within: Duration, to: &Sender<api::PurgeLocationResponse>) -> Result<(), Status> {
    let mut further_at = Instant::now();
    while to.send(Ok(purge_answer(&purge))).await.is_ok() {
        match purger.step(&purge).await.map_err(status_of_log)? {
            Some(further) => (purge, further_at) = (further, Instant::now()),
            None if purge.finished_at.is_some() || further_at.elapsed() >= within => return Ok(()),
            None => tokio::time::sleep(PURGE_PAUSE).await,
        }
    }
    Ok(())
}

fn checked_reason(reason: &str) -> Result<String, Status> {
    match reason.trim() {
        reason if (1..=REASON_BYTES_MAX).contains(&reason.len()) => Ok(reason.to_owned()),
        _ => Err(Status::invalid_argument(format!("reason must have from 1 to {REASON_BYTES_MAX} bytes"))),
    }
}

fn status_of_purge(error: eventlog::Error) -> Status {
    if let eventlog::Error::NotFound = error {
        return Status::not_found("this location was never mirrored; `mirrorctl location list` lists those that were");
    }
    if let eventlog::Error::InState { state } = error {
        let what = format!("the location is {state}; only one that is retired can be purged: `mirrorctl location retire` first");
        return Status::failed_precondition(what);
    }
    if let eventlog::Error::PlainEvents { count } = error {
        return Status::failed_precondition(format!(
            "{count} events were stored before there was a key and would stay readable in the log; docs/locations.md says what can be done, \
             `--leave-plain-events` purges all else"
        ));
    }
    status_of_log(error)
}

fn purge_answer(from: &Purge) -> api::PurgeLocationResponse {
    api::PurgeLocationResponse {
        location_id: from.location_id.to_string(),
        seq: from.revision.seq,
        begun_at: Some(at(from.begun_at)),
        keys: from.keys,
        rows: from.rows,
        log_left: from.log_at.is_none(),
        workspaces_left: from.workspaces.iter().map(ToString::to_string).collect(),
        bus_left: from.bus_at.is_none(),
        plain_events: from.plain_events,
        finished_at: from.finished_at.map(at),
    }
}

fn operator(who: String) -> Result<String, Status> {
    match who.len() {
        0..=WHO_BYTES_MAX => Ok(request::operator(&who).to_owned()),
        _ => Err(Status::invalid_argument(format!("who must have at most {WHO_BYTES_MAX} bytes"))),
    }
}

fn answer(from: Erasure) -> api::ContactErasure {
    api::ContactErasure {
        location_id: from.location_id.to_string(),
        contact_id: from.contact_id.to_string(),
        reason: from.reason,
        who: from.who,
        seq: from.revision.seq,
        plain_events: from.plain_events,
        erased_at: Some(at(from.erased_at)),
        workspaces_left: from.workspaces.iter().map(ToString::to_string).collect(),
        bus_left: from.bus_at.is_none(),
        finished_at: from.finished_at.map(at),
        lifted_at: from.lifted_at.map(at),
    }
}
