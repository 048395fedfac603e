//! GHL's JSON read into records of `domain`: both spellings, `id` or `_id`, and whatever is missing, null, empty or of another type.
//!
//! Answers are read field by field, so that one malformed value does not cost the record, nor one malformed record the listing.

mod contact;
mod fields;
mod further;
mod list;
mod names;
mod page;
mod reader;
mod record;
mod rows;
mod shape;
mod unreadable;
mod written;

pub(crate) use self::contact::contact;
pub(crate) use self::fields::count;
pub use self::list::Listed;
pub(crate) use self::list::list;
pub use self::names::{CustomFields, Location};
pub(crate) use self::names::{custom_fields, location, names};
pub(crate) use self::page::page;
pub use self::page::{Page, Row};
pub(crate) use self::record::{appointment_by_id, contact_of, single};
pub(crate) use self::rows::records;
pub use self::rows::{RecordPage, RecordRow};
pub use self::unreadable::UnreadableRow;
pub use self::written::{WrittenContact, WrittenRecord};
pub(crate) use self::written::{as_task, failed, found_contact, tags_left, written_contact, written_record};

#[cfg(test)]
mod tests;
