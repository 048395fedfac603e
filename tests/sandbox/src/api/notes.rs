//! `/contacts/{id}/notes`.

use axum::{Extension, body::Bytes, extract::Path};
use serde_json::json;

use super::shapes::{object_body, succeeded};
use crate::{
    Webhook,
    answer::{Answer, Refusal, Reply},
    draft::Writer,
    wire::{self, ApiVersion},
    world::World,
};

pub(crate) async fn list(Extension(world): Extension<World>, Path(contact_id): Path<String>) -> Answer {
    let notes = world.state().folder(&contact_id).map(|folder| folder.notes.clone());
    let notes = notes.ok_or_else(|| Refusal::not_found("Contact", &contact_id))?;
    Reply::ok(&json!({"notes": notes.iter().map(|note| wire::note(note)).collect::<Vec<_>>()}))
}

pub(crate) async fn create(Extension(world): Extension<World>, Path(contact_id): Path<String>, body: Bytes) -> Answer {
    let note = world.create_note_as(Writer::Creating, &contact_id, &object_body(&body)?, Webhook::ByChance)?;
    Reply::created(&json!({"note": wire::note(&note)}))
}

pub(crate) async fn read(Extension(world): Extension<World>, Path((contact_id, id)): Path<(String, String)>) -> Answer {
    let note = {
        let state = world.state();
        state.folder(&contact_id).ok_or_else(|| Refusal::not_found("Contact", &contact_id))?;
        state.note(&contact_id, &id).cloned().ok_or_else(|| Refusal::not_found("Note", &id))?
    };
    Reply::ok(&json!({"note": wire::note(&note)}))
}

pub(crate) async fn update(Extension(world): Extension<World>, Path((contact_id, id)): Path<(String, String)>, body: Bytes) -> Answer {
    let note = world.update_note_as(Writer::Updating, &contact_id, &id, &object_body(&body)?, Webhook::ByChance)?;
    Reply::ok(&json!({"note": wire::note(&note)}))
}

pub(crate) async fn delete(
    Extension(world): Extension<World>,
    Extension(version): Extension<ApiVersion>,
    Path((contact_id, id)): Path<(String, String)>,
) -> Answer {
    world.delete_note(&contact_id, &id, Webhook::ByChance)?;
    Reply::ok(&succeeded(&world, version, true))
}
