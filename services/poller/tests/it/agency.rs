//! A fake GHL with one location: contacts with tasks, notes and appointments, a search, and failures on request.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::script::{Script, Scripted};

pub(crate) const LOCATION: &str = "loc-1";

#[derive(Clone, Default)]
pub(crate) struct Agency {
    world: Arc<Mutex<World>>,
}

#[derive(Default)]
pub(crate) struct World {
    pub(crate) place: Place,
    /// Answers that are given before all others.
    script: Script,
    pub(crate) contacts: BTreeMap<String, Value>,
    /// By contact and part: `tasks`, `notes`, `events`.
    pub(crate) parts: BTreeMap<(String, &'static str), Vec<Value>>,
    /// Requests whose path begins with the key are answered with this status.
    pub(crate) failing: BTreeMap<String, u16>,
    /// Requests whose path contains the key are refused with this status and message of GHL's.
    pub(crate) refused: BTreeMap<&'static str, (u16, &'static str)>,
    /// Requests with another token are refused. Empty: any token is good.
    pub(crate) token: String,
    pub(crate) users: BTreeMap<String, String>,
    pub(crate) asked: Vec<String>,
    /// The maximum number of rows of a search, whatever was asked for.
    pub(crate) rows_max: Option<usize>,
    /// Whether the search gives the same cursor with every page.
    pub(crate) stuck_cursor: bool,
    /// The search for everybody gives empty pages: after how many rows, and how many of them.
    pub(crate) empty_pages: BTreeMap<usize, u32>,
    /// How many searches for what was updated give an empty page.
    pub(crate) empty_updates: u32,
    /// Contacts that no search shows.
    pub(crate) hidden: BTreeSet<String>,
    /// Outdated contacts that a search still shows.
    pub(crate) stale: BTreeMap<String, Value>,
    pub(crate) calendars: Vec<String>,
    /// A list of appointments over a longer time is refused.
    pub(crate) longest_span: Option<jiff::SignedDuration>,
}

/// The location itself.
pub(crate) struct Place {
    pub(crate) id: &'static str,
    pub(crate) zone: &'static str,
}

impl Default for Place {
    fn default() -> Self {
        Self { id: LOCATION, zone: "Europe/Berlin" }
    }
}

impl Agency {
    /// The agency of the cases.
    pub(crate) fn northlight() -> Self {
        let agency = Self::default();
        agency.world().place = Place { id: "LocNorthlight0000001", zone: "America/New_York" };
        agency
    }

    /// Gives these answers before the usual ones, from second 0 on.
    pub(crate) fn script(&self, answers: Vec<Scripted>) {
        self.world().script = Script { answers, second: 0 };
    }

    /// Lists these contacts.
    pub(crate) fn list(&self, rows: Vec<Value>) {
        let id = |row: &Value| row["id"].as_str().unwrap().to_owned();
        self.world().contacts.extend(rows.into_iter().map(|row| (id(&row), row)));
    }

    /// From now on it is this second after the beginning.
    pub(crate) fn second(&self, second: u64) {
        self.world().script.second = second;
    }

