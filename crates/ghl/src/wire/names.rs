//! What has a name in a location.

use std::collections::BTreeMap;

use serde_json::Value;

use super::fields::{Fields, ID, first_text, text};
use crate::Zone;

/// What is read of a location itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Location {
    pub zone: Zone,
    pub company_id: Option<String>,
}

/// The custom fields of a location, by id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CustomFields {
    pub names: BTreeMap<String, String>,
    /// As GHL calls them, for instance `DATE`.
    pub types: BTreeMap<String, String>,
    /// What their parts and choices are called, by the key that values name them with, where the two differ.
    pub labels: BTreeMap<String, BTreeMap<String, String>>,
}

pub(crate) fn custom_fields(body: &Value) -> CustomFields {
    const LIST: &str = "customFields";
    let rows = body.get(LIST).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let typed = |row: &Value| {
        let row = row.as_object()?;
        Some((first_text(row, ID)?, text(row, "dataType")?))
    };
    let labelled = |row: &Value| {
        let row = row.as_object()?;
        Some((first_text(row, ID)?, labels(row))).filter(|(_, labels)| !labels.is_empty())
    };
    CustomFields {
        names: names(body, LIST),
        types: rows.iter().filter_map(typed).collect(),
        labels: rows.iter().filter_map(labelled).collect(),
    }
}

/// Documented are choices as texts, which are both key and label, and boxes with a label alone, which are known by their place. Objects with a
/// key of their own have been seen.
fn labels(field: &Fields) -> BTreeMap<String, String> {
    let lists = ["textBoxListOptions", "picklistOptions"].into_iter().filter_map(|key| field.get(key)?.as_array());
    let options = lists.flat_map(|options| options.iter().enumerate());
    let labelled = options.filter_map(|(place, option)| {
        let option = option.as_object()?;
        let label = first_text(option, &["label", "name"])?;
        let key = first_text(option, &["id", "_id", "key", "value"]).unwrap_or_else(|| place.to_string());
        Some((key, label)).filter(|(key, label)| key != label)
    });
    labelled.collect()
}

pub(crate) fn location(body: &Value) -> Result<Location, String> {
    let fields = body.get("location").unwrap_or(body).as_object().ok_or_else(|| "location is not an object".to_owned())?;
    let zone = first_text(fields, &["timezone", "timeZone"]).map_or(Zone::UNKNOWN, |name| Zone::named(&name));
    Ok(Location { zone, company_id: text(fields, "companyId") })
}

/// Names by id from a list; for a person without `name` the first and last name.
pub(crate) fn names(body: &Value, list: &str) -> BTreeMap<String, String> {
    let rows = body.get(list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let named = |row: &Value| {
        let row = row.as_object()?;
        let parts = || [text(row, "firstName"), text(row, "lastName")].into_iter().flatten().collect::<Vec<_>>().join(" ");
        let name = text(row, "name").unwrap_or_else(parts);
        Some((first_text(row, ID)?, name)).filter(|(_, name)| !name.is_empty())
    };
    rows.iter().filter_map(named).collect()
}
