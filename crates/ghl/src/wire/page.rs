//! Pages of contacts.

use std::collections::BTreeSet;

use domain::{Contact, ContactId, Moment};
use serde_json::Value;

use super::contact;
use super::fields::{Fields, ID, count, first_text, object};
use crate::Zone;

/// One page of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    pub rows: Vec<Row>,
    /// Rows without a usable id.
    pub unreadable: usize,
    /// How many contacts the whole search has, as GHL counts.
    pub total: Option<u64>,
    /// Where the next page begins; none after the last row.
    pub next: Option<Value>,
}

/// One contact as a search shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub contact_id: ContactId,
    pub contact: Contact,
    /// Fields of `contact` that the row does not mention, by name: it may have a value all the same.
    pub silent: BTreeSet<String>,
}

impl Row {
    pub fn updated_at(&self) -> Option<&Moment> {
        self.contact.updated_at.as_ref()
    }
}

pub(crate) fn page(body: Value, zone: &Zone) -> Result<Page, String> {
    let mut body = object(body)?;
    let Some(Value::Array(rows)) = body.remove("contacts") else { return Err("contacts is no list".to_owned()) };
    let next = rows.last().and_then(|row| row.get("searchAfter")).filter(|next| !next.is_null()).cloned();
    let mut page = Page { rows: Vec::with_capacity(rows.len()), unreadable: 0, total: count(&Value::Object(body)), next };
    for row in rows {
        let Value::Object(fields) = row else {
            page.unreadable += 1;
            continue;
        };
        let Some(Ok(contact_id)) = first_text(&fields, ID).map(ContactId::new) else {
            page.unreadable += 1;
            continue;
        };
        let (contact, silent) = contact::read(&fields, zone);
        page.rows.push(Row { contact_id, contact, silent });
    }
    Ok(page)
}

/// A page of the deprecated list: where the next one begins is told in `meta`.
pub(crate) fn legacy_page(body: Value, zone: &Zone) -> Result<Page, String> {
    let meta = body.get("meta").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut page = page(body, zone)?;
    let cursor: Fields = ["startAfter", "startAfterId"]
        .iter()
        .filter_map(|key| Some(((*key).to_owned(), meta.get(*key).filter(|value| !value.is_null())?.clone())))
        .collect();
    let last = page.rows.is_empty() || meta.get("nextPage").is_some_and(Value::is_null);
    page.next = (cursor.len() == 2 && !last).then_some(Value::Object(cursor));
    page.total = meta.get("total").and_then(Value::as_u64).or(page.total);
    Ok(page)
}
