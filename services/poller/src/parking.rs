//! Looks and messages that cannot be processed are parked until a person redrives them, so that those behind them are not held up.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use domain::{ContactId, LocationId, ObjectKey, RecordKind};
use eventlog::{Parking, Parkings, Stage};
use ghl::UnreadableRow;

use crate::hint::Hint;
use crate::metrics::Metrics;

/// Why something is parked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) reason: String,
    pub(crate) status: Option<u16>,
    pub(crate) attempts: u32,
}

/// A message that is published to `subject` when it is redriven.
pub(crate) struct Undeliverable {
    pub(crate) location_id: LocationId,
    pub(crate) contact_id: Option<ContactId>,
    pub(crate) subject: String,
    pub(crate) message: Vec<u8>,
    pub(crate) traceparent: Option<String>,
}

/// Parks looks and messages, and counts them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Parker {
    parked: Parkings,
    metrics: Metrics,
    /// The rows that this process has parked: they come with every round.
    rows: Arc<Mutex<BTreeSet<(LocationId, ObjectKey)>>>,
}

/// For how many rows is remembered that they are parked; beyond, all are forgotten and parked again.
const ROWS_MAX: usize = 10_000;

impl Parker {
    pub(crate) fn new(parked: Parkings, metrics: Metrics) -> Self {
        Self { parked, metrics, rows: Arc::default() }
    }

    /// Parks rows of a list that are no records: each alone, once, with its id and place. Those of a contact's own list are parked with
    /// the contact.
    ///
    /// # Errors
    /// See [`eventlog::Error`].
    pub(crate) async fn park_rows(
        &self,
        location_id: &LocationId,
        contact_id: Option<&ContactId>,
        kind: RecordKind,
        rows: &[UnreadableRow],
    ) -> eventlog::Result<()> {
        for row in rows {
            let object = ObjectKey::from(format!("ghl:row/{kind}/{}", row.key));
            if self.remembered().contains(&(location_id.clone(), object.clone())) {
                continue;
            }
            let reason = format!("row {} of a list of GHL's cannot be read: {} ({kind}, {})", row.place + 1, row.why, row.key);
            tracing::warn!(location.id = %location_id, record.kind = %kind, row.place, row.key, row.why, "parked a row that is no record");
            let parking = Parking {
                stage: Stage::Poller,
                location_id: location_id.clone(),
                contact_id: contact_id.cloned(),
                object: Some(object.clone()),
                revision: None,
                subject: String::new(),
                // There is nothing to send again: the next list is the next attempt.
                message: Vec::new(),
                reason,
                status: None,
                attempts: 1,
                traceparent: chassis::trace::traceparent(),
            };
            self.parked.park(parking).await?;
            self.metrics.parked();
            let mut remembered = self.remembered();
            if remembered.len() >= ROWS_MAX {
                remembered.clear();
            }
            remembered.insert((location_id.clone(), object));
        }
        Ok(())
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, BTreeSet<(LocationId, ObjectKey)>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Parks a look at a contact, as the hint that asks for another look.
    ///
    /// # Errors
    /// See [`eventlog::Error`].
    pub(crate) async fn park_look(
        &self,
        location_id: &LocationId,
        contact_id: &ContactId,
        failure: Failure,
        traceparent: Option<String>,
    ) -> eventlog::Result<()> {
        let hint = Hint::redriven(location_id.clone(), contact_id.clone());
        let message = serde_json::to_vec(&hint).map_err(|error| eventlog::Error::Unreadable(error.into()))?;
        let subject = hint.subject().to_string();
        let undeliverable =
            Undeliverable { location_id: location_id.clone(), contact_id: Some(contact_id.clone()), subject, message, traceparent };
        self.park_message(undeliverable, failure).await
    }

    /// Parks a message as it is.
    ///
    /// # Errors
    /// See [`eventlog::Error`].
    pub(crate) async fn park_message(&self, undeliverable: Undeliverable, failure: Failure) -> eventlog::Result<()> {
        let Undeliverable { location_id, contact_id, subject, message, traceparent } = undeliverable;
        let Failure { reason, status, attempts } = failure;
        let contact = contact_id.as_ref().map(ContactId::as_str).unwrap_or_default();
        tracing::warn!(location.id = %location_id, contact.id = contact, reason, "parked");
        let (stage, object, revision) = (Stage::Poller, None, None);
        let parking = Parking { stage, location_id, contact_id, object, revision, subject, message, reason, status, attempts, traceparent };
        self.parked.park(parking).await?;
        self.metrics.parked();
        Ok(())
    }
}
