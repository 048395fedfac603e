//! The marketplace app: where it is installed, and the tokens it holds. Knows no HTTP and no clock: instants are given to it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde::Serialize;

use crate::{dice::Dice, settings::AppSettings};

/// On whose behalf a token speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    Location(String),
    Agency,
}

/// Who consents to what when the app is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Consent {
    /// Somebody of one location: the code is good for a token of that location.
    Location(String),
    /// Somebody of the agency, for these locations: the code is good for a token of the agency.
    Agency {
        locations: Vec<String>,
        /// Locations added later get the app by themselves.
        future: bool,
    },
}

/// A pair of tokens, as it was handed out.
#[derive(Clone, Debug)]
pub(crate) struct Issued {
    pub(crate) holder: Holder,
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) expires_in: Duration,
}

/// Why no token is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    Client,
    Code,
    Refresh,
    /// The refresh token stays good for later.
    NotActive,
    NotInstalled,
}

/// What the token endpoints did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OAuthStats {
    /// Codes that became tokens.
    pub exchanged: u64,
    /// Refresh tokens that became new ones. A race of callers that spends one refresh counts one.
    pub refreshed: u64,
    /// A refresh token used once more within the grace period, answered with the same new tokens.
    pub forgiven: u64,
    /// A refresh token used once more after it.
    pub reused: u64,
    /// Tokens of locations given to the agency's token.
    pub location_tokens: u64,
    /// Refused for any reason, reuse included.
    pub denied: u64,
}

pub(crate) struct App {
    settings: AppSettings,
    pub(crate) id: String,
    pub(crate) version_id: String,
    dice: Dice,
    codes: BTreeMap<String, Holder>,
    access: BTreeMap<String, (Holder, Instant)>,
    refresh: BTreeMap<String, Refresh>,
    installed: BTreeMap<String, Timestamp>,
    pub(crate) future: bool,
    inactive: BTreeSet<String>,
    pub(crate) stats: OAuthStats,
}

struct Refresh {
    holder: Holder,
    /// When it was turned in, and for what.
    spent: Option<(Instant, Issued)>,
}

impl App {
    pub(crate) fn new(id: String, settings: AppSettings, seed: u64) -> Self {
        Self {
            settings,
            version_id: id.clone(),
            id,
            dice: Dice::for_purpose(seed, "oauth"),
            codes: BTreeMap::new(),
            access: BTreeMap::new(),
            refresh: BTreeMap::new(),
            installed: BTreeMap::new(),
            future: false,
            inactive: BTreeSet::new(),
            stats: OAuthStats::default(),
        }
    }

    pub(crate) fn scopes(&self) -> &str {
        &self.settings.scopes
    }

    pub(crate) fn redirect_uri(&self) -> &str {
        &self.settings.redirect_uri
    }

    pub(crate) fn is_client(&self, id: &str, secret: &str) -> bool {
        id == self.settings.client_id && secret == self.settings.client_secret
    }

    pub(crate) fn knows_client(&self, id: &str) -> bool {
        id == self.settings.client_id
    }

    /// Installs, and gives the code that the app's redirect address gets.
    pub(crate) fn authorize(&mut self, consent: &Consent, at: Timestamp) -> String {
        let holder = match consent {
            Consent::Location(id) => {
                self.install(id, at);
                Holder::Location(id.clone())
            }
            Consent::Agency { locations, future } => {
                locations.iter().for_each(|id| self.install(id, at));
                self.future = *future;
                Holder::Agency
            }
        };
        let code = self.dice.token();
        self.codes.insert(code.clone(), holder);
        code
    }

    pub(crate) fn install(&mut self, location_id: &str, at: Timestamp) {
        self.installed.entry(location_id.to_owned()).or_insert(at);
    }

    /// Its tokens die with it.
    pub(crate) fn uninstall(&mut self, location_id: &str) -> bool {
        let gone = Holder::Location(location_id.to_owned());
        self.forget(&gone);
        self.installed.remove(location_id).is_some()
    }

    /// From the whole agency. Gives the locations that had it.
    pub(crate) fn uninstall_all(&mut self) -> Vec<String> {
        self.codes.clear();
        self.access.clear();
        self.refresh.clear();
        self.future = false;
        std::mem::take(&mut self.installed).into_keys().collect()
    }

    fn forget(&mut self, holder: &Holder) {
        self.codes.retain(|_, held| held != holder);
        self.access.retain(|_, (held, _)| held != holder);
        self.refresh.retain(|_, held| held.holder != *holder);
    }

    pub(crate) fn uuid(&mut self) -> String {
        self.dice.uuid()
    }

    /// Location → since when.
    pub(crate) fn installed(&self) -> &BTreeMap<String, Timestamp> {
        &self.installed
    }

    pub(crate) fn set_active(&mut self, location_id: &str, active: bool) {
        if active {
            self.inactive.remove(location_id);
        } else {
            self.inactive.insert(location_id.to_owned());
        }
    }

    /// All access tokens are old at once; refresh tokens stay good.
    pub(crate) fn expire_access_tokens(&mut self, now: Instant) {
        self.access.values_mut().for_each(|(_, expires_at)| *expires_at = (*expires_at).min(now));
    }

