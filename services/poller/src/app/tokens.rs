//! The tokens of the marketplace app: kept sealed in the log's database, renewed by one process for all.
//!
//! A refresh token is spent by its use. So a renewal is noted before GHL is asked, and what GHL gives is stored before it is used. A
//! process that dies in between leaves the note: whoever comes next tries the same refresh token once more, which GHL forgives for
//! 30 s. After that a location gets its tokens by those of its agency, where the agency has the app; and otherwise it is said that the
//! app has to be installed again.

#[cfg(test)]
mod tests;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use domain::LocationId;
use eventlog::{Credential, CredentialOwner, CredentialState, EventLog, RenewalTurn};
use ghl::{Awaited, Error, Grant, Holder, OAuthError, Token, TokenSource};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

use crate::app::marketplace::App;

/// How often storing is tried before a grant is given up: what it was granted for is spent already.
const STORE_ATTEMPTS: u32 = 20;
const STORE_PAUSE: Duration = Duration::from_millis(250);

/// The tokens of one installation. Clones are the same.
#[derive(Clone)]
pub(crate) struct StoredTokens(Arc<Kept>);

struct Kept {
    app: Arc<App>,
    owner: CredentialOwner,
    known: RwLock<Option<Known>>,
    /// Held while a renewal is under way, so that one of this process waits for the others, and one connection.
    renewing: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Known {
    token: Token,
    granted_at: Timestamp,
    expires_at: Timestamp,
    /// After a renewal that failed: until then the token is used on while it lasts.
    spared_until: Option<Instant>,
}

impl Known {
    fn new(access: SecretString, generation: u64, granted_at: Timestamp, expires_at: Timestamp) -> Self {
        Self { token: Token { secret: access, generation }, granted_at, expires_at, spared_until: None }
    }

    fn is_alive(&self) -> bool {
        self.expires_at > Timestamp::now()
    }

    /// Whether it ends so soon that another is due. A token that lives shortly is not renewed all the time.
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
        Self(Arc::new(Kept { app, owner, known: RwLock::new(None), renewing: tokio::sync::Mutex::new(()) }))
    }

    /// Tokens of a location, with those of this agency.
    ///
    /// # Errors
    /// See [`OAuthError`]; `InvalidGrant` also when the agency has no token that is accepted.
    pub(crate) async fn location_grant(&self, location_id: &LocationId) -> Result<Grant, OAuthError> {
        let CredentialOwner::Company(company_id) = &self.0.owner else { return Err(OAuthError::InvalidGrant { trace_id: None }) };
        let token = self.0.good(None).await.map_err(of_agency)?.ok_or(OAuthError::InvalidGrant { trace_id: None })?;
        let granted = self.0.app.oauth.location_token(&token.secret, company_id, location_id).await;
        let Err(OAuthError::Refused { status: 401, .. }) = &granted else { return granted };
        let Some(token) = self.0.good(Some(token.generation)).await.map_err(of_agency)? else { return granted };
        self.0.app.oauth.location_token(&token.secret, company_id, location_id).await
    }

    /// The locations of this agency that have the app.
    ///
    /// # Errors
    /// As `location_grant`.
    pub(crate) async fn installed_locations(&self) -> Result<Vec<LocationId>, OAuthError> {
        let CredentialOwner::Company(company_id) = &self.0.owner else { return Ok(Vec::new()) };
        let token = self.0.good(None).await.map_err(of_agency)?.ok_or(OAuthError::InvalidGrant { trace_id: None })?;
        self.0.app.oauth.installed_locations(&token.secret, company_id).await
    }
}

impl Kept {
    fn known(&self) -> Option<Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remember(&self, known: Known) -> Token {
        let token = known.token.clone();
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(known);
        token
    }

    /// Whether a token is to be asked with: not the refused one, and not about to end.
    fn is_good(&self, known: &Known, refused: Option<u64>) -> bool {
        match refused {
            Some(refused) => known.token.generation > refused,
            None if known.spared_until.is_some_and(|until| until > Instant::now()) => known.is_alive(),
            None => !known.is_due(self.app.settings.refresh_margin),
        }
    }

