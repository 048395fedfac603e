//! Finds the locations to look after: those of the settings, and those where the marketplace app is installed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use chassis::Shutdown;
use domain::LocationId;
use eventlog::{Credential, CredentialOwner, CredentialState, Locations};
use ghl::OAuthError;
use jiff::Timestamp;

use crate::app::candidate::{Access, Candidate, CandidateMap};
use crate::app::grants::install;
use crate::app::marketplace::App;
use crate::context::Context;

/// Begins the log of each new location. A location whose token is dead is included, so that people see what it lacks. For a location of
/// the settings, the app does not count.
///
/// # Errors
/// `eventlog::Error` when the database does not answer; a token file that cannot be read.
pub(crate) async fn candidates(context: &Context) -> anyhow::Result<CandidateMap> {
    let before = context.candidates.all();
    let mut candidates = CandidateMap::new();
    for settings in &context.config.locations {
        let candidate = match before.get(&settings.id) {
            Some(candidate) => Arc::clone(candidate),
            None => connected(context.log.locations(), &settings.id, Access::Private(settings.read_token()?)).await?,
        };
        candidates.insert(settings.id.clone(), candidate);
    }
    let Some(app) = &context.app else { return Ok(candidates) };
    let credentials = app.credentials.list().await?;
    context.problems.installations(&credentials);
    for credential in credentials.into_iter().filter(|credential| credential.state != CredentialState::Retired) {
        let CredentialOwner::Location(id) = credential.owner else { continue };
        if candidates.contains_key(&id) {
            continue;
        }
        let candidate = match before.get(&id) {
            Some(candidate) => Arc::clone(candidate),
            None => connected(context.log.locations(), &id, Access::App(Arc::clone(app))).await?,
        };
        candidates.insert(id, candidate);
    }
    Ok(candidates)
}

async fn connected(locations: &Locations, id: &LocationId, access: Access) -> eventlog::Result<Arc<Candidate>> {
    let location = locations.connect(id, Timestamp::now()).await?;
    tracing::info!(location.id = %id, "location is connected");
    Ok(Arc::new(Candidate { location, access }))
}

/// Finds out where the app is installed, when a webhook or a person has changed that and from time to time, until it is time to stop.
/// Leases are taken and given back accordingly, when they are next renewed.
pub(crate) async fn run(context: Arc<Context>, app: Arc<App>, stop: Shutdown) -> anyhow::Result<()> {
    let mut agencies_asked_at = Instant::now();
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = app.installations_changed.notified() => {}
            () = tokio::time::sleep(*app.settings.check_interval) => {}
        }
        if agencies_asked_at.elapsed() >= *app.settings.agency_interval {
            agencies_asked_at = Instant::now();
            if let Err(error) = ask_agencies(&app).await {
                tracing::warn!(%error, "agencies could not be asked where the app is installed");
            }
        }
        match candidates(&context).await {
            Ok(candidates) => {
                context.candidates.set(candidates);
                if let Err(error) = remove_hints(&context, &app).await {
                    tracing::warn!(%error, "hints of locations without the app could not be removed, trying again later");
                }
            }
            Err(error) => tracing::warn!(%error, "the installations of the app cannot be read"),
        }
    }
}

/// Removes the hints of locations where the app is not installed any more. As long as somebody looks after one, it waits for the next time.
async fn remove_hints(context: &Context, app: &App) -> anyhow::Result<()> {
    let credentials = app.credentials.list().await?;
    let retired = credentials.iter().filter(|credential| credential.state == CredentialState::Retired);
    let retired: BTreeSet<&LocationId> = retired
        .filter_map(|credential| match &credential.owner {
            CredentialOwner::Location(id) => Some(id),
            CredentialOwner::Company(_) => None,
        })
        .collect();
    if retired.is_empty() {
        return Ok(());
    }
    for location_id in context.bus.locations_with_hints().await?.iter().filter(|id| retired.contains(id)) {
        let is_mirrored = context.candidates.contains(location_id) != Some(false);
        if is_mirrored || context.log.leases().holder_address(location_id).await?.is_some() {
            continue;
        }
        let hints = context.bus.remove_hints(location_id).await?;
        tracing::info!(location.id = %location_id, hints, "app is not installed any more, its hints are removed");
    }
    Ok(())
}

/// Finds the locations of agencies whose installation webhook was lost. A lost uninstallation shows when the token is refused.
async fn ask_agencies(app: &Arc<App>) -> eventlog::Result<()> {
    let credentials = app.credentials.list().await?;
    for agency in credentials.iter().filter(|credential| credential.state == CredentialState::Active) {
        if let CredentialOwner::Company(_) = &agency.owner {
            add_missing(app, &agency.owner, &credentials).await;
        }
    }
    Ok(())
}

/// Gets the tokens of those locations of an agency that have the app and no usable tokens here.
pub(crate) async fn add_missing(app: &Arc<App>, agency: &CredentialOwner, stored: &[Credential]) {
    let locations = match app.tokens(agency.clone()).installed_locations().await {
        Ok(locations) => locations,
        Err(error) => return tracing::error!(oauth.owner = %agency, %error, "the agency's locations cannot be read"),
    };
    for location_id in locations {
        let owner = CredentialOwner::Location(location_id.clone());
        let usable = [CredentialState::Active, CredentialState::Inactive];
        if stored.iter().any(|credential| credential.owner == owner && usable.contains(&credential.state)) {
            continue;
        }
        if let Err(error) = add(app, agency, &location_id).await {
            tracing::error!(location.id = %location_id, %error, "location has the app but no token yet");
        }
    }
}

/// Gets the tokens of a location with those of its agency.
///
/// # Errors
/// See [`OAuthError`].
pub(crate) async fn add(app: &Arc<App>, agency: &CredentialOwner, location_id: &LocationId) -> Result<(), OAuthError> {
    let grant = app.tokens(agency.clone()).location_grant(location_id).await?;
    install(&app.credentials, &grant).await.map_err(OAuthError::Unavailable)
}
