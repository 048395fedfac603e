//! What a record has beside its single fields: channels, further addresses and numbers, files.
//!
//! Documented are the channels by id, whose names differ between the versions, and `attachments` as one text. The other forms have been seen.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::fields::{Fields, as_text, first_text, text};
use crate::json::Unreadable;

/// The channels that are switched off, by their names in lower case; `inactive` says that one is not.
pub(super) fn channels(value: &Value) -> Result<Option<BTreeMap<String, String>>, Unreadable> {
    let channels = match value {
        Value::Null => return Ok(None),
        Value::Object(channels) => channels,
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => return Err(Unreadable),
    };
    let mut off = BTreeMap::new();
    for (channel, setting) in channels {
        let status = match setting {
            Value::Null => None,
            Value::Object(setting) => Some(text(setting, "status").ok_or(Unreadable)?),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => return Err(Unreadable),
        };
        if let Some(status) = status.filter(|status| !status.eq_ignore_ascii_case("inactive")) {
            off.insert(channel.to_lowercase(), status.to_lowercase());
        }
    }
    Ok(Some(off))
}

/// Addresses, alone or as objects.
pub(super) fn emails(value: &Value) -> Result<Option<BTreeSet<String>>, Unreadable> {
    let email = |email: &Fields| first_text(email, &["email", "value"]);
    Ok(several(value, email)?.map(|emails| emails.into_iter().map(|(email, _)| email).collect()))
}

/// Numbers, alone or as objects, with what each is called.
pub(super) fn phones(value: &Value) -> Result<Option<BTreeMap<String, String>>, Unreadable> {
    let phone = |phone: &Fields| first_text(phone, &["phone", "value"]);
    let label = |phone: Option<&Fields>| phone.and_then(|phone| first_text(phone, &["phoneLabel", "label"])).unwrap_or_default();
    Ok(several(value, phone)?.map(|phones| phones.into_iter().map(|(phone, fields)| (phone, label(fields))).collect()))
}

/// The addresses of files, alone or as objects.
pub(super) fn attachments(value: &Value) -> Result<Option<BTreeSet<String>>, Unreadable> {
    let file = |file: &Fields| first_text(file, &["url", "link"]);
    Ok(several(value, file)?.map(|files| files.into_iter().map(|(file, _)| file).collect()))
}

/// A text, with the object that it is from.
type Text<'a> = (String, Option<&'a Fields>);

/// Of a list, or one alone.
fn several(value: &Value, of: impl Fn(&Fields) -> Option<String>) -> Result<Option<Vec<Text<'_>>>, Unreadable> {
    let rows = match value {
        Value::Null => return Ok(None),
        Value::Array(rows) => rows.as_slice(),
        Value::String(_) | Value::Object(_) => std::slice::from_ref(value),
        Value::Bool(_) | Value::Number(_) => return Err(Unreadable),
    };
    let mut read = Vec::with_capacity(rows.len());
    for row in rows {
        match row {
            Value::Object(fields) if fields.is_empty() => {}
            Value::Object(fields) => read.push((of(fields).ok_or(Unreadable)?, Some(fields))),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                read.extend(as_text(row)?.map(|text| (text, None)));
            }
        }
    }
    Ok(Some(read))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn channels_are_the_same_in_both_versions_and_only_those_that_are_off() {
        let older = json!({"Call": {"status": "active", "message": "Ann said so", "code": "1"}, "Email": {"status": "inactive"}, "RCS": {"status": "permanent"}});
        let newer = json!({"call": {"status": "active"}, "rcs": {"status": "permanent"}});
        let off = BTreeMap::from([("call".to_owned(), "active".to_owned()), ("rcs".to_owned(), "permanent".to_owned())]);
        assert_eq!((channels(&older), channels(&newer)), (Ok(Some(off.clone())), Ok(Some(off))));
        assert_eq!((channels(&json!({})), channels(&json!(null))), (Ok(Some(BTreeMap::new())), Ok(None)));
        assert_eq!((channels(&json!({"SMS": "off"})), channels(&json!({"SMS": {}}))), (Err(Unreadable), Err(Unreadable)));
    }

    #[test]
    fn further_addresses_and_numbers_are_read_in_every_form_that_was_seen() {
        let set = |texts: &[&str]| Ok(Some(texts.iter().map(|text| (*text).to_owned()).collect::<BTreeSet<_>>()));
        assert_eq!(emails(&json!([{"email": "a@x.de", "validEmail": null}, "b@x.de", "", {}])), set(&["a@x.de", "b@x.de"]));
        assert_eq!((emails(&json!([])), emails(&json!([{"mail": "a@x.de"}]))), (set(&[]), Err(Unreadable)));
        let numbers = phones(&json!([{"phone": "+1", "phoneLabel": "Mobile"}, {"phone": "+2"}, "+3"]));
        let called = [("+1", "Mobile"), ("+2", ""), ("+3", "")].map(|(number, label)| (number.to_owned(), label.to_owned()));
        assert_eq!(numbers, Ok(Some(BTreeMap::from(called))));
        assert_eq!(attachments(&json!("https://files.example/1")), set(&["https://files.example/1"]));
        assert_eq!(attachments(&json!([{"url": "https://files.example/1", "name": "x"}])), set(&["https://files.example/1"]));
        assert_eq!((attachments(&json!("")), attachments(&json!(7))), (set(&[]), Err(Unreadable)));
    }
}
