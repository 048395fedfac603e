//! What a sandbox is told when it starts, and what can be changed while it runs.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use url::Url;

use crate::dice::Dice;

/// One sandbox is one agency with one GHL location (sub-account) or several, each with a private integration token.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The bearer token of the first location; the others have the same with their number behind it (`…-2`).
    pub token: String,
    /// How many there are at the start; [`crate::Agency::add_location`] adds more. What is set here for a location (limits, search,
    /// name) holds for each.
    pub locations: usize,
    pub app: AppSettings,
    /// When set, `/sandbox/*` asks for it as a bearer token.
    pub control_token: Option<String>,
    /// Ids, keys and chances follow from it.
    pub seed: u64,
    /// Where webhooks go; plain http. None: no webhook is sent.
    pub webhook_url: Option<Url>,
    pub webhooks: WebhookSettings,
    pub chaos: Chaos,
    pub limits: Limits,
    /// Search answers with what was true this long ago.
    pub search_lag: Duration,
    pub search: SearchSettings,
    /// Added to every answer.
    pub latency: Duration,
    pub touch: Touch,
    pub succeeded: Spelling,
    pub shapes: Shapes,
    pub allow_duplicate_contact: bool,
    pub location_name: String,
    /// IANA name; appointments are told in it.
    pub time_zone: String,
    /// Keeps every version of every record for [`crate::World::versions`].
    pub history: bool,
    /// When set, the world is kept in this file and is there again at the next start.
    pub data: Option<PathBuf>,
    pub body_bytes_max: usize,
    /// How long [`crate::Sandbox::stop`] waits for open requests.
    pub grace: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            token: "pit-sandbox".to_owned(),
            locations: 1,
            app: AppSettings::default(),
            control_token: None,
            seed: 1,
            webhook_url: None,
            webhooks: WebhookSettings::default(),
            chaos: Chaos::default(),
            limits: Limits::default(),
            search_lag: Duration::ZERO,
            search: SearchSettings::default(),
            latency: Duration::ZERO,
            touch: Touch::default(),
            succeeded: Spelling::AsVersion,
            shapes: Shapes::default(),
            allow_duplicate_contact: false,
            location_name: "Northwind Coaching".to_owned(),
            time_zone: "America/New_York".to_owned(),
            history: false,
            data: None,
            body_bytes_max: 4 << 20,
            grace: Duration::from_secs(2),
        }
    }
}

impl Settings {
    /// Those of the location with this number, from 2 on.
    pub(crate) fn of_location(&self, number: usize) -> Self {
        Self {
            seed: Dice::for_purpose(self.seed, &format!("location {number}")).roll(),
            token: format!("{}-{number}", self.token),
            location_name: format!("{} {number}", self.location_name),
            data: self.data.as_ref().map(|path| path.with_extension(format!("{number}.jsonl"))),
            ..self.clone()
        }
    }
}

/// The shapes of answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shapes {
    /// As the vendor's files have them.
    #[default]
    AsDocumented,
    /// As people have seen them: fields that are missing or spelled otherwise, and halves of emojis in texts.
    AsSeen,
}

/// The marketplace app that asks for tokens.
#[derive(Clone, Debug)]
pub struct AppSettings {
    pub client_id: String,
    pub client_secret: String,
    pub redirect_uri: String,
    /// Separated by spaces; told, and not held against any call.
    pub scopes: String,
    /// GHL says 86,399 seconds.
    pub access_lifetime: Duration,
    /// For so long a refresh token that was used gives the same new tokens once more.
    pub refresh_grace: Duration,
}

impl Default for AppSettings {
    fn default() -> Self {
        let scopes = [
            "contacts.readonly",
            "contacts.write",
            "calendars.readonly",
            "calendars/events.readonly",
            "locations.readonly",
            "locations/customFields.readonly",
            "locations/tags.readonly",
            "locations/tasks.readonly",
            "users.readonly",
            "businesses.readonly",
            "oauth.readonly",
            "oauth.write",
        ];
        Self {
            client_id: "sandbox-client".to_owned(),
            client_secret: "sandbox-secret".to_owned(),
            redirect_uri: "http://127.0.0.1/oauth/callback".to_owned(),
            scopes: scopes.join(" "),
            access_lifetime: Duration::from_secs(86_399),
            refresh_grace: Duration::from_secs(30),
        }
    }
}

