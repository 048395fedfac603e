//! What an object of each kind may contain: one table, from which content is checked, brought into canonical form, and documented.

use serde_json::{Map, Value};

use super::canonical;
use super::fields::{Field, Shape, fields};
use super::kind::Kind;

/// Content in canonical form: nulls and empty lists left out, flags always present.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Content {
    kind: Kind,
    fields: Map<String, Value>,
}

/// A sentence that says what is wrong with a content. It names fields and never quotes values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invalid(pub(crate) String);

impl Content {
    pub(crate) fn read(kind: Kind, value: Value) -> Result<Self, Invalid> {
        let Value::Object(mut given) = value else {
            return Err(Invalid(format!("content must be a JSON object with the fields of {}", kind.article())));
        };
        let mut kept = Map::new();
        for field in fields(kind) {
            if let Some(value) = read_field(field, given.remove(field.name))? {
                kept.insert(field.name.to_owned(), value);
            }
        }
        match given.keys().next() {
            Some(unknown) => Err(Invalid(unknown_field(kind, unknown))),
            None => Ok(Self { kind, fields: kept }),
        }
    }

    /// Content that was read from the store: it was checked when it was written.
    pub(crate) fn stored(kind: Kind, json: &str) -> Self {
        let fields = match serde_json::from_str(json) {
            Ok(Value::Object(fields)) => fields,
            Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) | Err(_) => Map::new(),
        };
        Self { kind, fields }
    }

    /// The canonical JSON of the content alone.
    pub(crate) fn to_json(&self) -> String {
        canonical::object(&self.fields)
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name)?.as_str()
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.fields.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    pub(crate) fn tags(&self) -> impl Iterator<Item = &str> {
        self.texts("tags")
    }

    /// The texts of a list.
    pub(crate) fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.fields.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    pub(crate) fn custom_fields(&self) -> impl Iterator<Item = Custom<'_>> {
        let all = self.fields.get("custom_fields").and_then(Value::as_array).into_iter().flatten();
        all.filter_map(|field| {
            let text = |name: &str| field.get(name).and_then(Value::as_str);
            Some(Custom { name: text("name")?, value: text("value")?, link: text("link") })
        })
    }

    /// The name or title.
    pub(crate) fn title(&self) -> &str {
        let title = fields(self.kind).iter().find(|field| field.shape == Shape::Title);
        title.and_then(|field| self.text(field.name)).unwrap_or_default()
    }
}

/// A custom field, and where the file is that it names.
pub(crate) struct Custom<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: &'a str,
    pub(crate) link: Option<&'a str>,
}

fn read_field(field: &Field, value: Option<Value>) -> Result<Option<Value>, Invalid> {
    let must = |what: &str| Invalid(format!("content.{} must be {what}", field.name));
    match (field.shape, value.unwrap_or(Value::Null)) {
        (Shape::Title, Value::String(text)) if !text.trim().is_empty() => Ok(Some(Value::String(text))),
        (Shape::Title, Value::Null) => Err(Invalid(format!("content.{} is missing", field.name))),
        (Shape::Title, Value::String(_)) => Err(Invalid(format!("content.{} is empty", field.name))),
        (Shape::Text | Shape::Moment | Shape::Key | Shape::Flag | Shape::Texts | Shape::CustomFields, Value::Null) => Ok(None),
        (Shape::Body, Value::Null) => Ok(Some(Value::String(String::new()))),
        (Shape::FlagAlways, Value::Null) => Ok(Some(Value::Bool(false))),
        (Shape::Text | Shape::Moment | Shape::Body | Shape::Key, Value::String(text)) => Ok(Some(Value::String(text))),
        (Shape::Flag | Shape::FlagAlways, Value::Bool(flag)) => Ok(Some(Value::Bool(flag))),
        (Shape::Texts, Value::Array(texts)) if texts.iter().all(Value::is_string) => Ok((!texts.is_empty()).then_some(Value::Array(texts))),
        (Shape::CustomFields, Value::Array(fields)) if fields.iter().all(is_custom_field) => {
            Ok((!fields.is_empty()).then_some(Value::Array(fields)))
        }
        (Shape::Title | Shape::Text | Shape::Moment | Shape::Key | Shape::Body, _) => Err(must("text")),
        (Shape::Flag | Shape::FlagAlways, _) => Err(must("true or false")),
        (Shape::Texts, _) => Err(must("a list of texts")),
        (Shape::CustomFields, _) => Err(must("a list of {\"name\", \"value\"}, perhaps with \"link\", all text")),
    }
}