    /// A good token, renewed if there is none. Nothing when the refused one is too young to be worn out: then it is the right that lacks.
    async fn good(self: &Arc<Self>, refused: Option<u64>) -> Result<Option<Token>, Error> {
        if let Some(known) = self.known().filter(|known| self.is_good(known, refused)) {
            return Ok(Some(known.token));
        }
        let _alone_here = self.renewing.lock().await;
        if let Some(known) = self.known().filter(|known| self.is_good(known, refused)) {
            return Ok(Some(known.token));
        }
        let (_, known) = self.read().await?;
        if self.is_good(&known, refused) {
            return Ok(Some(self.remember(known)));
        }
        let young = Timestamp::now().duration_since(known.granted_at) < signed(self.app.settings.least_age);
        if refused.is_some() && young {
            return Ok(None);
        }
        // A caller that gives up must not leave a spent refresh token behind.
        let this = Arc::clone(self);
        let renewed = tokio::spawn(async move { this.turn(refused).await }).await;
        match renewed.unwrap_or(Err(unavailable("the renewal ended unexpectedly"))) {
            Ok(renewed) => Ok(Some(self.remember(renewed))),
            // The one there is lasts a while yet.
            Err(Error::Unavailable { .. } | Error::Throttled { .. }) if refused.is_none() && known.is_alive() => {
                Ok(Some(self.remember(Known { spared_until: Some(Instant::now() + self.app.settings.least_age), ..known })))
            }
            Err(error) => Err(error),
        }
    }

    /// Renews when it is this process's turn, unless another was faster.
    async fn turn(&self, refused: Option<u64>) -> Result<Known, Error> {
        let log = &self.app.log;
        // An agency's turn comes within that of one of its locations: it takes no place of its own.
        let _place = match &self.owner {
            CredentialOwner::Location(_) => self.app.renewals.acquire().await.ok(),
            CredentialOwner::Company(_) => None,
        };
        let turn = log.renewal_turn(&self.owner).await.map_err(of_log)?;
        let (credential, known) = self.read().await?;
        let renewed = if self.is_good(&known, refused) { Ok(known) } else { self.renew(&turn, &credential).await };
        turn.end().await.unwrap_or_else(|error| tracing::debug!(oauth.owner = %self.owner, %error, "turn ended by itself"));
        renewed
    }

    async fn read(&self) -> Result<(Credential, Known), Error> {
        let (credential, tokens) = self.app.log.credential(&self.owner).await.map_err(of_log)?.ok_or(REINSTALL)?;
        if matches!(credential.state, CredentialState::Dead | CredentialState::Retired) {
            return Err(REINSTALL);
        }
        let access = tokens.ok_or(REINSTALL)?.access;
        let known = Known::new(access, credential.generation, credential.granted_at, credential.expires_at);
        Ok((credential, known))
    }

    async fn renew(&self, turn: &RenewalTurn, credential: &Credential) -> Result<Known, Error> {
        let (_, tokens) = self.app.log.credential(&self.owner).await.map_err(of_log)?.ok_or(REINSTALL)?;
        let granted = match tokens.and_then(|tokens| tokens.refresh) {
            Some(refresh) => {
                self.app.log.begin_refresh(turn, Timestamp::now()).await.map_err(of_log)?;
                match self.refresh(&refresh).await {
                    Err(refused @ OAuthError::InvalidGrant { .. }) => self.by_agency(credential).await.unwrap_or(Err(refused)),
                    granted => granted,
                }
            }
            None => self.by_agency(credential).await.unwrap_or(Err(OAuthError::InvalidGrant { trace_id: None })),
        };
        match granted {
            Ok(grant) if holder(&self.owner) == grant.holder => self.store(&grant).await,
            Ok(_) => Err(self.dead(credential, "GHL gave the tokens of somebody else", REINSTALL).await),
            Err(error) => Err(self.failed(credential, error).await),
        }
    }

    /// Asks once more when the answer was lost: GHL gives the same again for a while.
    async fn refresh(&self, refresh: &SecretString) -> Result<Grant, OAuthError> {
        let holder = holder(&self.owner);
        match self.app.oauth.refresh(refresh, &holder).await {
            Err(OAuthError::UnknownOutcome(error)) => {
                tracing::warn!(oauth.owner = %self.owner, %error, "answer to a refresh is lost, asking once more");
                self.app.oauth.refresh(refresh, &holder).await
            }
            granted => granted,
        }
    }

