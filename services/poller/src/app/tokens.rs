//! The tokens of the marketplace app: kept sealed in the log's database, renewed by one process for all.
//!
//! A refresh token can be used once. So a renewal is marked as begun before GHL is asked, and what GHL gives is stored before it is used.
//! When a process dies in between, the next one tries the same refresh token again, which GHL allows for 30 s. After that a location gets
//! its tokens with those of its agency, if the agency has the app; otherwise a person is told to install the app again.

#[cfg(test)]
mod tests;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use domain::LocationId;
use eventlog::{Credential, CredentialOwner, CredentialState, RenewalPermit};
use ghl::{Awaited, Error, Grant, OAuthError, Token, TokenSource};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

use crate::app::grants::{holder, retry_until_stored, tokens_of, unavailable, unavailable_log};
use crate::app::marketplace::App;

/// The tokens of one installation. Clones are the same.
#[derive(Clone)]
pub(crate) struct StoredTokens(Arc<Installation>);

struct Installation {
    app: Arc<App>,
    owner: CredentialOwner,
    cached: RwLock<Option<CachedToken>>,
    /// Locked while a renewal is under way, so that this process makes one at a time, on one database connection.
    renewing: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct CachedToken {
    token: Token,
    granted_at: Timestamp,
    expires_at: Timestamp,
    /// Set after a failed renewal: until then the token is used as long as it lasts.
    not_renewed_before: Option<Instant>,
}

impl CachedToken {
    fn new(access: SecretString, generation: u64, granted_at: Timestamp, expires_at: Timestamp) -> Self {
        Self { token: Token { secret: access, generation }, granted_at, expires_at, not_renewed_before: None }
    }

    fn is_alive(&self) -> bool {
        self.expires_at > Timestamp::now()
    }

    /// Whether it ends so soon that it is to be renewed. A short-lived token is not renewed all the time.
    fn is_due(&self, margin: Duration) -> bool {
        let lifetime = self.expires_at.duration_since(self.granted_at);
        self.expires_at.duration_since(Timestamp::now()) <= signed(margin).min(lifetime / 4)
    }
}

impl App {
    /// The tokens of one installation.
    pub(crate) fn tokens(self: &Arc<Self>, owner: CredentialOwner) -> StoredTokens {
        StoredTokens::new(Arc::clone(self), owner)
    }
}

impl StoredTokens {
    pub(crate) fn new(app: Arc<App>, owner: CredentialOwner) -> Self {
        Self(Arc::new(Installation { app, owner, cached: RwLock::new(None), renewing: tokio::sync::Mutex::new(()) }))
    }

    /// Tokens of a location, obtained with those of this agency.
    ///
    /// # Errors
    /// See [`OAuthError`]; `InvalidGrant` also when the agency has no token that is accepted.
    pub(crate) async fn location_grant(&self, location_id: &LocationId) -> Result<Grant, OAuthError> {
        let CredentialOwner::Company(company_id) = &self.0.owner else { return Err(OAuthError::InvalidGrant { trace_id: None }) };
        let token = self.0.usable(None).await.map_err(refused_agency)?.ok_or(OAuthError::InvalidGrant { trace_id: None })?;
        let granted = self.0.app.oauth.location_token(&token.secret, company_id, location_id).await;
        let Err(OAuthError::Refused { status: 401, .. }) = &granted else { return granted };
        let Some(token) = self.0.usable(Some(token.generation)).await.map_err(refused_agency)? else { return granted };
        self.0.app.oauth.location_token(&token.secret, company_id, location_id).await
    }

