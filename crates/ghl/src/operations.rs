//! Every operation of GHL's API that is used here: the one place that says how each is called.

use std::fmt;

/// One operation: what the typed calls and the calls by name are both made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// How it is named in metrics, on the command line and by [`crate::Client::call`], for instance `get-contact`.
    pub name: &'static str,
    /// One sentence.
    pub about: &'static str,
    pub method: Method,
    /// As in the vendor's OpenAPI files, with `{…}` for what is filled in.
    pub path: &'static str,
    pub(crate) family: Family,
    pub area: Area,
    /// Whether it changes something at GHL.
    pub writes: bool,
    /// Those in the path come first, in the order of the path.
    pub arguments: &'static [Argument],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
    Put,
    Delete,
}

/// Which `Version` header an operation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Contacts,
    Locations,
    Users,
    Calendars,
    Businesses,
}

/// What of a location an operation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Area {
    Contacts,
    Tasks,
    Notes,
    Appointments,
    Calendars,
    Users,
    CustomFields,
    Location,
    Tags,
    Businesses,
}

impl Area {
    pub const ALL: [Self; 10] = [
        Self::Contacts,
        Self::Tasks,
        Self::Notes,
        Self::Appointments,
        Self::Calendars,
        Self::Users,
        Self::CustomFields,
        Self::Location,
        Self::Tags,
        Self::Businesses,
    ];

    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Contacts => "contacts",
            Self::Tasks => "tasks",
            Self::Notes => "notes",
            Self::Appointments => "appointments",
            Self::Calendars => "calendars",
            Self::Users => "users",
            Self::CustomFields => "custom_fields",
            Self::Location => "location",
            Self::Tags => "tags",
            Self::Businesses => "businesses",
        }
    }
}

impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An argument of an operation, under GHL's own name for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argument {
    pub name: &'static str,
    pub kind: Kind,
    pub needed: bool,
    pub part: RequestPart,
}

/// The part of a request that carries an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestPart {
    Path,
    Query,
    Body,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Number,
    Flag,
    /// A list of texts.
    Texts,
    /// Any JSON value.
    Json,
    /// The client's own location, which it fills in by itself.
    Location,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Flag => "true or false",
            Self::Texts => "list of texts",
            Self::Json => "JSON",
            Self::Location => "location",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Operation {
    pub fn named(name: &str) -> Option<&'static Self> {
        OPERATIONS.iter().copied().find(|operation| operation.name == name)
    }

    /// The deprecated list of contacts, which GHL's v3 does not have.
    pub fn is_legacy(&self) -> bool {
        self.name == LIST_CONTACTS.name
    }

    /// The scope that a token needs for it, by GHL's name.
    pub fn scope(&self) -> &'static str {
        match (self.family, self.area, self.writes) {
            (Family::Contacts, _, false) => "contacts.readonly",
            (Family::Contacts, _, true) => "contacts.write",
            (Family::Locations, Area::Tasks, _) => "locations/tasks.readonly",
            (Family::Locations, Area::CustomFields, _) => "locations/customFields.readonly",
            (Family::Locations, Area::Tags, _) => "locations/tags.readonly",
            (Family::Locations, _, _) => "locations.readonly",
            (Family::Users, _, _) => "users.readonly",
            (Family::Calendars, Area::Calendars, _) => "calendars.readonly",
            (Family::Calendars, _, _) => "calendars/events.readonly",
            (Family::Businesses, _, _) => "businesses.readonly",
        }
    }

    /// The arguments that the caller gives: all but the location.
    pub fn wanted(&self) -> impl Iterator<Item = &'static Argument> {
        self.arguments.iter().filter(|argument| argument.kind != Kind::Location)
    }

    pub(crate) fn names_location(&self, part: RequestPart) -> bool {
        self.arguments.iter().any(|argument| argument.kind == Kind::Location && argument.part == part)
    }
}

