//! People's changes: the same bodies as GHL's own API takes, and `?webhook=` to say what becomes of the news.

use std::time::Duration;

use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::{Path, Query},
    routing::{get, post, put},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::body::read;
use crate::{
    answer::Refusal,
    webhook::{FateName, Webhook},
    world::World,
};

type Done = Result<Json<Value>, Refusal>;

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Fate {
    webhook: FateName,
    #[serde(with = "humantime_serde")]
    delay: Duration,
    /// Already seen to.
    #[serde(rename = "location")]
    _location: Option<String>,
}

impl Default for Fate {
    fn default() -> Self {
        Self { webhook: FateName::ByChance, delay: Duration::from_secs(2), _location: None }
    }
}

impl Fate {
    fn decided(&self) -> Webhook {
        self.webhook.fate(self.delay)
    }
}

pub(super) fn routes() -> Router {
    Router::new()
        .route("/sandbox/contacts", get(contacts).post(create_contact))
        .route("/sandbox/contacts/{contact}", put(update_contact).delete(delete_contact))
        .route("/sandbox/contacts/{contact}/touch", post(touch_contact))
        .route("/sandbox/contacts/{contact}/restore", post(restore_contact))
        .route("/sandbox/contacts/{contact}/merge", post(merge_contacts))
        .route("/sandbox/contacts/{contact}/tags", post(change_tags))
        .route("/sandbox/contacts/{contact}/tasks", post(create_task))
        .route("/sandbox/contacts/{contact}/tasks/{task}", put(update_task).delete(delete_task))
        .route("/sandbox/tasks", post(create_loose_task))
        .route("/sandbox/tasks/{task}", put(update_any_task).delete(delete_any_task))
        .route("/sandbox/tasks/{task}/restore", post(restore_task))
        .route("/sandbox/recurring-tasks", post(create_recurring_task))
        .route("/sandbox/recurring-tasks/{id}/run", post(run_recurring_task))
        .route("/sandbox/businesses", post(create_business))
        .route("/sandbox/contacts/{contact}/notes", post(create_note))
        .route("/sandbox/contacts/{contact}/notes/{note}", put(update_note).delete(delete_note))
        .route("/sandbox/appointments", post(create_appointment))
        .route("/sandbox/appointments/{appointment}", put(update_appointment).delete(delete_appointment))
}

const LISTED_MAX: usize = 50;

/// The first few, to have ids to work with.
async fn contacts(Extension(world): Extension<World>) -> Json<Value> {
    let state = world.state();
    let rows = state.folders().take(LISTED_MAX).map(|folder| {
        json!({
            "id": folder.contact.id,
            "name": folder.contact.name(),
            "tasks": folder.tasks.iter().map(|row| &row.id).collect::<Vec<_>>(),
            "notes": folder.notes.iter().map(|row| &row.id).collect::<Vec<_>>(),
            "appointments": folder.appointments.iter().map(|row| &row.id).collect::<Vec<_>>(),
        })
    });
    Json(json!({"contacts": rows.collect::<Vec<_>>(), "total": state.contact_count(), "calendars": world.calendar_ids()}))
}

fn with_id(id: String) -> Done {
    Ok(Json(json!({ "id": id })))
}

fn done() -> Done {
    Ok(Json(json!({"done": true})))
}

async fn create_contact(Extension(world): Extension<World>, Query(fate): Query<Fate>, body: Bytes) -> Done {
    with_id(world.create_contact(&read(&body)?, fate.decided())?)
}

async fn update_contact(Extension(world): Extension<World>, Path(id): Path<String>, Query(fate): Query<Fate>, body: Bytes) -> Done {
    world.update_contact(&id, &read(&body)?, fate.decided())?;
    done()
}

async fn touch_contact(Extension(world): Extension<World>, Path(id): Path<String>, Query(fate): Query<Fate>) -> Done {
    world.touch_contact(&id, fate.decided())?;
    done()
}