    /// With the tokens of the agency, where it has the app, too.
    fn by_agency<'a>(&'a self, credential: &'a Credential) -> Awaited<'a, Option<Result<Grant, OAuthError>>> {
        Box::pin(async move {
            let CredentialOwner::Location(location_id) = &self.owner else { return None };
            let agency = CredentialOwner::Company(credential.company_id.clone()?);
            // Two turns never wait for each other: an agency's asks for no other.
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
            // The note that a refresh was begun stays.
            OAuthError::UnknownOutcome(error) => {
                Error::Unavailable { reason: "no token", status: error.status(), retry_after: None, trace_id: None, source: None }
            }
            OAuthError::NotActive { trace_id } => {
                let what = "GHL says that the location is not active; activate it there, the app stays installed";
                self.note(credential, CredentialState::Inactive, Some(what), false).await;
                Error::Unauthorized { status: 400, trace_id }
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
        if let Err(error) = self.app.log.refresh_failed(credential, state, problem, spent).await {
            tracing::warn!(oauth.owner = %self.owner, %error, "what became of a refresh is not noted");
        }
    }

    async fn store(&self, grant: &Grant) -> Result<Known, Error> {
        let (tokens, granted_at, expires_at) = tokens(grant);
        let stored = insistently(|| self.app.log.renew_credential(&self.owner, &tokens, granted_at, expires_at)).await;
        let generation = stored.map_err(of_log)?.ok_or(REINSTALL)?;
        tracing::info!(oauth.owner = %self.owner, generation, "tokens are renewed");
        Ok(Known::new(tokens.access, generation, granted_at, expires_at))
    }
}

impl TokenSource for StoredTokens {
    fn current(&self) -> Awaited<'_, Result<Token, Error>> {
        Box::pin(async { self.0.good(None).await?.ok_or(REINSTALL) })
    }

    fn renewed(&self, refused: Token) -> Awaited<'_, Result<Option<Token>, Error>> {
        Box::pin(async move { self.0.good(Some(refused.generation)).await })
    }
}

const REINSTALL: Error = Error::Unauthorized { status: 401, trace_id: None };

pub(crate) fn holder(owner: &CredentialOwner) -> Holder {
    match owner {
        CredentialOwner::Location(id) => Holder::Location(id.clone()),
        CredentialOwner::Company(id) => Holder::Company(id.clone()),
    }
}

/// Stores what a person's code or an agency's token was exchanged for.
pub(crate) async fn install(log: &EventLog, grant: &Grant) -> Result<(), Error> {
    let owner = match &grant.holder {
        Holder::Location(id) => CredentialOwner::Location(id.clone()),
        Holder::Company(id) => CredentialOwner::Company(id.clone()),
    };
    let (tokens, granted_at, expires_at) = tokens(grant);
    let company_id = grant.company_id.as_deref();
    let generation = insistently(|| log.store_credential(&owner, company_id, &tokens, granted_at, expires_at)).await.map_err(of_log)?;
    tracing::info!(oauth.owner = %owner, generation, "app is installed");
    Ok(())
}

fn tokens(grant: &Grant) -> (eventlog::Tokens, Timestamp, Timestamp) {
    let granted_at = Timestamp::now();
    let tokens = eventlog::Tokens { access: grant.access.clone(), refresh: grant.refresh.clone() };
    (tokens, granted_at, granted_at + grant.expires_in)
}

/// What tokens were granted for is spent, so a database that is away for a moment must not cost the installation.
async fn insistently<T, F: Future<Output = eventlog::Result<T>>>(mut store: impl FnMut() -> F) -> eventlog::Result<T> {
    let mut attempt = 1;
    loop {
        match store().await {
            Err(error) if error.is_transient() && attempt < STORE_ATTEMPTS => {
                tracing::warn!(%error, attempt, "tokens are not stored yet");
                tokio::time::sleep(STORE_PAUSE).await;
                attempt += 1;
            }
            stored => return stored,
        }
    }
}

/// Without the database there is no token: for the caller it is as if GHL were away.
fn of_log(error: eventlog::Error) -> Error {
    tracing::warn!(%error, "the stored tokens cannot be read");
    unavailable("the stored tokens cannot be read")
}

fn unavailable(reason: &'static str) -> Error {
    Error::Unavailable { reason, status: None, retry_after: None, trace_id: None, source: None }
}

/// An agency without a token cannot give any.
fn of_agency(error: Error) -> OAuthError {
    if let Error::Unauthorized { trace_id, .. } = error {
        return OAuthError::InvalidGrant { trace_id };
    }
    OAuthError::Unavailable(error)
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}
