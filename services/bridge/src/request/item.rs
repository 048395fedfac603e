//! Writes: one, or a batch of them, each judged by itself.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::names::{check_idempotency_key, check_key};
use super::refusal::Refusal;
use super::revision::checked_revision;
use crate::config::Limits;
use crate::object::{self, Action, Content, Digest, Facets, Kind, Policy, Revision, Wanted};

/// One write, checked.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) kind: Kind,
    pub(crate) key: String,
    pub(crate) contact: Option<String>,
    pub(crate) revision: Revision,
    /// None removes the object.
    pub(crate) put: Option<Put>,
    pub(crate) traceparent: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Put {
    pub(crate) policy: Policy,
    pub(crate) content: String,
    pub(crate) digest: Digest,
    pub(crate) facets: Facets,
}

impl Item {
    pub(crate) fn wanted(&self) -> Wanted {
        let action = match &self.put {
            Some(put) => Action::Put { policy: put.policy, digest: put.digest },
            None => Action::Remove,
        };
        Wanted { kind: self.kind, revision: self.revision, action }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch<'a> {
    #[serde(borrow)]
    items: Vec<&'a RawValue>,
}

/// The items of a batch, each judged by itself; an error is about the batch as a whole.
pub(crate) fn batch(body: &[u8], limits: &Limits) -> Result<Vec<Result<Item, Refusal>>, Refusal> {
    let batch: Batch<'_> = serde_json::from_slice(body).map_err(|error| Refusal {
        code: "invalid_json",
        message: format!("the body is not {{\"items\": […]}} in JSON: line {}, column {}", error.line(), error.column()),
        key: None,
    })?;
    if batch.items.len() > limits.batch_items_max {
        let message = format!("a batch has at most {} items, this one has {}", limits.batch_items_max, batch.items.len());
        return Err(Refusal { code: "too_many_items", message, key: None });
    }
    Ok(batch.items.into_iter().map(|raw| batch_item(raw, limits)).collect())
}

fn batch_item(raw: &RawValue, limits: &Limits) -> Result<Item, Refusal> {
    let Ok(Value::Object(mut fields)) = serde_json::from_str(raw.get()) else {
        return Err(Refusal::item("the item is not a valid JSON object"));
    };
    let key = take_text(&mut fields, "key");
    let named = |refusal: Refusal| Refusal { key: key.clone().unwrap_or_default(), ..refusal };
    read_batch_item(&mut fields, key.clone(), limits).map_err(named)
}

fn read_batch_item(fields: &mut Map<String, Value>, key: Result<Option<String>, Refusal>, limits: &Limits) -> Result<Item, Refusal> {
    let key = key?.ok_or_else(|| Refusal::item("key is missing"))?;
    let kind = take_text(fields, "kind")?.ok_or_else(|| Refusal::item("kind is missing"))?;
    let kind = Kind::parse(&kind).ok_or_else(|| Refusal::item(format!("kind must be {}", Kind::any())))?;
    let op = take_text(fields, "op")?.ok_or_else(|| Refusal::item("op is missing"))?;
    let traceparent = take_text(fields, "traceparent")?;
    if let Some(idempotency_key) = take_text(fields, "idempotency_key")? {
        check_idempotency_key(&idempotency_key, limits).map_err(Refusal::item)?;
    }
    match op.as_str() {
        "put" => put(kind, key, fields, traceparent, limits),
        "remove" => remove(kind, key, fields, traceparent, limits),
        _ => Err(Refusal::item("op must be put or remove")),
    }
}

/// The body of a `PUT` of one object.
pub(crate) fn put_body(kind: Kind, key: String, body: &[u8], traceparent: Option<String>, limits: &Limits) -> Result<Item, Refusal> {
    let mut fields = match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => fields,
        Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            return Err(Refusal { code: "invalid_json", message: "the body must be a JSON object".to_owned(), key: None });
        }
        Err(error) => {
            let message = format!("the body is not valid JSON: line {}, column {}", error.line(), error.column());
            return Err(Refusal { code: "invalid_json", message, key: None });
        }
    };
    put(kind, key, &mut fields, traceparent, limits)
}

