//! What an answer other than success means for the caller.

use std::time::Duration;

use domain::ContactId;
use reqwest::StatusCode;
use serde_json::Value;

use crate::error::Match;
use crate::operations::Operation;
use crate::{Error, json};

/// An error body in any of the documented forms.
pub(super) struct Complaint(serde_json::Map<String, Value>);

impl Complaint {
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let Value::Object(fields) = json::read(body).ok()? else { return None };
        ["message", "statusCode", "status", "error"].iter().any(|key| fields.contains_key(*key)).then_some(Self(fields))
    }

    /// A string or the first of several, at the top or in `error`.
    pub(super) fn message(&self) -> &str {
        let nested = self.0.get("error").and_then(|error| error.get("message"));
        match self.0.get("message").or(nested) {
            Some(Value::String(message)) => message,
            Some(Value::Array(messages)) => messages.first().and_then(Value::as_str).unwrap_or_default(),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => "",
        }
    }

    /// Whether it says that a record does not exist, naming it by its id or by what it is. What stands in front of GHL answers 404 in
    /// JSON, too, but says it of a route or of nothing in particular.
    fn says_missing(&self, about: &[&str]) -> bool {
        let detail = self.0.get("error").and_then(Value::as_str).unwrap_or_default();
        let message = self.message();
        let told = message.to_lowercase();
        if message.starts_with("Cannot ") || !(is_missing(&told) || is_missing(&detail.to_lowercase())) {
            return false;
        }
        let mut words = told.split_whitespace().skip_while(|word| *word == "the");
        let names_kind =
            words.next().is_some_and(|word| NOUNS.contains(&word)) && words.next().is_some_and(|word| FOLLOWING.contains(&word));
        names_kind || about.iter().any(|id| message.contains(id) || detail.contains(id))
    }

    /// Whether it is GHL's own word about a token. What stands in front of GHL answers `{"message":"Forbidden"}`, too.
    fn is_of_ghl(&self) -> bool {
        let has_form = ["statusCode", "status", "traceId"].iter().any(|key| self.0.contains_key(*key));
        has_form || self.0.get("error").is_some_and(Value::is_object) || says(&self.message().to_lowercase(), &OF_TOKENS)
    }

    /// The contact that exists already, where the answer names it: in `meta`, beside a message for people.
    fn duplicate(&self) -> Option<(Option<ContactId>, Option<Match>)> {
        let meta = self.0.get("meta")?;
        let by = match meta.get("matchingField").and_then(Value::as_str)? {
            "email" => Some(Match::Email),
            "phone" => Some(Match::Phone),
            _ => None,
        };
        let contact_id = meta.get("contactId").and_then(Value::as_str).and_then(|id| ContactId::new(id).ok());
        Some((contact_id, by))
    }

    pub(super) fn trace_id(&self) -> Option<String> {
        self.0.get("traceId").and_then(Value::as_str).map(str::to_owned).and_then(presentable)
    }
}

/// What GHL calls the records that are asked for by id, and what follows where one is missing: `Contact not found`, but not `Contact
/// service not found`.
const NOUNS: [&str; 9] = ["contact", "task", "note", "appointment", "event", "calendar", "user", "business", "tag"];
const FOLLOWING: [&str; 6] = ["not", "does", "doesn't", "with", "id", "no"];

/// What GHL says when it refuses a token and not what is asked with it.
const TOKEN_REFUSED: [&str; 6] =
    ["invalid token", "invalid private integration", "invalid jwt", "expired", "access to this location", "revoked"];
/// What GHL says when the token is good and this is not allowed with it.
const NOT_ALLOWED: [&str; 5] = ["scope", "permission", "authclass", "not allowed", "access denied"];
/// What only GHL speaks of.
const OF_TOKENS: [&str; 5] = ["token", "jwt", "scope", "private integration", "permission to access"];
/// A record that is asked for by its id and named by what it is.
const THIS_RECORD: [&str; 4] = ["this contact", "this task", "this note", "this appointment"];

fn says(message: &str, words: &[&str]) -> bool {
    words.iter().any(|words| message.contains(words))
}

