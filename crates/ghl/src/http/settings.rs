//! How GHL is reached.

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};
use settings::Period;
use url::Url;

use crate::budget::Rate;
use crate::operations::{Family, LIST_EVENTS, Operation};

/// How GHL is reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub base_url: Url,
    pub connect_timeout: Period,
    /// For one whole call, including its answer.
    pub request_timeout: Period,
    /// The longest answer that is read. A contact's notes come in one answer, however many there are.
    pub body_bytes_max: NonZeroUsize,
    /// The longest list of calendar events that is read: there is no paging, but a shorter time span can be asked for.
    #[serde(default = "events_bytes_max")]
    pub events_bytes_max: NonZeroUsize,
    /// Whether the deprecated `GET /contacts/` may be asked. GHL's v3 does not have it.
    #[serde(default)]
    pub legacy_contact_list: bool,
    pub versions: Versions,
    pub rate: Rate,
}

const fn events_bytes_max() -> NonZeroUsize {
    const { NonZeroUsize::new(2 << 20).unwrap() }
}

/// The `Version` header by family of endpoints. GHL announces an end of none of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Versions {
    pub contacts: String,
    pub locations: String,
    pub users: String,
    pub calendars: String,
    pub businesses: String,
}

impl Default for Versions {
    fn default() -> Self {
        let most = "2021-07-28".to_owned();
        Self { contacts: most.clone(), locations: most.clone(), users: most.clone(), calendars: "2021-04-15".to_owned(), businesses: most }
    }
}

impl Versions {
    pub(super) fn of(&self, family: Family) -> &str {
        match family {
            Family::Contacts => &self.contacts,
            Family::Locations => &self.locations,
            Family::Users => &self.users,
            Family::Calendars => &self.calendars,
            Family::Businesses => &self.businesses,
        }
    }
}

impl Settings {
    pub(super) fn bytes_max(&self, operation: &Operation) -> usize {
        if operation.name == LIST_EVENTS.name { self.events_bytes_max.get() } else { self.body_bytes_max.get() }
    }
}
