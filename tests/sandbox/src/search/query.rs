//! One search: what is asked, and its answer.

use std::{collections::BTreeSet, ops::Bound, sync::Arc};

use serde_json::{Value, json};

use super::{
    Index,
    filter::{Bounds, Field, Filter},
};
use crate::{records::Contact, settings::SearchSettings};

/// Rows that can be reached by `page`.
const REACHABLE_BY_PAGE: usize = 10_000;
const QUERY_CHARS_MAX: usize = 75;

pub(crate) struct Query {
    filter: Filter,
    text: Option<String>,
    sorts: Vec<(Key, Direction)>,
    start: Start,
    limit: usize,
}

enum Start {
    Page(usize),
    After(Vec<Value>),
}

#[derive(Clone, Copy, PartialEq)]
enum Direction {
    Asc,
    Desc,
}

#[derive(Clone, Copy, PartialEq)]
enum Key {
    Email,
    Dnd,
    Source,
    FirstName,
    LastName,
    DateAdded,
    DateUpdated,
}

/// A page, each row with its `searchAfter`.
pub(crate) struct Found {
    pub(crate) rows: Vec<(Arc<Contact>, Vec<Value>)>,
    pub(crate) total: usize,
}

impl Query {
    /// The body of the request, or everything that is wrong with it (a 422), `locationId` aside.
    pub(crate) fn parse(body: &Value, settings: &SearchSettings) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let limit = body.get("pageLimit").and_then(Value::as_u64).and_then(|limit| usize::try_from(limit).ok()).unwrap_or(0);
        if limit == 0 {
            problems.push("pageLimit should not be empty, pageLimit must be a positive number".to_owned());
        } else if limit > settings.page_limit_max {
            problems.push(format!("pageLimit must not be greater than {}", settings.page_limit_max));
        }
        let text = match body.get("query") {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if text.chars().count() <= QUERY_CHARS_MAX => Some(text.to_lowercase()),
            Some(_) => {
                problems.push(format!("query must be a string of {QUERY_CHARS_MAX} characters or fewer"));
                None
            }
        };
        let filter = body.get("filters").map_or(Ok(Filter::All(Vec::new())), Filter::parse);
        let sorts = body.get("sort").map_or(Ok(Vec::new()), sorts);
        let start = start(body, limit);
        let (filter, sorts, start) = match (filter, sorts, start) {
            (Ok(filter), Ok(sorts), Ok(start)) => (filter, sorts, start),
            (filter, sorts, start) => {
                problems.extend(filter.err());
                problems.extend(sorts.err());
                problems.extend(start.err());
                return Err(problems);
            }
        };
        if !problems.is_empty() {
            return Err(problems);
        }
        let limit = limit.min(settings.page_answer_max.unwrap_or(limit));
        Ok(Self { filter, text, sorts, start, limit })
    }

    /// Whether `page` asks for rows that only `searchAfter` reaches.
    pub(crate) fn out_of_reach(&self) -> bool {
        matches!(self.start, Start::Page(page) if page.saturating_mul(self.limit) > REACHABLE_BY_PAGE)
    }

    /// The cursor that was sent.
    pub(crate) fn cursor(&self) -> Option<&[Value]> {
        match &self.start {
            Start::After(cursor) => Some(cursor),
            Start::Page(_) => None,
        }
    }

    /// Whether every contact passes, so that none needs to be asked.
    fn holds_everyone(&self) -> bool {
        self.filter.holds_everyone() && self.text.is_none()
    }

    fn holds(&self, contact: &Contact) -> bool {
        self.filter.holds(contact) && self.text.as_deref().is_none_or(|text| mentions(contact, text))
    }
}

fn mentions(contact: &Contact, text: &str) -> bool {
    let name = contact.name();
    [name.as_ref(), contact.email.as_ref(), contact.phone.as_ref(), contact.company_name.as_ref()]
        .into_iter()
        .flatten()
        .any(|field| field.to_lowercase().contains(text))
}