    /// The locations of this agency that have the app.
    ///
    /// # Errors
    /// As `location_grant`.
    pub(crate) async fn installed_locations(&self) -> Result<Vec<LocationId>, OAuthError> {
        let CredentialOwner::Company(company_id) = &self.0.owner else { return Ok(Vec::new()) };
        let token = self.0.usable(None).await.map_err(refused_agency)?.ok_or(OAuthError::InvalidGrant { trace_id: None })?;
        self.0.app.oauth.installed_locations(&token.secret, company_id).await
    }
}

impl Installation {
    fn cached(&self) -> Option<CachedToken> {
        self.cached.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remember(&self, cached: CachedToken) -> Token {
        let token = cached.token.clone();
        *self.cached.write().unwrap_or_else(PoisonError::into_inner) = Some(cached);
        token
    }

    /// Whether GHL is to be asked with this token: it is not the refused one, and not about to end.
    fn is_usable(&self, cached: &CachedToken, refused: Option<u64>) -> bool {
        match refused {
            Some(refused) => cached.token.generation > refused,
            None if cached.not_renewed_before.is_some_and(|until| until > Instant::now()) => cached.is_alive(),
            None => !cached.is_due(self.app.settings.refresh_margin),
        }
    }

    /// A usable token, renewed if there is none. None when the refused one is too young to have expired: then it lacks a scope.
    async fn usable(self: &Arc<Self>, refused: Option<u64>) -> Result<Option<Token>, Error> {
        if let Some(cached) = self.cached().filter(|cached| self.is_usable(cached, refused)) {
            return Ok(Some(cached.token));
        }
        let _locked = self.renewing.lock().await;
        if let Some(cached) = self.cached().filter(|cached| self.is_usable(cached, refused)) {
            return Ok(Some(cached.token));
        }
        let (_, stored) = self.read().await?;
        if self.is_usable(&stored, refused) {
            return Ok(Some(self.remember(stored)));
        }
        let young = Timestamp::now().duration_since(stored.granted_at) < signed(self.app.settings.least_age);
        if refused.is_some() && young {
            return Ok(None);
        }
        // A caller that gives up must not leave a spent refresh token behind.
        let this = Arc::clone(self);
        let renewed = tokio::spawn(async move { this.renew_in_turn(refused).await }).await;
        match renewed.unwrap_or(Err(unavailable("the renewal ended unexpectedly"))) {
            Ok(renewed) => Ok(Some(self.remember(renewed))),
            // The present token still lasts a while.
            Err(Error::Unavailable { .. } | Error::Throttled { .. }) if refused.is_none() && stored.is_alive() => {
                Ok(Some(self.remember(CachedToken { not_renewed_before: Some(Instant::now() + self.app.settings.least_age), ..stored })))
            }
            Err(error) => Err(error),
        }
    }

    /// Renews when it is this process's turn, unless another was faster.
    async fn renew_in_turn(&self, refused: Option<u64>) -> Result<CachedToken, Error> {
        // An agency's turn comes within that of one of its locations: it takes no permit of its own.
        let _permit = match &self.owner {
            CredentialOwner::Location(_) => self.app.renewals.acquire().await.ok(),
            CredentialOwner::Company(_) => None,
        };
        let turn = self.app.credentials.renewal_permit(&self.owner).await.map_err(unavailable_log)?;
        let (credential, stored) = self.read().await?;
        let renewed = if self.is_usable(&stored, refused) { Ok(stored) } else { self.renew(&turn, &credential).await };
        turn.end().await.unwrap_or_else(|error| tracing::debug!(oauth.owner = %self.owner, %error, "the turn ended by itself"));
        renewed
    }

    async fn read(&self) -> Result<(Credential, CachedToken), Error> {
        let (credential, tokens) = self.app.credentials.find(&self.owner).await.map_err(unavailable_log)?.ok_or(REINSTALL)?;
        if matches!(credential.state, CredentialState::Dead | CredentialState::Retired) {
            return Err(REINSTALL);
        }
        let access = tokens.ok_or(REINSTALL)?.access;
        let stored = CachedToken::new(access, credential.generation, credential.granted_at, credential.expires_at);
        Ok((credential, stored))
    }

    async fn renew(&self, turn: &RenewalPermit, credential: &Credential) -> Result<CachedToken, Error> {
        let (_, tokens) = self.app.credentials.find(&self.owner).await.map_err(unavailable_log)?.ok_or(REINSTALL)?;
        let granted = match tokens.and_then(|tokens| tokens.refresh) {
            Some(refresh) => {
                self.app.credentials.begin_refresh(turn, Timestamp::now()).await.map_err(unavailable_log)?;
                match self.refresh(&refresh).await {
                    Err(refused @ OAuthError::InvalidGrant { .. }) => self.by_agency(credential).await.unwrap_or(Err(refused)),
                    granted => granted,
                }
            }
            None => self.by_agency(credential).await.unwrap_or(Err(OAuthError::InvalidGrant { trace_id: None })),
        };
        match granted {
            Ok(grant) if holder(&self.owner) == grant.holder => self.store(&grant).await,
            Ok(_) => Err(self.dead(credential, "GHL gave the tokens of another installation", REINSTALL).await),
            Err(error) => Err(self.failed(credential, error).await),
        }
    }

    /// Asks once more when the answer was lost: GHL gives the same answer again for a while.
    async fn refresh(&self, refresh: &SecretString) -> Result<Grant, OAuthError> {
        let holder = holder(&self.owner);
        match self.app.oauth.refresh(refresh, &holder).await {
            Err(OAuthError::UnknownOutcome(error)) => {
                tracing::warn!(oauth.owner = %self.owner, %error, "the answer to a refresh is lost, asking once more");
                self.app.oauth.refresh(refresh, &holder).await
            }
            granted => granted,
        }
    }

    /// Gets tokens with those of the agency, if that has the app, too. None where it cannot give any.
    fn by_agency<'a>(&'a self, credential: &'a Credential) -> Awaited<'a, Option<Result<Grant, OAuthError>>> {
        Box::pin(async move {
            let CredentialOwner::Location(location_id) = &self.owner else { return None };
            let agency = CredentialOwner::Company(credential.company_id.clone()?);
            // No deadlock: an agency's turn never waits for another.
            let granted = self.app.tokens(agency).location_grant(location_id).await;
            if matches!(granted, Err(OAuthError::InvalidGrant { .. } | OAuthError::Refused { .. })) { None } else { Some(granted) }
        })
    }

    async fn failed(&self, credential: &Credential, error: OAuthError) -> Error {
        tracing::warn!(oauth.owner = %self.owner, %error, "token is not renewed");
        match error {
            OAuthError::Unavailable(error) => {
                self.note(credential, CredentialState::Active, None, false).await;
                error
            }
            // The refresh stays marked as begun.
            OAuthError::UnknownOutcome(error) => {
                Error::Unavailable { reason: "no token", status: error.status(), retry_after: None, trace_id: None, source: None }
            }
            OAuthError::NotActive { trace_id } => {
                let what = "GHL says that the location is not active; activate it there, the app stays installed";
                self.note(credential, CredentialState::Inactive, Some(what), false).await;
                Error::LocationInactive { status: 400, trace_id }
            }
            OAuthError::Refused { status, trace_id } => {
                let what = format!("GHL refuses the app's own request with status {status}; check oauth.app in the poller's settings");
                self.note(credential, CredentialState::Active, Some(&what), false).await;
                Error::Unauthorized { status, trace_id }
            }
            OAuthError::InvalidGrant { trace_id } => {
                let lost = credential.refresh_begun_at.is_some();
                let why = if lost { "GHL's answer to the last refresh was lost" } else { "GHL does not accept the refresh token" };
                self.dead(credential, why, Error::Unauthorized { status: 400, trace_id }).await
            }
        }
    }

    async fn dead(&self, credential: &Credential, why: &str, error: Error) -> Error {
        tracing::error!(oauth.owner = %self.owner, why, "app has to be installed again");
        let what = format!("{why}; install the app again: open {}", self.app.start_url());
        self.note(credential, CredentialState::Dead, Some(&what), true).await;
        error
    }

    async fn note(&self, credential: &Credential, state: CredentialState, problem: Option<&str>, spent: bool) {
        if let Err(error) = self.app.credentials.refresh_failed(credential, state, problem, spent).await {
            tracing::warn!(oauth.owner = %self.owner, %error, "the outcome of a refresh is not stored");
        }
    }

    async fn store(&self, grant: &Grant) -> Result<CachedToken, Error> {
        let (tokens, granted_at, expires_at) = tokens_of(grant);
        let stored = retry_until_stored(|| self.app.credentials.renew(&self.owner, &tokens, granted_at, expires_at)).await;
        let generation = stored.map_err(unavailable_log)?.ok_or(REINSTALL)?;
        tracing::info!(oauth.owner = %self.owner, generation, "tokens are renewed");
        Ok(CachedToken::new(tokens.access, generation, granted_at, expires_at))
    }
}

impl TokenSource for StoredTokens {
    fn current(&self) -> Awaited<'_, Result<Token, Error>> {
        Box::pin(async { self.0.usable(None).await?.ok_or(REINSTALL) })
    }

    fn renewed(&self, refused: Token) -> Awaited<'_, Result<Option<Token>, Error>> {
        Box::pin(async move { self.0.usable(Some(refused.generation)).await })
    }
}

const REINSTALL: Error = Error::Unauthorized { status: 401, trace_id: None };

/// An agency whose own token is refused cannot give any.
fn refused_agency(error: Error) -> OAuthError {
    if let Error::Unauthorized { trace_id, .. } = error {
        return OAuthError::InvalidGrant { trace_id };
    }
    OAuthError::Unavailable(error)
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}
