//! The bodies of webhooks: flat, with `timestamp`, `webhookId`, `appId` and `versionId` at the top, as seen in the field.

use serde_json::{Map, Value, json};

use crate::{
    premises::Premises,
    records::{Appointment, Contact, Note, Task},
    settings::WebhookSettings,
    wire,
};

/// Something a webhook tells of.
pub(crate) enum News<'a> {
    Contact { event: &'static str, contact: &'a Contact },
    Task { event: &'static str, task: &'a Task },
    Note { event: &'static str, note: &'a Note },
    Appointment { event: &'static str, appointment: &'a Appointment },
}

/// The app came to a location or the agency, or went.
pub(crate) struct Installation<'a> {
    /// `INSTALL`, `UNINSTALL`.
    pub(crate) event: &'static str,
    pub(crate) company_id: &'a str,
    /// None: the agency as a whole.
    pub(crate) location_id: Option<&'a str>,
    pub(crate) user_id: Option<&'a str>,
}

/// What the app's installation adds to every payload.
pub(crate) struct Envelope {
    pub(crate) timestamp: String,
    pub(crate) webhook_id: String,
    pub(crate) app_id: String,
}

pub(crate) fn body(news: &News<'_>, premises: &Premises, envelope: &Envelope, settings: &WebhookSettings) -> Vec<u8> {
    let told = match news {
        News::Contact { event, contact } => {
            let with_dnd = *event == "ContactDndUpdate";
            serde_json::to_value(wire::ContactInWebhook(contact, &premises.location_id, event, with_dnd)).unwrap_or_default()
        }
        News::Task { event, task } => task_told(event, task, premises, settings),
        News::Note { event, note } => wire::present(json!({
            "type": event,
            "locationId": premises.location_id,
            "id": note.id,
            "body": note.body,
            "contactId": note.contact_id,
            "dateAdded": wire::instant(note.date_added),
        })),
        News::Appointment { event, appointment } => json!({
            "type": if settings.appointment_always_create { "AppointmentCreate" } else { event },
            "locationId": premises.location_id,
            "appointment": wire::appointment_in_webhook(appointment, premises),
        }),
    };
    serde_json::to_vec(&enveloped(told, envelope, settings)).unwrap_or_default()
}

pub(crate) fn installation(news: &Installation<'_>, envelope: &Envelope, settings: &WebhookSettings) -> Vec<u8> {
    let installed = news.event == "INSTALL";
    let told = wire::present(json!({
        "type": news.event,
        "appId": envelope.app_id,
        "locationId": news.location_id,
        // An uninstall names either.
        "companyId": (installed || news.location_id.is_none()).then_some(news.company_id),
        "userId": news.user_id.filter(|_| installed),
        "isWhitelabelCompany": installed.then_some(false),
        "whitelabelDetails": installed.then(|| json!({})),
        "companyName": installed.then_some("Northwind Group"),
    }));
    serde_json::to_vec(&enveloped(told, envelope, settings)).unwrap_or_default()
}

fn task_told(event: &str, task: &Task, premises: &Premises, settings: &WebhookSettings) -> Value {
    let thin = settings.thin_task_create && event == "TaskCreate";
    wire::present(json!({
        "type": event,
        "locationId": premises.location_id,
        "id": task.id,
        "assignedTo": task.assigned_to,
        "body": task.body.as_ref().filter(|_| !thin),
        "contactId": task.contact_id.as_ref().filter(|_| !thin),
        "title": task.title,
        "dateAdded": wire::instant(task.date_added),
        "dueDate": task.due_date.map(wire::instant),
    }))
}

fn enveloped(told: Value, envelope: &Envelope, settings: &WebhookSettings) -> Value {
    let kind = told.get("type").cloned().unwrap_or_default();
    let mut outer = if settings.wrapped {
        Map::from_iter([("type".to_owned(), kind), ("data".to_owned(), told)])
    } else {
        told.as_object().cloned().unwrap_or_default()
    };
    outer.insert("timestamp".to_owned(), json!(envelope.timestamp));
    outer.insert("webhookId".to_owned(), json!(envelope.webhook_id));
    outer.insert("appId".to_owned(), json!(envelope.app_id));
    outer.insert("versionId".to_owned(), json!(envelope.app_id));
    Value::Object(outer)
}