    /// Whom an access token speaks for; None for one that is unknown or old.
    pub(crate) fn bearer(&self, token: &str, now: Instant) -> Option<Holder> {
        let (holder, expires_at) = self.access.get(token)?;
        (*expires_at > now).then(|| holder.clone())
    }

    pub(crate) fn exchange(&mut self, code: &str, now: Instant) -> Result<Issued, Denied> {
        let holder = self.codes.remove(code).ok_or(Denied::Code)?;
        self.stats.exchanged += 1;
        Ok(self.issue(holder, now))
    }

    /// Rotates: the token that was used is spent. Within the grace period it still gives what it gave, then it is a reuse.
    pub(crate) fn rotate(&mut self, token: &str, now: Instant) -> Result<Issued, Denied> {
        let held = self.refresh.get(token).ok_or(Denied::Refresh)?;
        if let Some((at, issued)) = &held.spent {
            let age = now.duration_since(*at);
            if age < self.settings.refresh_grace {
                self.stats.forgiven += 1;
                return Ok(Issued { expires_in: issued.expires_in.saturating_sub(age), ..issued.clone() });
            }
            self.stats.reused += 1;
            return Err(Denied::Refresh);
        }
        let holder = held.holder.clone();
        if let Holder::Location(id) = &holder
            && self.inactive.contains(id)
        {
            return Err(Denied::NotActive);
        }
        let issued = self.issue(holder, now);
        if let Some(held) = self.refresh.get_mut(token) {
            held.spent = Some((now, issued.clone()));
        }
        self.stats.refreshed += 1;
        Ok(issued)
    }

    /// What the agency's token asks for.
    pub(crate) fn location_token(&mut self, location_id: &str, now: Instant) -> Result<Issued, Denied> {
        if !self.installed.contains_key(location_id) {
            return Err(Denied::NotInstalled);
        }
        if self.inactive.contains(location_id) {
            return Err(Denied::NotActive);
        }
        self.stats.location_tokens += 1;
        Ok(self.issue(Holder::Location(location_id.to_owned()), now))
    }

    fn issue(&mut self, holder: Holder, now: Instant) -> Issued {
        self.access.retain(|_, (_, expires_at)| *expires_at > now);
        let (access, refresh) = (self.dice.token(), self.dice.token());
        let expires_in = self.settings.access_lifetime;
        self.access.insert(access.clone(), (holder.clone(), now + expires_in));
        self.refresh.insert(refresh.clone(), Refresh { holder: holder.clone(), spent: None });
        Issued { holder, access, refresh, expires_in }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app() -> (App, Instant) {
        let settings = AppSettings { access_lifetime: Duration::from_secs(100), ..AppSettings::default() };
        (App::new("app".to_owned(), settings, 1), Instant::now())
    }

    #[test]
    fn a_code_is_good_once_and_a_refresh_token_gives_the_same_for_the_grace_period_only() {
        let (mut app, now) = app();
        let code = app.authorize(&Consent::Location("here".to_owned()), Timestamp::UNIX_EPOCH);
        let first = app.exchange(&code, now).unwrap();
        assert_eq!(app.exchange(&code, now).err(), Some(Denied::Code));
        let second = app.rotate(&first.refresh, now).unwrap();
        let later = now + Duration::from_secs(29);
        assert_eq!(app.rotate(&first.refresh, later).unwrap().access, second.access);
        assert_eq!(app.rotate(&first.refresh, now + Duration::from_secs(30)).err(), Some(Denied::Refresh));
        assert_eq!((app.stats.refreshed, app.stats.forgiven, app.stats.reused), (1, 1, 1));
        assert!(app.rotate(&second.refresh, later).is_ok());
        assert_eq!(app.bearer(&first.access, later), Some(Holder::Location("here".to_owned())));
        assert_eq!(app.bearer(&first.access, now + Duration::from_secs(100)), None);
    }

    #[test]
    fn a_location_that_is_not_active_keeps_its_refresh_token() {
        let (mut app, now) = app();
        let code = app.authorize(&Consent::Location("here".to_owned()), Timestamp::UNIX_EPOCH);
        let first = app.exchange(&code, now).unwrap();
        app.set_active("here", false);
        assert_eq!(app.rotate(&first.refresh, now).err(), Some(Denied::NotActive));
        app.set_active("here", true);
        assert!(app.rotate(&first.refresh, now).is_ok());
    }

    #[test]
    fn tokens_die_when_the_app_is_uninstalled() {
        let (mut app, now) = app();
        let consent = Consent::Agency { locations: vec!["a".to_owned(), "b".to_owned()], future: false };
        let code = app.authorize(&consent, Timestamp::UNIX_EPOCH);
        let agency = app.exchange(&code, now).unwrap();
        let (a, b) = (app.location_token("a", now).unwrap(), app.location_token("b", now).unwrap());
        assert!(app.uninstall("a") && !app.uninstall("a"));
        assert_eq!((app.bearer(&a.access, now), app.rotate(&a.refresh, now).err()), (None, Some(Denied::Refresh)));
        assert_eq!(app.location_token("a", now).err(), Some(Denied::NotInstalled));
        assert!(app.bearer(&b.access, now).is_some() && app.bearer(&agency.access, now).is_some());
        assert_eq!(app.uninstall_all(), ["b"]);
        assert_eq!(app.bearer(&agency.access, now), None);
    }
}
