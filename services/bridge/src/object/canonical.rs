//! The canonical form of an object, so that equal objects have equal digests.
//!
//! Keys in the order of their bytes, no spaces, texts escaped as RFC 8259 asks and no further, nothing else.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::decide::Digest;
use super::kind::Kind;

/// The digest of an object: its kind, its contact and its content, but not its revision.
pub(crate) fn digest(kind: Kind, key: &str, contact: &str, content: &str) -> Digest {
    let mut text = String::with_capacity(content.len() + key.len() + contact.len() + 64);
    text.push_str("{\"contact\":");
    push_text(contact, &mut text);
    text.push_str(",\"content\":");
    text.push_str(content);
    text.push_str(",\"key\":");
    push_text(key, &mut text);
    text.push_str(",\"kind\":");
    push_text(kind.as_str(), &mut text);
    text.push('}');
    sha256(text.as_bytes())
}

pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
}

pub(crate) fn object(fields: &Map<String, Value>) -> String {
    let mut text = String::new();
    push_object(fields, &mut text);
    text
}

fn push_object(fields: &Map<String, Value>, out: &mut String) {
    // Another crate may switch on the feature that makes maps keep the order of insertion.
    let sorted: BTreeMap<&String, &Value> = fields.iter().collect();
    out.push('{');
    for (i, (name, value)) in sorted.into_iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        push_text(name, out);
        out.push(':');
        push_value(value, out);
    }
    out.push('}');
}

fn push_value(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::String(text) => push_text(text, out),
        Value::Array(values) => {
            out.push('[');
            for (i, value) in values.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                push_value(value, out);
            }
            out.push(']');
        }
        Value::Object(fields) => push_object(fields, out),
    }
}

fn push_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_is_written_down_in_one_way() {
        let value = json!({"b": [1, true, null, {"z": "1", "a": "\u{1}\n\"\\é"}], "a": "x"});
        assert_eq!(object(value.as_object().unwrap()), "{\"a\":\"x\",\"b\":[1,true,null,{\"a\":\"\\u0001\\n\\\"\\\\é\",\"z\":\"1\"}]}");
    }

    #[test]
    fn the_digest_is_that_of_the_canonical_json() {
        let written = r#"{"contact":"ghl:contact/1","content":{"done":false,"title":"t"},"key":"ghl:task/1","kind":"task"}"#;
        assert_eq!(digest(Kind::Task, "ghl:task/1", "ghl:contact/1", r#"{"done":false,"title":"t"}"#), sha256(written.as_bytes()));
    }

    proptest! {
        #[test]
        fn texts_are_escaped_as_serde_json_does(text in "\\PC*|[\\x00-\\x7f]*") {
            let mut ours = String::new();
            push_text(&text, &mut ours);
            prop_assert_eq!(ours, serde_json::to_string(&text).unwrap());
        }
    }
}