fn is_custom_field(value: &Value) -> bool {
    let Some(fields) = value.as_object() else { return false };
    let is_known = |name: &String| matches!(name.as_str(), "name" | "value" | "link");
    fields.iter().all(|(name, value)| is_known(name) && value.is_string()) && fields.contains_key("name") && fields.contains_key("value")
}

/// Names the field only if it looks like a field's name: anything else may be somebody's data.
fn unknown_field(kind: Kind, name: &str) -> String {
    let known: Vec<&str> = fields(kind).iter().map(|field| field.name).collect();
    let looks_like_a_name = name.len() <= 40 && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    let what = if looks_like_a_name { format!("content.{name} is") } else { "content has".to_owned() };
    let rest = if looks_like_a_name { "not a field" } else { "a field that is not one" };
    format!("{what} {rest} of {}, which has: {}", kind.article(), known.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn invalid(kind: Kind, value: Value) -> String {
        Content::read(kind, value).unwrap_err().0
    }

    #[test]
    fn content_has_one_form_whatever_was_left_out_or_null() {
        let bare = Content::read(Kind::Task, json!({"title": "Call"})).unwrap();
        let spelled = Content::read(Kind::Task, json!({"title": "Call", "notes": null, "done": false, "due": null})).unwrap();
        assert_eq!(bare, spelled);
        assert_eq!(bare.to_json(), r#"{"done":false,"title":"Call"}"#);
        let contact = Content::read(Kind::Contact, json!({"tags": [], "name": "A", "custom_fields": []})).unwrap();
        assert_eq!(contact.to_json(), r#"{"name":"A"}"#);
        let note = Content::read(Kind::Note, json!({"title": "N"})).unwrap();
        assert_eq!(note.to_json(), r#"{"body":"","pinned":false,"title":"N"}"#);
    }

    #[test]
    fn what_is_wrong_is_said_with_the_fields_name_and_without_the_value() {
        assert_eq!(invalid(Kind::Task, json!("secret")), "content must be a JSON object with the fields of a task");
        assert_eq!(invalid(Kind::Task, json!({})), "content.title is missing");
        assert_eq!(invalid(Kind::Contact, json!({"name": " "})), "content.name is empty");
        assert_eq!(invalid(Kind::Task, json!({"title": "t", "done": "secret"})), "content.done must be true or false");
        assert_eq!(invalid(Kind::Task, json!({"title": "t", "due": 5})), "content.due must be text");
        assert_eq!(invalid(Kind::Contact, json!({"name": "n", "tags": [1]})), "content.tags must be a list of texts");
        let extra = json!({"name": "n", "custom_fields": [{"name": "a", "value": "b", "more": 1}]});
        assert_eq!(
            invalid(Kind::Contact, extra),
            "content.custom_fields must be a list of {\"name\", \"value\"}, perhaps with \"link\", all text"
        );
        assert!(invalid(Kind::Project, json!({"title": "t", "due": "x"})).starts_with("content.due is not a field of a project"));
        assert!(!invalid(Kind::Project, json!({"title": "t", "ann@example.com": "x"})).contains("ann"));
    }

    #[test]
    fn texts_may_hold_anything() {
        let title = "\u{0} \u{202e}مرحبا <script>🙂";
        let content = Content::read(Kind::Note, json!({"title": title, "body": "\u{0}"})).unwrap();
        assert_eq!(Content::stored(Kind::Note, &content.to_json()), content);
    }
}