fn put(kind: Kind, key: String, fields: &mut Map<String, Value>, traceparent: Option<String>, limits: &Limits) -> Result<Item, Refusal> {
    check_key("key", &key, limits).map_err(Refusal::item)?;
    let revision = revision(fields)?;
    let contact = contact(kind, &key, fields, limits)?.ok_or_else(|| Refusal::item("contact is missing"))?;
    let policy = take_text(fields, "policy")?.ok_or_else(|| Refusal::item("policy is missing"))?;
    let policy = Policy::parse(&policy).ok_or_else(|| Refusal::item("policy must be mirror or once"))?;
    let content = fields.remove("content").ok_or_else(|| Refusal::item("content is missing"))?;
    nothing_else(fields)?;
    let invalid = |message: String| Refusal { code: "invalid_content", message, key: None };
    let content = Content::read(kind, content).map_err(|error| invalid(error.0))?;
    if let Some(container) = content.text("container") {
        check_key("content.container", container, limits).map_err(invalid)?;
    }
    let json = content.to_json();
    if json.len() > limits.content_bytes_max {
        return Err(invalid(format!("content has {} bytes, at most {} are allowed", json.len(), limits.content_bytes_max)));
    }
    let digest = object::digest(kind, &key, &contact, &json);
    let put = Put { policy, digest, facets: Facets::of(&content), content: json };
    Ok(Item { kind, key, contact: Some(contact), revision, put: Some(put), traceparent })
}

fn remove(kind: Kind, key: String, fields: &mut Map<String, Value>, traceparent: Option<String>, limits: &Limits) -> Result<Item, Refusal> {
    check_key("key", &key, limits).map_err(Refusal::item)?;
    let revision = revision(fields)?;
    let contact = contact(kind, &key, fields, limits)?;
    nothing_else(fields)?;
    Ok(Item { kind, key, contact, revision, put: None, traceparent })
}

/// A removal by path and query.
pub(crate) fn removal(kind: Kind, key: String, revision: Revision, traceparent: Option<String>, limits: &Limits) -> Result<Item, Refusal> {
    check_key("key", &key, limits).map_err(Refusal::item)?;
    let contact = (kind == Kind::Contact).then(|| key.clone());
    Ok(Item { kind, key, contact, revision, put: None, traceparent })
}

/// Whom the object is about; a contact is about itself.
fn contact(kind: Kind, key: &str, fields: &mut Map<String, Value>, limits: &Limits) -> Result<Option<String>, Refusal> {
    let given = take_text(fields, "contact")?;
    if kind == Kind::Contact {
        return match given {
            Some(contact) if contact != key => Err(Refusal::item("contact of a contact must be its own key")),
            Some(_) | None => Ok(Some(key.to_owned())),
        };
    }
    if let Some(contact) = &given {
        check_key("contact", contact, limits).map_err(Refusal::item)?;
    }
    Ok(given)
}

fn revision(fields: &mut Map<String, Value>) -> Result<Revision, Refusal> {
    let must = || Refusal::item("revision must be {\"epoch\", \"seq\"}, whole numbers that are not negative");
    let revision = fields.remove("revision").ok_or_else(|| Refusal::item("revision is missing"))?;
    let whole = revision.as_object().is_some_and(|fields| fields.len() == 2);
    let number = |name| revision.get(name).and_then(Value::as_u64);
    match (whole, number("epoch"), number("seq")) {
        (true, Some(epoch), Some(seq)) => checked_revision(epoch, seq).ok_or_else(must),
        _ => Err(must()),
    }
}

fn take_text(fields: &mut Map<String, Value>, name: &str) -> Result<Option<String>, Refusal> {
    match fields.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => Err(Refusal::item(format!("{name} must be text"))),
    }
}

