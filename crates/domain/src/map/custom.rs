//! Custom fields as a person reads them, by GHL's type of each. What has another form than its type is known for is shown as it is.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::words::{line, name};
use crate::{Contact, CustomField, Moment, Names, readable};

/// The fields with a value, in the order of their names.
pub(super) fn custom_fields(contact: &Contact, names: &Names) -> Vec<CustomField> {
    let mut fields: Vec<CustomField> = contact.custom_fields.iter().flat_map(|(id, value)| rows(id, value, names)).collect();
    fields.retain(|field| !field.value.is_empty());
    fields.sort_by(|a, b| (&a.name, &a.value, &a.link).cmp(&(&b.name, &b.value, &b.link)));
    fields
}

/// One row, or one for each file.
fn rows(id: &str, value: &Value, names: &Names) -> Vec<CustomField> {
    let row = |value: String, link| CustomField { name: name(id, &names.fields), value, link };
    let (none, kind) = (BTreeMap::new(), names.field_types.get(id).map(String::as_str));
    let labels = names.field_labels.get(id).unwrap_or(&none);
    let text = match kind {
        Some("DATE") => date(value),
        Some("MONETORY") => money(value),
        Some("TEXTBOX_LIST") => boxes(value, labels),
        Some("FILE_UPLOAD" | "SIGNATURE") => match files(value) {
            Some(files) => return files.into_iter().map(|(name, link)| row(name, Some(link))).collect(),
            None => None,
        },
        _ => None,
    };
    vec![row(text.unwrap_or_else(|| spoken(value, labels)), None)]
}

