//! A location and the people who work in it: a handle to change, read and judge it from Rust.

mod businesses;
mod children;
mod contacts;
mod recurring;
mod renames;
mod truth;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use reqwest::Url;

pub use self::truth::{ContactTruth, Snapshot, Stats};
pub(crate) use self::{
    children::{no_event, task_of},
    contacts::duplicate,
    recurring::no_rule,
};
use crate::{
    Error, Settings, Webhook,
    dice::Dice,
    door::Door,
    faults::{AnswerChaos, FaultOrder},
    limits::Violation,
    population::{self, Load},
    premises::Premises,
    search::Lag,
    settings::{Chaos, Limits, SearchSettings, Touch},
    state::{State, now},
    webhook::{
        keys::Keys,
        outbox::Outbox,
        payload::{self, Envelope, News},
    },
    wire,
};

/// What chance does to one page of the search.
pub(crate) struct PageLuck {
    /// Only so many per cent of the rows.
    pub(crate) share: Option<i64>,
    pub(crate) empty: bool,
    pub(crate) same_cursor: bool,
}

/// Cheap to clone; all clones are the same world. Its calls never wait.
#[derive(Clone)]
pub struct World(Arc<Inner>);

struct Inner {
    settings: Settings,
    premises: Premises,
    app_id: String,
    keys: Keys,
    outbox: Outbox,
    /// Taken before any of the locks below, never after one of them.
    state: Mutex<State>,
    door: Door,
    touch: Mutex<Touch>,
    search: Mutex<(SearchSettings, Dice)>,
    /// Nothing is told any more: the app was uninstalled.
    muted: AtomicBool,
    /// The names that were given since the location began, by id.
    renamed: Mutex<BTreeMap<String, String>>,
}

impl World {
    /// Of the agency with this id, which for the first location follows from the seed as well.
    pub(crate) fn new(settings: Settings, company_id: Option<&str>, app_id: &str, keys: Keys, outbox: Outbox) -> Result<Self, Error> {
        let mut premises = population::premises(&settings)?;
        if let Some(id) = company_id {
            id.clone_into(&mut premises.company_id);
        }
        let state = match &settings.data {
            Some(path) => State::kept_in(path, settings.seed, lag(&settings), settings.history)?,
            None => State::new(settings.seed, lag(&settings), settings.history),
        };
        Ok(Self(Arc::new(Inner {
            app_id: app_id.to_owned(),
            touch: Mutex::new(settings.touch),
            search: Mutex::new((settings.search, Dice::for_purpose(settings.seed, "search"))),
            door: Door::new(settings.limits, settings.seed),
            muted: AtomicBool::new(false),
            renamed: Mutex::default(),
            state: Mutex::new(state),
            premises,
            keys,
            outbox,
            settings,
        })))
    }

    pub fn location_id(&self) -> &str {
        &self.0.premises.location_id
    }

    /// The private integration token it was given at first.
    pub fn token(&self) -> &str {
        &self.0.settings.token
    }

    pub fn company_id(&self) -> &str {
        &self.0.premises.company_id
    }

    /// The ids of users, to own and be assigned things.
    pub fn user_ids(&self) -> Vec<String> {
        self.0.premises.users.keys().cloned().collect()
    }

    pub fn calendar_ids(&self) -> Vec<String> {
        self.0.premises.calendars.keys().cloned().collect()
    }

    /// Custom field key (`contact.shirt_size`) → id.
    pub fn custom_field_ids(&self) -> BTreeMap<String, String> {
        self.0.premises.custom_fields.values().map(|field| (field.key.clone(), field.id.clone())).collect()
    }

    pub fn keys(&self) -> &Keys {
        &self.0.keys
    }

    /// Fills the location with a believable agency of so many contacts more, as if they had been there for long: no webhooks.
    pub fn populate(&self, seed: u64, contacts: usize) {
        self.populate_with(seed, contacts, Load::Varied);
    }

    /// The same with so much on each contact.
    pub fn populate_with(&self, seed: u64, contacts: usize, load: Load) {
        population::populate(&mut self.state(), &self.0.premises, seed, contacts, load);
    }