fn start(body: &Value, limit: usize) -> Result<Start, String> {
    let page = body.get("page").filter(|page| !page.is_null());
    let after = body.get("searchAfter").filter(|after| !after.is_null());
    match (page, after) {
        (Some(_), Some(_)) => Err("page and searchAfter exclude each other".to_owned()),
        (None, Some(after)) => match after.as_array() {
            Some(cursor) if !cursor.is_empty() => Ok(Start::After(cursor.clone())),
            _ => Err("searchAfter must be a non-empty array".to_owned()),
        },
        (Some(page), None) => {
            let page = page.as_u64().and_then(|page| usize::try_from(page).ok()).filter(|page| *page > 0 && limit > 0);
            page.map(Start::Page).ok_or_else(|| "page must be a positive number".to_owned())
        }
        (None, None) => Ok(Start::Page(1)),
    }
}

fn sorts(value: &Value) -> Result<Vec<(Key, Direction)>, String> {
    let rows = value.as_array().ok_or("sort must be an array")?;
    rows.iter().map(sort).collect()
}

fn sort(row: &Value) -> Result<(Key, Direction), String> {
    let key = match row.get("field").and_then(Value::as_str) {
        Some("email") => Key::Email,
        Some("dnd") => Key::Dnd,
        Some("source") => Key::Source,
        Some("firstNameLowerCase") => Key::FirstName,
        Some("lastNameLowerCase") => Key::LastName,
        Some("dateAdded") => Key::DateAdded,
        Some("dateUpdated") => Key::DateUpdated,
        _ => return Err("sort field is not sortable".to_owned()),
    };
    match row.get("direction").and_then(Value::as_str) {
        Some("asc") => Ok((key, Direction::Asc)),
        Some("desc") => Ok((key, Direction::Desc)),
        _ => Err("sort direction must be one of asc, desc".to_owned()),
    }
}

/// The page, as the index has it.
pub(crate) fn run(index: &Index, query: &Query) -> Found {
    match query.sorts.as_slice() {
        [] => by_date(index, query, &Field::DateAdded, Direction::Desc),
        [(Key::DateAdded, direction)] => by_date(index, query, &Field::DateAdded, *direction),
        [(Key::DateUpdated, direction)] => by_date(index, query, &Field::DateUpdated, *direction),
        _ => by_sorting(index, query),
    }
}

/// Along an index, so that a pass over many pages does not sort everything each time.
fn by_date(index: &Index, query: &Query, field: &Field, direction: Direction) -> Found {
    let order = if *field == Field::DateAdded { index.by_added() } else { index.by_updated() };
    let bounds = query.filter.bounds(field);
    let matching = |(_, id): &&(i64, String)| index.row(id).is_some_and(|row| query.holds(row));
    let counted = || between(order, bounds, None, Direction::Asc).filter(matching).count();
    let total = if query.holds_everyone() { order.len() } else { counted() };
    let (cursor, skip) = match &query.start {
        Start::Page(page) => (None, (page - 1).saturating_mul(query.limit)),
        Start::After(cursor) => (Some(date_cursor(cursor)), 0),
    };
    let rows = between(order, bounds, cursor, direction).filter(matching).skip(skip).take(query.limit);
    let rows = rows.filter_map(|(at, id)| Some((Arc::clone(index.row(id)?), vec![json!(at), json!(id)]))).collect();
    Found { rows, total }
}

type Place = (i64, String);