const fn path(name: &'static str) -> Argument {
    Argument { name, kind: Kind::Text, needed: true, part: RequestPart::Path }
}

const fn query(name: &'static str, kind: Kind) -> Argument {
    Argument { name, kind, needed: false, part: RequestPart::Query }
}

const fn body(name: &'static str, kind: Kind) -> Argument {
    Argument { name, kind, needed: false, part: RequestPart::Body }
}

const fn needed(argument: Argument) -> Argument {
    Argument { needed: true, ..argument }
}

const CONTACT: Argument = path("contactId");
const HERE: Argument = Argument { kind: Kind::Location, ..path("locationId") };
const QUERY_HERE: Argument = query("locationId", Kind::Location);
const BODY_HERE: Argument = body("locationId", Kind::Location);

macro_rules! operations {
    ($($constant:ident = $name:literal, $method:ident $path:literal, $family:ident $area:ident, $writes:literal, $about:literal, $arguments:expr;)+) => {
        $(pub(crate) const $constant: &Operation = &Operation {
            name: $name,
            about: $about,
            method: Method::$method,
            path: $path,
            family: Family::$family,
            area: Area::$area,
            writes: $writes,
            arguments: $arguments,
        };)+

        /// All of them, reads first.
        pub const OPERATIONS: &[&Operation] = &[$($constant),+];
    };
}

