//! What the page shows together: which objects, in which order, under which name.

use crate::object::Kind;

/// What is shown together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Projects,
    OpenTasks,
    DoneTasks,
    Notes,
    /// Appointments that have not begun.
    Upcoming,
    /// Appointments that have begun, or have no time that could be understood.
    Past,
}

impl Section {
    pub(crate) const ALL: [Self; 6] = [Self::Projects, Self::OpenTasks, Self::DoneTasks, Self::Notes, Self::Upcoming, Self::Past];

    pub(super) fn condition(self) -> &'static str {
        match self {
            Self::Projects => "kind = 'project' AND $3::bigint IS NOT NULL",
            Self::OpenTasks => "kind = 'task' AND NOT flag AND $3::bigint IS NOT NULL",
            Self::DoneTasks => "kind = 'task' AND flag AND $3::bigint IS NOT NULL",
            Self::Notes => "kind = 'note' AND $3::bigint IS NOT NULL",
            Self::Upcoming => "kind = 'appointment' AND at >= $3",
            Self::Past => "kind = 'appointment' AND (at < $3 OR at IS NULL)",
        }
    }

    pub(super) fn order(self) -> &'static str {
        match self {
            Self::Projects => "sort, key",
            Self::OpenTasks | Self::Upcoming => "at NULLS LAST, sort, key",
            Self::DoneTasks | Self::Past => "at DESC NULLS LAST, key",
            Self::Notes => "flag DESC, at DESC NULLS LAST, key",
        }
    }

    /// Its name in the page's address.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Projects => "projects",
            Self::OpenTasks => "tasks",
            Self::DoneTasks => "done",
            Self::Notes => "notes",
            Self::Upcoming => "upcoming",
            Self::Past => "past",
        }
    }

    /// Its heading.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Projects => "Projects",
            Self::OpenTasks => "Tasks",
            Self::DoneTasks => "Done",
            Self::Notes => "Notes",
            Self::Upcoming => "Appointments",
            Self::Past => "Past appointments",
        }
    }

    /// The text of an empty section in a container of this kind; none hides the section.
    pub(crate) fn empty(self, container: Option<Kind>) -> Option<&'static str> {
        match (self, container?) {
            (Self::OpenTasks, _) => Some("Nothing to do."),
            (Self::Notes, _) => Some("No notes."),
            (Self::Upcoming, Kind::Contact) => Some("No appointments ahead."),
            (Self::Projects | Self::DoneTasks | Self::Upcoming | Self::Past, _) => None,
        }
    }

    /// Whether it shows what is done or over.
    pub(crate) fn is_over(self) -> bool {
        matches!(self, Self::DoneTasks | Self::Past)
    }
}
