//! The questions this project asks of one location.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use domain::{Contact, ContactId, LocationId, Moment, Record, RecordId, RecordKind};
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::budget::Budget;
use crate::http::{Family, Request};
use crate::wire::{self, Listed, Location, RecordPage};
use crate::{Answer, Error, Transport, Zone};

/// Asks GHL about one location, with its token and within its allowance. Clones share the allowance.
#[derive(Clone)]
pub struct Client {
    transport: Transport,
    location_id: LocationId,
    token: SecretString,
    budget: Arc<Budget>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("location_id", &self.location_id).finish_non_exhaustive()
    }
}

/// A search for contacts, in an order that paging keeps.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    pub window: Window,
    /// Rows asked for; GHL may give fewer.
    pub rows_max: u32,
    /// What the page before gave as `next`.
    pub after: Option<Value>,
}

/// Which contacts, and in which order.
#[derive(Clone, Debug, PartialEq)]
pub enum Window {
    /// All, the oldest first.
    Everyone,
    /// Those that changed in a time span, both ends included, the earliest change first.
    Updated { from: Timestamp, to: Timestamp },
}

/// One page of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    pub rows: Vec<Row>,
    /// Rows without a usable id.
    pub unreadable: usize,
    /// How many contacts the whole search has, as GHL counts.
    pub total: Option<u64>,
    /// Where the next page begins; none after the last row.
    pub next: Option<Value>,
}

/// One contact as a search shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub contact_id: ContactId,
    pub contact: Contact,
    /// Fields of `contact` that the row does not mention, by name: it may have a value all the same.
    pub silent: BTreeSet<String>,
}

impl Row {
    pub fn updated_at(&self) -> Option<&Moment> {
        self.contact.updated_at.as_ref()
    }
}

/// A search over the tasks of the location.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskSearch {
    /// Rows asked for; GHL gives 25 where nothing is asked and may always give fewer.
    pub rows_max: u32,
    /// Rows left out: those of the pages before.
    pub skip: u64,
    /// Only tasks of these; of everybody where there are none.
    pub contacts: Vec<ContactId>,
    /// Only those that are done, or that are not.
    pub done: Option<bool>,
}

