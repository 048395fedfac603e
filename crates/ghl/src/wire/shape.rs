//! What each shape of GHL's answers speaks of.
//!
//! A field that an answer mentions is known by it, also as null or as an empty text. A field that it does not mention is empty only where
//! the answer speaks of it: GHL leaves out what is empty in the shapes below, in these fields. About everything else the absence of a
//! field says nothing: what is known stays.
//!
//! | shape | speaks of, mentioned or not | has been seen without |
//! |---|---|---|
//! | contact by id | parts of the name, e-mail, phone, company, address, website, time zone, source, birthday, owner, business | `name`, `dnd` beside `dndSettings`; channels, further addresses and files |
//! | row of the search | nothing | `name`, time zone, `dndSettings`, further numbers; all that is empty |
//! | row of the older list | nothing | `dateUpdated`, names of the nameless |
//! | task of a contact | title, text, due time, whether it is done, owner | |
//! | row of the search for tasks | nothing: it is not published | |
//! | note of a contact | title, text, author, colour, whether it is pinned | |
//! | appointment of a contact | title, owner | place, notes, times of the entry |
//! | appointment of a calendar, by id | title, owner, place, notes | |
//! | webhook | nothing: it is not believed | |

/// A shape of GHL's answers; the older list and webhooks are not read into records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    ContactById,
    /// Also of the search for one address or number, and what is answered to changes.
    ContactRow,
    TaskOfContact,
    TaskRow,
    NoteOfContact,
    AppointmentOfContact,
    /// Also one by its id.
    AppointmentOfCalendar,
}

impl Shape {
    /// The fields of the record that are empty where the answer does not mention them.
    pub(super) fn speaks_of(self) -> &'static [&'static str] {
        match self {
            Self::ContactById => &[
                "first_name",
                "last_name",
                "email",
                "phone",
                "company",
                "street",
                "city",
                "state",
                "postal_code",
                "country",
                "website",
                "time_zone",
                "source",
                "date_of_birth",
                "assigned_to",
                "business_id",
            ],
            Self::ContactRow | Self::TaskRow => &[],
            Self::TaskOfContact => &["title", "body", "due_at", "done", "assigned_to"],
            Self::NoteOfContact => &["title", "body", "user_id", "color", "pinned"],
            Self::AppointmentOfContact => &["title", "assigned_to"],
            Self::AppointmentOfCalendar => &["title", "assigned_to", "place", "notes"],
        }
    }
}
