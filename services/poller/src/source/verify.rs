//! Reads GHL again and compares it with the log, field by field.

use std::sync::Arc;

use domain::{ContactId, Draft, Net, RecordKind};
use futures::StreamExt;
use ghl::{Search, Window};
use jiff::Timestamp;
use proto::source::v1 as api;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::context::Context;
use crate::look::connection::Connection;
use crate::look::fetch::look;
use crate::look::request::Request;
use crate::look::verdict::verdict;
use crate::source::refusal::status_of_log;

type Answer = Result<api::VerifySourceResponse, Status>;

/// How many contacts are read from the log at once.
const CONTACTS_PER_READ: u32 = 200;

/// A comparison and its progress.
struct Comparison {
    context: Arc<Context>,
    connection: Arc<Connection>,
    net: Net,
    answers: mpsc::Sender<Answer>,
    checked: u64,
    total: u64,
    differing: u64,
}

/// Compares one contact or all. Ends when the caller hangs up, and with an error when another replica takes the location over.
pub(super) fn verify(context: Arc<Context>, connection: Arc<Connection>, contact: Option<ContactId>) -> ReceiverStream<Answer> {
    let (answers, receiver) = mpsc::channel(16);
    // One contact is asked for immediately, since a person waits for it; all of them at the pace of a sweep.
    let net = if contact.is_some() { Net::Operator { who: "verify".to_owned() } } else { Net::Sweep };
    tokio::spawn(async move {
        let (stop, listening) = (connection.stop.clone(), answers.clone());
        let comparison = Comparison { context, connection, net, answers, checked: 0, total: 0, differing: 0 };
        let ended = tokio::select! {
            () = stop.cancelled() => Err(Status::unavailable("the poller stops or gives the location to another replica; verify again")),
            () = listening.closed() => Ok(()),
            ended = comparison.run(contact) => ended,
        };
        if let Err(status) = ended {
            // The caller may be gone.
            drop(listening.send(Err(status)).await);
        }
    });
    ReceiverStream::new(receiver)
}

impl Comparison {
    async fn run(mut self, contact: Option<ContactId>) -> Result<(), Status> {
        match contact {
            Some(contact_id) => {
                self.total = 1;
                self.compare_all(vec![contact_id]).await?;
            }
            None => {
                self.total = self.context.log.known().contacts_present(&self.connection.location_id).await.map_err(status_of_log)?;
                self.compare_known().await?;
                self.compare_listed().await?;
            }
        }
        self.send(Vec::new(), true).await;
        Ok(())
    }

    /// Every contact that the log holds as present.
    async fn compare_known(&mut self) -> Result<(), Status> {
        let mut after: Option<ContactId> = None;
        loop {
            let (known, location_id) = (self.context.log.known(), &self.connection.location_id);
            // No contact was seen later than `Timestamp::MAX`, so these are all contacts.
            let contacts =
                known.unseen_contacts(location_id, Timestamp::MAX, after.as_ref(), CONTACTS_PER_READ).await.map_err(status_of_log)?;
            let Some(last) = contacts.last() else { return Ok(()) };
            after = Some(last.clone());
            self.compare_all(contacts).await?;
        }
    }

    /// Every contact that GHL lists and the log does not hold as present.
    async fn compare_listed(&mut self) -> Result<(), Status> {
        let client = self.connection.client_for(&self.net);
        let mut search = Search { window: Window::Everyone, rows_max: self.context.config.sweep.page_rows.get(), after: None };
        for _ in 0..self.context.config.sweep.pages_max {
            let zone = self.connection.names.zone(&client).await.map_err(|error| status_of_ghl(&error))?;
            let page = client.search(&search, &zone).await.map_err(|error| status_of_ghl(&error))?.value;
            let listed: Vec<ContactId> = page.rows.into_iter().map(|row| row.contact_id).collect();
            let known =
                self.context.log.known().of(&self.connection.location_id, &listed, &[RecordKind::Contact]).await.map_err(status_of_log)?;
            let unknown: Vec<ContactId> =
                listed.iter().filter(|id| !known.get(*id).is_some_and(|known| known.is_present(id))).cloned().collect();
            self.total += unknown.len() as u64;
            self.compare_all(unknown).await?;
            match page.next {
                Some(next) if !listed.is_empty() && search.after.as_ref() != Some(&next) => search.after = Some(next),
                Some(_) | None => break,
            }
        }
        Ok(())
    }