fn nothing_else(fields: &Map<String, Value>) -> Result<(), Refusal> {
    if fields.is_empty() {
        return Ok(());
    }
    Err(Refusal::item("unknown field: contact, revision, policy and content describe an object"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn limits() -> Limits {
        Limits { batch_items_max: 3, content_bytes_max: 200, ..crate::config::test_limits() }
    }

    fn read(items: &Value) -> Vec<Result<Item, Refusal>> {
        batch(json!({ "items": items }).to_string().as_bytes(), &limits()).unwrap()
    }

    fn refused(item: Value) -> (String, Option<String>) {
        let refusal = read(&json!([item])).remove(0).unwrap_err();
        (refusal.message, refusal.key)
    }

    fn task() -> Value {
        json!({"op": "put", "kind": "task", "key": "t", "contact": "c", "revision": {"epoch": 1, "seq": 2}, "policy": "mirror",
            "content": {"title": "T"}, "idempotency_key": "e/t", "traceparent": "00-x"})
    }

    fn with(name: &str, value: Value) -> Value {
        let mut item = task();
        item[name] = value;
        item
    }

    #[test]
    fn items_are_judged_one_by_one() {
        let read = read(&json!([task(), 7, with("policy", json!("never"))]));
        assert_eq!(read[0].as_ref().unwrap().wanted().revision, Revision { epoch: 1, seq: 2 });
        assert_eq!(read[1].as_ref().unwrap_err().key, None);
        assert_eq!(read[2].as_ref().unwrap_err().key.as_deref(), Some("t"));
    }

    #[test]
    fn each_mistake_has_its_sentence() {
        let cases = [
            (with("key", json!("")), "key is empty"),
            (with("key", json!("a\nb")), "key contains a control character"),
            (with("kind", json!("person")), "kind must be contact, project, task, note or appointment"),
            (with("op", json!("patch")), "op must be put or remove"),
            (with("revision", json!({"epoch": 1})), "revision must be {\"epoch\", \"seq\"}, whole numbers that are not negative"),
            (
                with("revision", json!({"epoch": -1, "seq": 1})),
                "revision must be {\"epoch\", \"seq\"}, whole numbers that are not negative",
            ),
            (with("contact", Value::Null), "contact is missing"),
            (with("contact", json!(5)), "contact must be text"),
            (with("kind", json!("contact")), "contact of a contact must be its own key"),
            (with("policy", json!("never")), "policy must be mirror or once"),
            (with("content", json!({"title": "T", "container": ""})), "content.container is empty"),
        ];
        for (item, message) in cases {
            assert_eq!(refused(item).0, message);
        }
        assert!(refused(with("surname", json!("secret"))).0.starts_with("unknown field"));
        assert!(refused(with("content", json!({"title": "x".repeat(300)}))).0.ends_with("at most 200 are allowed"));
        assert!(refused(with("key", json!("k".repeat(5_000)))).0.starts_with("key has 5000 bytes"));
    }

    #[test]
    fn a_body_that_is_no_batch_is_refused_whole() {
        for body in ["", "[]", "{\"items\": 5}", "{\"items\": [], \"more\": 1}", "{\"items\": [}"] {
            assert_eq!(batch(body.as_bytes(), &limits()).unwrap_err().code, "invalid_json", "{body}");
        }
        assert_eq!(batch(br#"{"items":[1,2,3,4]}"#, &limits()).unwrap_err().code, "too_many_items");
        assert_eq!(batch(b"{\"items\":[\"\xff\"]}", &limits()).unwrap_err().code, "invalid_json");
    }

    #[test]
    fn deep_nesting_is_refused_for_that_item_alone() {
        let deep = format!(r#"{{"items":[{}{}, {}]}}"#, "[".repeat(10_000), "]".repeat(10_000), task());
        let read = batch(deep.as_bytes(), &limits()).unwrap();
        assert!(read[0].is_err() && read[1].is_ok());
    }

    #[test]
    fn removing_needs_no_content() {
        let item = json!({"op": "remove", "kind": "note", "key": "n", "contact": "c", "revision": {"epoch": 1, "seq": 2}});
        assert!(read(&json!([item]))[0].as_ref().unwrap().put.is_none());
        assert!(put_body(Kind::Note, "n".to_owned(), b"{", None, &limits()).unwrap_err().code == "invalid_json");
    }
}
