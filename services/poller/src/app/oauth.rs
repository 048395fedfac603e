//! How the marketplace app comes to be installed: `/oauth/start` sends a person to GHL, who comes back to `/oauth/callback` with a code;
//! webhooks name the locations that get or lose the app.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use eventlog::{CredentialOwner, CredentialState, Kek, Wrapped};
use ghl::webhook::Installation;
use ghl::{Holder, OAuthError};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};

use crate::app::grants::install;
use crate::app::installations::{add, add_missing};
use crate::app::marketplace::App;
use crate::context::Context;

const COOKIE: &str = "mirror_oauth";
/// Begins the nonce of a state that was sealed for a browser at another host than the callback's.
const OTHER_HOST: &str = "~";
/// Binds a sealed state to its purpose: nothing else opens it.
const STATE: &[u8] = b"oauth state";

/// For operators: whoever reaches it can have a location of their own mirrored.
pub(crate) fn start_page(context: Arc<Context>) -> Router {
    Router::new().route("/oauth/start", get(start)).with_state(context)
}

/// For everybody: GHL sends people there.
pub(crate) fn callback_page(context: Arc<Context>) -> Router {
    Router::new().route("/oauth/callback", get(callback)).with_state(context)
}

/// The app, and the key that its tokens are sealed with.
fn app(context: &Context) -> Option<(&Arc<App>, &Kek)> {
    Some((context.app.as_ref()?, context.log.keys().kek()?))
}

fn page(status: StatusCode, what: &'static str) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store"), (header::CONTENT_TYPE, "text/plain; charset=utf-8")], what).into_response()
}

const NO_APP: &str = "no app is configured: the poller's settings oauth.app and log.kek say how\n";

async fn start(State(context): State<Arc<Context>>, headers: HeaderMap) -> Response {
    let Some((app, kek)) = app(&context) else { return page(StatusCode::NOT_FOUND, NO_APP) };
    let random = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 24]>());
    // A browser brings the cookie back only to the host that set it. From another host, the state that was sealed here has to do.
    let nonce = if is_host_of(&headers, &app.settings.app.redirect_uri) { random } else { format!("{OTHER_HOST}{random}") };
    let Some(state) = seal_state(kek, &nonce, Timestamp::now()) else {
        return page(StatusCode::INTERNAL_SERVER_ERROR, "the state could not be sealed\n");
    };
    let secure = if app.settings.app.redirect_uri.starts_with("https:") { "; Secure" } else { "" };
    let seconds = app.settings.state_lifetime.as_secs();
    let cookie = format!("{COOKIE}={nonce}; Path=/oauth; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    let install_url = app.oauth.install_url(&state);
    let (Ok(install_url), Ok(cookie)) = (HeaderValue::from_str(install_url.as_str()), HeaderValue::from_str(&cookie)) else {
        return page(StatusCode::INTERNAL_SERVER_ERROR, "oauth.app gives no valid address\n");
    };
    (StatusCode::SEE_OTHER, [(header::LOCATION, install_url), (header::SET_COOKIE, cookie)]).into_response()
}

async fn callback(State(context): State<Arc<Context>>, headers: HeaderMap, Query(query): Query<BTreeMap<String, String>>) -> Response {
    let Some((app, kek)) = app(&context) else { return page(StatusCode::NOT_FOUND, NO_APP) };
    let lifetime = SignedDuration::try_from(app.settings.state_lifetime).unwrap_or(SignedDuration::MAX);
    let nonce = query.get("state").and_then(|state| open_state(kek, state, Timestamp::now(), lifetime));
    let Some(nonce) = nonce.filter(|nonce| nonce.starts_with(OTHER_HOST) || cookie(&headers).as_ref() == Some(nonce)) else {
        return page(StatusCode::FORBIDDEN, "this did not begin at /oauth/start in this browser a moment ago; begin there\n");
    };
    match app.credentials.spend_state(&nonce, Timestamp::now() + lifetime).await {
        Ok(true) => {}
        Ok(false) => return page(StatusCode::FORBIDDEN, "this was done already; `mirrorctl credentials list` shows what came of it\n"),
        Err(error) => {
            tracing::warn!(%error, "callback of an installation is refused");
            return page(StatusCode::SERVICE_UNAVAILABLE, "the database does not answer; load this page again\n");
        }
    }
    let Some(code) = query.get("code") else { return page(StatusCode::BAD_REQUEST, "GHL gave no code; begin at /oauth/start\n") };
    // A task of its own: a browser that goes away must not leave a spent code behind.
    let (code, app) = (SecretString::from(code.as_str()), Arc::clone(app));
    let installed = tokio::spawn(async move { exchange(&app, &code).await }).await;
    match installed {
        Ok(Ok(())) => page(StatusCode::OK, "installed; `mirrorctl credentials list` shows it\n"),
        Ok(Err(())) | Err(_) => {
            page(StatusCode::BAD_GATEWAY, "GHL did not give the tokens, or they could not be stored; begin at /oauth/start\n")
        }
    }
}

