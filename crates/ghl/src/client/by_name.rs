//! Any operation by its name, for people: GHL's answer is passed on unchanged.

use serde_json::{Map, Value};

use super::Client;
use crate::http::Request;
use crate::operations::{Argument, Kind, Operation, RequestPart};
use crate::{Answer, Error};

/// Why a call by name failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    #[error("there is no operation {0}")]
    Unknown(String),
    /// Nothing was sent: `problems` names every argument that is missing, unknown or of the wrong kind.
    #[error("{operation}: {}", .problems.join("; "))]
    Arguments { operation: &'static str, problems: Vec<String> },
    #[error("{0} is deprecated and switched off: ghl.legacy_contact_list allows it")]
    SwitchedOff(&'static str),
    #[error(transparent)]
    Failed(#[from] Error),
}

impl Client {
    /// Calls an operation of [`crate::OPERATIONS`] with arguments by GHL's names. Values that come as text are read as what the
    /// operation takes; a list may also be text separated by commas; null empties a field. The location is this client's.
    ///
    /// # Errors
    /// See [`CallError`], and [`Error`] for what went wrong at GHL.
    pub async fn call(&self, name: &str, arguments: &Map<String, Value>) -> Result<Answer<Value>, CallError> {
        let operation = Operation::named(name).ok_or_else(|| CallError::Unknown(name.to_owned()))?;
        if operation.is_legacy() && !self.transport.settings().legacy_contact_list {
            return Err(CallError::SwitchedOff(operation.name));
        }
        let given =
            sort_arguments(operation, arguments).map_err(|problems| CallError::Arguments { operation: operation.name, problems })?;
        let path: Vec<&str> = given.path.iter().map(String::as_str).collect();
        let takes_body = operation.arguments.iter().any(|argument| argument.part == RequestPart::Body);
        let body = takes_body.then_some(Value::Object(given.body));
        Ok(self.ask(Request { operation, path: &path, query: given.query, body }).await?)
    }
}

#[derive(Debug, Default, PartialEq)]
struct Given {
    path: Vec<String>,
    query: Vec<(&'static str, String)>,
    body: Map<String, Value>,
}

fn sort_arguments(operation: &'static Operation, arguments: &Map<String, Value>) -> Result<Given, Vec<String>> {
    let (mut given, mut problems) = (Given::default(), Vec::new());
    for argument in operation.wanted() {
        match arguments.get(argument.name) {
            None if argument.needed => problems.push(format!("{} is missing", argument.name)),
            None => {}
            Some(value) => match read(argument, value) {
                Some(value) => insert(&mut given, argument, value),
                None => problems.push(format!("{} must be {}", argument.name, argument.kind)),
            },
        }
    }
    let excess = arguments.keys().filter(|name| !operation.wanted().any(|argument| argument.name == name.as_str()));
    problems.extend(excess.map(|name| format!("it takes no {name}")));
    if problems.is_empty() { Ok(given) } else { Err(problems) }
}

fn insert(given: &mut Given, argument: &'static Argument, value: Value) {
    let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match argument.part {
        RequestPart::Path => given.path.push(text(value)),
        RequestPart::Query => given.query.push((argument.name, text(value))),
        RequestPart::Body => {
            given.body.insert(argument.name.to_owned(), value);
        }
    }
}

fn read(argument: &Argument, value: &Value) -> Option<Value> {
    match (argument.kind, value) {
        (Kind::Text | Kind::Texts | Kind::Json, Value::Null) if argument.part == RequestPart::Body => Some(Value::Null),
        (Kind::Text, Value::String(text)) => (argument.part != RequestPart::Path || !text.is_empty()).then(|| value.clone()),
        (Kind::Text, Value::Number(number)) => Some(Value::from(number.to_string())),
        (Kind::Number, Value::Number(_)) | (Kind::Flag, Value::Bool(_)) => Some(value.clone()),
        (Kind::Number, Value::String(text)) => serde_json::from_str::<serde_json::Number>(text).ok().map(Value::Number),
        (Kind::Flag, Value::String(text)) => text.parse::<bool>().ok().map(Value::Bool),
        (Kind::Texts, Value::Array(texts)) => texts.iter().all(Value::is_string).then(|| value.clone()),
        (Kind::Texts, Value::String(text)) => {
            let listed = serde_json::from_str::<Vec<String>>(text).unwrap_or_else(|_| text.split(',').map(str::to_owned).collect());
            Some(listed.into())
        }
        (Kind::Json, Value::String(text)) => serde_json::from_str(text).ok(),
        (Kind::Json, Value::Array(_) | Value::Object(_) | Value::Number(_) | Value::Bool(_)) => Some(value.clone()),
        (Kind::Text | Kind::Number | Kind::Flag | Kind::Texts | Kind::Json | Kind::Location, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(name: &str, arguments: &Value) -> Result<Given, String> {
        sort_arguments(Operation::named(name).unwrap(), arguments.as_object().unwrap()).map_err(|problems| problems.join("; "))
    }

    #[test]
    fn arguments_go_to_their_part_of_the_request_as_their_kind() {
        let given =
            check("update-task", &json!({"contactId": "c-1", "taskId": 7, "completed": "true", "title": "Call", "body": null})).unwrap();
        assert_eq!(given.path, ["c-1", "7"]);
        assert_eq!(Value::Object(given.body), json!({"title": "Call", "completed": true, "body": null}));
        let given = check("list-events", &json!({"startTime": 1, "endTime": "2", "calendarId": "k"})).unwrap();
        assert_eq!(given.query, [("startTime", "1".to_owned()), ("endTime", "2".to_owned()), ("calendarId", "k".to_owned())]);
    }

    #[test]
    fn lists_are_json_or_separated_by_commas() {
        for tags in [json!(["a", "b"]), json!("[\"a\",\"b\"]"), json!("a,b")] {
            assert_eq!(check("add-tags", &json!({"contactId": "c", "tags": tags})).unwrap().body["tags"], json!(["a", "b"]));
        }
    }

    #[test]
    fn every_mistake_is_named_and_no_value_is_quoted() {
        let problems = check("create-task", &json!({"contactId": "", "title": "x", "completed": "Ann", "priority": 1})).unwrap_err();
        assert_eq!(problems, "contactId must be text; dueDate is missing; completed must be true or false; it takes no priority");
    }
}