/// Whether a message in lower case says that the location is switched off.
pub(super) fn is_inactive(message: &str) -> bool {
    message.contains("not active") || says(message, &["location is inactive", "location has been deactivated", "location is deactivated"])
}

/// Whether a message in lower case says that something does not exist.
fn is_missing(message: &str) -> bool {
    ["not found", "not exist", "n't exist", "no longer exist"].iter().any(|words| message.contains(words))
}

/// The vendor's trace id goes into logs and the event log, so it must look like an id.
pub(super) fn presentable(trace_id: String) -> Option<String> {
    let fits = !trace_id.is_empty() && trace_id.len() <= 128 && trace_id.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then_some(trace_id)
}

/// What a status means. "Not found" leads to a deletion and a refused token pauses a location, so both are believed only in GHL's own
/// form: a gateway's page says nothing about a record or a token, nor does a route that GHL does not have.
pub(super) fn refusal(
    status: StatusCode,
    retry_after: Option<Duration>,
    complaint: Option<Complaint>,
    operation: &'static Operation,
    about: &[&str],
) -> Error {
    let trace_id = complaint.as_ref().and_then(Complaint::trace_id);
    let message = complaint.as_ref().map(Complaint::message).unwrap_or_default();
    let refused = |trace_id| Error::Refused { status: Some(status.as_u16()), trace_id };
    let unavailable = |reason, trace_id| Error::Unavailable { reason, status: Some(status.as_u16()), retry_after, trace_id, source: None };
    match status.as_u16() {
        401 | 403 if !complaint.as_ref().is_some_and(Complaint::is_of_ghl) => unavailable("not GHL's answer", trace_id),
        404 if complaint.is_none() => unavailable("not GHL's answer", trace_id),
        400 | 401 | 403 if is_inactive(&message.to_lowercase()) => Error::LocationInactive { status: status.as_u16(), trace_id },
        status @ (401 | 403) => denial(status, message, operation, about, trace_id),
        404 if complaint.as_ref().is_some_and(|complaint| complaint.says_missing(about)) => Error::NotFound { trace_id },
        400 | 409 if let Some((contact_id, by)) = complaint.as_ref().and_then(Complaint::duplicate) => {
            Error::Duplicate { contact_id, by, trace_id }
        }
        400 if about.iter().any(|id| message.contains(id)) && is_missing(&message.to_lowercase()) => Error::NotFound { trace_id },
        // What GHL says of an appointment that was deleted; of other records it says that they are not found.
        400 if message.to_lowercase().contains("event id is invalid") => Error::NotFound { trace_id },
        408 | 425 | 500.. => unavailable("failure", trace_id),
        _ => refused(trace_id),
    }
}

/// Whether an answer refuses without a word of GHL's about what it refuses: the token, or what was asked with it.
pub(super) fn is_vague(status: StatusCode, body: Option<&[u8]>) -> bool {
    if status != StatusCode::UNAUTHORIZED {
        return false;
    }
    let told = body.and_then(Complaint::read).map(|complaint| complaint.message().to_lowercase()).unwrap_or_default();
    !says(&told, &TOKEN_REFUSED) && !says(&told, &NOT_ALLOWED)
}

