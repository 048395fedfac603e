//! What a net works with in one location, round after round.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use chassis::Shutdown;
use domain::{ContactId, Net, Observation, RecordKind};
use ghl::Client;
use tokio::sync::Notify;

use crate::context::Context;
use crate::look::connection::Connection;
use crate::look::fetch::nothing_seen;
use crate::look::request::{AnswerId, ContactPart, Missing, RecordParts, Request};
use crate::nets::error::{Error, Result};

#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) context: &'a Context,
    pub(crate) connection: &'a Connection,
    pub(crate) net: &'a Net,
    /// How many looks may be in flight.
    pub(crate) in_flight_max: usize,
    /// Counts the changes that looks find, where somebody wants to know.
    pub(crate) found: Option<&'a AtomicU64>,
}

/// The kinds of records that GHL lists for a whole location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListKind {
    Contacts,
    Tasks,
    Appointments,
}

impl ListKind {
    /// Contacts first: records are compared with what is known of their contacts, and when a contact is gone, so are its records.
    pub(crate) const ALL: [Self; 3] = [Self::Contacts, Self::Tasks, Self::Appointments];

    pub(crate) fn record_kind(self) -> RecordKind {
        match self {
            Self::Contacts => RecordKind::Contact,
            Self::Tasks => RecordKind::Task,
            Self::Appointments => RecordKind::Appointment,
        }
    }
}

impl<'a> Scope<'a> {
    pub(crate) fn stop(&self) -> &'a Shutdown {
        &self.connection.stop
    }

    pub(crate) fn client(&self) -> Client {
        self.connection.client_for(self.net)
    }

    pub(crate) fn is_backfill(&self) -> bool {
        matches!(self.net, Net::Backfill)
    }

    /// Whether what this net does not find counts as missing. It has to remember what it did find.
    pub(crate) fn concludes_absence(&self) -> bool {
        matches!(self.net, Net::Backfill | Net::Sweep)
    }

    /// Whether the backfill has read all records of a kind: before that, no other net goes through them.
    pub(crate) async fn is_backfilled(&self, kind: ListKind) -> Result<bool> {
        let (passes, location_id) = (self.context.log.passes(), &self.connection.location_id);
        let backfill = passes.progress(location_id).await?.backfill;
        if backfill.finished_at.is_some() {
            return Ok(true);
        }
        let Some(since) = backfill.started_at else { return Ok(false) };
        let pass = passes.get(location_id, Net::Backfill.as_str(), kind.record_kind()).await?;
        Ok(pass.started_at.is_none() && pass.ended_at.is_some_and(|ended| ended >= since))
    }

    /// Whether the backfill could not read all records of a kind and waits for another try.
    pub(crate) async fn has_broken_off(&self, kind: ListKind) -> Result<bool> {
        let pass = self.context.log.passes().get(&self.connection.location_id, Net::Backfill.as_str(), kind.record_kind()).await?;
        Ok(pass.broken_off.is_some())
    }

    pub(crate) fn is_watch(&self) -> bool {
        matches!(self.net, Net::Poll)
    }

    pub(crate) fn is_sweep(&self) -> bool {
        matches!(self.net, Net::Sweep)
    }

    pub(crate) fn observation(&self, contact_id: ContactId, answer: &AnswerId) -> Observation {
        let mut seen = nothing_seen(self.connection, contact_id, answer.asked_at, self.net.clone());
        seen.cause.ghl_trace_id.clone_from(&answer.trace_id);
        seen.traceparent = chassis::trace::traceparent();
        seen
    }

    pub(crate) fn request(&self, contact_id: ContactId, contact: ContactPart, records: RecordParts) -> Request {
        let (missing, net) = (Missing::Unconfirmed, self.net.clone());
        Request { contact_id, contact, records, missing, listed: Vec::new(), net, traceparent: chassis::trace::traceparent() }
    }

    /// A request for a contact and everything that belongs to it.
    pub(crate) fn whole(&self, contact_id: ContactId) -> Request {
        self.request(contact_id, ContactPart::Fetch, RecordParts::ALL)
    }

    /// A request that confirms what a list shows of a contact's records of a kind.
    pub(crate) fn confirmation(&self, contact_id: ContactId, kind: ListKind) -> Request {
        match kind {
            ListKind::Contacts => self.whole(contact_id),
            ListKind::Tasks => self.request(contact_id, ContactPart::Skip, RecordParts::TASKS),
            ListKind::Appointments => self.request(contact_id, ContactPart::Skip, RecordParts::APPOINTMENTS),
        }
    }
}

/// The rounds of a net, one after another.
pub(crate) struct Rounds<'a> {
    scope: Scope<'a>,
    /// What a round is called in log messages.
    name: &'static str,
    /// Ends a pause early when notified.
    wake: Option<&'a Notify>,
    /// How many rounds in a row have failed.
    failed: u32,
}

impl<'a> Rounds<'a> {
    pub(crate) fn new(scope: Scope<'a>, name: &'static str, wake: Option<&'a Notify>) -> Self {
        Self { scope, name, wake, failed: 0 }
    }

    /// Waits until a round may begin; false when it is time to stop.
    pub(crate) async fn begin(&self) -> bool {
        let Scope { context, connection, .. } = self.scope;
        context.chassis.control().wait_while_paused(self.scope.stop()).await;
        connection.wait_until_askable(self.scope.stop()).await
    }

    /// Pauses for as long as the round says, or until a failed one is to be retried.
    pub(crate) async fn end(&mut self, round: Result<Duration>) {
        let Scope { context, connection, .. } = self.scope;
        let mut allowed = None;
        let pause = match round {
            Ok(pause) => {
                self.failed = 0;
                pause
            }
            Err(Error::Stopped) => return,
            Err(error) => {
                self.failed += 1;
                allowed = error.is_refused().then_some(&connection.allowed);
                let pause = error.delay(&context.problems, &context.config.retry, connection, self.failed);
                tracing::warn!(location.id = %connection.location_id, %error, attempt = self.failed, "{} failed, trying again later", self.name);
                pause
            }
        };
        tokio::select! {
            () = self.scope.stop().cancelled() => {}
            () = tokio::time::sleep(pause) => {}
            () = connection.tried_again() => {}
            () = notified(self.wake) => {}
            () = notified(allowed) => {}
        }
    }
}

/// Never returns where there is nothing to be notified of.
async fn notified(wake: Option<&Notify>) {
    match wake {
        Some(wake) => wake.notified().await,
        None => std::future::pending().await,
    }
}
