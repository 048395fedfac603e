//! The kinds of objects in a Pagico workspace.

/// What kind of thing an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Contact,
    Project,
    Task,
    Note,
    Appointment,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] = [Self::Contact, Self::Project, Self::Task, Self::Note, Self::Appointment];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Contact => "contact",
            Self::Project => "project",
            Self::Task => "task",
            Self::Note => "note",
            Self::Appointment => "appointment",
        }
    }

    /// As in paths.
    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::Contact => "contacts",
            Self::Project => "projects",
            Self::Task => "tasks",
            Self::Note => "notes",
            Self::Appointment => "appointments",
        }
    }

    /// As in sentences.
    pub(crate) fn article(self) -> &'static str {
        match self {
            Self::Contact => "a contact",
            Self::Project => "a project",
            Self::Task => "a task",
            Self::Note => "a note",
            Self::Appointment => "an appointment",
        }
    }

    pub(crate) fn parse(kind: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == kind)
    }
}