    /// Starts the server; returns its address.
    pub(crate) async fn start(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let agency = self.clone();
        let answer = move |request: Request| {
            let agency = agency.clone();
            async move { agency.answer(request).await }
        };
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
        address
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// A contact as of a second of the year 2020, with a task and a note.
    pub(crate) fn put(&self, id: &str, second: u32) {
        let at = format!("2020-01-01T{:02}:{:02}:{:02}.000Z", second / 3_600, second / 60 % 60, second % 60);
        let mut world = self.world();
        let contact = json!({"id": id, "locationId": world.place.id, "firstName": format!("Name {id}"), "email": null, "phone": null,
            "tags": [], "customFields": [], "dateAdded": "2020-01-01T00:00:00.000Z", "dateUpdated": at});
        world.contacts.insert(id.to_owned(), contact);
        world.parts.insert((id.to_owned(), "tasks"), vec![json!({"id": format!("t-{id}"), "title": "Call", "completed": false})]);
        world.parts.insert((id.to_owned(), "notes"), vec![json!({"id": format!("n-{id}"), "body": "Hello"})]);
    }

    pub(crate) fn rename(&self, id: &str, name: &str, updated_at: &str) {
        let mut world = self.world();
        let contact = world.contacts.get_mut(id).unwrap();
        contact["firstName"] = json!(name);
        contact["dateUpdated"] = json!(updated_at);
    }

    pub(crate) fn remove(&self, id: &str) {
        let mut world = self.world();
        world.contacts.remove(id);
        world.parts.retain(|(of, _), _| of != id);
    }

    pub(crate) fn fail(&self, path: &str, status: u16) {
        self.world().failing.insert(path.to_owned(), status);
    }

    /// Refuses requests whose path contains this, as GHL does without the scope.
    pub(crate) fn refuse(&self, part: &'static str, status: u16) {
        let message = match status {
            401 => "The token is not authorized for this scope.",
            _ => "You do not have permission to access this resource",
        };
        self.world().refused.insert(part, (status, message));
    }

    /// How many requests had a path that begins with this.
    pub(crate) fn asked(&self, path: &str) -> usize {
        self.world().asked.iter().filter(|asked| asked.starts_with(path)).count()
    }

    async fn answer(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let body: Value = serde_json::from_slice(&to_bytes(body, 1 << 20).await.unwrap()).unwrap_or_default();
        let path = parts.uri.path().to_owned();
        let mut world = self.world();
        world.asked.push(path.clone());
        if let Some(scripted) = world.script.next(parts.method.as_str(), &path) {
            return scripted;
        }
        if let Some((status, message)) = world.failure(&path, &parts.headers) {
            let told = json!({"statusCode": status, "message": message, "traceId": "trace-2"});
            return (StatusCode::from_u16(status).unwrap(), axum::Json(told)).into_response();
        }
        let decoded = |segment: &str| percent_decode_str(segment).decode_utf8().unwrap().into_owned();
        let segments: Vec<String> = path.trim_matches('/').split('/').map(decoded).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let answer = match segments.as_slice() {
            ["contacts", "search"] => world.search(&body),
            ["contacts", id] => match world.contacts.get(*id) {
                Some(contact) => json!({"contact": contact, "traceId": "trace-1"}),
                None => {
                    let told = json!({"statusCode": 400, "message": format!("Contact with id {id} not found")});
                    return (StatusCode::BAD_REQUEST, axum::Json(told)).into_response();
                }
            },
            ["calendars", "events", "appointments", id] => match world.all("events").into_iter().find(|row| row["id"] == *id) {
                Some(row) => json!({"event": row}),
                None => {
                    let told = json!({"statusCode": 404, "message": format!("Event {id} not found")});
                    return (StatusCode::NOT_FOUND, axum::Json(told)).into_response();
                }
            },
            ["contacts", id, "tasks"] => json!({"tasks": world.part(id, "tasks")}),
            ["contacts", id, "notes"] => json!({"notes": world.part(id, "notes")}),
            ["contacts", id, "appointments"] => json!({"events": world.part(id, "events")}),
            ["locations", _] => json!({"location": {"id": world.place.id, "timezone": world.place.zone, "companyId": "co"}}),
            ["locations", _, "tasks", "search"] => {
                let number = |key: &str| usize::try_from(body[key].as_u64().unwrap_or(25)).unwrap();
                let page: Vec<Value> = world.all("tasks").into_iter().skip(number("skip")).take(number("limit")).collect();
                json!({"tasks": page})
            }
            ["calendars", "events"] => {
                let query = parts.uri.query().unwrap();
                let asked = |key: &str| query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('=')).unwrap().to_owned();
                let millis = |key: &str| asked(key).parse::<i64>().unwrap();
                let (calendar, window) = (asked("calendarId"), millis("startTime")..=millis("endTime"));
                let span = jiff::SignedDuration::from_millis(window.end() - window.start());
                if world.longest_span.is_some_and(|longest| span > longest) {
                    let told = json!({"statusCode": 422, "message": ["the time span is too long"], "error": "Unprocessable Entity"});
                    return (StatusCode::UNPROCESSABLE_ENTITY, axum::Json(told)).into_response();
                }
                let at = |row: &Value| row["startTime"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond();
                let rows = world.all("events").into_iter().filter(|row| row["calendarId"] == calendar && window.contains(&at(row)));
                json!({"events": rows.collect::<Vec<_>>()})
            }
            ["locations", _, "customFields"] => json!({"customFields": []}),
            ["users", "search"] => {
                let users: Vec<Value> = world.users.iter().map(|(id, name)| json!({"id": id, "name": name})).collect();
                json!({"users": users, "count": users.len()})
            }
            ["calendars"] => {
                json!({"calendars": world.calendars.iter().map(|id| json!({"id": id, "name": id})).collect::<Vec<_>>()})
            }
            _ => return StatusCode::NOT_FOUND.into_response(),
        };
        axum::Json(answer).into_response()
    }
}

impl World {
    /// The status and message that a request is answered with instead.
    fn failure(&self, path: &str, headers: &HeaderMap) -> Option<(u16, &'static str)> {
        let token = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !self.token.is_empty() && token.strip_prefix("Bearer ") != Some(self.token.as_str()) {
            return Some((401, "Invalid Private Integration token"));
        }
        let failing = self.failing.iter().find(|(failing, _)| path.starts_with(*failing)).map(|(_, status)| (*status, "as told"));
        failing.or_else(|| self.refused.iter().find(|(part, _)| path.contains(**part)).map(|(_, refusal)| *refusal))
    }

