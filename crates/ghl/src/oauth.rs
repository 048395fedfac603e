//! The marketplace app: how a location or an agency installs it, and how its tokens are obtained and renewed.
//!
//! A refresh token can be used once. The caller stores the new one before it asks anything with it, and renews one at a time.

use std::fmt;
use std::time::Duration;

use domain::LocationId;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use settings::{Period, hidden};
use url::{Url, form_urlencoded};

use crate::{Error, Transport};

/// The app as GHL's marketplace knows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppSettings {
    /// Empty: there is no app, only private integration tokens.
    pub client_id: String,
    #[serde(serialize_with = "hidden")]
    pub client_secret: SecretString,
    /// The app that webhooks are about and whose installations are listed.
    pub app_id: String,
    /// Where GHL sends people back to: `/oauth/callback` of this service as the outside reaches it.
    pub redirect_uri: String,
    /// Where people choose a location. `https://marketplace.leadconnectorhq.com/v2/oauth/chooselocation` carries no brand.
    pub authorize_url: Url,
    pub scopes: Vec<String>,
    /// The `Version` header, which decides how fields are spelled: a date, or `v3`.
    pub version: String,
    /// For one whole call. A lost answer must be asked for again within 30 s: so long GHL repeats it.
    pub request_timeout: Period,
}

/// Whom a token speaks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    Location(LocationId),
    /// An agency, which can have tokens for its locations.
    Company(String),
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Location(id) => write!(f, "location {id}"),
            Self::Company(id) => write!(f, "company {id}"),
        }
    }
}

/// Tokens as GHL issued them.
#[derive(Clone, Debug)]
pub struct Grant {
    pub holder: Holder,
    /// The agency of a location, where GHL says it.
    pub company_id: Option<String>,
    pub access: SecretString,
    /// May be missing from tokens of locations that were obtained with the agency's token.
    pub refresh: Option<SecretString>,
    pub expires_in: Duration,
}

/// Why there is no token, by what the caller must do.
#[derive(Debug, thiserror::Error)]
pub enum OAuthError {
    /// Ask again later: nothing was done, and the code or token that was sent is still good.
    #[error(transparent)]
    Unavailable(Error),
    /// The code or token that was sent may be spent. Ask with it once more: for 30 s GHL repeats its answer.
    #[error(transparent)]
    UnknownOutcome(Error),
    /// Ask again later with the same refresh token: it stays good.
    #[error("GHL says that the location is not active{}", traced(.trace_id))]
    NotActive { trace_id: Option<String> },
    /// The code or refresh token is unknown, spent or expired: the app has to be installed again.
    #[error("GHL does not accept the grant{}", traced(.trace_id))]
    InvalidGrant { trace_id: Option<String> },
    /// A person has to correct the app's settings, or the token that was used may not ask this.
    #[error("GHL refuses the app's request, status {status}{}", traced(.trace_id))]
    Refused { status: u16, trace_id: Option<String> },
}

/// The OAuth calls of the app.
#[derive(Clone)]
pub struct OAuth {
    transport: Transport,
    app: AppSettings,
}

impl OAuth {
    pub fn new(transport: Transport, app: AppSettings) -> Self {
        Self { transport, app }
    }

    /// Where a person installs the app. The answer must carry the same `state`.
    pub fn install_url(&self, state: &str) -> Url {
        let mut url = self.app.authorize_url.clone();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("redirect_uri", &self.app.redirect_uri)
            .append_pair("client_id", &self.app.client_id)
            .append_pair("scope", &self.app.scopes.join(" "))
            .append_pair("state", state);
        url
    }

    /// Tokens for the code that a person brought back. A code can be used once.
    ///
    /// # Errors
    /// See [`OAuthError`].
    pub async fn exchange(&self, code: &SecretString) -> Result<Grant, OAuthError> {
        let given = [("grant_type", "authorization_code"), ("code", code.expose_secret()), ("redirect_uri", &self.app.redirect_uri)];
        self.token(&given).await
    }