    async fn compare_all(&mut self, contacts: Vec<ContactId>) -> Result<(), Status> {
        let in_flight_max = self.context.config.sweep.contacts_in_flight_max.get();
        let (context, connection, net) = (Arc::clone(&self.context), Arc::clone(&self.connection), self.net.clone());
        let compared = contacts.into_iter().map(|contact_id| compare(&context, &connection, &net, contact_id));
        let mut compared = futures::stream::iter(compared).buffer_unordered(in_flight_max);
        while let Some(differences) = compared.next().await {
            let differences = differences?;
            self.checked += 1;
            self.differing += differences.len() as u64;
            if !differences.is_empty() || self.checked.is_multiple_of(100) {
                self.send(differences, false).await;
            }
        }
        Ok(())
    }

    async fn send(&self, differences: Vec<api::RecordDifference>, done: bool) {
        let answer = api::VerifySourceResponse { checked: self.checked, total: self.total, differing: self.differing, differences, done };
        // The caller may be gone; then the comparison ends.
        drop(self.answers.send(Ok(answer)).await);
    }
}

/// What differs in one contact. A difference counts only if it persists for a while, since a change may still be on its way. An erased
/// contact is not asked for: the log is meant to know nothing of it.
async fn compare(
    context: &Context,
    connection: &Connection,
    net: &Net,
    contact_id: ContactId,
) -> Result<Vec<api::RecordDifference>, Status> {
    let erasure = context.log.erasures().find(&connection.location_id, &contact_id).await.map_err(status_of_log)?;
    if erasure.is_some_and(|erasure| erasure.lifted_at.is_none()) {
        return Ok(Vec::new());
    }
    let mut found = differences(context, connection, net, &contact_id).await?;
    if !found.is_empty() {
        tokio::time::sleep(context.config.verify.recheck_pause).await;
        found = differences(context, connection, net, &contact_id).await?;
    }
    Ok(found.into_iter().map(|draft| difference(&contact_id, draft)).collect())
}

async fn differences(context: &Context, connection: &Connection, net: &Net, contact_id: &ContactId) -> Result<Vec<Draft>, Status> {
    let mut attempt = 1;
    let seen = loop {
        let error = match look(context, connection, Request::whole(contact_id.clone(), net.clone(), None)).await {
            Ok(seen) => break seen,
            Err(error) => error,
        };
        match verdict(&error, attempt, &context.config.retry) {
            domain::Verdict::Retry(delay) if error.is_transient() => tokio::time::sleep(delay).await,
            domain::Verdict::Retry(_) | domain::Verdict::Park(_) | domain::Verdict::Done => return Err(status_of_ghl(&error)),
        }
        attempt += 1;
    };
    // The log is read after GHL, so that it has what was appended meanwhile.
    let known = context.log.known().of(&connection.location_id, std::slice::from_ref(contact_id), &RecordKind::ALL).await;
    let known = known.map_err(status_of_log)?;
    let mut differing = domain::observe(&known.get(contact_id).cloned().unwrap_or_default(), &seen).drafts;
    differing.retain(|draft| draft.fact.is_news());
    Ok(differing)
}

fn difference(contact_id: &ContactId, draft: Draft) -> api::RecordDifference {
    let field = |change: domain::FieldChange| api::FieldDifference {
        field: change.field,
        log_json: change.before.to_string(),
        ghl_json: change.after.to_string(),
    };
    api::RecordDifference {
        contact_id: contact_id.to_string(),
        kind: draft.fact.record.kind().to_string(),
        record_id: draft.record_id.to_string(),
        difference: draft.fact.change.as_str().to_owned(),
        fields: draft.fact.changes.into_iter().map(field).collect(),
    }
}

fn status_of_ghl(error: &ghl::Error) -> Status {
    if matches!(error, ghl::Error::Unauthorized { .. }) {
        Status::failed_precondition(format!("{error}; give the poller a token that works"))
    } else if matches!(error, ghl::Error::Forbidden { .. } | ghl::Error::LocationInactive { .. }) {
        Status::failed_precondition(error.to_string())
    } else if error.is_transient() {
        Status::unavailable(format!("{error}; verify again later"))
    } else {
        Status::internal(error.to_string())
    }
}
