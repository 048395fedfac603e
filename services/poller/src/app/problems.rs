//! What a person must fix so that every location can be read; shown in the service's status.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chassis::Chassis;
use domain::LocationId;
use eventlog::{Credential, CredentialOwner};

use crate::app::access::Pause;
use crate::app::marketplace::App;
use crate::metrics::Metrics;

pub(crate) struct Problems {
    /// The locations that have private integration tokens.
    private: Mutex<BTreeSet<LocationId>>,
    app: Option<Arc<App>>,
    chassis: Arc<Chassis>,
    metrics: Metrics,
    /// The locations of which nothing is asked, and why.
    paused: Mutex<BTreeMap<LocationId, Pause>>,
    /// What GHL refuses in a location for want of a scope, in words.
    refused: Mutex<BTreeMap<LocationId, String>>,
    /// The locations in which vanishing is held back, and how much.
    held: Mutex<BTreeMap<LocationId, u64>>,
    /// What is wrong with installations of the app.
    broken: Mutex<BTreeMap<CredentialOwner, String>>,
    /// The locations whose token cannot be read, and why.
    unreadable: Mutex<BTreeMap<LocationId, String>>,
}

impl Problems {
    pub(crate) fn new(app: Option<Arc<App>>, chassis: Arc<Chassis>, metrics: Metrics) -> Self {
        Self {
            private: Mutex::default(),
            app,
            chassis,
            metrics,
            paused: Mutex::default(),
            refused: Mutex::default(),
            held: Mutex::default(),
            broken: Mutex::default(),
            unreadable: Mutex::default(),
        }
    }

    /// Notes which locations have private integration tokens: what a person must do is another there.
    pub(crate) fn with_private_tokens(&self, locations: impl Iterator<Item = LocationId>) {
        *lock(&self.private) = locations.collect();
    }

    /// Shows that nothing of a location is asked.
    pub(crate) fn paused(&self, location_id: &LocationId, why: Pause) {
        self.metrics.token_refused(location_id, why == Pause::Token);
        lock(&self.paused).insert(location_id.clone(), why);
        if let Some(app) = &self.app {
            // The reason may just have been stored with the installation.
            app.installations_changed.notify_one();
        }
        self.show();
    }

    /// Shows that GHL answers for a location again.
    pub(crate) fn resumed(&self, location_id: &LocationId) {
        self.metrics.token_refused(location_id, false);
        lock(&self.paused).remove(location_id);
        self.show();
    }

    /// Shows nothing more of a location whose lease is not held here any more.
    pub(crate) fn forget(&self, location_id: &LocationId) {
        lock(&self.refused).remove(location_id);
        self.resumed(location_id);
    }

    /// Shows what GHL refuses in a location for want of a scope; none when it refuses nothing.
    pub(crate) fn refused(&self, location_id: &LocationId, what: Option<String>) {
        match what {
            Some(what) => lock(&self.refused).insert(location_id.clone(), what),
            None => lock(&self.refused).remove(location_id),
        };
        self.show();
    }

    /// Shows how much vanishing is held back in a location; none when it was released, or the lease is not held here any more.
    pub(crate) fn vanishing_held(&self, location_id: &LocationId, held: u64) {
        let before = match held {
            0 => lock(&self.held).remove(location_id),
            more => lock(&self.held).insert(location_id.clone(), more),
        };
        if before.unwrap_or_default() != held {
            self.show();
        }
    }

    /// Shows what is wrong with the installations of the app.
    pub(crate) fn installations(&self, credentials: &[Credential]) {
        let problems = credentials.iter().filter_map(|credential| Some((credential.owner.clone(), credential.problem.clone()?)));
        *lock(&self.broken) = problems.collect();
        self.show();
    }

    /// Shows which locations are not mirrored because their token cannot be read.
    pub(crate) fn unreadable_tokens(&self, unreadable: BTreeMap<LocationId, String>) {
        {
            let mut known = lock(&self.unreadable);
            // They are tried again with every turn of the leases: each reason is told once.
            for (id, why) in unreadable.iter().filter(|(id, why)| known.get(*id) != Some(*why)) {
                tracing::error!(location.id = %id, error = why, "location is not mirrored until its token can be read");
            }
            *known = unreadable;
        }
        self.show();
    }

    /// A line for each location and agency, with what a person must do.
    fn show(&self) {
        // Locked to the end, so that what is shown last is the newest state.
        let paused = lock(&self.paused);
        let mut problems = lock(&self.broken).clone();
        for (id, why) in &*paused {
            let told = || match why {
                Pause::Token => self.new_token(id),
                Pause::Inactive => "GHL says that it is not active; switch it on there".to_owned(),
            };
            problems.entry(CredentialOwner::Location(id.clone())).or_insert_with(told);
        }
        let with_refused_token = paused.iter().filter(|(_, why)| **why == Pause::Token);
        let ids: Vec<&str> = with_refused_token.map(|(id, _)| id.as_str()).collect();
        let mut lines: Vec<_> = problems.into_iter().map(|(owner, problem)| format!("{owner}: {problem}")).collect();
        lines.extend(lock(&self.held).iter().map(|(id, held)| {
            format!(
                "location {id}: unusually much has vanished that no webhook announced, {held} times held back; look at it in GHL, and \
                     if it is really gone: mirrorctl release --location {id}"
            )
        }));
        lines.extend(lock(&self.refused).iter().map(|(id, what)| format!("location {id}: {what}; {}", self.new_scope(id))));
        lines.extend(lock(&self.unreadable).iter().map(|(id, why)| {
            format!(
                "location {id}: it is not mirrored, because its token cannot be read: {why}; give the key that sealed it, or another token \
                     with `mirrorctl location add`"
            )
        }));
        let control = self.chassis.control();
        control.set_figure("locations_with_refused_token", ids.join(" "));
        control.set_figure("to_mend", lines.join("\n"));
    }

    fn new_scope(&self, location_id: &LocationId) -> &'static str {
        match &self.app {
            Some(_) if !lock(&self.private).contains(location_id) => "add it to oauth.app.scopes and to the app, and install the app again",
            Some(_) | None => "add it to the private integration; what is missing is then caught up",
        }
    }

    fn new_token(&self, location_id: &LocationId) -> String {
        match &self.app {
            Some(app) if !lock(&self.private).contains(location_id) => {
                format!("GHL refuses its token; check oauth.app.scopes and install the app again: open {}", app.start_url())
            }
            Some(_) | None => "GHL refuses its private integration token; make another in its Settings, Private Integrations, with \
                               every scope, and write it into its token file or give it to `mirrorctl location add`"
                .to_owned(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
