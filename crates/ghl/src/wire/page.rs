//! Pages of contacts.

use domain::{ContactId, Moment, Shown};
use serde_json::Value;

use super::contact;
use super::fields::{count, flag, object};
use super::shape::Shape;
use super::unreadable::{UnreadableRow, identified};
use crate::Zone;

/// One page of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    pub rows: Vec<Row>,
    pub unreadable: Vec<UnreadableRow>,
    /// How many contacts the whole search has, as GHL counts them.
    pub total: Option<u64>,
    /// The cursor of the next page; none after the last row.
    pub next: Option<Value>,
}

/// One contact as a search shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub contact_id: ContactId,
    pub shown: Shown,
    /// GHL marks it as deleted, and shows it all the same.
    pub deleted: bool,
}

impl Row {
    pub fn updated_at(&self) -> Option<&Moment> {
        self.shown.record.updated_at()
    }
}

pub(crate) fn page(body: Value, zone: &Zone) -> Result<Page, String> {
    let mut body = object(body)?;
    let Some(Value::Array(rows)) = body.remove("contacts") else { return Err("contacts is not a list".to_owned()) };
    let next = rows.last().and_then(|row| row.get("searchAfter")).filter(|next| !next.is_null()).cloned();
    let mut page = Page { rows: Vec::with_capacity(rows.len()), unreadable: Vec::new(), total: count(&Value::Object(body)), next };
    for (place, row) in rows.iter().enumerate() {
        match identified(row, place, None) {
            Ok((fields, id)) => page.rows.push(Row {
                contact_id: ContactId::from(id),
                shown: contact::shown(fields, Shape::ContactRow, zone),
                deleted: flag(fields, "deleted").unwrap_or(false),
            }),
            Err(unreadable) => page.unreadable.push(unreadable),
        }
    }
    Ok(page)
}
