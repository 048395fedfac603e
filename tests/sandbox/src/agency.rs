//! The agency: its locations, and the marketplace app that they may install.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Instant,
};

use jiff::Timestamp;

use crate::{
    Error, Settings, Webhook,
    answer::Refusal,
    dice::Dice,
    door::Door,
    faults::FaultOrder,
    limits::Violation,
    oauth::{App, Consent, Denied, Holder, Issued, OAuthStats},
    state::now,
    webhook::{
        keys::Keys,
        outbox::Outbox,
        payload::{self, Envelope, Installation},
    },
    wire,
    world::World,
};

/// Cheap to clone; all clones are the same agency.
#[derive(Clone)]
pub struct Agency(Arc<Inner>);

struct Inner {
    settings: Settings,
    keys: Keys,
    outbox: Outbox,
    company_id: String,
    /// What a token of the agency meets.
    door: Door,
    /// In the order they were added; never empty.
    worlds: RwLock<Vec<World>>,
    /// Private integration token → location.
    private_tokens: RwLock<BTreeMap<String, String>>,
    app: Mutex<App>,
}

/// Whom a bearer token speaks for.
pub(crate) enum Bearer {
    Location(World),
    Agency,
}

impl Agency {
    pub(crate) fn new(settings: Settings, keys: Keys, outbox: Outbox) -> Result<Self, Error> {
        let app_id = Dice::for_purpose(settings.seed, "app").id();
        let first = World::new(settings.clone(), None, &app_id, keys.clone(), outbox.clone())?;
        let agency = Self(Arc::new(Inner {
            company_id: first.company_id().to_owned(),
            door: Door::new(settings.limits, settings.seed),
            private_tokens: RwLock::new(BTreeMap::from([(settings.token.clone(), first.location_id().to_owned())])),
            worlds: RwLock::new(vec![first]),
            app: Mutex::new(App::new(app_id, settings.app.clone(), settings.seed)),
            keys,
            outbox,
            settings,
        }));
        for _ in 1..agency.0.settings.locations {
            agency.add_location()?;
        }
        Ok(agency)
    }

    pub fn company_id(&self) -> &str {
        &self.0.company_id
    }

    pub fn app_id(&self) -> String {
        self.app().id.clone()
    }

    /// All locations, the first one first.
    pub fn worlds(&self) -> Vec<World> {
        self.0.worlds.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn world(&self, location_id: &str) -> Option<World> {
        self.0.worlds.read().unwrap_or_else(PoisonError::into_inner).iter().find(|world| world.location_id() == location_id).cloned()
    }

    pub(crate) fn first(&self) -> Option<World> {
        self.0.worlds.read().unwrap_or_else(PoisonError::into_inner).first().cloned()
    }

    /// The agency opens another location: empty, with ids, a token and a file of its own that follow from the settings and its
    /// number. It gets the app at once where the agency agreed to that, and then a webhook tells of it.
    pub fn add_location(&self) -> Result<World, Error> {
        let world = {
            let mut worlds = self.0.worlds.write().unwrap_or_else(PoisonError::into_inner);
            let settings = self.0.settings.of_location(worlds.len() + 1);
            let app_id = self.app().id.clone();
            let world = World::new(settings, Some(&self.0.company_id), &app_id, self.0.keys.clone(), self.0.outbox.clone())?;
            worlds.push(world.clone());
            world
        };
        self.set_private_token(world.location_id(), Some(world.token()));
        if self.app().future {
            self.app().install(world.location_id(), now());
            self.tell("INSTALL", Some(world.location_id()), Webhook::ByChance);
        }
        Ok(world)
    }

    /// Gives a location another private integration token; None takes away what it has.
    pub fn set_private_token(&self, location_id: &str, token: Option<&str>) {
        let mut tokens = self.0.private_tokens.write().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|_, location| location != location_id);
        if let Some(token) = token {
            tokens.insert(token.to_owned(), location_id.to_owned());
        }
    }

