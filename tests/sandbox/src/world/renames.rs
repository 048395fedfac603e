//! What people rename in a location: users, calendars and custom fields. Nobody is told; the next list has the new name.

use super::{World, lock};
use crate::{
    Refusal,
    records::{Calendar, CustomField, User},
};

impl World {
    /// Gives a user, calendar or custom field another name. A user's last word is the last name.
    pub fn rename(&self, id: &str, name: &str) -> Result<(), Refusal> {
        let premises = self.premises();
        let is_known = premises.users.contains_key(id) || premises.calendars.contains_key(id) || premises.custom_fields.contains_key(id);
        if !is_known {
            return Err(Refusal::not_found("User, calendar or custom field", id));
        }
        lock(&self.0.renamed).insert(id.to_owned(), name.to_owned());
        Ok(())
    }

    /// Users as they are called now.
    pub(crate) fn users(&self) -> Vec<User> {
        let renamed = lock(&self.0.renamed);
        let users = self.premises().users.values().cloned().map(|mut user| {
            if let Some(name) = renamed.get(&user.id) {
                let (first, last) = name.rsplit_once(' ').unwrap_or((name, ""));
                (user.first_name, user.last_name) = (first.to_owned(), last.to_owned());
            }
            user
        });
        users.collect()
    }

    /// Calendars as they are called now.
    pub(crate) fn calendars(&self) -> Vec<Calendar> {
        let renamed = lock(&self.0.renamed);
        let calendars = self.premises().calendars.values().cloned().map(|mut calendar| {
            if let Some(name) = renamed.get(&calendar.id) {
                calendar.name.clone_from(name);
            }
            calendar
        });
        calendars.collect()
    }

    /// Custom fields as they are called now. Their keys stay.
    pub(crate) fn custom_fields(&self) -> Vec<CustomField> {
        let renamed = lock(&self.0.renamed);
        let fields = self.premises().custom_fields.values().cloned().map(|mut field| {
            if let Some(name) = renamed.get(&field.id) {
                field.name.clone_from(name);
            }
            field
        });
        fields.collect()
    }
}