/// What a 401 or 403 in GHL's own form concerns: one record, the token, or what is asked with it. A status of 403 concerns the token only
/// where GHL says so, one of 401 always unless GHL says otherwise.
fn denial(status: u16, message: &str, operation: &'static Operation, about: &[&str], trace_id: Option<String>) -> Error {
    let told = message.to_lowercase();
    if about.iter().any(|id| message.contains(id)) || says(&told, &THIS_RECORD) {
        Error::RecordForbidden { status, trace_id }
    } else if says(&told, &TOKEN_REFUSED) || status == 401 && !says(&told, &NOT_ALLOWED) {
        Error::Unauthorized { status, trace_id }
    } else {
        Error::Forbidden { operation, status, trace_id }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::operations::{Area, GET_CONTACT, LIST_TASKS, SEARCH_TASKS};

    fn judge(status: u16, body: &Value, about: &str) -> Error {
        judge_of(GET_CONTACT, status, body, about)
    }

    fn judge_of(operation: &'static Operation, status: u16, body: &Value, about: &str) -> Error {
        refusal(StatusCode::from_u16(status).unwrap(), None, Complaint::read(body.to_string().as_bytes()), operation, &[about])
    }

    #[test]
    fn a_missing_contact_is_recognised_in_both_forms() {
        let plainly = json!({"statusCode": 404, "message": "Contact not found", "traceId": "t-1"});
        assert!(matches!(judge(404, &plainly, "abc"), Error::NotFound { trace_id: Some(id) } if id == "t-1"));
        let oddly = json!({"statusCode": 400, "message": "Contact with id abc not found"});
        assert!(matches!(judge(400, &oddly, "abc"), Error::NotFound { .. }));
    }

    #[test]
    fn what_is_not_about_this_contact_deletes_nothing() {
        let other = json!({"statusCode": 400, "message": "Contact with id xyz not found"});
        assert!(matches!(judge(400, &other, "abc"), Error::Refused { status: Some(400), .. }));
        let route = json!({"statusCode": 404, "message": "Cannot GET /v9/contacts/abc", "error": "Not Found"});
        assert!(matches!(judge(404, &route, "abc"), Error::Refused { status: Some(404), .. }));
        let page = refusal(StatusCode::NOT_FOUND, None, Complaint::read(b"<html>nginx</html>"), GET_CONTACT, &["abc"]);
        assert!(matches!(page, Error::Unavailable { status: Some(404), .. }));
    }

    #[test]
    fn a_json_404_that_names_no_record_deletes_nothing() {
        for body in [
            json!({"message": "Not Found"}),
            json!({"message": "no Route matched with those values"}),
            json!({"status": 404, "error": "Not Found", "path": "/contacts/abc"}),
            json!({"statusCode": 404, "message": "Contact service not found"}),
            json!({"statusCode": 404, "message": "Location not found"}),
            json!({"error": {"code": 404, "message": "The requested URL was not found"}}),
        ] {
            assert!(matches!(judge(404, &body, "abc"), Error::Refused { status: Some(404), .. }), "{body}");
        }
        for body in [
            json!({"message": "not found: abc"}),
            json!({"message": "Not found", "error": "abc"}),
            json!({"statusCode": 404, "message": "The task does not exist", "traceId": "t"}),
            json!({"error": {"code": "x", "message": "Contact with ID abc not found"}}),
        ] {
            assert!(matches!(judge(404, &body, "abc"), Error::NotFound { .. }), "{body}");
        }
    }

    #[test]
    fn a_gateway_that_refuses_says_nothing_about_the_token() {
        for (status, page) in [(403, b"<html><body>blocked at the edge, 1010</body></html>".as_slice()), (401, b""), (403, b"\"no\"")] {
            let error = refusal(StatusCode::from_u16(status).unwrap(), None, Complaint::read(page), GET_CONTACT, &["abc"]);
            assert!(error.is_transient(), "{error:?}");
            assert!(error.of_write().is_transient(), "whatever stands in front of GHL did not let the change through");
        }
        let in_front = json!({"message": "Forbidden"});
        assert!(judge(403, &in_front, "abc").is_transient() && judge(401, &in_front, "abc").is_transient());
    }

    #[test]
    fn a_refusal_concerns_what_was_refused() {
        let told = |status: u16, message: &str| json!({"statusCode": status, "message": message, "error": "x", "traceId": "t"});
        for (status, message) in [
            (401, "Invalid token: access token is invalid"),
            (401, "Invalid Private Integration token"),
            (401, "Invalid JWT"),
            (401, "The access token is expired"),
            (401, "Unauthorized"),
            (403, "The token does not have access to this location."),
        ] {
            assert!(matches!(judge(status, &told(status, message), "abc"), Error::Unauthorized { .. }), "{message}");
        }
        for (status, message) in [
            (401, "The token is not authorized for this scope."),
            (403, "You do not have permission to access this resource"),
            (403, "Forbidden resource"),
            (401, "This AuthClass is not yet supported to access this endpoint."),
        ] {
            let error = judge_of(SEARCH_TASKS, status, &told(status, message), "abc");
            assert!(matches!(&error, Error::Forbidden { operation, .. } if operation.area == Area::Tasks), "{message}: {error:?}");
            assert!(error.to_string().contains("locations/tasks.readonly"), "{error}");
            assert!(matches!(error.of_write(), Error::Forbidden { .. }), "a write that was refused was not made");
        }
        for message in ["You do not have permission to access this contact", "No permission for abc"] {
            assert!(matches!(judge_of(LIST_TASKS, 403, &told(403, message), "abc"), Error::RecordForbidden { .. }), "{message}");
        }
        for status in [400, 401, 403] {
            assert!(matches!(judge(status, &told(status, "Location is not active"), "abc"), Error::LocationInactive { .. }));
        }
    }

    #[test]
    fn every_status_says_what_to_do() {
        let body = json!({"status": 400, "message": ["one", "two"], "name": "HttpException", "traceId": "t"});
        assert!(matches!(judge(401, &body, "x"), Error::Unauthorized { status: 401, .. }));
        assert!(matches!(judge(403, &body, "x"), Error::Forbidden { status: 403, .. }));
        assert!(matches!(judge(422, &body, "x"), Error::Refused { status: Some(422), .. }));
        assert!(matches!(judge(302, &body, "x"), Error::Refused { status: Some(302), .. }));
        assert!(judge(503, &body, "x").is_transient());
    }

    #[test]
    fn errors_show_status_and_trace_id_and_nothing_of_the_answer() {
        let body = json!({"statusCode": 422, "message": "email ann@example.com is taken", "traceId": "9f"});
        assert_eq!(judge(422, &body, "x").to_string(), "GHL refuses the request, status 422, trace 9f");
        let odd = json!({"message": "no", "traceId": "Ann Smith <ann@example.com>"});
        assert_eq!(judge(422, &odd, "x").to_string(), "GHL refuses the request, status 422");
    }

    #[test]
    fn a_duplicate_names_the_contact_that_exists() {
        for status in [400, 409] {
            let body = json!({"statusCode": status, "message": "This location does not allow duplicated contacts.",
                "meta": {"contactId": "c-7", "contactName": "Ann", "matchingField": "phone"}});
            let error = judge(status, &body, "x");
            assert!(!error.to_string().contains("Ann"));
            let Error::Duplicate { contact_id: Some(contact_id), by: Some(Match::Phone), .. } = error else { panic!("{error:?}") };
            assert_eq!(contact_id.as_str(), "c-7");
        }
    }

    #[test]
    fn case_15_a_duplicate_with_409_names_the_contact_that_exists() {
        let case: Value = serde_json::from_str(include_str!("../../../../tests/cases/15-duplicate-with-409.json")).unwrap();
        let answer = &case["input"]["answers"][0];
        let error = judge(u16::try_from(answer["status"].as_u64().unwrap()).unwrap(), &answer["body"], "x");
        let Error::Duplicate { contact_id: Some(contact_id), by: Some(Match::Phone), .. } = error else { panic!("{error:?}") };
        assert_eq!(contact_id.as_str(), "CtBenOkafor000000002");
    }

    #[test]
    fn case_38_an_appointment_that_was_deleted_is_not_there() {
        let case: Value = serde_json::from_str(include_str!("../../../../tests/cases/38-appointment-of-a-gone-event.json")).unwrap();
        let answer = &case["input"]["answers"][0];
        assert!(matches!(judge(400, &answer["body"], "AptVisit000000000001"), Error::NotFound { .. }));
        let other = json!({"statusCode": 400, "message": "The calendar id is invalid"});
        assert!(matches!(judge(400, &other, "AptVisit000000000001"), Error::Refused { .. }));
    }

    #[test]
    fn a_write_that_was_not_answered_may_have_been_made() {
        for status in [408, 500, 502, 504] {
            assert!(matches!(judge(status, &json!({"message": "x"}), "x").of_write(), Error::UnknownOutcome { status: Some(_), .. }));
        }
        assert!(matches!(judge(422, &json!({"message": ["x"]}), "x").of_write(), Error::Refused { .. }));
        assert!(matches!(judge(401, &json!({"statusCode": 401, "message": "no"}), "x").of_write(), Error::Unauthorized { .. }));
        assert!(!judge(503, &json!({"message": "x"}), "x").of_write().is_transient());
    }
}
