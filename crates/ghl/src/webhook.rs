//! Webhooks: whether they are GHL's, and what they hint at. Their content is never trusted, only that something may have changed.

mod signature;

pub use signature::{BadKey, Forged, Scheme, Signatures, VENDOR_ED25519_PEM, VENDOR_RSA_PEM, Verifier};

use domain::{ContactId, LocationId, RecordId, RecordKind};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::json;

/// Something may have changed; worth a look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hint {
    pub location_id: LocationId,
    /// The contact to look at. Task webhooks have been seen without one.
    pub contact_id: Option<ContactId>,
    /// Which of the contact's records it is about, if it is not the contact itself.
    pub record: Option<(RecordKind, RecordId)>,
    /// The webhook's type, for instance `TaskCreate`.
    pub kind: String,
    pub webhook_id: Option<String>,
    /// It says that the record is gone, which only a look can confirm.
    pub deleted: bool,
    /// The app that it was sent to, where it says so.
    #[serde(default)]
    pub app_id: Option<String>,
    /// When GHL first sent it, where it says so: a repetition says the same.
    #[serde(default)]
    pub sent_at: Option<Timestamp>,
}

/// What a webhook is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Webhook {
    Hint(Hint),
    /// The app was installed or uninstalled.
    Installation(Installation),
    /// Nothing that is mirrored, or a webhook that names no location or no record.
    Other,
}

/// Where the app was installed or uninstalled: in a location, or in a whole agency where no location is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    pub installed: bool,
    pub app_id: String,
    pub location_id: Option<LocationId>,
    pub company_id: Option<String>,
    /// When GHL first sent it, where it says so.
    pub at: Option<Timestamp>,
}

/// The body is not a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON object")]
pub struct NotJson;

/// The types of webhook that hint at a record, with the kind of record and whether they say it is gone.
const KINDS: [(&str, RecordKind, bool); 15] = [
    ("ContactCreate", RecordKind::Contact, false),
    ("ContactUpdate", RecordKind::Contact, false),
    ("ContactDelete", RecordKind::Contact, true),
    ("ContactTagUpdate", RecordKind::Contact, false),
    ("ContactDndUpdate", RecordKind::Contact, false),
    ("TaskCreate", RecordKind::Task, false),
    ("TaskUpdate", RecordKind::Task, false),
    ("TaskComplete", RecordKind::Task, false),
    ("TaskDelete", RecordKind::Task, true),
    ("NoteCreate", RecordKind::Note, false),
    ("NoteUpdate", RecordKind::Note, false),
    ("NoteDelete", RecordKind::Note, true),
    ("AppointmentCreate", RecordKind::Appointment, false),
    ("AppointmentUpdate", RecordKind::Appointment, false),
    ("AppointmentDelete", RecordKind::Appointment, true),
];

/// Reads a webhook, flat as GHL sends them or wrapped in `data` as its guide shows them. Nesting deeper than 128 is not read.
///
/// # Errors
/// Fails when the body is not a JSON object in UTF-8.
pub fn read(body: &[u8]) -> Result<Webhook, NotJson> {
    let Ok(Value::Object(outer)) = json::read(body) else { return Err(NotJson) };
    let inner = outer.get("data").and_then(Value::as_object);
    Ok(match installation(&outer, inner) {
        Some(installation) => Webhook::Installation(installation),
        None => hint(&outer, inner).map_or(Webhook::Other, Webhook::Hint),
    })
}

fn installation(outer: &Map<String, Value>, inner: Option<&Map<String, Value>>) -> Option<Installation> {
    let text = |key: &str| outer.get(key).or_else(|| inner?.get(key))?.as_str().filter(|text| !text.is_empty());
    let installed = match text("type")? {
        "INSTALL" => true,
        "UNINSTALL" => false,
        _ => return None,
    };
    let location_id = text("locationId").and_then(|id| LocationId::new(id).ok());
    let at = text("timestamp").and_then(|at| at.parse().ok());
    Some(Installation { installed, app_id: text("appId")?.to_owned(), location_id, company_id: text("companyId").map(str::to_owned), at })
}