/// A day that GHL writes as its first millisecond or as a moment; none for what is spelled otherwise.
fn date(value: &Value) -> Option<String> {
    let at = match value {
        Value::Number(millis) => Timestamp::from_millisecond(millis.as_i64()?).ok()?,
        Value::String(text) => text.trim().parse().ok()?,
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    Some(Moment::nearest_day(at).to_string())
}

/// An amount with its currency, where GHL gives one beside it; none for a bare number, which is shown as it is. That an amount comes with a
/// currency is an assumption: the documentation has bare numbers only.
fn money(value: &Value) -> Option<String> {
    let parts = value.as_object()?;
    let amount = scalar(first(parts, &["value", "amount"])?)?;
    let currency = first(parts, &["currency", "currencyCode"]).and_then(Value::as_str).and_then(|currency| line(Some(currency)));
    // The location's own, whichever that is.
    let currency = currency.filter(|currency| currency != "default");
    Some(currency.map_or_else(|| amount.clone(), |currency| format!("{amount} {}", currency.to_uppercase())))
}

/// The texts of a list of boxes, each with what the box is called, by its key or by its place.
fn boxes(value: &Value, labels: &BTreeMap<String, String>) -> Option<String> {
    let boxes: Vec<(String, &Value)> = match value {
        Value::Object(boxes) => boxes.iter().map(|(key, text)| (key.clone(), text)).collect(),
        Value::Array(boxes) => boxes.iter().enumerate().map(|(place, text)| (place.to_string(), text)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
    };
    let shown = boxes.into_iter().filter_map(|(key, text)| {
        let text = spoken(text, labels);
        let label = labels.get(&key).and_then(|label| line(Some(label))).or_else(|| value.is_object().then_some(key));
        (!text.is_empty()).then(|| label.map_or_else(|| text.clone(), |label| format!("{label}: {text}")))
    });
    Some(shown.collect::<Vec<_>>().join("; "))
}

/// The names and addresses of files; none where one of them has no address.
fn files(value: &Value) -> Option<Vec<(String, String)>> {
    let several: Vec<&Value> = match value {
        Value::Object(file) if file.contains_key("url") => vec![value],
        Value::Object(files) => files.values().collect(),
        Value::Array(files) => files.iter().collect(),
        Value::String(_) => vec![value],
        Value::Null | Value::Bool(_) | Value::Number(_) => return None,
    };
    let file = |file: &&Value| {
        let (link, file) = match file {
            Value::String(link) => (line(Some(link))?, None),
            Value::Object(file) => (line(file.get("url")?.as_str())?, Some(file)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => return None,
        };
        let meta = file.and_then(|file| file.get("meta")).and_then(Value::as_object);
        let named = |of: &Map<String, Value>| line(first(of, &["originalname", "originalName", "name"])?.as_str());
        let name = meta.and_then(named).or_else(|| file.and_then(named));
        link.contains("://").then(|| (name.unwrap_or_else(|| link.clone()), link))
    };
    several.iter().map(file).collect()
}

fn first<'a>(parts: &'a Map<String, Value>, keys: &[&str]) -> Option<&'a Value> {
    keys.iter().find_map(|key| parts.get(*key)).filter(|value| !value.is_null())
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => line(Some(text)),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The value as text; there is a text for every JSON type. Choices are shown by what they are called.
fn spoken(value: &Value, labels: &BTreeMap<String, String>) -> String {
    let called = |text: &str| labels.get(text).and_then(|label| line(Some(label)));
    match value {
        Value::Null => String::new(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => called(&number.to_string()).unwrap_or_else(|| number.to_string()),
        Value::String(text) => called(text).unwrap_or_else(|| readable(text)),
        Value::Array(values) => {
            values.iter().map(|value| spoken(value, labels)).filter(|value| !value.is_empty()).collect::<Vec<_>>().join(", ")
        }
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| format!("{name}: {}", spoken(value, labels))).collect::<Vec<_>>().join("; ")
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(kind: &str, value: Value, labels: &[(&str, &str)], shown: &str) {
        let labels: BTreeMap<_, _> = labels.iter().map(|(key, label)| ((*key).to_owned(), (*label).to_owned())).collect();
        let names = Names {
            fields: [("f".to_owned(), "Field".to_owned())].into(),
            field_types: [("f".to_owned(), kind.to_owned())].into(),
            field_labels: [("f".to_owned(), labels)].into(),
            ..Names::default()
        };
        let contact = Contact { custom_fields: [("f".to_owned(), value)].into(), ..Contact::default() };
        let fields = custom_fields(&contact, &names);
        assert!(fields.iter().all(|field| field.name == "Field"));
        let row = |field: CustomField| field.link.map_or_else(|| field.value.clone(), |link| format!("{} <{link}>", field.value));
        assert_eq!(fields.into_iter().map(row).collect::<Vec<_>>().join("\n"), shown);
    }

    #[test]
    fn days_and_amounts_read_as_such() {
        check("DATE", json!(1_798_761_600_000_i64), &[], "2027-01-01");
        check("DATE", json!("2027-01-01T05:00:00.000Z"), &[], "2027-01-01");
        check("DATE", json!("next spring"), &[], "next spring");
        check("MONETORY", json!(1_798_761_600_000_i64), &[], "1798761600000");
        check("MONETORY", json!(100.5), &[], "100.5");
        check("MONETORY", json!({"value": 100.5, "currency": "usd"}), &[], "100.5 USD");
        check("MONETORY", json!({"value": "7", "currency": "default"}), &[], "7");
        check("MONETORY", json!({"sum": 7}), &[], "sum: 7");
        check("NUMERICAL", json!(3), &[], "3");
        check("PHONE", json!("+1 202 555 0101"), &[], "+1 202 555 0101");
    }

    #[test]
    fn choices_and_boxes_are_shown_by_what_they_are_called() {
        check("SINGLE_OPTIONS", json!("Gold"), &[], "Gold");
        check("SINGLE_OPTIONS", json!("opt-2"), &[("opt-2", "Gold")], "Gold");
        check("MULTIPLE_OPTIONS", json!(["opt-1", "other"]), &[("opt-1", "Tea")], "Tea, other");
        check("CHECKBOX", json!(["a", "b"]), &[], "a, b");
        let boxes = [("k-1", "First visit"), ("k-2", "Second visit")];
        check("TEXTBOX_LIST", json!({"k-1": "May", "k-2": "", "k-3": "July"}), &boxes, "First visit: May; k-3: July");
        check("TEXTBOX_LIST", json!(["May", "June"]), &[("0", "First visit")], "First visit: May; June");
        check("TEXTBOX_LIST", json!("May"), &boxes, "May");
    }

    #[test]
    fn files_are_links_with_their_names() {
        let file = json!({"u-1": {"meta": {"originalname": "roof.jpg"}, "url": "https://files.example/1"}, "u-2": {"url": "https://files.example/2"}});
        check("FILE_UPLOAD", file, &[], "https://files.example/2 <https://files.example/2>\nroof.jpg <https://files.example/1>");
        check("FILE_UPLOAD", json!(["https://files.example/3"]), &[], "https://files.example/3 <https://files.example/3>");
        check("SIGNATURE", json!({"url": "https://files.example/4", "name": "Ann"}), &[], "Ann <https://files.example/4>");
        check("FILE_UPLOAD", json!({"u-1": {"documentId": "d"}}), &[], "u-1: documentId: d");
        check("FILE_UPLOAD", json!("roof.jpg"), &[], "roof.jpg");
    }

    #[test]
    fn what_has_an_unknown_type_is_shown_whatever_it_is() {
        check("HOLOGRAM", json!({"depth": 3}), &[], "depth: 3");
        check("HOLOGRAM", json!(true), &[], "yes");
        check("TEXT", json!("<b>x</b>"), &[], "**x**");
        check("TEXT", json!([]), &[], "");
    }
}
