//! Finds out where the marketplace app is installed.

use std::sync::Arc;
use std::time::Instant;

use chassis::Shutdown;
use domain::LocationId;
use eventlog::{Credential, CredentialOwner, CredentialState};
use ghl::OAuthError;

use crate::app::grants::install;
use crate::app::marketplace::App;
use crate::app::mirroring;
use crate::context::Context;
use crate::look::connection::Connections;

/// Finds out where the app is installed, when a webhook or a person has changed that and from time to time, until it is time to stop.
/// Leases are taken and given back accordingly, when they are next renewed.
pub(crate) async fn run(context: Arc<Context>, connections: Arc<Connections>, app: Arc<App>, stop: Shutdown) -> anyhow::Result<()> {
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
        if let Err(error) = mirroring::read(&context, &connections).await {
            tracing::warn!(%error, "the installations of the app cannot be read");
        }
    }
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
    let retired = match app.credentials.retired_by_hand().await {
        Ok(retired) => retired,
        Err(error) => return tracing::error!(oauth.owner = %agency, %error, "which locations are retired cannot be read"),
    };
    for location_id in locations.into_iter().filter(|id| !retired.contains(id)) {
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
