//! What has a name in a location.

use std::collections::BTreeMap;

use serde_json::Value;

use super::fields::{ID, first_text, text};
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
}

pub(crate) fn custom_fields(body: &Value) -> CustomFields {
    const LIST: &str = "customFields";
    let rows = body.get(LIST).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let typed = |row: &Value| {
        let row = row.as_object()?;
        Some((first_text(row, ID)?, text(row, "dataType")?))
    };
    CustomFields { names: names(body, LIST), types: rows.iter().filter_map(typed).collect() }
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
