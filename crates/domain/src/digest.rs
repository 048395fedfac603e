//! The digests of objects, contacts and workspaces, computed as the contract of the bridge defines them.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{Content, Hash, ObjectKey};

/// The digest of an object: SHA-256 over the canonical JSON of its kind, key, contact and content. Its revision is not part of it.
///
/// # Errors
/// Never with these types, which always serialize; the error is passed on rather than hidden.
pub fn object_digest(key: &ObjectKey, contact: &ObjectKey, content: &Content) -> Result<Hash, serde_json::Error> {
    let mut text = String::from("{\"contact\":");
    push_text(contact.as_str(), &mut text);
    text.push_str(",\"content\":");
    push_canonical(&content.to_json()?, &mut text);
    text.push_str(",\"key\":");
    push_text(key.as_str(), &mut text);
    text.push_str(",\"kind\":");
    push_text(content.kind().as_str(), &mut text);
    text.push('}');
    Ok(Sha256::digest(text.as_bytes()).into())
}

/// The SHA-256 of several digests, one after the other. The digest of a contact combines the digests of its mirrored objects in the order
/// of their keys; the digest of a workspace combines those of its contacts that have objects, in the order of their keys. Keys are
/// compared as bytes.
#[derive(Clone, Debug, Default)]
pub struct CombinedDigest {
    parts: Sha256,
    count: u64,
}

impl CombinedDigest {
    pub fn add(&mut self, part: &Hash) {
        self.parts.update(part);
        self.count += 1;
    }

    /// How many digests were added.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Without any parts, the SHA-256 of no bytes.
    pub fn digest(self) -> Hash {
        self.parts.finalize().into()
    }
}

/// Appends canonical JSON: keys in byte order, no spaces.
fn push_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_string()),
        Value::String(text) => push_text(text, out),
        Value::Array(values) => {
            let mut before = '[';
            for value in values {
                out.push(std::mem::replace(&mut before, ','));
                push_canonical(value, out);
            }
            out.push_str(if values.is_empty() { "[]" } else { "]" });
        }
        Value::Object(fields) => {
            // Another crate may enable serde_json's `preserve_order`, which keeps the order of insertion.
            let sorted: BTreeMap<&String, &Value> = fields.iter().collect();
            let mut before = '{';
            for (name, value) in sorted {
                out.push(std::mem::replace(&mut before, ','));
                push_text(name, out);
                out.push(':');
                push_canonical(value, out);
            }
            out.push_str(if fields.is_empty() { "{}" } else { "}" });
        }
    }
}

fn push_text(text: &str, out: &mut String) {
    out.push_str(&Value::from(text).to_string());
}

#[cfg(test)]
mod tests {
    use crate::{ContactContent, CustomField, NoteContent, TaskContent};

    use super::*;

    #[track_caller]
    fn check(content: Content, written: &str) {
        let (key, contact) = (ObjectKey::from("ghl:x/1".to_owned()), ObjectKey::from("ghl:contact/\"ü\n".to_owned()));
        let kind = content.kind();
        let whole = format!(r#"{{"contact":"ghl:contact/\"ü\n","content":{written},"key":"ghl:x/1","kind":"{kind}"}}"#);
        assert_eq!(object_digest(&key, &contact, &content).unwrap(), Hash::from(Sha256::digest(whole.as_bytes())), "{whole}");
    }

    #[test]
    fn an_object_has_one_canonical_form() {
        check(Content::Task(TaskContent { title: "t".to_owned(), ..TaskContent::default() }), r#"{"done":false,"title":"t"}"#);
        check(
            Content::Note(NoteContent { title: "\u{1}".to_owned(), ..NoteContent::default() }),
            r#"{"body":"","pinned":false,"title":"\u0001"}"#,
        );
        let custom_fields =
            [("b", "1"), ("a", "2")].map(|(name, value)| CustomField { name: name.to_owned(), value: value.to_owned(), link: None }).into();
        let contact =
            ContactContent { name: "n".to_owned(), tags: vec!["z".to_owned(), "y".to_owned()], custom_fields, ..ContactContent::default() };
        check(
            Content::Contact(contact),
            r#"{"custom_fields":[{"name":"b","value":"1"},{"name":"a","value":"2"}],"name":"n","tags":["z","y"]}"#,
        );
    }

    #[test]
    fn a_combined_digest_covers_its_parts_in_order() {
        assert_eq!(hex::encode(CombinedDigest::default().digest()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        let mut whole = CombinedDigest::default();
        whole.add(&[1; 32]);
        whole.add(&[2; 32]);
        assert_eq!((whole.count(), whole.digest()), (2, Hash::from(Sha256::digest([[1; 32], [2; 32]].concat()))));
    }
}
