//! What has a name in a location: the location itself, its custom fields, calendars and users.

use std::collections::BTreeMap;

use super::Client;
use crate::Error;
use crate::operations as op;
use crate::wire::{self, CustomFields, Location};

/// The most pages of a list of names that are read.
const NAME_PAGES_MAX: u32 = 50;
const NAMES_PER_PAGE: u32 = 100;

impl Client {
    /// The location's own settings: its time zone and its company.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn location(&self) -> Result<Location, Error> {
        let answer = self.get(op::GET_LOCATION, &[]).await?;
        Ok(answer.try_map(|body| wire::location(&body))?.value)
    }

    /// The custom fields of contacts.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn custom_fields(&self) -> Result<CustomFields, Error> {
        let answer = self.query(op::LIST_CUSTOM_FIELDS, &[], vec![("model", "contact".to_owned())]).await?;
        Ok(wire::custom_fields(&answer.value))
    }

    /// Names of calendars by id.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn calendars(&self) -> Result<BTreeMap<String, String>, Error> {
        let answer = self.get(op::LIST_CALENDARS, &[]).await?;
        Ok(wire::names(&answer.value, "calendars"))
    }

    /// Names of the location's users by id.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn users(&self, company_id: &str) -> Result<BTreeMap<String, String>, Error> {
        let mut users = BTreeMap::new();
        for page in 0..NAME_PAGES_MAX {
            let query = vec![
                ("companyId", company_id.to_owned()),
                ("limit", NAMES_PER_PAGE.to_string()),
                ("skip", (page * NAMES_PER_PAGE).to_string()),
            ];
            let answer = self.query(op::LIST_USERS, &[], query).await?;
            let before = users.len();
            users.extend(wire::names(&answer.value, "users"));
            let all = wire::count(&answer.value).is_some_and(|count| users.len() as u64 >= count);
            if all || users.len() == before {
                break;
            }
        }
        Ok(users)
    }
}