operations! {
    GET_CONTACT = "get-contact", Get "/contacts/{contactId}", Contacts Contacts, false, "Shows a contact.", &[CONTACT];
    SEARCH_CONTACTS = "search-contacts", Post "/contacts/search", Contacts Contacts, false, "Searches contacts; lags behind by seconds.", &[BODY_HERE,
        needed(body("pageLimit", Kind::Number)), body("query", Kind::Text), body("filters", Kind::Json), body("sort", Kind::Json),
        body("searchAfter", Kind::Json), body("page", Kind::Number)
    ];
    FIND_DUPLICATE = "find-duplicate", Get "/contacts/search/duplicate", Contacts Contacts, false, "Finds the contact that has an e-mail address or a number.",
        &[QUERY_HERE, query("email", Kind::Text), query("number", Kind::Text)];
    LIST_CONTACTS = "list-contacts", Get "/contacts/", Contacts Contacts, false, "Lists contacts by the deprecated list; only where legacy_contact_list is on.", &[QUERY_HERE,
        query("limit", Kind::Number), query("startAfter", Kind::Number), query("startAfterId", Kind::Text), query("query", Kind::Text)
    ];
    LIST_BUSINESS_CONTACTS = "list-business-contacts", Get "/contacts/business/{businessId}", Contacts Contacts, false, "Lists the contacts of a business.",
        &[path("businessId"), QUERY_HERE, query("limit", Kind::Number), query("skip", Kind::Number), query("query", Kind::Text)];
    LIST_TASKS = "list-tasks", Get "/contacts/{contactId}/tasks", Contacts Tasks, false, "Lists the tasks of a contact.", &[CONTACT];
    GET_TASK = "get-task", Get "/contacts/{contactId}/tasks/{taskId}", Contacts Tasks, false, "Shows a task.", &[CONTACT, path("taskId")];
    SEARCH_TASKS = "search-tasks", Post "/locations/{locationId}/tasks/search", Locations Tasks, false, "Searches the tasks of the location.", &[HERE,
        body("limit", Kind::Number), body("skip", Kind::Number), body("contactId", Kind::Texts), body("completed", Kind::Flag),
        body("assignedTo", Kind::Texts), body("query", Kind::Text), body("businessId", Kind::Text)
    ];
    LIST_NOTES = "list-notes", Get "/contacts/{contactId}/notes", Contacts Notes, false, "Lists the notes of a contact.", &[CONTACT];
    GET_NOTE = "get-note", Get "/contacts/{contactId}/notes/{id}", Contacts Notes, false, "Shows a note.", &[CONTACT, path("id")];
    LIST_APPOINTMENTS = "list-appointments", Get "/contacts/{contactId}/appointments", Contacts Appointments, false, "Lists the appointments of a contact.",
        &[CONTACT];
    GET_APPOINTMENT = "get-appointment", Get "/calendars/events/appointments/{eventId}", Calendars Appointments, false, "Shows an appointment.",
        &[path("eventId")];
    LIST_EVENTS = "list-events", Get "/calendars/events", Calendars Appointments, false,
        "Lists the appointments that start in a time span (epoch milliseconds), of a calendar, a user or a group.", &[QUERY_HERE,
        needed(query("startTime", Kind::Text)), needed(query("endTime", Kind::Text)), query("calendarId", Kind::Text),
        query("userId", Kind::Text), query("groupId", Kind::Text)
    ];
    LIST_CALENDARS = "list-calendars", Get "/calendars/", Calendars Calendars, false, "Lists the calendars of the location.",
        &[QUERY_HERE, query("groupId", Kind::Text), query("showDrafted", Kind::Flag)];
    LIST_USERS = "list-users", Get "/users/search", Users Users, false, "Lists the users of the location.", &[QUERY_HERE,
        needed(query("companyId", Kind::Text)), query("limit", Kind::Number), query("skip", Kind::Number), query("query", Kind::Text)
    ];
    GET_USER = "get-user", Get "/users/{userId}", Users Users, false, "Shows a user.", &[path("userId")];
    GET_LOCATION = "get-location", Get "/locations/{locationId}", Locations Location, false, "Shows the location, its time zone and settings.", &[HERE];
    LIST_CUSTOM_FIELDS = "list-custom-fields", Get "/locations/{locationId}/customFields", Locations CustomFields, false, "Lists the custom fields of the location.",
        &[HERE, query("model", Kind::Text)];
    LIST_TAGS = "list-tags", Get "/locations/{locationId}/tags", Locations Tags, false, "Lists the tags of the location.", &[HERE];
    LIST_BUSINESSES = "list-businesses", Get "/businesses/", Businesses Businesses, false, "Lists the businesses of the location.",
        &[QUERY_HERE, query("limit", Kind::Number), query("skip", Kind::Number)];
    GET_BUSINESS = "get-business", Get "/businesses/{businessId}", Businesses Businesses, false, "Shows a business.", &[path("businessId")];

    CREATE_CONTACT = "create-contact", Post "/contacts/", Contacts Contacts, true, "Creates a contact.", &[BODY_HERE,
        body("firstName", Kind::Text), body("lastName", Kind::Text), body("name", Kind::Text), body("email", Kind::Text),
        body("phone", Kind::Text), body("companyName", Kind::Text), body("gender", Kind::Text), body("address1", Kind::Text),
        body("city", Kind::Text), body("state", Kind::Text), body("postalCode", Kind::Text), body("country", Kind::Text),
        body("website", Kind::Text), body("timezone", Kind::Text), body("dateOfBirth", Kind::Text), body("source", Kind::Text),
        body("assignedTo", Kind::Text), body("dnd", Kind::Flag), body("dndSettings", Kind::Json),
        body("inboundDndSettings", Kind::Json), body("tags", Kind::Texts), body("customFields", Kind::Json)
    ];
    UPDATE_CONTACT = "update-contact", Put "/contacts/{contactId}", Contacts Contacts, true,
        "Changes fields of a contact; `tags` replaces all tags.", &[
        CONTACT, body("firstName", Kind::Text), body("lastName", Kind::Text), body("name", Kind::Text), body("email", Kind::Text),
        body("phone", Kind::Text), body("address1", Kind::Text), body("city", Kind::Text), body("state", Kind::Text),
        body("postalCode", Kind::Text), body("country", Kind::Text), body("website", Kind::Text), body("timezone", Kind::Text),
        body("dateOfBirth", Kind::Text), body("source", Kind::Text), body("assignedTo", Kind::Text), body("dnd", Kind::Flag),
        body("dndSettings", Kind::Json), body("inboundDndSettings", Kind::Json), body("tags", Kind::Texts), body("customFields", Kind::Json)
    ];
    DELETE_CONTACT = "delete-contact", Delete "/contacts/{contactId}", Contacts Contacts, true, "Deletes a contact.", &[CONTACT];
    ADD_TAGS = "add-tags", Post "/contacts/{contactId}/tags", Contacts Contacts, true, "Adds tags to a contact.", &[CONTACT, needed(body("tags", Kind::Texts))];
    REMOVE_TAGS = "remove-tags", Delete "/contacts/{contactId}/tags", Contacts Contacts, true, "Takes tags from a contact.",
        &[CONTACT, needed(body("tags", Kind::Texts))];
    CREATE_TASK = "create-task", Post "/contacts/{contactId}/tasks", Contacts Tasks, true, "Creates a task.", &[
        CONTACT, needed(body("title", Kind::Text)), needed(body("dueDate", Kind::Text)), needed(body("completed", Kind::Flag)),
        body("body", Kind::Text), body("assignedTo", Kind::Text)
    ];
    UPDATE_TASK = "update-task", Put "/contacts/{contactId}/tasks/{taskId}", Contacts Tasks, true, "Changes fields of a task.", &[
        CONTACT, path("taskId"), body("title", Kind::Text), body("dueDate", Kind::Text), body("completed", Kind::Flag),
        body("body", Kind::Text), body("assignedTo", Kind::Text)
    ];
    COMPLETE_TASK = "complete-task", Put "/contacts/{contactId}/tasks/{taskId}/completed", Contacts Tasks, true, "Says whether a task is done.",
        &[CONTACT, path("taskId"), needed(body("completed", Kind::Flag))];
    DELETE_TASK = "delete-task", Delete "/contacts/{contactId}/tasks/{taskId}", Contacts Tasks, true, "Deletes a task.", &[CONTACT, path("taskId")];
    CREATE_NOTE = "create-note", Post "/contacts/{contactId}/notes", Contacts Notes, true, "Creates a note.", &[
        CONTACT, needed(body("body", Kind::Text)), body("userId", Kind::Text), body("title", Kind::Text), body("color", Kind::Text),
        body("pinned", Kind::Flag)
    ];
    UPDATE_NOTE = "update-note", Put "/contacts/{contactId}/notes/{id}", Contacts Notes, true, "Changes fields of a note.", &[
        CONTACT, path("id"), body("body", Kind::Text), body("userId", Kind::Text), body("title", Kind::Text), body("color", Kind::Text),
        body("pinned", Kind::Flag)
    ];
    DELETE_NOTE = "delete-note", Delete "/contacts/{contactId}/notes/{id}", Contacts Notes, true, "Deletes a note.", &[CONTACT, path("id")];
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_operation_has_a_name_of_its_own_and_says_what_its_path_needs() {
        let names: BTreeSet<&str> = OPERATIONS.iter().map(|operation| operation.name).collect();
        assert_eq!(names.len(), OPERATIONS.len());
        for operation in OPERATIONS {
            let in_path = operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
            let in_path: Vec<&str> = in_path.collect();
            let of_path = operation.arguments.iter().filter(|argument| argument.part == RequestPart::Path);
            assert_eq!(of_path.map(|argument| argument.name).collect::<Vec<_>>(), in_path, "{}", operation.name);
            assert_eq!(Operation::named(operation.name), Some(*operation));
        }
    }

    #[test]
    fn reads_never_put_or_delete() {
        for operation in OPERATIONS.iter().filter(|operation| !operation.writes) {
            let searches = operation.path.ends_with("/search");
            assert_eq!(operation.method, if searches && operation.family != Family::Users { Method::Post } else { Method::Get });
        }
    }
}
