//! What the page shows together.

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
}
