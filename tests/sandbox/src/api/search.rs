//! The searches: contacts, duplicates, the location's tasks.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Extension,
    body::Bytes,
    extract::{Path, Query},
};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::shapes::{json_body, object_body, own_location};
use crate::{
    answer::{Answer, Refusal, Reply},
    records::Task,
    search::{self, Found},
    settings::CursorManners,
    state::{State, now},
    wire::{self, ApiVersion, ContactById, ContactRow},
    world::{World, duplicate as find_duplicate},
};

#[derive(serde::Serialize)]
struct Page<'a> {
    contacts: Vec<ContactRow<'a>>,
    total: usize,
}

pub(crate) async fn contacts(Extension(world): Extension<World>, body: Bytes) -> Answer {
    let body = json_body(&body)?;
    let manners = world.search();
    let query = search::Query::parse(&body, &manners);
    let location_id = body.get("locationId").and_then(Value::as_str);
    let query = match (query, location_id) {
        (Ok(query), Some(_)) => query,
        (query, location_id) => {
            let mut problems = query.err().unwrap_or_default();
            if location_id.is_none() {
                problems.push("locationId should not be empty, locationId must be a string".to_owned());
            }
            return Err(Refusal::unprocessable(&problems));
        }
    };
    own_location(&world, location_id)?;
    if query.out_of_reach() {
        return Err(Refusal::bad_request("page reaches the first 10000 records only, use searchAfter"));
    }
    let Found { mut rows, total } = search::run(world.state().index(), &query);
    let luck = world.page_luck();
    if let Some(share) = luck.share.and_then(|share| usize::try_from(share).ok()) {
        rows.truncate((rows.len() * share / 100).max(1));
    }
    if luck.empty {
        rows.clear();
    }
    let last = rows.len().saturating_sub(1);
    let cursor = |place: usize, row: &'_ [Value]| match (manners.cursor, query.cursor()) {
        (CursorManners::Absent, _) => None,
        (CursorManners::Repeated, Some(sent)) => Some(sent.to_vec()),
        (CursorManners::Proper, Some(sent)) if luck.same_cursor && place == last => Some(sent.to_vec()),
        (CursorManners::Proper | CursorManners::Repeated, _) => Some(row.to_vec()),
    };
    let cursors: Vec<Option<Vec<Value>>> = rows.iter().enumerate().map(|(place, (_, row))| cursor(place, row)).collect();
    let contacts = rows.iter().zip(&cursors).map(|((row, _), cursor)| ContactRow(row, world.location_id(), cursor.as_deref()));
    Reply::ok(&Page { contacts: contacts.collect(), total })
}

/// Looks up by e-mail first, then by number. What it answers when there is none is not documented; null is assumed.
pub(crate) async fn duplicate(
    Extension(world): Extension<World>,
    Extension(version): Extension<ApiVersion>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Answer {
    let text = |key: &str| query.get(key).map(String::as_str);
    own_location(&world, text("locationId"))?;
    if text("email").is_none() && text("number").is_none() {
        return Err(Refusal::unprocessable(&["either email or number is required".to_owned()]));
    }
    let found = find_duplicate(&world.state(), text("email"), text("number")).map(|(contact, _)| contact);
    Reply::ok(&json!({"contact": found.as_deref().map(|contact| ContactById(contact, world.location_id(), version))}))
}

const TASKS_LIMIT_MAX: usize = 1_000;

/// Oldest first. Some of the parameters are undocumented but accepted.
pub(crate) async fn tasks(Extension(world): Extension<World>, Path(location_id): Path<String>, body: Bytes) -> Answer {
    own_location(&world, Some(&location_id))?;
    let body = object_body(if body.is_empty() { b"{}" } else { &body })?;
    let number = |key: &str, otherwise: usize| {
        body.get(key).and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok()).unwrap_or(otherwise)
    };
    let counted = body.get("count") == Some(&Value::Bool(true));
    let (page, count) = {
        let state = world.state();
        let matching = |skipped| state.tasks_after(skipped).filter(|task| task_matches(task, &state, &body));
        // Where nothing is asked of a task, those that are skipped need not be looked at.
        let everyone = body.keys().all(|key| matches!(key.as_str(), "skip" | "limit" | "count"));
        let (before, within) = if everyone { (number("skip", 0), 0) } else { (0, number("skip", 0)) };
        let page = matching(before).skip(within).take(number("limit", 25).min(TASKS_LIMIT_MAX));
        (page.cloned().collect::<Vec<Arc<Task>>>(), counted.then(|| matching(0).count()))
    };
    let mut answer = Map::new();
    answer.insert("tasks".to_owned(), page.iter().map(|task| wire::task_row(task, &location_id)).collect());
    if let Some(count) = count {
        answer.insert("count".to_owned(), json!(count));
    }
    Reply::ok(&answer)
}

fn task_matches(task: &Task, state: &State, body: &Map<String, Value>) -> bool {
    let flag = |key: &str| body.get(key).and_then(Value::as_bool);
    let among = |key: &str, id: Option<&str>| match body.get(key).and_then(Value::as_array) {
        Some(ids) => ids.iter().any(|wanted| wanted.as_str() == id),
        None => true,
    };
    let text = body.get("query").and_then(Value::as_str).map(str::to_lowercase);
    let mentions = |text: &str| [&task.title, &task.body].into_iter().flatten().any(|field| field.to_lowercase().contains(text));
    let due_within = |bounds: &Map<String, Value>| {
        task.due_date.is_some_and(|due| {
            bounds.iter().all(|(operator, at)| match (operator.as_str(), at.as_str().and_then(|at| at.parse::<Timestamp>().ok())) {
                ("gt", Some(at)) => due > at,
                ("gte", Some(at)) => due >= at,
                ("lt", Some(at)) => due < at,
                ("lte", Some(at)) => due <= at,
                _ => false,
            })
        })
    };
    let contacts = || match body.get("contactId").and_then(Value::as_array) {
        Some(ids) => task.contact_ids().any(|held| ids.iter().any(|wanted| wanted.as_str() == Some(held))),
        None => true,
    };
    let business = |wanted: &str| {
        let of = |contact_id: &String| state.folder(contact_id)?.contact.business_id.clone();
        task.contact_ids().any(|contact_id| of(contact_id).as_deref() == Some(wanted))
    };
    let overdue = || !task.completed && task.due_date.is_some_and(|due| due < now());
    contacts()
        && body.get("businessId").and_then(Value::as_str).is_none_or(business)
        && among("assignedTo", task.assigned_to.as_deref())
        && flag("completed").is_none_or(|completed| completed == task.completed)
        && flag("unAssigned").is_none_or(|free| free == task.assigned_to.is_none())
        && flag("overdue").is_none_or(|wanted| wanted == overdue())
        && body.get("dueDate").and_then(Value::as_object).is_none_or(due_within)
        && text.as_deref().is_none_or(mentions)
}