    // The weather.

    /// For all locations, as the app has one address.
    pub fn send_webhooks_to(&self, url: Option<Url>) {
        self.0.outbox.send_to(url);
    }

    /// For the webhooks of all locations.
    pub fn set_chaos(&self, chaos: Chaos) {
        self.0.outbox.set_chaos(chaos);
    }

    pub fn chaos(&self) -> Chaos {
        self.0.outbox.chaos()
    }

    pub fn set_limits(&self, limits: Limits) {
        self.0.door.set_limits(limits);
    }

    pub fn limits(&self) -> Limits {
        self.0.door.limits()
    }

    /// Every instant at which a call came that was more than the limits allow. Calls that [`AnswerChaos`] answers with 429 are none.
    pub fn limits_violated(&self) -> Vec<Violation> {
        self.0.door.violations()
    }

    /// The next calls that match go wrong.
    pub fn order_fault(&self, order: FaultOrder) {
        self.0.door.order_fault(order);
    }

    /// Takes away what the token needs for paths that contain this, as when a scope is unticked: they are refused with 401 or 403 until it
    /// is given back. A path of one contact is refused to that contact alone.
    pub fn withhold(&self, part: &str, status: u16) {
        self.0.door.withhold(part, status);
    }

    /// Gives back everything that was taken away.
    pub fn give_back(&self) {
        self.0.door.give_back();
    }

    pub fn set_answer_chaos(&self, chaos: AnswerChaos) {
        self.0.door.set_answer_chaos(chaos);
    }

    pub fn answer_chaos(&self) -> AnswerChaos {
        self.0.door.answer_chaos()
    }

    pub fn clear_faults(&self) {
        self.0.door.clear_faults();
    }

    /// What moves a contact's `dateUpdated` from now on.
    pub fn set_touch(&self, touch: Touch) {
        *lock(&self.0.touch) = touch;
    }

    pub fn touch(&self) -> Touch {
        *lock(&self.0.touch)
    }

    /// How the search behaves from now on; a lag holds for changes to come.
    pub fn set_search(&self, search: SearchSettings) {
        lock(&self.0.search).0 = search;
        self.state().set_lag(Lag { at_least: self.0.settings.search_lag, more: search.stale_up_to });
    }

    pub fn search(&self) -> SearchSettings {
        lock(&self.0.search).0
    }

    /// Waits until no webhook is on its way.
    pub async fn webhooks_settled(&self) {
        self.0.outbox.settled().await;
    }

    /// Lets the search see everything at once, whatever its lag.
    pub fn settle_search(&self) {
        self.state().settle_search();
    }

    // For the API.

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(crate) fn premises(&self) -> &Premises {
        &self.0.premises
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0.state)
    }

    /// What befalls this page of the search.
    pub(crate) fn page_luck(&self) -> PageLuck {
        let mut search = lock(&self.0.search);
        let (settings, dice) = &mut *search;
        let left = settings.empty_next;
        settings.empty_next = left.saturating_sub(1);
        PageLuck {
            share: dice.chance(settings.short).then(|| dice.between(1, 99)),
            empty: dice.chance(settings.empty) || left > 0,
            same_cursor: dice.chance(settings.same_cursor),
        }
    }

    pub(crate) fn door(&self) -> &Door {
        &self.0.door
    }

    pub(crate) fn set_muted(&self, muted: bool) {
        self.0.muted.store(muted, Ordering::Relaxed);
    }

    /// Sends the news on its way to its fate. Called under the state's lock, so that webhooks start in the order of changes.
    fn tell(&self, state: &mut State, fate: Webhook, news: &News<'_>) {
        if self.0.muted.load(Ordering::Relaxed) {
            return;
        }
        let envelope = Envelope { timestamp: wire::instant(now()), webhook_id: state.new_uuid(), app_id: self.0.app_id.clone() };
        let body = payload::body(news, &self.0.premises, &envelope, self.0.outbox.settings());
        self.0.outbox.post(fate, body);
    }
}

fn lag(settings: &Settings) -> Lag {
    Lag { at_least: settings.search_lag, more: settings.search.stale_up_to }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
