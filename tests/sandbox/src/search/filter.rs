//! The `filters` of a search: fields, operators, nested groups.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::records::Contact;

/// Filters nested deeper than this are refused.
const DEPTH_MAX: usize = 10;

#[derive(Clone, Debug)]
pub(crate) enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Field { field: Field, test: Test },
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Field {
    DateAdded,
    DateUpdated,
    Tags,
    Dnd,
    Text(&'static str),
    /// By the custom field's id.
    Custom(String),
}

#[derive(Clone, Debug)]
pub(crate) enum Test {
    Eq(Vec<String>),
    NotEq(Vec<String>),
    Contains(String),
    NotContains(String),
    Exists,
    NotExists,
    Range(Bounds),
}

/// Milliseconds since 1970, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) low: i64,
    pub(crate) high: i64,
}

impl Bounds {
    pub(crate) const WIDE: Self = Self { low: i64::MIN, high: i64::MAX };

    fn contains(self, at: i64) -> bool {
        self.low <= at && at <= self.high
    }

    fn and(self, other: Self) -> Self {
        Self { low: self.low.max(other.low), high: self.high.min(other.high) }
    }
}

/// Fields with text that `eq`, `contains` and `exists` work on.
const TEXTS: &[&str] = &[
    "id",
    "email",
    "phone",
    "firstNameLowerCase",
    "lastNameLowerCase",
    "contactName",
    "companyName",
    "assignedTo",
    "source",
    "type",
    "address",
    "city",
    "state",
    "country",
    "postalCode",
    "website",
    "timezone",
];

impl Filter {
    /// The `filters` array, all of which must hold; or what is wrong with it.
    pub(crate) fn parse(filters: &Value) -> Result<Self, String> {
        let rows = filters.as_array().ok_or("filters must be an array")?;
        Ok(Self::All(rows.iter().map(|row| Self::parse_one(row, 1)).collect::<Result<_, _>>()?))
    }

    fn parse_one(row: &Value, depth: usize) -> Result<Self, String> {
        if depth > DEPTH_MAX {
            return Err("filters are nested too deep".to_owned());
        }
        let row = row.as_object().ok_or("each filter must be an object")?;
        if let Some(group) = row.get("group") {
            let inner = row.get("filters").and_then(Value::as_array).ok_or("a filter group needs filters")?;
            let inner = inner.iter().map(|row| Self::parse_one(row, depth + 1)).collect::<Result<_, _>>()?;
            return match group.as_str() {
                Some("AND") => Ok(Self::All(inner)),
                Some("OR") => Ok(Self::Any(inner)),
                _ => Err("group must be one of AND, OR".to_owned()),
            };
        }
        let name = row.get("field").and_then(Value::as_str).ok_or("filter field must be a string")?;
        let field = Field::parse(name).ok_or_else(|| format!("Invalid field: {name}"))?;
        let test = Test::parse(&field, row).map_err(|problem| format!("{name}: {problem}"))?;
        Ok(Self::Field { field, test })
    }

    pub(crate) fn holds(&self, contact: &Contact) -> bool {
        match self {
            Self::All(inner) => inner.iter().all(|filter| filter.holds(contact)),
            Self::Any(inner) => inner.iter().any(|filter| filter.holds(contact)),
            Self::Field { field, test } => test.holds(&field.of(contact)),
        }
    }

    /// Nothing is asked of a contact.
    pub(crate) fn holds_everyone(&self) -> bool {
        matches!(self, Self::All(inner) if inner.iter().all(Self::holds_everyone))
    }

    /// No contact outside of these bounds of the date field can pass.
    pub(crate) fn bounds(&self, wanted: &Field) -> Bounds {
        match self {
            Self::All(inner) => inner.iter().fold(Bounds::WIDE, |so_far, filter| so_far.and(filter.bounds(wanted))),
            Self::Field { field, test: Test::Range(bounds) } if field == wanted => *bounds,
            Self::Any(_) | Self::Field { .. } => Bounds::WIDE,
        }
    }
}

enum Seen<'a> {
    Nothing,
    Instant(i64),
    Texts(Vec<Cow<'a, str>>),
}

impl Field {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "dateAdded" => Some(Self::DateAdded),
            "dateUpdated" => Some(Self::DateUpdated),
            "tags" => Some(Self::Tags),
            "dnd" => Some(Self::Dnd),
            other => match other.strip_prefix("customFields.") {
                Some(id) => Some(Self::Custom(id.to_owned())),
                None => TEXTS.iter().find(|text| **text == other).map(|text| Self::Text(text)),
            },
        }
    }

    fn of<'a>(&self, contact: &'a Contact) -> Seen<'a> {
        let texts = match self {
            Self::DateAdded => return Seen::Instant(contact.date_added.as_millisecond()),
            Self::DateUpdated => return Seen::Instant(contact.date_updated.as_millisecond()),
            Self::Tags => contact.tags.iter().map(|tag| Cow::Borrowed(tag.as_str())).collect(),
            Self::Dnd => vec![Cow::Borrowed(if contact.dnd { "true" } else { "false" })],
            Self::Text(name) => text(contact, name).into_iter().collect(),
            Self::Custom(id) => match contact.custom_fields.iter().find(|field| field.id == *id).map(|field| &field.value) {
                None | Some(Value::Null) => Vec::new(),
                Some(Value::Array(rows)) => rows.iter().map(|row| Cow::Owned(plain(row))).collect(),
                Some(other) => vec![Cow::Owned(plain(other))],
            },
        };
        if texts.is_empty() { Seen::Nothing } else { Seen::Texts(texts) }
    }
}

