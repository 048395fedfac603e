//! Which locations there are to look after: those of the settings, and those where the marketplace app is installed.

use std::sync::Arc;
use std::time::Instant;

use chassis::Shutdown;
use domain::LocationId;
use eventlog::{Credential, CredentialOwner, CredentialState};
use ghl::OAuthError;
use jiff::Timestamp;

use crate::app::candidate::{Access, Candidate, Candidates};
use crate::app::marketplace::App;
use crate::app::tokens::install;
use crate::context::Tools;

/// Begins the log of each location that is new. One whose token is dead is there, too, so that people see what it lacks; the settings
/// count before the app.
///
/// # Errors
/// `eventlog::Error` when the database does not answer; a token file that cannot be read.
pub(crate) async fn candidates(tools: &Tools) -> anyhow::Result<Candidates> {
    let before = tools.candidates();
    let mut candidates = Candidates::new();
    for settings in &tools.config.locations {
        let candidate = match before.get(&settings.id) {
            Some(candidate) => Arc::clone(candidate),
            None => connected(tools, &settings.id, Access::Private(settings.read_token()?)).await?,
        };
        candidates.insert(settings.id.clone(), candidate);
    }
    let Some(app) = &tools.app else { return Ok(candidates) };
    let credentials = tools.log.credentials().await?;
    tools.show_installations(&credentials);
    for credential in credentials.into_iter().filter(|credential| credential.state != CredentialState::Retired) {
        let CredentialOwner::Location(id) = credential.owner else { continue };
        if candidates.contains_key(&id) {
            continue;
        }
        let candidate = match before.get(&id) {
            Some(candidate) => Arc::clone(candidate),
            None => connected(tools, &id, Access::App(Arc::clone(app))).await?,
        };
        candidates.insert(id, candidate);
    }
    Ok(candidates)
}

async fn connected(tools: &Tools, id: &LocationId, access: Access) -> eventlog::Result<Arc<Candidate>> {
    let known = tools.log.connect_location(id, Timestamp::now()).await?;
    tracing::info!(location.id = %id, "location is connected");
    Ok(Arc::new(Candidate { known, access }))
}

/// Looks where the app is installed, as soon as a webhook or a person tells of it and from time to time, until it is time to stop.
/// Locations are looked after or let go accordingly, with the next turn of the leases.
pub(crate) async fn run(tools: Arc<Tools>, app: Arc<App>, stop: Shutdown) -> anyhow::Result<()> {
    let mut agencies_asked_at = Instant::now();
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tools.installations_changed.notified() => {}
            () = tokio::time::sleep(app.settings.check_interval) => {}
        }
        if agencies_asked_at.elapsed() >= app.settings.agency_interval {
            agencies_asked_at = Instant::now();
            if let Err(error) = ask_agencies(&app).await {
                tracing::warn!(%error, "agencies are not asked where the app is installed");
            }
        }
        match candidates(&tools).await {
            Ok(candidates) => tools.set_candidates(candidates),
            Err(error) => tracing::warn!(%error, "where the app is installed cannot be read"),
        }
    }
}

/// Finds the locations of agencies whose installation no webhook told of. That one was uninstalled shows when its token is refused.
async fn ask_agencies(app: &Arc<App>) -> eventlog::Result<()> {
    let credentials = app.log.credentials().await?;
    for agency in credentials.iter().filter(|credential| credential.state == CredentialState::Active) {
        if let CredentialOwner::Company(_) = &agency.owner {
            add_all(app, &agency.owner, &credentials).await;
        }
    }
    Ok(())
}

/// Comes by the tokens of those locations of an agency that have the app and no tokens here.
pub(crate) async fn add_all(app: &Arc<App>, agency: &CredentialOwner, known: &[Credential]) {
    let locations = match app.tokens(agency.clone()).installed_locations().await {
        Ok(locations) => locations,
        Err(error) => return tracing::error!(oauth.owner = %agency, %error, "the agency's locations are not known"),
    };
    for location_id in locations {
        let owner = CredentialOwner::Location(location_id.clone());
        let usable = [CredentialState::Active, CredentialState::Inactive];
        if known.iter().any(|credential| credential.owner == owner && usable.contains(&credential.state)) {
            continue;
        }
        if let Err(error) = add(app, agency, &location_id).await {
            tracing::error!(location.id = %location_id, %error, "location has the app and no token yet");
        }
    }
}

/// Comes by the tokens of a location with those of its agency.
///
/// # Errors
/// See [`OAuthError`].
pub(crate) async fn add(app: &Arc<App>, agency: &CredentialOwner, location_id: &LocationId) -> Result<(), OAuthError> {
    let grant = app.tokens(agency.clone()).location_grant(location_id).await?;
    install(&app.log, &grant).await.map_err(OAuthError::Unavailable)
}