fn between<'a>(
    order: &'a BTreeSet<Place>,
    bounds: Bounds,
    after: Option<Place>,
    direction: Direction,
) -> Box<dyn Iterator<Item = &'a Place> + 'a> {
    if bounds.low > bounds.high {
        return Box::new(std::iter::empty());
    }
    let low = Bound::Included((bounds.low, String::new()));
    let high = bounds.high.checked_add(1).map_or(Bound::Unbounded, |end| Bound::Excluded((end, String::new())));
    let inside = order.range((low, high));
    match (direction, after) {
        (Direction::Asc, None) => Box::new(inside),
        (Direction::Desc, None) => Box::new(inside.rev()),
        (Direction::Asc, Some(after)) => {
            let low = after.max((bounds.low, String::new()));
            let from_here = order.range((Bound::Excluded(low), Bound::Unbounded));
            Box::new(from_here.take_while(move |(at, _)| *at <= bounds.high))
        }
        (Direction::Desc, Some(after)) => {
            let from_here = order.range((Bound::Unbounded, Bound::Excluded(after))).rev();
            Box::new(from_here.skip_while(move |(at, _)| *at > bounds.high).take_while(move |(at, _)| *at >= bounds.low))
        }
    }
}

fn date_cursor(cursor: &[Value]) -> Place {
    let at = cursor.first().and_then(Value::as_i64).unwrap_or(i64::MIN);
    let id = cursor.get(1).and_then(Value::as_str).unwrap_or_default();
    (at, id.to_owned())
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum SortKey {
    Nothing,
    Flag(bool),
    Number(i64),
    Text(String),
}

impl SortKey {
    fn of(contact: &Contact, key: Key) -> Self {
        let lower = |text: &Option<String>| text.as_ref().map_or(Self::Nothing, |text| Self::Text(text.to_lowercase()));
        match key {
            Key::Email => lower(&contact.email),
            Key::Dnd => Self::Flag(contact.dnd),
            Key::Source => lower(&contact.source),
            Key::FirstName => lower(&contact.first_name),
            Key::LastName => lower(&contact.last_name),
            Key::DateAdded => Self::Number(contact.date_added.as_millisecond()),
            Key::DateUpdated => Self::Number(contact.date_updated.as_millisecond()),
        }
    }

    fn to_value(&self) -> Value {
        match self {
            Self::Nothing => Value::Null,
            Self::Flag(flag) => json!(flag),
            Self::Number(number) => json!(number),
            Self::Text(text) => json!(text),
        }
    }

    fn from_value(value: &Value) -> Self {
        match value {
            Value::Bool(flag) => Self::Flag(*flag),
            Value::Number(number) => number.as_i64().map_or(Self::Nothing, Self::Number),
            Value::String(text) => Self::Text(text.clone()),
            Value::Null | Value::Array(_) | Value::Object(_) => Self::Nothing,
        }
    }
}

fn by_sorting(index: &Index, query: &Query) -> Found {
    let keys = |row: &Contact| -> Vec<SortKey> {
        let id = SortKey::Text(row.id.clone());
        query.sorts.iter().map(|(key, _)| SortKey::of(row, *key)).chain([id]).collect()
    };
    let compare = |left: &[SortKey], right: &[SortKey]| {
        let directions = query.sorts.iter().map(|(_, direction)| *direction).chain([Direction::Asc]);
        let mut pairs = left.iter().zip(right).zip(directions);
        let decided = pairs.find(|((left, right), _)| left != right);
        decided.map_or(std::cmp::Ordering::Equal, |((left, right), direction)| match direction {
            Direction::Asc => left.cmp(right),
            Direction::Desc => right.cmp(left),
        })
    };
    let mut matching: Vec<(Vec<SortKey>, &Arc<Contact>)> =
        index.rows().filter(|row| query.holds(row)).map(|row| (keys(row), row)).collect();
    matching.sort_by(|(left, _), (right, _)| compare(left, right));
    let total = matching.len();
    let skip = match &query.start {
        Start::Page(page) => (page - 1).saturating_mul(query.limit),
        Start::After(cursor) => {
            let cursor: Vec<SortKey> = cursor.iter().map(SortKey::from_value).collect();
            matching.partition_point(|(keys, _)| compare(keys, &cursor).is_le())
        }
    };
    let page = matching.into_iter().skip(skip).take(query.limit);
    let rows = page.map(|(keys, row)| (Arc::clone(row), keys.iter().map(SortKey::to_value).collect())).collect();
    Found { rows, total }
}