    /// New tokens for a refresh token, which is then spent.
    ///
    /// # Errors
    /// See [`OAuthError`].
    pub async fn refresh(&self, refresh: &SecretString, of: &Holder) -> Result<Grant, OAuthError> {
        let user_type = match of {
            Holder::Location(_) => "Location",
            Holder::Company(_) => "Company",
        };
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", refresh.expose_secret()), ("user_type", user_type)]).await
    }

    /// Tokens of a location, obtained with its agency's token. Asking again gives new ones; nothing is spent.
    ///
    /// # Errors
    /// See [`OAuthError`].
    pub async fn location_token(&self, agency: &SecretString, company_id: &str, of: &LocationId) -> Result<Grant, OAuthError> {
        let path = ["oauth", if self.is_third() { "location-token" } else { "locationToken" }];
        // Neither name has an underscore, so both versions spell them alike.
        let form =
            form_urlencoded::Serializer::new(String::new()).extend_pairs([("companyId", company_id), ("locationId", of.as_str())]).finish();
        grant(&self.transport.form(&path, &self.app, Some(agency), form).await?, Some(of))
    }

    /// The locations of an agency that have the app installed.
    ///
    /// # Errors
    /// See [`OAuthError`].
    pub async fn installed_locations(&self, agency: &SecretString, company_id: &str) -> Result<Vec<LocationId>, OAuthError> {
        let mut found: Vec<LocationId> = Vec::new();
        let mut next = None;
        for page in 0..PAGES_MAX {
            let mut query =
                vec![("companyId", company_id.to_owned()), ("appId", self.app.app_id.clone()), ("isInstalled", "true".to_owned())];
            let path = if self.is_third() {
                query.push(("pageSize", PAGE_ROWS.to_string()));
                query.extend(next.take().map(|token| ("pageToken", token)));
                ["oauth", "installed-locations"]
            } else {
                query.extend([("limit", PAGE_ROWS.to_string()), ("skip", (page * PAGE_ROWS).to_string())]);
                ["oauth", "installedLocations"]
            };
            let answer = self.transport.list(&path, &self.app, agency, &query).await?;
            let rows = answer.get("locations").or_else(|| answer.get("items")).and_then(Value::as_array).cloned().unwrap_or_default();
            let given = rows.len();
            let ids = rows.iter().filter(|row| row.get("isInstalled").and_then(Value::as_bool).unwrap_or(true));
            let ids = ids.filter_map(|row| row.get("_id").or_else(|| row.get("id")).and_then(Value::as_str));
            let ids: Vec<LocationId> = ids.filter_map(|id| LocationId::new(id).ok()).filter(|id| !found.contains(id)).collect();
            let is_new = !ids.is_empty();
            found.extend(ids);
            next = answer.pointer("/pagination/nextPageToken").and_then(Value::as_str).map(str::to_owned);
            let last = if self.is_third() { next.is_none() } else { given < PAGE_ROWS };
            if last || !is_new {
                break;
            }
        }
        Ok(found)
    }

    async fn token(&self, given: &[(&str, &str)]) -> Result<Grant, OAuthError> {
        let app = [("client_id", self.app.client_id.as_str()), ("client_secret", self.app.client_secret.expose_secret())];
        let fields = app.iter().chain(given).map(|(key, value)| (self.spelled(key), *value));
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        grant(&self.transport.form(&["oauth", "token"], &self.app, None, form).await?, None)
    }

    fn is_third(&self) -> bool {
        self.app.version == "v3"
    }

    fn spelled(&self, key: &str) -> String {
        if self.is_third() { camel(key) } else { key.to_owned() }
    }
}

const PAGES_MAX: usize = 200;
const PAGE_ROWS: usize = 100;
/// A token without a stated lifetime is renewed as often as GHL's tokens usually have to be.
const LIFETIME: Duration = Duration::from_secs(86_399);

