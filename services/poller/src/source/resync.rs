//! Takes requests to look again, and says how far they are.

use std::collections::BTreeSet;

use domain::{ContactId, LocationId, Net, RecordKind};
use eventlog::{EventLog, Resync, ResyncTarget, Resyncs, SourceState};
use jiff::Timestamp;
use proto::source::v1 as api;
use tonic::Status;

use crate::config::ResyncSettings;
use crate::source::refusal::status_of_log;

/// What is looked at where nothing is named. Notes, which cost a call for each contact, have to be named.
const EVERYTHING: [RecordKind; 3] = [RecordKind::Contact, RecordKind::Task, RecordKind::Appointment];

/// What a request names.
pub(super) fn target(request: &api::ResyncRequest, settings: &ResyncSettings) -> Result<ResyncTarget, Status> {
    let given = [!request.contact_ids.is_empty(), request.since.is_some(), !request.kinds.is_empty()];
    if given.into_iter().filter(|given| *given).count() > 1 {
        return Err(Status::invalid_argument("only one of contacts, a time and kinds can be asked for; ask for one after the other"));
    }
    if let Some(since) = &request.since {
        let since = Timestamp::new(since.seconds, since.nanos).map_err(|_| Status::invalid_argument("since: is not a time"))?;
        let is_past = since < Timestamp::now();
        return is_past.then_some(ResyncTarget::Since(since)).ok_or_else(|| Status::invalid_argument("since: must be in the past"));
    }
    if !request.contact_ids.is_empty() {
        return contacts(&request.contact_ids, settings.contacts_max.get());
    }
    let named = |name: &String| {
        let unknown = || Status::invalid_argument("kinds: a kind is contact, task, note or appointment");
        RecordKind::parse(name).ok_or_else(unknown)
    };
    let kinds = request.kinds.iter().map(named).collect::<Result<BTreeSet<_>, _>>()?;
    Ok(ResyncTarget::Kinds(if kinds.is_empty() { EVERYTHING.to_vec() } else { kinds.into_iter().collect() }))
}

fn contacts(named: &[String], contacts_max: usize) -> Result<ResyncTarget, Status> {
    let contact = |id: &String| ContactId::new(id.as_str()).map_err(|error| Status::invalid_argument(format!("contact_ids: {error}")));
    let contacts = named.iter().map(contact).collect::<Result<BTreeSet<_>, _>>()?;
    if contacts.len() > contacts_max {
        return Err(Status::invalid_argument(format!(
            "contact_ids: at most {contacts_max} at once (resync.contacts_max of the poller); `--since` and `--kind` look at more"
        )));
    }
    Ok(ResyncTarget::Contacts(contacts.into_iter().collect()))
}

/// Keeps the request, or joins the one that is under way.
pub(super) async fn ask(
    resyncs: &Resyncs,
    location_id: &LocationId,
    target: &ResyncTarget,
    request: &api::ResyncRequest,
) -> Result<api::ResyncResponse, Status> {
    let who = request.who.trim();
    if who.is_empty() {
        return Err(Status::invalid_argument("who: must not be empty"));
    }
    let (resync, is_new) = resyncs.ask(location_id, target, who, Timestamp::now(), request.replace).await.map_err(status_of_log)?;
    if !is_new && resync.target != *target {
        return Err(Status::failed_precondition(
            "something else is being looked at again in this location; `mirrorctl resync --status` shows how far it is, `--replace` takes its place",
        ));
    }
    if is_new {
        tracing::info!(location.id = %location_id, resync.id = %resync.resync_id, "asked to look again");
    }
    Ok(api::ResyncResponse { resync: Some(told(location_id, resync)), joined: !is_new })
}

/// How far the last request is. While it is under way, the pass that is being made counts, too, and why nothing of the location is asked.
pub(super) async fn progress(log: &EventLog, location_id: &LocationId) -> Result<api::GetResyncResponse, Status> {
    let last = log.resyncs().last(location_id).await.map_err(status_of_log)?;
    let mut resync = last.ok_or_else(|| Status::not_found("nobody has asked to look again in this location; `mirrorctl resync` does"))?;
    if let (ResyncTarget::Kinds(kinds), None) = (&resync.target, resync.progress.ended_at) {
        for kind in kinds.iter().filter(|kind| !resync.progress.done.contains(kind)) {
            let pass = log.passes().get(location_id, Net::Sweep.as_str(), *kind).await.map_err(status_of_log)?;
            if pass.started_at == Some(resync.asked_at) {
                resync.progress.seen += pass.seen;
            }
        }
    }
    if resync.progress.ended_at.is_none() {
        let troubles = log.known().source_troubles(location_id).await.map_err(status_of_log)?;
        let paused = troubles.into_iter().find(|trouble| trouble.state == SourceState::Paused);
        resync.progress.waits = paused.map(|trouble| trouble.cost).or(resync.progress.waits);
    }
    Ok(api::GetResyncResponse { resync: Some(told(location_id, resync)) })
}

fn told(location_id: &LocationId, resync: Resync) -> api::Resync {
    let names = |kinds: Vec<RecordKind>| kinds.into_iter().map(|kind| kind.to_string()).collect();
    let (contact_ids, since, kinds) = match resync.target {
        ResyncTarget::Contacts(contacts) => (contacts.iter().map(ToString::to_string).collect(), None, Vec::new()),
        ResyncTarget::Since(since) => (Vec::new(), Some(at(since)), Vec::new()),
        ResyncTarget::Kinds(kinds) => (Vec::new(), None, kinds),
    };
    let progress = resync.progress;
    api::Resync {
        resync_id: resync.resync_id.to_string(),
        location_id: location_id.to_string(),
        contact_ids,
        since,
        kinds: names(kinds),
        who: resync.who,
        asked_at: Some(at(resync.asked_at)),
        done_kinds: names(progress.done),
        seen: progress.seen,
        total: progress.total,
        changes: progress.changes,
        waits: progress.waits.unwrap_or_default(),
        problem: progress.problem.unwrap_or_default(),
        ended_at: progress.ended_at.map(at),
    }
}

fn at(at: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: at.as_second(), nanos: at.subsec_nanosecond() }
}
