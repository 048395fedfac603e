//! What each kind contains: one table, from which content is checked, documented, sorted and searched.

use super::kind::Kind;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) about: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Text that must be there and not empty.
    Title,
    Text,
    /// Text that is empty when left out.
    Body,
    /// RFC 3339 where it could be understood, any text otherwise.
    Moment,
    /// The key of another object.
    Key,
    /// True, false or left out.
    Flag,
    /// False when left out.
    FlagAlways,
    Texts,
    CustomFields,
}

const fn field(name: &'static str, shape: Shape, about: &'static str) -> Field {
    Field { name, shape, about }
}

/// What an object of a kind may contain, and which of it the page sorts and searches by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schema {
    /// In the order of their names.
    pub(crate) fields: &'static [Field],
    pub(crate) time: Time,
    /// The flag that decides where the page shows it.
    pub(crate) flag: Option<&'static str>,
    /// The fields that searches look through; empty for objects that are found by their container.
    pub(crate) search: &'static [&'static str],
}

/// The fields that say when something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Time {
    Never,
    /// When it is due.
    Due(&'static str),
    /// When it was.
    At(&'static str),
    /// From when to when, in a time zone of its own.
    Range(&'static str, &'static str),
}

impl Time {
    /// The field that the page sorts by.
    pub(super) fn field(self) -> Option<&'static str> {
        match self {
            Self::Never => None,
            Self::Due(field) | Self::At(field) | Self::Range(field, _) => Some(field),
        }
    }
}

pub(crate) fn schema(kind: Kind) -> &'static Schema {
    match kind {
        Kind::Contact => &Schema { fields: &CONTACT, time: Time::Never, flag: None, search: &["name", "company", "email", "phone"] },
        Kind::Project => &Schema { fields: &PROJECT, time: Time::Never, flag: None, search: &["title"] },
        Kind::Task => &Schema { fields: &TASK, time: Time::Due("due"), flag: Some("done"), search: &[] },
        Kind::Note => &Schema { fields: &NOTE, time: Time::At("written_at"), flag: Some("pinned"), search: &[] },
        Kind::Appointment => &Schema { fields: &APPOINTMENT, time: Time::Range("starts_at", "ends_at"), flag: None, search: &[] },
    }
}

pub(crate) fn fields(kind: Kind) -> &'static [Field] {
    schema(kind).fields
}

const CONTAINER: &str = "The key of the contact or project that holds it; it may arrive later. Left out: the object's contact.";

const CONTACT: [Field; 17] = [
    field("address", Shape::Text, "Lines as on an envelope."),
    field("attachments", Shape::Texts, "The addresses of files."),
    field("birthday", Shape::Text, "A date."),
    field("company", Shape::Text, "The company."),
    field("custom_fields", Shape::CustomFields, "Further fields, as a person reads them."),
    field("do_not_disturb", Shape::Flag, "Whether the person asked not to be contacted."),
    field("do_not_disturb_on", Shape::Texts, "The channels on which the person asked not to be contacted."),
    field("email", Shape::Text, "The e-mail address."),
    field("further_emails", Shape::Texts, "E-mail addresses beside the first one."),
    field("further_phones", Shape::Texts, "Phone numbers beside the first one, perhaps with what they are called in brackets."),
    field("name", Shape::Title, "What a person calls the contact."),
    field("owner", Shape::Text, "The name of the user who looks after the contact."),
    field("phone", Shape::Text, "The phone number."),
    field("source", Shape::Text, "Where the contact came from."),
    field("tags", Shape::Texts, "Keywords."),
    field("time_zone", Shape::Text, "The contact's IANA time zone."),
    field("website", Shape::Text, "The website."),
];

const PROJECT: [Field; 3] = [
    field("container", Shape::Key, "The key of the contact that the project is about. Left out: the object's contact."),
    field("notes", Shape::Text, "Text."),
    field("title", Shape::Title, "The title."),
];

const TASK: [Field; 7] = [
    field("assignee", Shape::Text, "The name of the user who does it."),
    field("container", Shape::Key, CONTAINER),
    field("done", Shape::FlagAlways, "Whether it is done."),
    field("due", Shape::Moment, "When it is due. Left out: someday."),
    field("notes", Shape::Text, "Text."),
    field("time_zone", Shape::Text, "The IANA time zone in which it is due; UTC where it has none."),
    field("title", Shape::Title, "The title."),
];

const NOTE: [Field; 7] = [
    field("attachments", Shape::Texts, "The addresses of files."),
    field("author", Shape::Text, "The name of the user who wrote it."),
    field("body", Shape::Body, "Text."),
    field("container", Shape::Key, CONTAINER),
    field("pinned", Shape::FlagAlways, "Whether it stands above the others."),
    field("title", Shape::Title, "The title."),
    field("written_at", Shape::Moment, "When it was written."),
];

const APPOINTMENT: [Field; 10] = [
    field("assignee", Shape::Text, "The name of the user who attends."),
    field("calendar", Shape::Text, "The name of the calendar."),
    field("container", Shape::Key, CONTAINER),
    field("ends_at", Shape::Moment, "When it ends."),
    field("notes", Shape::Text, "Text."),
    field("place", Shape::Text, "Where: an address, a phone number or a link."),
    field("starts_at", Shape::Moment, "When it starts."),
    field("status", Shape::Text, "For instance confirmed or cancelled."),
    field("time_zone", Shape::Text, "The IANA time zone it is shown in."),
    field("title", Shape::Title, "The title."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_in_the_order_of_their_names() {
        for kind in Kind::ALL {
            let names: Vec<&str> = fields(kind).iter().map(|field| field.name).collect();
            assert!(names.is_sorted(), "{kind:?}");
        }
    }

    #[test]
    fn a_kind_has_one_title_and_sorts_and_searches_by_fields_that_it_has() {
        for kind in Kind::ALL {
            let Schema { fields, time, flag, search } = schema(kind);
            assert_eq!(fields.iter().filter(|field| field.shape == Shape::Title).count(), 1, "{kind:?}");
            for name in time.field().iter().chain(flag).chain(*search) {
                assert!(fields.iter().any(|field| field.name == *name), "{kind:?} {name}");
            }
        }
    }
}
