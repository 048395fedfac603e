//! Looks and messages that cannot be processed are parked until a person redrives them, so that those behind them are not held up.

use bus::Subject;
use domain::{ContactId, LocationId};
use eventlog::{Parking, Parkings, Stage};

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
}

impl Parker {
    pub(crate) fn new(parked: Parkings, metrics: Metrics) -> Self {
        Self { parked, metrics }
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
        let subject = Subject::hints(location_id).to_string();
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