/// GHL's rate limits: `burst` calls in any `interval`, `day` calls a day.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    pub burst: u32,
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    pub day: u32,
    /// Undocumented at GHL, so off; when set, a 429 carries it as `Retry-After`.
    #[serde(with = "humantime_serde")]
    pub retry_after: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { burst: 100, interval: Duration::from_secs(10), day: 200_000, retry_after: None }
    }
}

impl Limits {
    /// As good as none, for tests about something else.
    pub fn none() -> Self {
        Self { burst: u32::MAX, interval: Duration::from_secs(1), day: u32::MAX, retry_after: None }
    }
}

/// How `POST /contacts/search` behaves.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SearchSettings {
    /// A larger `pageLimit` is refused.
    pub page_limit_max: usize,
    /// Never answers more rows than this, whatever `pageLimit` asked for.
    pub page_answer_max: Option<usize>,
    pub cursor: CursorManners,
    /// Shares of pages, by seed: those with fewer rows than there are, those with none, and those whose last row repeats the cursor
    /// that was sent.
    pub short: f64,
    pub empty: f64,
    pub same_cursor: f64,
    /// So many of the next pages have no rows.
    pub empty_next: u32,
    /// Each change is seen up to this much later than [`Settings::search_lag`] says, by chance, so that a later one may be seen
    /// earlier.
    #[serde(with = "humantime_serde")]
    pub stale_up_to: Duration,
}

impl Default for SearchSettings {
    fn default() -> Self {
        Self {
            page_limit_max: 500,
            page_answer_max: None,
            cursor: CursorManners::Proper,
            short: 0.0,
            empty: 0.0,
            same_cursor: 0.0,
            empty_next: 0,
            stale_up_to: Duration::ZERO,
        }
    }
}

/// What the rows' `searchAfter` is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CursorManners {
    Proper,
    /// The same page again and again, with the cursor that was sent.
    Repeated,
    Absent,
}

/// What moves a contact's `dateUpdated` besides edits of its own fields. GHL does not say; both ways must be survived.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Touch {
    /// Tasks, notes and appointments.
    pub children: bool,
    pub tags: bool,
    /// Getting a contact back from the deleted ones.
    pub restored: bool,
}

impl Default for Touch {
    fn default() -> Self {
        Self { children: false, tags: true, restored: false }
    }
}

/// `succeded` is what version 2021-07-28 answers, `succeeded` what v3 answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    AsVersion,
    Succeded,
    Succeeded,
    Both,
}

/// How webhooks look and how hard they are tried.
#[derive(Clone, Debug)]
pub struct WebhookSettings {
    /// Sign with Ed25519 in `X-GHL-Signature`; otherwise that header says `N/A`.
    pub ed25519: bool,
    /// Sign with RSA in `x-wh-signature`.
    pub rsa: bool,
    /// `TaskCreate` lacks `contactId` and `body`, as seen in the field.
    pub thin_task_create: bool,
    /// The payload sits in `data`, as the authentication guide shows it.
    pub wrapped: bool,
    /// Appointment updates and deletes say `AppointmentCreate`, as in the published examples.
    pub appointment_always_create: bool,
    /// A 429 is tried again after this long, plus up to half as much.
    pub retry_interval: Duration,
    pub retry_max: u32,
    /// Also try again after other failures: 5xx, no connection, no answer. GHL's texts disagree about it.
    pub retry_any_failure: bool,
    pub timeout: Duration,
    pub in_flight_max: usize,
    /// More than this waiting, and further webhooks are lost.
    pub queue_max: usize,
}

impl Default for WebhookSettings {
    fn default() -> Self {
        Self {
            ed25519: true,
            rsa: false,
            thin_task_create: false,
            wrapped: false,
            appointment_always_create: false,
            retry_interval: Duration::from_millis(200),
            retry_max: 6,
            retry_any_failure: false,
            timeout: Duration::from_secs(10),
            in_flight_max: 16,
            queue_max: 100_000,
        }
    }
}

/// What befalls webhooks whose fate is left to chance ([`crate::Webhook::ByChance`]): shares from 0 to 1, by seed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Chaos {
    pub lost: f64,
    pub repeated: f64,
    pub delayed: f64,
    /// How late a delayed one is.
    #[serde(with = "humantime_serde")]
    pub delay: Duration,
    /// Held back until after others that were caused later, up to `delay`.
    pub reordered: f64,
}

impl Default for Chaos {
    fn default() -> Self {
        Self { lost: 0.0, repeated: 0.0, delayed: 0.0, delay: Duration::from_secs(2), reordered: 0.0 }
    }
}