/// Whose calendar events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventsOf<'a> {
    Calendar(&'a str),
    User(&'a str),
    Group(&'a str),
}

/// Pages of a list of names that are read at most.
const NAME_PAGES_MAX: u32 = 50;
const NAMES_PER_PAGE: u32 = 100;

impl Client {
    pub fn new(transport: Transport, location_id: LocationId, token: SecretString) -> Self {
        let budget = Arc::new(Budget::new(transport.rate().clone()));
        Self { transport, location_id, token, budget }
    }

    pub fn location_id(&self) -> &LocationId {
        &self.location_id
    }

    /// # Errors
    /// `NotFound` when GHL says that this contact does not exist; otherwise see [`Error`], as for every call here.
    pub async fn contact(&self, id: &ContactId, zone: &Zone) -> Result<Answer<Contact>, Error> {
        let answer = self.about(id, "contacts.get", &["contacts", id.as_str()]).await?;
        answer.try_map(|body| wire::contact(body, id, &self.location_id, zone))
    }

    /// All tasks of a contact.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn tasks(&self, of: &ContactId, zone: &Zone) -> Result<Answer<Listed>, Error> {
        self.list(of, RecordKind::Task, "contacts.tasks", "tasks", zone).await
    }

    /// All notes of a contact.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn notes(&self, of: &ContactId, zone: &Zone) -> Result<Answer<Listed>, Error> {
        self.list(of, RecordKind::Note, "contacts.notes", "notes", zone).await
    }

    /// All appointments of a contact. GHL gives their times as local strings of the location.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn appointments(&self, of: &ContactId, zone: &Zone) -> Result<Answer<Listed>, Error> {
        self.list(of, RecordKind::Appointment, "contacts.appointments", "appointments", zone).await
    }

    /// # Errors
    /// See [`Error`].
    pub async fn task(&self, of: &ContactId, id: &RecordId, zone: &Zone) -> Result<Answer<Record>, Error> {
        self.single(of, RecordKind::Task, "contacts.task", &["contacts", of.as_str(), "tasks", id.as_str()], zone).await
    }

    /// # Errors
    /// See [`Error`].
    pub async fn note(&self, of: &ContactId, id: &RecordId, zone: &Zone) -> Result<Answer<Record>, Error> {
        self.single(of, RecordKind::Note, "contacts.note", &["contacts", of.as_str(), "notes", id.as_str()], zone).await
    }

    /// One page of contacts. Search lags behind by seconds, so a window should overlap the one before by minutes.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn search(&self, search: &Search, zone: &Zone) -> Result<Answer<Page>, Error> {
        let mut body = json!({"locationId": self.location_id.as_str(), "pageLimit": search.rows_max});
        let sort = match &search.window {
            Window::Everyone => "dateAdded",
            Window::Updated { from, to } => {
                let range = json!({"gte": millis(*from), "lte": millis(*to)});
                set(&mut body, "filters", json!([{"field": "dateUpdated", "operator": "range", "value": range}]));
                "dateUpdated"
            }
        };
        set(&mut body, "sort", json!([{"field": sort, "direction": "asc"}]));
        if let Some(after) = &search.after {
            set(&mut body, "searchAfter", after.clone());
        }
        let answer = self.post("contacts.search", Family::Contacts, &["contacts", "search"], body).await?;
        answer.try_map(|body| wire::page(body, zone))
    }

    /// One page of the location's tasks, those of nobody and of several contacts among them. Only documented parameters are sent; the
    /// shape of the rows is not published, so what a row does not mention is told as `silent`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn search_tasks(&self, search: &TaskSearch, zone: &Zone) -> Result<Answer<RecordPage>, Error> {
        let mut body = json!({"limit": search.rows_max, "skip": search.skip});
        if !search.contacts.is_empty() {
            set(&mut body, "contactId", json!(search.contacts));
        }
        if let Some(done) = search.done {
            set(&mut body, "completed", json!(done));
        }
        let path = ["locations", self.location_id.as_str(), "tasks", "search"];
        let answer = self.post("locations.tasks", Family::Locations, &path, body).await?;
        answer.try_map(|body| wire::records(body, RecordKind::Task, &self.location_id, zone))
    }

    /// Whose task it is, by the search over the location's tasks: for webhooks that do not say. A row counts only when it names this
    /// very task and a contact.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn contact_of_task(&self, task: &RecordId, rows_max: u32) -> Result<Option<ContactId>, Error> {
        let page = self.search_tasks(&TaskSearch { rows_max, ..TaskSearch::default() }, &Zone::UNKNOWN).await?.value;
        let row = page.rows.into_iter().find(|row| row.record_id == *task);
        Ok(row.and_then(|row| row.contacts.into_iter().next()))
    }

    /// The appointments of a calendar, a user or a group that start in a time span, both ends included; there is no paging. Unlike
    /// the appointments of a contact they come with an offset, so they are read right whatever the zone.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn calendar_events(
        &self,
        of: EventsOf<'_>,
        from: Timestamp,
        to: Timestamp,
        zone: &Zone,
    ) -> Result<Answer<RecordPage>, Error> {
        let (key, id) = match of {
            EventsOf::Calendar(id) => ("calendarId", id),
            EventsOf::User(id) => ("userId", id),
            EventsOf::Group(id) => ("groupId", id),
        };
        let query = vec![
            ("locationId", self.location_id.to_string()),
            (key, id.to_owned()),
            ("startTime", from.as_millisecond().to_string()),
            ("endTime", to.as_millisecond().to_string()),
        ];
        let answer = self.get("calendars.events", Family::Calendars, &["calendars", "events"], query).await?;
        answer.try_map(|body| wire::records(body, RecordKind::Appointment, &self.location_id, zone))
    }

    /// The location's own settings: its time zone and its company.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn location(&self) -> Result<Location, Error> {
        let path = ["locations", self.location_id.as_str()];
        let answer = self.get("locations.get", Family::Locations, &path, Vec::new()).await?;
        Ok(answer.try_map(|body| wire::location(&body))?.value)
    }

    /// Names of custom fields by id.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn custom_fields(&self) -> Result<BTreeMap<String, String>, Error> {
        let path = ["locations", self.location_id.as_str(), "customFields"];
        let query = vec![("model", "contact".to_owned())];
        let answer = self.get("locations.custom_fields", Family::Locations, &path, query).await?;
        Ok(wire::names(&answer.value, "customFields"))
    }

    /// Names of calendars by id.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn calendars(&self) -> Result<BTreeMap<String, String>, Error> {
        let query = vec![("locationId", self.location_id.to_string())];
        // The slash at the end is part of the documented path.
        let answer = self.get("calendars.list", Family::Calendars, &["calendars", ""], query).await?;
        Ok(wire::names(&answer.value, "calendars"))
    }

    /// Names of the location's users by id.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn users(&self, company_id: &str) -> Result<BTreeMap<String, String>, Error> {
        let mut users = BTreeMap::new();
        for page in 0..NAME_PAGES_MAX {
            let query = vec![
                ("companyId", company_id.to_owned()),
                ("locationId", self.location_id.to_string()),
                ("limit", NAMES_PER_PAGE.to_string()),
                ("skip", (page * NAMES_PER_PAGE).to_string()),
            ];
            let answer = self.get("users.search", Family::Users, &["users", "search"], query).await?;
            let before = users.len();
            users.extend(wire::names(&answer.value, "users"));
            let all = wire::count(&answer.value).is_some_and(|count| users.len() as u64 >= count);
            if all || users.len() == before {
                break;
            }
        }
        Ok(users)
    }

    async fn list(
        &self,
        of: &ContactId,
        kind: RecordKind,
        endpoint: &'static str,
        part: &str,
        zone: &Zone,
    ) -> Result<Answer<Listed>, Error> {
        let answer = self.about(of, endpoint, &["contacts", of.as_str(), part]).await?;
        answer.try_map(|body| wire::list(body, kind, zone))
    }

    async fn single(
        &self,
        of: &ContactId,
        kind: RecordKind,
        endpoint: &'static str,
        path: &[&str],
        zone: &Zone,
    ) -> Result<Answer<Record>, Error> {
        let answer = self.about(of, endpoint, path).await?;
        answer.try_map(|body| wire::single(body, kind, zone))
    }

    async fn about(&self, id: &ContactId, endpoint: &'static str, path: &[&str]) -> Result<Answer<Value>, Error> {
        let request = Request { endpoint, family: Family::Contacts, path, query: Vec::new(), body: None, about: Some(id.as_str()) };
        self.transport.ask(&self.location_id, &self.token, &self.budget, request).await
    }

    async fn get(
        &self,
        endpoint: &'static str,
        family: Family,
        path: &[&str],
        query: Vec<(&'static str, String)>,
    ) -> Result<Answer<Value>, Error> {
        let request = Request { endpoint, family, path, query, body: None, about: None };
        self.transport.ask(&self.location_id, &self.token, &self.budget, request).await
    }

    async fn post(&self, endpoint: &'static str, family: Family, path: &[&str], body: Value) -> Result<Answer<Value>, Error> {
        let request = Request { endpoint, family, path, query: Vec::new(), body: Some(body), about: None };
        self.transport.ask(&self.location_id, &self.token, &self.budget, request).await
    }
}

fn set(body: &mut Value, key: &str, value: Value) {
    if let Some(fields) = body.as_object_mut() {
        fields.insert(key.to_owned(), value);
    }
}

/// As GHL writes times: three digits and `Z`.
fn millis(at: Timestamp) -> String {
    format!("{at:.3}")
}