    fn part(&self, id: &str, part: &'static str) -> Vec<Value> {
        self.parts.get(&(id.to_owned(), part)).cloned().unwrap_or_default()
    }

    /// The records of a part of all contacts, each with its contact's id.
    fn all(&self, wanted: &str) -> Vec<Value> {
        let of = |((contact, part), rows): (&(String, &'static str), &Vec<Value>)| {
            let owned = |row: &Value| {
                let mut row = row.clone();
                row["contactId"] = json!(contact);
                row
            };
            if *part == wanted { rows.iter().map(owned).collect() } else { Vec::new() }
        };
        self.parts.iter().flat_map(of).collect()
    }

    fn search(&mut self, body: &Value) -> Value {
        let sort = body["sort"][0]["field"].as_str().unwrap().to_owned();
        let from = body["filters"][0]["value"]["gte"].as_str().unwrap_or("").to_owned();
        let after = usize::try_from(body["searchAfter"][0].as_u64().unwrap_or(0)).unwrap();
        let empty = if from.is_empty() { self.empty_pages.get_mut(&after) } else { Some(&mut self.empty_updates) };
        if let Some(left) = empty.filter(|left| **left > 0) {
            *left -= 1;
            return json!({"contacts": [], "total": self.contacts.len()});
        }
        let shown = self.contacts.iter().filter(|(id, _)| !self.hidden.contains(*id));
        let shown: BTreeMap<&String, &Value> = shown.chain(&self.stale).collect();
        let mut found: Vec<&Value> =
            shown.into_values().filter(|contact| contact["dateUpdated"].as_str().unwrap() >= from.as_str()).collect();
        found.sort_by_key(|contact| (contact[&sort].as_str().unwrap().to_owned(), contact["id"].as_str().unwrap().to_owned()));
        let total = found.len();
        let asked = usize::try_from(body["pageLimit"].as_u64().unwrap()).unwrap();
        let rows_max = self.rows_max.unwrap_or(asked).min(asked);
        let rows = found.into_iter().enumerate().skip(after).take(rows_max).map(|(index, contact)| {
            let mut row = contact.clone();
            row["searchAfter"] = if self.stuck_cursor { json!([0]) } else { json!([index + 1]) };
            row
        });
        json!({"contacts": rows.collect::<Vec<_>>(), "total": total})
    }
}
