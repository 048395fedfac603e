//! The marketplace app: `/oauth/start` sends a person to GHL to install it, `/oauth/callback` takes what comes back; webhooks tell of
//! locations that get or lose it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use eventlog::{CredentialOwner, CredentialState, Kek, Wrapped};
use ghl::webhook::Installation;
use ghl::{Holder, OAuthError};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};

use crate::app::installations::{add, add_all};
use crate::app::marketplace::App;
use crate::app::tokens::install;
use crate::context::Tools;

const COOKIE: &str = "mirror_oauth";
/// What a state is sealed about: it opens as nothing else.
const STATE: &[u8] = b"oauth state";

pub(crate) fn routes(tools: Arc<Tools>) -> Router {
    Router::new().route("/oauth/start", get(start)).route("/oauth/callback", get(callback)).with_state(tools)
}

/// Where there is an app and a key to seal its tokens with.
fn app(tools: &Tools) -> Option<(&Arc<App>, &Kek)> {
    Some((tools.app.as_ref()?, tools.log.kek()?))
}

fn told(status: StatusCode, what: &'static str) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store"), (header::CONTENT_TYPE, "text/plain; charset=utf-8")], what).into_response()
}

const NO_APP: &str = "no app is configured: the poller's settings oauth.app and log.kek say how\n";

async fn start(State(tools): State<Arc<Tools>>) -> Response {
    let Some((app, kek)) = app(&tools) else { return told(StatusCode::NOT_FOUND, NO_APP) };
    let nonce = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 24]>());
    let Some(state) = sealed_state(kek, &nonce, Timestamp::now()) else {
        return told(StatusCode::INTERNAL_SERVER_ERROR, "no state could be made\n");
    };
    let secure = if app.settings.app.redirect_uri.starts_with("https:") { "; Secure" } else { "" };
    let seconds = app.settings.state_lifetime.as_secs();
    let cookie = format!("{COOKIE}={nonce}; Path=/oauth; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    let place = app.oauth.install_url(&state);
    let (Ok(place), Ok(cookie)) = (HeaderValue::from_str(place.as_str()), HeaderValue::from_str(&cookie)) else {
        return told(StatusCode::INTERNAL_SERVER_ERROR, "oauth.app makes no address\n");
    };
    (StatusCode::SEE_OTHER, [(header::LOCATION, place), (header::SET_COOKIE, cookie)]).into_response()
}

async fn callback(State(tools): State<Arc<Tools>>, headers: HeaderMap, Query(query): Query<BTreeMap<String, String>>) -> Response {
    let Some((app, kek)) = app(&tools) else { return told(StatusCode::NOT_FOUND, NO_APP) };
    let lifetime = SignedDuration::try_from(app.settings.state_lifetime).unwrap_or(SignedDuration::MAX);
    let nonce = query.get("state").and_then(|state| opened_state(kek, state, Timestamp::now(), lifetime));
    let Some(nonce) = nonce.filter(|nonce| cookie(&headers).as_ref() == Some(nonce)) else {
        return told(StatusCode::FORBIDDEN, "this did not begin at /oauth/start in this browser a moment ago; begin there\n");
    };
    match tools.log.spend_oauth_state(&nonce, Timestamp::now() + lifetime).await {
        Ok(true) => {}
        Ok(false) => return told(StatusCode::FORBIDDEN, "this was done already; `mirrorctl credentials list` shows what came of it\n"),
        Err(error) => {
            tracing::warn!(%error, "callback of an installation is turned away");
            return told(StatusCode::SERVICE_UNAVAILABLE, "the database does not answer; load this page again\n");
        }
    }
    let Some(code) = query.get("code") else { return told(StatusCode::BAD_REQUEST, "GHL gave no code; begin at /oauth/start\n") };
    // A browser that goes away must not leave a spent code behind.
    let (code, app) = (SecretString::from(code.as_str()), Arc::clone(app));
    let installed = tokio::spawn(async move { exchange(&tools, &app, &code).await }).await;
    match installed {
        Ok(Ok(())) => told(StatusCode::OK, "installed; `mirrorctl credentials list` shows it\n"),
        Ok(Err(())) | Err(_) => {
            told(StatusCode::BAD_GATEWAY, "GHL did not give the tokens, or they could not be stored; begin at /oauth/start\n")
        }
    }
}

async fn exchange(tools: &Tools, app: &Arc<App>, code: &SecretString) -> Result<(), ()> {
    let grant = app.oauth.exchange(code).await.map_err(|error| tracing::error!(%error, "the code is not exchanged"))?;
    install(&app.log, &grant).await.map_err(|error| tracing::error!(%error, "the tokens are not stored"))?;
    if let Holder::Company(company_id) = grant.holder {
        // With an agency that installs it anew every location gets new tokens.
        add_all(app, &CredentialOwner::Company(company_id), &[]).await;
    }
    tools.installations_changed.notify_one();
    Ok(())
}