fn camel(key: &str) -> String {
    let mut parts = key.split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |whole, part| {
        let mut letters = part.chars();
        let head = letters.next().map(|head| head.to_ascii_uppercase());
        whole + &head.into_iter().chain(letters).collect::<String>()
    })
}

/// Both spellings are read, whichever version was asked. After an answer that cannot be read, what was sent is spent all the same.
fn grant(body: &Value, asked_for: Option<&LocationId>) -> Result<Grant, OAuthError> {
    let text = |key: &str| body.get(key).or_else(|| body.get(camel(key))).and_then(Value::as_str).filter(|text| !text.is_empty());
    let unreadable = |reason: &str| OAuthError::UnknownOutcome(Error::Unreadable { reason: reason.to_owned(), trace_id: None });
    let company_id = text("company_id").or_else(|| text("companyId"));
    let location_id = text("locationId").or_else(|| asked_for.map(LocationId::as_str));
    let holder = match (text("userType"), location_id, company_id) {
        (Some("Company"), _, Some(company_id)) | (None, None, Some(company_id)) => Holder::Company(company_id.to_owned()),
        (_, Some(location_id), _) => Holder::Location(LocationId::new(location_id).map_err(|_| unreadable("malformed location id"))?),
        (_, None, _) => return Err(unreadable("token without a holder")),
    };
    if asked_for.is_some_and(|asked_for| holder != Holder::Location(asked_for.clone())) {
        return Err(unreadable("token of another location"));
    }
    let expires_in = body.get("expires_in").or_else(|| body.get("expiresIn")).and_then(Value::as_u64).map(Duration::from_secs);
    Ok(Grant {
        holder,
        company_id: company_id.map(str::to_owned),
        access: text("access_token").ok_or_else(|| unreadable("no access token"))?.to_owned().into(),
        refresh: text("refresh_token").map(|token| token.to_owned().into()),
        expires_in: expires_in.unwrap_or(LIFETIME),
    })
}

fn traced(trace_id: &Option<String>) -> String {
    trace_id.as_deref().map(|id| format!(", trace {id}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_spellings_of_a_grant_are_read() {
        let second = json!({"access_token": "a", "refresh_token": "r", "expires_in": 60, "userType": "Location", "locationId": "l", "companyId": "c"});
        let third =
            json!({"accessToken": "a", "refreshToken": "r", "expiresIn": 60, "userType": "Location", "locationId": "l", "companyId": "c"});
        for body in [second, third] {
            let grant = grant(&body, None).unwrap();
            assert_eq!(grant.holder, Holder::Location(LocationId::new("l").unwrap()));
            assert_eq!((grant.company_id.as_deref(), grant.expires_in), (Some("c"), Duration::from_secs(60)));
            assert_eq!((grant.access.expose_secret(), grant.refresh.unwrap().expose_secret()), ("a", "r"));
            assert!(!format!("{:?}", grant.access).contains('a'.to_string().repeat(2).as_str()));
        }
        let agency = json!({"access_token": "a", "userType": "Company", "companyId": "c", "approvedLocations": ["l"]});
        assert_eq!(grant(&agency, None).unwrap().holder, Holder::Company("c".to_owned()));
    }

    #[test]
    fn a_token_of_another_location_is_not_taken() {
        let asked_for = LocationId::new("l").unwrap();
        let other = json!({"access_token": "a", "locationId": "m"});
        assert!(matches!(grant(&other, Some(&asked_for)), Err(OAuthError::UnknownOutcome(_))));
        assert_eq!(grant(&json!({"access_token": "a"}), Some(&asked_for)).unwrap().holder, Holder::Location(asked_for));
        assert!(grant(&json!({"locationId": "l"}), None).is_err(), "without a token");
    }

    #[test]
    fn names_are_spelled_as_the_version_has_them() {
        assert_eq!(["client_id", "grant_type", "code"].map(camel), ["clientId", "grantType", "code"]);
    }
}
