//! Pages of contacts.

use std::collections::BTreeSet;

use domain::{Contact, ContactId, Moment};
use serde_json::Value;

use super::contact;
use super::fields::{ID, count, first_text, object};
use crate::Zone;

/// One page of a search.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    pub rows: Vec<Row>,
    /// Rows without a usable id.
    pub unreadable: usize,
    /// How many contacts the whole search has, as GHL counts them.
    pub total: Option<u64>,
    /// The cursor of the next page; none after the last row.
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
    let Some(Value::Array(rows)) = body.remove("contacts") else { return Err("contacts is not a list".to_owned()) };
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