fn hint(outer: &Map<String, Value>, inner: Option<&Map<String, Value>>) -> Option<Hint> {
    let text = |key: &str| {
        let found = outer.get(key).or_else(|| inner?.get(key))?.as_str()?;
        (!found.is_empty()).then_some(found)
    };
    // Workflows and older apps have been seen to write `Contact Update`.
    let kind = text("type")?.replace(' ', "");
    let (kind, record_kind, deleted) = *KINDS.iter().find(|(known, _, _)| *known == kind)?;
    let content = inner.unwrap_or(outer);
    let content = match record_kind {
        RecordKind::Appointment => content.get("appointment").and_then(Value::as_object).unwrap_or(content),
        RecordKind::Contact | RecordKind::Task | RecordKind::Note => content,
    };
    let of_content = |key: &str| content.get(key).and_then(Value::as_str);
    // Tag updates have been seen with nothing but the contact's id, appointments with an id of their own name; the others are read alike.
    let own_name = match record_kind {
        RecordKind::Contact => "contactId",
        RecordKind::Task => "taskId",
        RecordKind::Note => "noteId",
        RecordKind::Appointment => "appointmentId",
    };
    let record_id = ["id", "_id", own_name].into_iter().find_map(of_content).and_then(|id| RecordId::new(id).ok());
    let contact_id = match record_kind {
        RecordKind::Contact => record_id.as_ref().map(RecordId::as_str),
        RecordKind::Task | RecordKind::Note | RecordKind::Appointment => of_content("contactId"),
    };
    let contact_id = contact_id.and_then(|id| ContactId::new(id).ok());
    let record = record_id.filter(|_| record_kind != RecordKind::Contact).map(|id| (record_kind, id));
    if contact_id.is_none() && record.is_none() {
        return None;
    }
    Some(Hint {
        location_id: LocationId::new(text("locationId")?).ok()?,
        contact_id,
        record,
        kind: kind.to_owned(),
        webhook_id: text("webhookId").filter(|id| id.len() <= 255 && !id.chars().any(char::is_control)).map(str::to_owned),
        deleted,
        app_id: text("appId").map(str::to_owned),
        sent_at: text("timestamp").and_then(|at| at.parse().ok()),
    })
}

/// The type of a hint that a workflow sent.
const WORKFLOW: &str = "Workflow";