fn text<'a>(contact: &'a Contact, name: &str) -> Option<Cow<'a, str>> {
    let borrowed = match name {
        "id" => Some(&contact.id),
        "email" => contact.email.as_ref(),
        "phone" => contact.phone.as_ref(),
        "firstNameLowerCase" => return contact.first_name.as_ref().map(|name| name.to_lowercase().into()),
        "lastNameLowerCase" => return contact.last_name.as_ref().map(|name| name.to_lowercase().into()),
        "contactName" => return contact.name().map(Cow::Owned),
        "companyName" => contact.company_name.as_ref(),
        "assignedTo" => contact.assigned_to.as_ref(),
        "source" => contact.source.as_ref(),
        "type" => contact.kind.as_ref(),
        "address" => contact.address1.as_ref(),
        "city" => contact.city.as_ref(),
        "state" => contact.state.as_ref(),
        "country" => contact.country.as_ref(),
        "postalCode" => contact.postal_code.as_ref(),
        "website" => contact.website.as_ref(),
        "timezone" => contact.time_zone.as_ref(),
        _ => None,
    };
    borrowed.map(|text| Cow::Borrowed(text.as_str()))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl Test {
    fn parse(field: &Field, row: &Map<String, Value>) -> Result<Self, String> {
        let operator = row.get("operator").and_then(Value::as_str).ok_or("operator must be a string")?;
        let value = row.get("value").unwrap_or(&Value::Null);
        let is_date = matches!(field, Field::DateAdded | Field::DateUpdated);
        match (operator, is_date) {
            ("range", true) => Ok(Self::Range(bounds(value)?)),
            ("exists", _) => Ok(Self::Exists),
            ("not_exists", _) => Ok(Self::NotExists),
            ("eq", false) => Ok(Self::Eq(values(value)?)),
            ("not_eq", false) => Ok(Self::NotEq(values(value)?)),
            ("contains", false) => Ok(Self::Contains(plain(value).to_lowercase())),
            ("not_contains", false) => Ok(Self::NotContains(plain(value).to_lowercase())),
            _ => Err(format!("operator {operator} is not allowed")),
        }
    }

    fn holds(&self, seen: &Seen<'_>) -> bool {
        let any = |is_it: &dyn Fn(&str) -> bool| match seen {
            Seen::Texts(texts) => texts.iter().any(|text| is_it(&text.to_lowercase())),
            Seen::Nothing | Seen::Instant(_) => false,
        };
        match self {
            Self::Eq(values) => any(&|text| values.iter().any(|value| value == text)),
            Self::NotEq(values) => !any(&|text| values.iter().any(|value| value == text)),
            Self::Contains(part) => any(&|text| text.contains(part.as_str())),
            Self::NotContains(part) => !any(&|text| text.contains(part.as_str())),
            Self::Exists => !matches!(seen, Seen::Nothing),
            Self::NotExists => matches!(seen, Seen::Nothing),
            Self::Range(bounds) => match seen {
                Seen::Instant(at) => bounds.contains(*at),
                Seen::Nothing | Seen::Texts(_) => false,
            },
        }
    }
}

/// Compared in lower case.
fn values(value: &Value) -> Result<Vec<String>, String> {
    match value {
        Value::Null | Value::Object(_) => Err("value must be a string".to_owned()),
        Value::Array(rows) => Ok(rows.iter().map(|row| plain(row).to_lowercase()).collect()),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(vec![plain(value).to_lowercase()]),
    }
}

fn bounds(value: &Value) -> Result<Bounds, String> {
    let object = value.as_object().filter(|object| !object.is_empty()).ok_or("range needs an object of gte, gt, lte, lt")?;
    let mut bounds = Bounds::WIDE;
    for (key, at) in object {
        let at = at.as_str().and_then(|text| text.parse::<Timestamp>().ok()).ok_or("range needs ISO 8601 instants")?.as_millisecond();
        match key.as_str() {
            "gte" => bounds.low = bounds.low.max(at),
            "gt" => bounds.low = bounds.low.max(at.saturating_add(1)),
            "lte" => bounds.high = bounds.high.min(at),
            "lt" => bounds.high = bounds.high.min(at.saturating_sub(1)),
            other => return Err(format!("range does not know {other}")),
        }
    }
    Ok(bounds)
}
