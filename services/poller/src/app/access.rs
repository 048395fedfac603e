//! What GHL answers, refuses for want of a scope and fails to answer, as every call shows it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::{LocationId, RecordKind};
use ghl::{Area, Call, Operation, Reply};
use jiff::Timestamp;

/// How calls are answered, by location. A refusal concerns a scope in one area; others of the same scope may be answered.
#[derive(Default)]
pub(crate) struct Access(Mutex<BTreeMap<LocationId, BTreeMap<Need, Standing>>>);

/// An area, and the scope that is needed in it.
pub(crate) type Need = (Area, &'static str);

/// What is mirrored needs these.
pub(crate) const NEEDED: [Need; 10] = [
    (Area::Location, "locations.readonly"),
    (Area::Users, "users.readonly"),
    (Area::CustomFields, "locations/customFields.readonly"),
    (Area::Calendars, "calendars.readonly"),
    (Area::Contacts, "contacts.readonly"),
    (Area::Tasks, "locations/tasks.readonly"),
    (Area::Tasks, "contacts.readonly"),
    (Area::Notes, "contacts.readonly"),
    (Area::Appointments, "contacts.readonly"),
    (Area::Appointments, "calendars/events.readonly"),
];

pub(crate) fn need_of(operation: &Operation) -> Need {
    (operation.area, operation.scope())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Answered,
    /// For want of the scope, as far as GHL says.
    Refused {
        since: Timestamp,
    },
    /// No answer, or none of GHL's own.
    Failing {
        since: Timestamp,
    },
}

/// Why nothing of a location is asked for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pause {
    /// GHL refuses its token.
    Token,
    /// It is switched off at GHL.
    Inactive,
}

impl Access {
    /// Takes a call to GHL into account.
    pub(crate) fn note(&self, call: &Call<'_>) {
        if call.operation.writes {
            return;
        }
        let mut locations = self.lock();
        let needs = locations.entry(call.location_id.clone()).or_default();
        let before = needs.get(&need_of(call.operation)).copied();
        let now = Timestamp::now();
        let standing = match (call.reply, before) {
            (Reply::Given, _) => Standing::Answered,
            (Reply::Forbidden, Some(Standing::Refused { since })) => Standing::Refused { since },
            (Reply::Forbidden, _) => Standing::Refused { since: now },
            (Reply::Failed, None | Some(Standing::Answered)) => Standing::Failing { since: now },
            // What was refused or failed before still is, as far as is known. A refused token says nothing of an area.
            (Reply::Failed | Reply::Other, _) => return,
        };
        needs.insert(need_of(call.operation), standing);
    }

    /// What is known of a location. Nothing is known of what was not asked.
    pub(crate) fn of(&self, location_id: &LocationId) -> BTreeMap<Need, Standing> {
        self.lock().get(location_id).cloned().unwrap_or_default()
    }

    /// What GHL does not answer in a location.
    pub(crate) fn unanswered(&self, location_id: &LocationId) -> BTreeSet<Need> {
        self.of(location_id).into_iter().filter(|(_, standing)| *standing != Standing::Answered).map(|(need, _)| need).collect()
    }

    /// Forgets a location whose lease is not held here any more.
    pub(crate) fn forget(&self, location_id: &LocationId) {
        self.lock().remove(location_id);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<LocationId, BTreeMap<Need, Standing>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is not mirrored, or not as soon, while these of one area are refused. The lists of a contact weigh more than the search of all.
pub(crate) fn cost(refused: &[Need]) -> &'static str {
    match refused {
        [] => "",
        [(Area::Contacts, _), ..] => "contacts are not mirrored",
        [(Area::Tasks, "locations/tasks.readonly")] => "changes of tasks are found only with a look at their contact",
        [(Area::Tasks, _), ..] => "tasks are not mirrored",
        [(Area::Notes, _), ..] => "notes are not mirrored",
        [(Area::Appointments, "calendars/events.readonly")] => "appointments are found only with a look at their contact",
        [(Area::Appointments, _)] => "the appointments of a contact are not read",
        [(Area::Appointments, _), ..] => "appointments are not mirrored",
        [(Area::Calendars, _), ..] => "appointments are found only with a look at their contact, and calendars show as ids",
        [(Area::Users, _), ..] => "users show as ids",
        [(Area::CustomFields, _), ..] => "custom fields show as ids",
        [(Area::Location, _), ..] => "the time zone is not known, so that local times stay texts, and users show as ids",
        [(Area::Tags | Area::Businesses, _), ..] => "nothing that is mirrored",
    }
}

/// The area of the lists of a kind of record.
pub(crate) fn area_of(kind: RecordKind) -> Area {
    match kind {
        RecordKind::Contact => Area::Contacts,
        RecordKind::Task => Area::Tasks,
        RecordKind::Note => Area::Notes,
        RecordKind::Appointment => Area::Appointments,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn note(access: &Access, name: &str, reply: Reply) {
        let (location_id, operation) = (LocationId::new("loc").unwrap(), Operation::named(name).unwrap());
        let elapsed = Duration::ZERO;
        access.note(&Call {
            location_id: &location_id,
            operation,
            reply,
            status: None,
            elapsed,
            remaining: None,
            remaining_today: None,
            date: None,
        });
    }

    #[test]
    fn a_refusal_lasts_until_the_same_is_answered() {
        let (access, here) = (Access::default(), LocationId::new("loc").unwrap());
        note(&access, "search-tasks", Reply::Forbidden);
        note(&access, "list-tasks", Reply::Given);
        note(&access, "search-contacts", Reply::Given);
        let refused = BTreeSet::from([(Area::Tasks, "locations/tasks.readonly")]);
        assert_eq!(access.unanswered(&here), refused);
        let before = access.of(&here);
        for reply in [Reply::Forbidden, Reply::Failed, Reply::Other] {
            note(&access, "search-tasks", reply);
        }
        assert_eq!(access.of(&here), before, "since it was first refused");
        note(&access, "search-tasks", Reply::Given);
        assert!(access.unanswered(&here).is_empty());
        note(&access, "list-notes", Reply::Failed);
        assert!(matches!(access.of(&here)[&(Area::Notes, "contacts.readonly")], Standing::Failing { .. }));
        access.forget(&here);
        assert!(access.of(&here).is_empty());
    }
}