async fn delete_contact(Extension(world): Extension<World>, Path(id): Path<String>, Query(fate): Query<Fate>) -> Done {
    world.delete_contact(&id, fate.decided())?;
    done()
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct TagChange {
    add: Vec<String>,
    remove: Vec<String>,
}

async fn change_tags(Extension(world): Extension<World>, Path(id): Path<String>, Query(fate): Query<Fate>, body: Bytes) -> Done {
    let wanted: TagChange = read(&body)?;
    let tags = world.change_tags(&id, &wanted.add, &wanted.remove, fate.decided())?;
    Ok(Json(json!({ "tags": tags })))
}

async fn restore_contact(Extension(world): Extension<World>, Path(id): Path<String>) -> Done {
    world.restore_contact(&id)?;
    done()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Merge {
    loser: String,
}

async fn merge_contacts(Extension(world): Extension<World>, Path(id): Path<String>, Query(fate): Query<Fate>, body: Bytes) -> Done {
    world.merge_contacts(&id, &read::<Merge>(&body)?.loser, fate.decided())?;
    done()
}

async fn create_loose_task(Extension(world): Extension<World>, Query(fate): Query<Fate>, body: Bytes) -> Done {
    with_id(world.create_loose_task(&read(&body)?, fate.decided())?)
}

async fn update_any_task(Extension(world): Extension<World>, Path(id): Path<String>, Query(fate): Query<Fate>, body: Bytes) -> Done {
    world.update_any_task(&id, &read(&body)?, fate.decided())?;
    done()
}

async fn delete_any_task(Extension(world): Extension<World>, Path(id): Path<String>, Query(fate): Query<Fate>) -> Done {
    world.delete_any_task(&id, fate.decided())?;
    done()
}

async fn restore_task(Extension(world): Extension<World>, Path(id): Path<String>) -> Done {
    world.restore_task(&id)?;
    done()
}

async fn create_recurring_task(Extension(world): Extension<World>, Query(fate): Query<Fate>, body: Bytes) -> Done {
    with_id(world.create_recurring_task(&read(&body)?, fate.decided())?)
}

async fn run_recurring_task(Extension(world): Extension<World>, Path(id): Path<String>, Query(fate): Query<Fate>) -> Done {
    Ok(Json(json!({"tasks": world.run_recurring_task(&id, fate.decided())?})))
}

async fn create_business(Extension(world): Extension<World>, body: Bytes) -> Done {
    with_id(world.create_business(&read(&body)?)?)
}

async fn create_task(Extension(world): Extension<World>, Path(contact): Path<String>, Query(fate): Query<Fate>, body: Bytes) -> Done {
    with_id(world.create_task(&contact, &read(&body)?, fate.decided())?)
}

async fn update_task(
    Extension(world): Extension<World>,
    Path((contact, id)): Path<(String, String)>,
    Query(fate): Query<Fate>,
    body: Bytes,
) -> Done {
    world.update_task(&contact, &id, &read(&body)?, fate.decided())?;
    done()
}

async fn delete_task(Extension(world): Extension<World>, Path((contact, id)): Path<(String, String)>, Query(fate): Query<Fate>) -> Done {
    world.delete_task(&contact, &id, fate.decided())?;
    done()
}

async fn create_note(Extension(world): Extension<World>, Path(contact): Path<String>, Query(fate): Query<Fate>, body: Bytes) -> Done {
    with_id(world.create_note(&contact, &read(&body)?, fate.decided())?)
}

async fn update_note(
    Extension(world): Extension<World>,
    Path((contact, id)): Path<(String, String)>,
    Query(fate): Query<Fate>,
    body: Bytes,
) -> Done {
    world.update_note(&contact, &id, &read(&body)?, fate.decided())?;
    done()
}

async fn delete_note(Extension(world): Extension<World>, Path((contact, id)): Path<(String, String)>, Query(fate): Query<Fate>) -> Done {
    world.delete_note(&contact, &id, fate.decided())?;
    done()
}

async fn create_appointment(Extension(world): Extension<World>, Query(fate): Query<Fate>, body: Bytes) -> Done {
    with_id(world.create_appointment(&read(&body)?, fate.decided())?)
}

async fn update_appointment(Extension(world): Extension<World>, Path(id): Path<String>, Query(fate): Query<Fate>, body: Bytes) -> Done {
    world.update_appointment(&id, &read(&body)?, fate.decided())?;
    done()
}

async fn delete_appointment(Extension(world): Extension<World>, Path(id): Path<String>, Query(fate): Query<Fate>) -> Done {
    world.delete_appointment(&id, fate.decided())?;
    done()
}
