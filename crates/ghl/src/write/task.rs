//! Tasks to be created or changed.

use jiff::Timestamp;
use serde::{Serialize, Serializer};

/// A task to be created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewTask {
    pub title: String,
    /// To the second, which GHL accepts everywhere.
    #[serde(rename = "dueDate", serialize_with = "second")]
    pub due_at: Timestamp,
    #[serde(rename = "completed")]
    pub done: bool,
    /// May be HTML.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// A user id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigned_to: Option<String>,
}

/// What is to change of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskChange {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(rename = "dueDate", skip_serializing_if = "Option::is_none", serialize_with = "second_if_any")]
    pub due_at: Option<Timestamp>,
    #[serde(rename = "completed", skip_serializing_if = "Option::is_none")]
    pub done: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigned_to: Option<String>,
}

fn second<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{at:.0}"))
}

#[expect(clippy::ref_option, reason = "the signature that serde asks for")]
fn second_if_any<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => second(at, serializer),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn due_dates_are_written_to_the_second() {
        let due_at = "2026-09-01T10:00:00.25Z".parse().unwrap();
        let task = NewTask { title: "Call".to_owned(), due_at, done: false, body: None, assigned_to: None };
        assert_eq!(json!(task), json!({"title": "Call", "dueDate": "2026-09-01T10:00:00Z", "completed": false}));
        let change = TaskChange { due_at: Some(due_at), ..TaskChange::default() };
        assert_eq!(json!(change), json!({"dueDate": "2026-09-01T10:00:00Z"}));
    }
}