/// Reads what a workflow's webhook action sends: fields of the contact in snake case at the top, of an appointment in `calendar`. `None`
/// when it names no contact, or another location than the one whose secret it came with.
///
/// # Errors
/// Fails when the body is not a JSON object in UTF-8.
pub fn read_workflow(body: &[u8], location_id: &LocationId) -> Result<Option<Hint>, NotJson> {
    let Ok(Value::Object(body)) = json::read(body) else { return Err(NotJson) };
    let text = |within: &str, names: &[&str]| {
        let fields = if within.is_empty() { Some(&body) } else { body.get(within).and_then(Value::as_object) };
        let found = names.iter().find_map(|name| fields?.get(*name)?.as_str());
        found.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let location = text("location", &["id"]).or_else(|| text("", &["location_id", "locationId"]));
    let contact_id = text("", &["contact_id", "contactId"]).or_else(|| text("contact", &["id"])).and_then(|id| ContactId::new(id).ok());
    let appointment = text("calendar", &["appointmentId", "appointment_id"]).and_then(|id| RecordId::new(id).ok());
    if location.is_some_and(|location| location != location_id.as_str()) || (contact_id.is_none() && appointment.is_none()) {
        return Ok(None);
    }
    Ok(Some(Hint {
        location_id: location_id.clone(),
        contact_id,
        record: appointment.map(|id| (RecordKind::Appointment, id)),
        kind: WORKFLOW.to_owned(),
        webhook_id: None,
        deleted: false,
        app_id: None,
        sent_at: None,
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(body: &Value, contact: Option<&str>, record: Option<(RecordKind, &str)>, deleted: bool) {
        let Ok(Webhook::Hint(hint)) = read(body.to_string().as_bytes()) else { panic!("no hint in {body}") };
        assert_eq!(hint.location_id.as_str(), "loc-1");
        assert_eq!(hint.contact_id.as_ref().map(ContactId::as_str), contact);
        assert_eq!(hint.record.as_ref().map(|(kind, id)| (*kind, id.as_str())), record);
        assert_eq!(hint.deleted, deleted);
    }

    #[test]
    fn a_contact_webhook_hints_at_the_contact() {
        check(&json!({"type": "ContactTagUpdate", "locationId": "loc-1", "id": "c-1", "tags": ["x"]}), Some("c-1"), None, false);
        check(&json!({"type": "ContactDelete", "locationId": "loc-1", "id": "c-1"}), Some("c-1"), None, true);
    }

    #[test]
    fn a_record_webhook_hints_at_its_contact() {
        let note = json!({"type": "NoteDelete", "locationId": "loc-1", "id": "n-1", "contactId": "c-1", "webhookId": "w-1"});
        check(&note, Some("c-1"), Some((RecordKind::Note, "n-1")), true);
        let appointment = json!({"type": "AppointmentCreate", "locationId": "loc-1", "appointment": {"id": "a-1", "contactId": "c-1"}});
        check(&appointment, Some("c-1"), Some((RecordKind::Appointment, "a-1")), false);
        check(&json!({"type": "TaskCreate", "locationId": "loc-1", "id": "t-1"}), None, Some((RecordKind::Task, "t-1")), false);
    }

    #[test]
    fn ids_and_types_are_read_under_every_name_they_have_been_seen_with() {
        check(&json!({"type": "ContactTagUpdate", "locationId": "loc-1", "contactId": "c-1", "tags": ["vip"]}), Some("c-1"), None, false);
        check(&json!({"type": "Contact Update", "locationId": "loc-1", "id": "c-1"}), Some("c-1"), None, false);
        let task = json!({"type": "TaskUpdate", "locationId": "loc-1", "id": "t-1", "contactId": "c-1"});
        check(&task, Some("c-1"), Some((RecordKind::Task, "t-1")), false);
        let appointment = json!({"appointmentId": "a-1", "contactId": "c-1"});
        let appointment = json!({"type": "AppointmentUpdate", "locationId": "loc-1", "appointment": appointment});
        check(&appointment, Some("c-1"), Some((RecordKind::Appointment, "a-1")), false);
    }

    #[test]
    fn a_webhook_says_which_app_it_is_for_and_when_it_was_first_sent() {
        let body =
            json!({"type": "ContactUpdate", "locationId": "loc-1", "id": "c-1", "appId": "app-1", "timestamp": "2026-01-02T03:04:05.678Z"});
        let Ok(Webhook::Hint(hint)) = read(body.to_string().as_bytes()) else { panic!("a hint") };
        assert_eq!((hint.app_id.as_deref(), hint.sent_at), (Some("app-1"), Some("2026-01-02T03:04:05.678Z".parse().unwrap())));
    }

    #[test]
    fn what_a_workflow_sends_hints_at_its_contact() {
        let location = LocationId::new("loc-1").unwrap();
        let read = |body: &Value| read_workflow(body.to_string().as_bytes(), &location).unwrap();
        let body = json!({
            "contact_id": "c-1", "first_name": "Ada", "full_name": "Ada L.", "contact_type": "lead", "location": {"id": "loc-1", "name": "N"},
            "calendar": {"appointmentId": "a-1", "appoinmentStatus": "confirmed"}, "customData": {}, "workflow": {"id": "w", "name": "x"},
        });
        let hint = read(&body).unwrap();
        assert_eq!(hint.contact_id.as_ref().map(ContactId::as_str), Some("c-1"));
        assert_eq!(hint.record.as_ref().map(|(kind, id)| (*kind, id.as_str())), Some((RecordKind::Appointment, "a-1")));
        assert_eq!(read(&json!({"contact_id": "c-1"})).unwrap().record, None);
        assert_eq!(read(&json!({"contact_id": "c-1", "location": {"id": "loc-2"}})), None, "another location's");
        assert_eq!(read(&json!({"first_name": "Ada"})), None);
        assert_eq!(read_workflow(b"contact_id=c-1", &location), Err(NotJson));
    }

    #[test]
    fn half_an_emoji_in_a_text_does_not_cost_the_hint() {
        let body = br#"{"type":"NoteCreate","locationId":"loc-1","id":"n-1","contactId":"c-1","body":"See you \ud83d"}"#;
        let Ok(Webhook::Hint(hint)) = read(body) else { panic!("a hint") };
        assert_eq!(hint.contact_id.as_ref().map(ContactId::as_str), Some("c-1"));
    }

    #[test]
    fn a_wrapped_webhook_is_read_as_a_flat_one() {
        let outside = json!({"type": "ContactUpdate", "locationId": "loc-1", "webhookId": "w-1", "data": {"id": "c-1"}});
        check(&outside, Some("c-1"), None, false);
        let inside = json!({"webhookId": "w-1", "data": {"type": "TaskDelete", "locationId": "loc-1", "id": "t-1", "contactId": "c-1"}});
        check(&inside, Some("c-1"), Some((RecordKind::Task, "t-1")), true);
    }

    #[test]
    fn what_names_nothing_that_is_mirrored_is_neither_a_hint_nor_an_error() {
        for body in [
            json!({"type": "InvoicePaid", "locationId": "loc-1", "id": "i-1"}),
            json!({"type": "ContactCreate", "id": "c-1"}),
            json!({"type": "ContactCreate", "locationId": "loc-1"}),
            json!({"type": "ContactCreate", "locationId": "loc-1", "id": ""}),
            json!({"type": 3, "locationId": "loc-1"}),
            json!({}),
        ] {
            assert_eq!(read(body.to_string().as_bytes()), Ok(Webhook::Other), "{body}");
        }
    }

    #[test]
    fn what_is_not_a_json_object_is_refused() {
        let deep = "[".repeat(10_000) + &"]".repeat(10_000);
        let deep_object = format!("{{\"type\":\"ContactCreate\",\"x\":{deep}}}");
        for body in [b"".as_slice(), b"[1]", b"{\"a\":", b"{\"a\":\"\xff\"}", deep.as_bytes(), deep_object.as_bytes()] {
            assert_eq!(read(body), Err(NotJson));
        }
    }
}
