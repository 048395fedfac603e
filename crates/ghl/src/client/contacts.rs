//! Contacts: one by its id, a search, and one by its e-mail address or number.

use domain::{ContactId, Shown};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Client;
use crate::operations as op;
use crate::wire::{self, Page, WrittenContact};
use crate::write::Reach;
use crate::{Answer, Error, Zone};

/// A search for contacts, in an order that is stable from page to page.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    pub window: Window,
    /// Rows per page; GHL may give fewer.
    pub rows_max: u32,
    /// `next` of the page before.
    pub after: Option<Value>,
}

/// Which contacts, and in which order.
#[derive(Clone, Debug, PartialEq)]
pub enum Window {
    /// All, the oldest first.
    Everyone,
    /// Those that changed within a time span (both ends included), the earliest change first.
    Updated { from: Timestamp, to: Timestamp },
}

impl Client {
    /// # Errors
    /// `NotFound` when GHL says that this contact does not exist, or shows it marked as deleted; otherwise see [`Error`], as for every
    /// call here.
    pub async fn contact(&self, id: &ContactId, zone: &Zone) -> Result<Answer<Shown>, Error> {
        let answer = self.get(op::GET_CONTACT, &[id.as_str()]).await?;
        let Answer { value, asked_at, trace_id } = answer.try_map(|body| wire::contact(body, id, &self.location_id, zone))?;
        match value {
            Some(value) => Ok(Answer { value, asked_at, trace_id }),
            None => Err(Error::NotFound { trace_id }),
        }
    }

    /// One page of contacts. Search lags behind by seconds, so a window should overlap the one before by minutes.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn search(&self, search: &Search, zone: &Zone) -> Result<Answer<Page>, Error> {
        let mut body = json!({"pageLimit": search.rows_max});
        let sort = match &search.window {
            Window::Everyone => "dateAdded",
            Window::Updated { from, to } => {
                let range = json!({"gte": millis(*from), "lte": millis(*to)});
                set(&mut body, "filters", json!([{"field": "dateUpdated", "operator": "range", "value": range}]));
                "dateUpdated"
            }
        };
        set(&mut body, "sort", json!([{"field": sort, "direction": "asc"}]));
        if let Some(after) = &search.after {
            set(&mut body, "searchAfter", after.clone());
        }
        let answer = self.send(op::SEARCH_CONTACTS, &[], body).await?;
        answer.try_map(|body| wire::page(body, zone))
    }

    /// The contact that has this e-mail address, or this number.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn contact_with(&self, reach: &Reach, zone: &Zone) -> Result<Answer<Option<WrittenContact>>, Error> {
        let query = match reach {
            Reach::Email(email) => vec![("email", email.clone())],
            Reach::Phone(phone) => vec![("number", phone.clone())],
        };
        let answer = self.query(op::FIND_DUPLICATE, &[], query).await?;
        answer.try_map(|body| wire::found_contact(body, &self.location_id, zone))
    }
}

fn set(body: &mut Value, key: &str, value: Value) {
    if let Some(fields) = body.as_object_mut() {
        fields.insert(key.to_owned(), value);
    }
}

/// As GHL writes times: three digits and `Z`.
fn millis(at: Timestamp) -> String {
    format!("{at:.3}")
}
