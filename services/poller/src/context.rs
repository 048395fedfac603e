//! What every task of the poller works with, and what becomes of work that failed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use bus::{Bus, Subject};
use chassis::{Chassis, Shutdown};
use domain::{ContactId, LocationId};
use eventlog::{Credential, CredentialOwner, EventLog, Parking, Stage};
use tokio::sync::Notify;

use crate::app::candidate::Candidates;
use crate::app::marketplace::App;
use crate::config::Config;
use crate::hint::{Hinted, Stuck};
use crate::metrics::Metrics;

pub(crate) struct Tools {
    pub(crate) config: Config,
    pub(crate) log: EventLog,
    pub(crate) bus: Bus,
    pub(crate) chassis: Arc<Chassis>,
    pub(crate) metrics: Metrics,
    /// Where there is one.
    pub(crate) app: Option<Arc<App>>,
    /// Rung when the app may be installed elsewhere than it was.
    pub(crate) installations_changed: Notify,
    /// Nothing until they are connected.
    candidates: RwLock<Option<Candidates>>,
    /// The locations whose token GHL refuses.
    refused: Mutex<BTreeSet<LocationId>>,
    /// What a person must do about installations of the app.
    broken: Mutex<BTreeMap<CredentialOwner, String>>,
}

impl Tools {
    pub(crate) fn new(config: Config, log: EventLog, bus: Bus, chassis: Arc<Chassis>, metrics: Metrics, app: Option<Arc<App>>) -> Self {
        let (installations_changed, candidates) = (Notify::new(), RwLock::default());
        let (refused, broken) = (Mutex::default(), Mutex::default());
        Self { config, log, bus, chassis, metrics, app, installations_changed, candidates, refused, broken }
    }

    /// The locations that may be looked after; none until they are connected.
    pub(crate) fn candidates(&self) -> Candidates {
        self.candidates.read().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default()
    }

    pub(crate) fn set_candidates(&self, candidates: Candidates) {
        *self.candidates.write().unwrap_or_else(PoisonError::into_inner) = Some(candidates);
    }

    /// Whether a location may be looked after; nothing when that is not known yet.
    pub(crate) fn knows(&self, location_id: &LocationId) -> Option<bool> {
        match &*self.candidates.read().unwrap_or_else(PoisonError::into_inner) {
            Some(candidates) => Some(candidates.contains_key(location_id)),
            None if self.is_listed(location_id) => Some(true),
            None => self.app.is_none().then_some(false),
        }
    }

    /// Lets people see which locations are paused because GHL refuses their token.
    pub(crate) fn show_token(&self, location_id: &LocationId, refused: bool) {
        self.metrics.token_refused(location_id, refused);
        let mut all = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused {
            all.insert(location_id.clone());
            // Why may have been noted with the installation just now.
            self.installations_changed.notify_one();
        } else {
            all.remove(location_id);
        }
        let names: Vec<&str> = all.iter().map(LocationId::as_str).collect();
        self.chassis.control().set_figure("locations_with_refused_token", names.join(" "));
        drop(all);
        self.show_what_to_mend();
    }

    /// Lets people see what they must do about installations of the app.
    pub(crate) fn show_installations(&self, credentials: &[Credential]) {
        let told = credentials.iter().filter_map(|credential| Some((credential.owner.clone(), credential.problem.clone()?)));
        *self.broken.lock().unwrap_or_else(PoisonError::into_inner) = told.collect();
        self.show_what_to_mend();
    }

    /// A line for each location and agency, with what a person must do.
    fn show_what_to_mend(&self) {
        let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for id in &*self.refused.lock().unwrap_or_else(PoisonError::into_inner) {
            let what = || match &self.app {
                Some(app) if !self.is_listed(id) => {
                    format!("GHL refuses its token; check oauth.app.scopes and install the app again: open {}", app.start_url())
                }
                Some(_) | None => "GHL refuses its private integration token; make another in its Settings, Private Integrations, with \
                                   every scope, and give it to the poller"
                    .to_owned(),
            };
            broken.entry(CredentialOwner::Location(id.clone())).or_insert_with(what);
        }
        let lines: Vec<_> = broken.into_iter().map(|(owner, what)| format!("{owner}: {what}")).collect();
        self.chassis.control().set_figure("to_mend", lines.join("\n"));
    }

    fn is_listed(&self, location_id: &LocationId) -> bool {
        self.config.locations.iter().any(|location| location.id == *location_id)
    }

    /// Parks a look at a contact, as the hint that asks for it again when a person sends it again.
    pub(crate) async fn park(&self, hinted: &Hinted, stuck: Stuck, traceparent: Option<String>) -> eventlog::Result<()> {
        let message = serde_json::to_vec(hinted).map_err(|error| eventlog::Error::Unreadable(error.into()))?;
        let subject = Subject::hints(&hinted.location_id).to_string();
        self.park_message(hinted.location_id.clone(), hinted.contact_id.clone(), subject, message, stuck, traceparent).await
    }

    pub(crate) async fn park_message(
        &self,
        location_id: LocationId,
        contact_id: Option<ContactId>,
        subject: String,
        message: Vec<u8>,
        stuck: Stuck,
        traceparent: Option<String>,
    ) -> eventlog::Result<()> {
        let contact = contact_id.as_ref().map(ContactId::as_str).unwrap_or_default();
        tracing::warn!(location.id = %location_id, contact.id = contact, reason = stuck.reason, "parked");
        let parking = Parking {
            stage: Stage::Poller,
            location_id,
            contact_id,
            object: None,
            revision: None,
            subject,
            message,
            reason: stuck.reason,
            status: stuck.status,
            attempts: stuck.attempts,
            traceparent,
        };
        self.log.park(parking).await?;
        self.metrics.parked();
        Ok(())
    }
}

/// Rests; false when it is time to stop.
pub(crate) async fn rest(shutdown: &Shutdown, duration: Duration) -> bool {
    tokio::select! {
        () = shutdown.cancelled() => false,
        () = tokio::time::sleep(duration) => true,
    }
}
