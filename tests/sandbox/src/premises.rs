//! What a location is before anybody works in it.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use crate::records::{Calendar, CustomField, User};

/// What a location is before anybody works in it.
#[derive(Clone, Debug)]
pub(crate) struct Premises {
    pub(crate) location_id: String,
    pub(crate) company_id: String,
    pub(crate) name: String,
    pub(crate) zone_name: String,
    pub(crate) zone: TimeZone,
    pub(crate) allow_duplicate_contact: bool,
    pub(crate) users: BTreeMap<String, User>,
    pub(crate) calendars: BTreeMap<String, Calendar>,
    pub(crate) custom_fields: BTreeMap<String, CustomField>,
}
