//! Answers as people have seen them, where they differ from what the vendor documents. Written over the documented ones on their way out.

use axum::{
    body::{Body, to_bytes},
    http::header,
    response::Response,
};
use jiff::{civil::Date, tz::TimeZone};
use serde_json::{Map, Value, json};

/// U+FFFD in a text is sold as half of a surrogate pair: what the reader makes of it is what the world holds.
const REPLACED: &str = "\u{fffd}";
const HALF_AN_EMOJI: &str = "\\ud83d";

/// Writes an answer over. `endpoint` is the method and the route, for instance `GET /contacts/{contactId}`.
pub(crate) async fn rewritten(endpoint: &str, response: Response, zone: &TimeZone) -> Response {
    if !response.status().is_success() {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let Ok(mut answer) = serde_json::from_slice::<Value>(&bytes) else { return Response::from_parts(parts, Body::from(bytes)) };
    rewrite(endpoint, &mut answer, zone);
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(answer.to_string().replace(REPLACED, HALF_AN_EMOJI)))
}

fn rewrite(endpoint: &str, answer: &mut Value, zone: &TimeZone) {
    match endpoint {
        "GET /contacts/{contactId}" => rows(answer, "contact", contact),
        "POST /contacts/search" => rows(answer, "contacts", |row| search_row(row, zone)),
        "GET /contacts/{contactId}/appointments" => {
            rows(answer, "events", |row| without(row, &["notes", "address", "dateAdded", "dateUpdated"]))
        }
        "GET /contacts/{contactId}/notes" => rows(answer, "notes", note),
        _ => {}
    }
}

/// Does something to the object, or to each of the objects, under a key.
fn rows(answer: &mut Value, key: &str, act: impl Fn(&mut Map<String, Value>)) {
    match answer.get_mut(key) {
        Some(Value::Object(row)) => act(row),
        Some(Value::Array(rows)) => rows.iter_mut().filter_map(Value::as_object_mut).for_each(act),
        Some(_) | None => {}
    }
}

fn without(row: &mut Map<String, Value>, keys: &[&str]) {
    row.retain(|key, _| !keys.contains(&key.as_str()));
}

fn add(row: &mut Map<String, Value>, more: Value) {
    if let Value::Object(more) = more {
        row.extend(more);
    }
}

/// By its id: without the whole name, and without `dnd` even where `dndSettings` has an active channel.
fn contact(row: &mut Map<String, Value>) {
    without(row, &["name", "dnd", "firstNameLowerCase", "lastNameLowerCase", "fullNameLowerCase", "emailLowerCase"]);
    add(
        row,
        json!({"createdBy": {"source": "WEB_USER", "channel": "APP"}, "followers": [],
            "attributionSource": {"medium": "manual", "mediumId": null}}),
    );
    for key in ["additionalEmails", "additionalPhones"] {
        row.entry(key).or_insert_with(|| json!([]));
    }
}

/// In a search: names in lower case beside those that were typed, a birthday as a number, no time zone.
fn search_row(row: &mut Map<String, Value>, zone: &TimeZone) {
    without(row, &["timezone", "firstNameLowerCase", "lastNameLowerCase"]);
    for key in ["contactName", "firstName", "lastName"] {
        if let Some(Value::String(name)) = row.get_mut(key) {
            *name = name.to_lowercase();
        }
    }
    let midnight = |day: &Value| zone.to_ambiguous_timestamp(day.as_str()?.parse::<Date>().ok()?.at(0, 0, 0, 0)).compatible().ok();
    if let Some(midnight) = row.get("dateOfBirth").and_then(midnight) {
        add(row, json!({"dateOfBirth": midnight.as_millisecond()}));
    }
    add(row, json!({"phoneLabel": null, "validEmail": null, "inboundDndSettings": {}, "businessName": null}));
}

/// Its plain text beside the body, and whose it is in `relations`.
fn note(row: &mut Map<String, Value>) {
    let (body, contact) = (row.get("body").cloned(), row.remove("contactId"));
    add(row, json!({"bodyText": body, "relations": [{"objectKey": "contact", "recordId": contact}]}));
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    async fn seen(endpoint: &str, answer: &Value) -> String {
        let response = Response::new(Body::from(answer.to_string()));
        let response = rewritten(endpoint, response, &TimeZone::get("America/New_York").unwrap()).await;
        assert_eq!(response.status(), StatusCode::OK);
        String::from_utf8(to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_row_gives_names_in_lower_case_and_birthdays_as_numbers() {
        let row = json!({"contactName": "Ann O", "firstName": "Ann", "firstNameRaw": "Ann", "timezone": "Europe/Oslo", "dateOfBirth": "1990-04-20"});
        let seen: Value = serde_json::from_str(&seen("POST /contacts/search", &json!({"contacts": [row]})).await).unwrap();
        let row = &seen["contacts"][0];
        assert_eq!((&row["contactName"], &row["firstName"], &row["firstNameRaw"]), (&json!("ann o"), &json!("ann"), &json!("Ann")));
        assert_eq!((row.get("timezone"), &row["dateOfBirth"]), (None, &json!(640_584_000_000_i64)));
    }

    #[tokio::test]
    async fn half_an_emoji_leaves_as_half_of_a_surrogate_pair() {
        let note = json!({"notes": [{"id": "n", "contactId": "c", "body": "So long \u{fffd}"}]});
        let seen = seen("GET /contacts/{contactId}/notes", &note).await;
        assert!(seen.contains(r#""body":"So long \ud83d""#), "{seen}");
        assert!(serde_json::from_str::<Value>(&seen).is_err(), "a strict reader refuses it");
    }

    #[tokio::test]
    async fn an_appointment_of_a_contact_has_no_place_and_a_contact_by_id_no_name() {
        let visit = seen("GET /contacts/{contactId}/appointments", &json!({"events": [{"id": "a", "address": "Room 2"}]})).await;
        assert_eq!(visit, r#"{"events":[{"id":"a"}]}"#);
        let contact = seen("GET /contacts/{contactId}", &json!({"contact": {"id": "c", "name": "Ann", "dnd": true}})).await;
        assert!(!contact.contains("name") && !contact.contains("dnd\""), "{contact}");
        let changed = seen("PUT /contacts/{contactId}", &json!({"contact": {"name": "Ann"}})).await;
        assert_eq!(changed, r#"{"contact":{"name":"Ann"}}"#);
    }
}