/// What webhooks tell of the app. GHL decides: a location gets tokens only if it has the app.
///
/// # Errors
/// When the database or GHL does not answer: the webhook is to come again.
pub(crate) async fn heed(tools: &Tools, told: Installation) -> anyhow::Result<()> {
    let Some(app) = &tools.app else { return Ok(()) };
    let Installation { installed, app_id, location_id, company_id, at } = told;
    if app_id != app.settings.app.app_id {
        return Ok(());
    }
    match (installed, location_id.map(CredentialOwner::Location), company_id.map(CredentialOwner::Company)) {
        // Without tokens of the agency, a person brings the code of the location.
        (true, Some(location), Some(agency)) => installed_by(app, &agency, &location).await?,
        (true, _, _) | (false, None, None) => {}
        (false, Some(location), _) => retire(app, &location, at).await?,
        (false, None, Some(agency)) => {
            let CredentialOwner::Company(company_id) = &agency else { return Ok(()) };
            for credential in app.log.credentials().await? {
                if credential.company_id.as_ref() == Some(company_id) {
                    retire(app, &credential.owner, at).await?;
                }
            }
            retire(app, &agency, at).await?;
        }
    }
    tools.installations_changed.notify_one();
    Ok(())
}

async fn installed_by(app: &Arc<App>, agency: &CredentialOwner, location: &CredentialOwner) -> anyhow::Result<()> {
    let CredentialOwner::Location(location_id) = location else { return Ok(()) };
    let there = app.log.credential(agency).await?.is_some_and(|(credential, _)| credential.state == CredentialState::Active);
    if !there {
        return Ok(());
    }
    match add(app, agency, location_id).await {
        Err(error @ (OAuthError::Unavailable(_) | OAuthError::UnknownOutcome(_))) => Err(error.into()),
        Err(error) => {
            tracing::error!(location.id = %location_id, %error, "location has the app and no token yet");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// Forgets the tokens, unless they were given after the webhook was first sent.
async fn retire(app: &App, owner: &CredentialOwner, gone_at: Option<Timestamp>) -> eventlog::Result<()> {
    if app.log.retire_credential(owner, gone_at).await? {
        tracing::info!(oauth.owner = %owner, "app is uninstalled, its tokens are forgotten");
    }
    Ok(())
}

fn sealed_state(kek: &Kek, nonce: &str, at: Timestamp) -> Option<String> {
    let Wrapped { kek_id, bytes } = kek.wrap(format!("{} {nonce}", at.as_second()).as_bytes(), STATE).ok()?;
    Some(format!("{kek_id}~{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// The nonce of a state that this installation made not too long ago.
fn opened_state(kek: &Kek, state: &str, now: Timestamp, lifetime: SignedDuration) -> Option<String> {
    let (kek_id, bytes) = state.split_once('~')?;
    let wrapped = Wrapped { kek_id: kek_id.to_owned(), bytes: URL_SAFE_NO_PAD.decode(bytes).ok()? };
    let open = kek.unwrapped(&wrapped, STATE).ok()?;
    let (at, nonce) = std::str::from_utf8(open.expose_secret()).ok()?.split_once(' ')?;
    let age = now.duration_since(Timestamp::from_second(at.parse().ok()?).ok()?);
    (age <= lifetime).then(|| nonce.to_owned())
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
    let found = cookies.filter_map(|cookie| cookie.trim().split_once('=')).find(|(name, _)| *name == COOKIE);
    found.map(|(_, nonce)| nonce.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_good_for_a_while_and_only_where_it_was_made() {
        let kek = |digit: char| Kek::parse(&SecretString::from(format!("one:{}", digit.to_string().repeat(64)))).unwrap();
        let (ours, now, lifetime) = (kek('a'), Timestamp::from_second(1_000).unwrap(), SignedDuration::from_mins(10));
        let state = sealed_state(&ours, "nonce", now).unwrap();
        assert_eq!(opened_state(&ours, &state, now + SignedDuration::from_mins(9), lifetime).as_deref(), Some("nonce"));
        assert_eq!(opened_state(&ours, &state, now + SignedDuration::from_mins(11), lifetime), None);
        assert_eq!(opened_state(&kek('b'), &state, now, lifetime), None);
        for forged in ["", "one~", "one~AAAA", &state.replace("one~", "two~")] {
            assert_eq!(opened_state(&ours, forged, now, lifetime), None);
        }
    }
}