async fn exchange(app: &Arc<App>, code: &SecretString) -> Result<(), ()> {
    let grant = app.oauth.exchange(code).await.map_err(|error| tracing::error!(%error, "the code is not exchanged"))?;
    install(&app.credentials, &grant).await.map_err(|error| tracing::error!(%error, "the tokens are not stored"))?;
    if let Holder::Company(company_id) = grant.holder {
        // When an agency installs the app again, each of its locations gets new tokens.
        add_missing(app, &CredentialOwner::Company(company_id), &[]).await;
    }
    app.installations_changed.notify_one();
    Ok(())
}

/// Takes over what a webhook says about the app, as far as GHL confirms it: a location gets tokens only if it has the app.
///
/// # Errors
/// When the database or GHL does not answer: GHL is to send the webhook again.
pub(crate) async fn note_installation(app: &Arc<App>, installation: Installation) -> anyhow::Result<()> {
    let Installation { installed, app_id, location_id, company_id, at } = installation;
    if app_id != app.settings.app.app_id {
        return Ok(());
    }
    match (installed, location_id.map(CredentialOwner::Location), company_id.map(CredentialOwner::Company)) {
        // Without tokens of the agency, the location's own come when a person brings its code.
        (true, Some(location), Some(agency)) => add_location(app, &agency, &location).await?,
        (true, _, _) | (false, None, None) => {}
        (false, Some(location), _) => retire(app, &location, at).await?,
        (false, None, Some(agency)) => {
            let CredentialOwner::Company(company_id) = &agency else { return Ok(()) };
            for credential in app.credentials.list().await? {
                if credential.company_id.as_ref() == Some(company_id) {
                    retire(app, &credential.owner, at).await?;
                }
            }
            retire(app, &agency, at).await?;
        }
    }
    app.installations_changed.notify_one();
    Ok(())
}

async fn add_location(app: &Arc<App>, agency: &CredentialOwner, location: &CredentialOwner) -> anyhow::Result<()> {
    let CredentialOwner::Location(location_id) = location else { return Ok(()) };
    let has_token = app.credentials.find(agency).await?.is_some_and(|(credential, _)| credential.state == CredentialState::Active);
    if !has_token || app.credentials.retired_by_hand().await?.contains(location_id) {
        return Ok(());
    }
    match add(app, agency, location_id).await {
        Err(error @ (OAuthError::Unavailable(_) | OAuthError::UnknownOutcome(_))) => Err(error.into()),
        Err(error) => {
            tracing::error!(location.id = %location_id, %error, "location has the app but no token yet");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// Forgets the tokens, unless they were given after the webhook was first sent.
async fn retire(app: &App, owner: &CredentialOwner, gone_at: Option<Timestamp>) -> eventlog::Result<()> {
    if app.credentials.retire(owner, gone_at).await? {
        tracing::info!(oauth.owner = %owner, "app is uninstalled, its tokens are forgotten");
    }
    Ok(())
}

fn seal_state(kek: &Kek, nonce: &str, at: Timestamp) -> Option<String> {
    let Wrapped { kek_id, bytes } = kek.wrap(format!("{} {nonce}", at.as_second()).as_bytes(), STATE).ok()?;
    Some(format!("{kek_id}~{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// The nonce of a state that was sealed here no longer ago than `lifetime`.
fn open_state(kek: &Kek, state: &str, now: Timestamp, lifetime: SignedDuration) -> Option<String> {
    let (kek_id, bytes) = state.split_once('~')?;
    let wrapped = Wrapped { kek_id: kek_id.to_owned(), bytes: URL_SAFE_NO_PAD.decode(bytes).ok()? };
    let opened = kek.unwrapped(&wrapped, STATE).ok()?;
    let (at, nonce) = std::str::from_utf8(opened.expose_secret()).ok()?.split_once(' ')?;
    let age = now.duration_since(Timestamp::from_second(at.parse().ok()?).ok()?);
    (age <= lifetime).then(|| nonce.to_owned())
}

/// Whether a request came to the host, at whatever port, that this address names.
fn is_host_of(headers: &HeaderMap, address: &str) -> bool {
    let asked = headers.get(header::HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    let named = address.parse::<Uri>().ok().and_then(|address| Some(address.host()?.to_owned()));
    matches!((asked, named), (Some(asked), Some(named)) if asked.host().eq_ignore_ascii_case(&named))
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
        let state = seal_state(&ours, "nonce", now).unwrap();
        assert_eq!(open_state(&ours, &state, now + SignedDuration::from_mins(9), lifetime).as_deref(), Some("nonce"));
        assert_eq!(open_state(&ours, &state, now + SignedDuration::from_mins(11), lifetime), None);
        assert_eq!(open_state(&kek('b'), &state, now, lifetime), None);
        for forged in ["", "one~", "one~AAAA", &state.replace("one~", "two~")] {
            assert_eq!(open_state(&ours, forged, now, lifetime), None);
        }
    }
}