    /// Somebody installs the app: webhooks tell of every location that did not have it, and the code is what the app's redirect
    /// address gets.
    pub fn authorize(&self, consent: &Consent, fate: Webhook) -> Result<String, Refusal> {
        let named: &[String] = match consent {
            Consent::Location(id) => std::slice::from_ref(id),
            Consent::Agency { locations, .. } => locations,
        };
        if let Some(unknown) = named.iter().find(|id| self.world(id).is_none()) {
            return Err(Refusal::not_found("Location", unknown));
        }
        let mut app = self.app();
        let new: Vec<&String> = named.iter().filter(|id| !app.installed().contains_key(*id)).collect();
        let code = app.authorize(consent, now());
        drop(app);
        for id in new {
            if let Some(world) = self.world(id) {
                world.set_muted(false);
            }
            self.tell("INSTALL", Some(id), fate);
        }
        Ok(code)
    }

    /// A location removes the app: its tokens die, and its changes are not told of any more.
    pub fn uninstall(&self, location_id: &str, fate: Webhook) {
        if self.app().uninstall(location_id) {
            self.mute(location_id);
            self.tell("UNINSTALL", Some(location_id), fate);
        }
    }

    /// The agency removes the app from everywhere, which one webhook tells.
    pub fn uninstall_all(&self, fate: Webhook) {
        let had = self.app().uninstall_all();
        had.iter().for_each(|id| self.mute(id));
        self.tell("UNINSTALL", None, fate);
    }

    fn mute(&self, location_id: &str) {
        if let Some(world) = self.world(location_id) {
            world.set_muted(true);
        }
    }

    /// A location that is not active (its subscription ended, say) gets no new tokens; the refresh token stays good for later.
    pub fn set_active(&self, location_id: &str, active: bool) {
        self.app().set_active(location_id, active);
    }

    /// Makes every access token of the app an old one; refresh tokens stay good.
    pub fn expire_access_tokens(&self) {
        self.app().expire_access_tokens(Instant::now());
    }

    /// Location → since when it has the app.
    pub fn installed(&self) -> BTreeMap<String, Timestamp> {
        self.app().installed().clone()
    }

    pub fn oauth_stats(&self) -> OAuthStats {
        self.app().stats
    }

    /// The next calls of the agency's token or of the token endpoint that match go wrong.
    pub fn order_fault(&self, order: FaultOrder) {
        self.0.door.order_fault(order);
    }

    /// Calls with the agency's token that were more than is allowed.
    pub fn limits_violated(&self) -> Vec<Violation> {
        self.0.door.violations()
    }

    /// Method and route → calls with the agency's token, with no valid token, or to the token endpoint.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        self.0.door.passed().calls
    }

    // For the API.

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.0.keys
    }

    pub(crate) fn door(&self) -> &Door {
        &self.0.door
    }

    pub(crate) fn app(&self) -> MutexGuard<'_, App> {
        self.0.app.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn bearer(&self, token: &str) -> Option<Bearer> {
        let private = self.0.private_tokens.read().unwrap_or_else(PoisonError::into_inner).get(token).cloned();
        let holder = match private {
            Some(location_id) => Holder::Location(location_id),
            None => self.app().bearer(token, Instant::now())?,
        };
        match holder {
            Holder::Location(id) => self.world(&id).map(Bearer::Location),
            Holder::Agency => Some(Bearer::Agency),
        }
    }

    /// One call to a token endpoint: what it gives, and the count of it.
    pub(crate) fn grant(&self, ask: impl FnOnce(&mut App, Instant) -> Result<Issued, Denied>) -> Result<Issued, Denied> {
        let mut app = self.app();
        let granted = ask(&mut app, Instant::now());
        app.stats.denied += u64::from(granted.is_err());
        granted
    }

    fn tell(&self, event: &'static str, location_id: Option<&str>, fate: Webhook) {
        let user_id = self.first().and_then(|world| world.user_ids().into_iter().next());
        let envelope = {
            let mut app = self.app();
            Envelope { timestamp: wire::instant(now()), webhook_id: app.uuid(), app_id: app.id.clone() }
        };
        let news = Installation { event, company_id: &self.0.company_id, location_id, user_id: user_id.as_deref() };
        self.0.outbox.post(fate, payload::installation(&news, &envelope, self.0.outbox.settings()));
    }
}
