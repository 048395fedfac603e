//! The kinds of objects in a Pagico workspace, and what each is called.

/// What kind of thing an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Contact,
    Project,
    Task,
    Note,
    Appointment,
}

struct Names {
    singular: &'static str,
    plural: &'static str,
    article: &'static str,
    schema: &'static str,
    heading: &'static str,
}

impl Names {
    fn new(singular: &'static str, plural: &'static str, article: &'static str, schema: &'static str, heading: &'static str) -> Self {
        Self { singular, plural, article, schema, heading }
    }
}

impl Kind {
    pub(crate) const ALL: [Self; 5] = [Self::Contact, Self::Project, Self::Task, Self::Note, Self::Appointment];

    fn names(self) -> Names {
        match self {
            Self::Contact => Names::new("contact", "contacts", "a contact", "Contact", "Contacts"),
            Self::Project => Names::new("project", "projects", "a project", "Project", "Projects"),
            Self::Task => Names::new("task", "tasks", "a task", "Task", "Tasks"),
            Self::Note => Names::new("note", "notes", "a note", "Note", "Notes"),
            Self::Appointment => Names::new("appointment", "appointments", "an appointment", "Appointment", "Appointments"),
        }
    }

    /// The name in JSON and in the database.
    pub(crate) fn as_str(self) -> &'static str {
        self.names().singular
    }

    /// The name in paths.
    pub(crate) fn plural(self) -> &'static str {
        self.names().plural
    }

    /// The name in sentences.
    pub(crate) fn article(self) -> &'static str {
        self.names().article
    }

    /// The name of its schema in the OpenAPI document.
    pub(crate) fn schema(self) -> &'static str {
        self.names().schema
    }

    /// The heading of a list.
    pub(crate) fn heading(self) -> &'static str {
        self.names().heading
    }

    pub(crate) fn parse(kind: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == kind)
    }

    /// Whether it holds other objects.
    pub(crate) fn is_container(self) -> bool {
        matches!(self, Self::Contact | Self::Project)
    }

    /// Every kind, as in "a, b or c".
    pub(crate) fn any() -> String {
        let [others @ .., last] = Self::ALL.map(Self::as_str);
        format!("{} or {last}", others.join(", "))
    }
}
