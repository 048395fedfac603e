//! Whether a look shows what hints said. A webhook runs ahead of GHL's answers: what it says was deleted may still be readable, and what it
//! says was made may not be listed yet. A hint is done when what it said was seen.

use std::collections::BTreeSet;

use domain::{ContactId, KnownContact, Listing, Net, Observation, RecordId, RecordKind, Sighting};

use crate::hint::Hint;

/// Which of these hints, by their place, the looks at their contacts do not show. A record is on any of the contacts, or on none of them.
///
/// Where hints say both of a record, nobody knows which was later: then either is right.
pub(super) fn unseen(hints: &[&Hint], looks: &[Observation]) -> BTreeSet<usize> {
    let said: Vec<Option<(Subject<'_>, bool)>> = hints.iter().map(|hint| said(hint)).collect();
    let is_unseen = |(subject, deleted): (Subject<'_>, bool)| {
        let is_disputed = said.iter().flatten().any(|(other, gone)| *other == subject && *gone != deleted);
        let mut shown = looks.iter().map(|look| subject.is_shown(look));
        !is_disputed && if deleted { shown.any(|shown| shown == Some(true)) } else { shown.all(|shown| shown == Some(false)) }
    };
    said.iter().enumerate().filter_map(|(place, said)| said.is_some_and(is_unseen).then_some(place)).collect()
}

/// Whether the log knows what the hint names: then it is not to be made any more, only gone again.
pub(super) fn is_known(hint: &Hint, contact_id: &ContactId, known: &KnownContact) -> bool {
    known.records.contains_key(&named(hint, contact_id))
}

/// What the hint says was deleted, if it says so.
pub(super) fn deleted(hint: &Hint, contact_id: &ContactId) -> Option<(RecordKind, RecordId)> {
    hint.deleted.then(|| named(hint, contact_id))
}

/// What the hint names: a record, or else the contact.
pub(super) fn named(hint: &Hint, contact_id: &ContactId) -> (RecordKind, RecordId) {
    hint.record.clone().unwrap_or_else(|| (RecordKind::Contact, RecordId::from(contact_id)))
}

/// Whether these looks show nothing of what the hint names, for certain.
pub(super) fn is_gone(hint: &Hint, looks: &[Observation]) -> bool {
    let subject = subject(hint);
    looks.iter().all(|look| subject.is_shown(look) == Some(false))
}

/// What a hint is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Subject<'a> {
    Contact,
    Record(RecordKind, &'a RecordId),
}

/// What a webhook said, and whether it said that it is gone. Other hints say nothing: they only ask for a look.
fn said(hint: &Hint) -> Option<(Subject<'_>, bool)> {
    matches!(hint.net, Net::Webhook { .. }).then_some((subject(hint), hint.deleted))
}

fn subject(hint: &Hint) -> Subject<'_> {
    hint.record.as_ref().map_or(Subject::Contact, |(kind, record_id)| Subject::Record(*kind, record_id))
}

impl Subject<'_> {
    /// None when the look does not tell: it did not ask for records of the kind.
    fn is_shown(self, look: &Observation) -> Option<bool> {
        let Self::Record(kind, record_id) = self else {
            return match look.contact {
                Sighting::Present { .. } => Some(true),
                Sighting::Gone => Some(false),
                Sighting::NotAsked => None,
            };
        };
        if look.contact == Sighting::Gone {
            return Some(false);
        }
        Some(match look.listings.get(&kind)? {
            Listing::Complete(records) => records.iter().any(|(id, _)| id == record_id),
            Listing::Partial(records) => records.iter().any(|(id, record)| id == record_id && record.is_some()),
        })
    }
}

#[cfg(test)]
mod tests {
    use domain::{Cause, LocationId, Names, Note, Record};
    use jiff::Timestamp;

    use super::*;

    fn hint(record: Option<&str>, deleted: bool) -> Hint {
        Hint {
            location_id: LocationId::new("l").unwrap(),
            contact_id: ContactId::new("c").ok(),
            record: record.map(|id| (RecordKind::Note, RecordId::new(id).unwrap())),
            deleted,
            net: Net::Webhook { webhook_id: None, kind: "NoteCreate".to_owned() },
            received_at: None,
        }
    }

    fn gone() -> Observation {
        Observation {
            location_id: LocationId::new("l").unwrap(),
            contact_id: ContactId::new("c").unwrap(),
            asked_at: Timestamp::UNIX_EPOCH,
            connected_at: Timestamp::UNIX_EPOCH,
            contact: Sighting::Gone,
            listings: Default::default(),
            names: Names::default(),
            cause: Cause::from(Net::Poll),
            traceparent: None,
        }
    }

    fn with_notes(ids: &[&str]) -> Observation {
        let notes = ids.iter().map(|id| (RecordId::new(*id).unwrap(), Record::Note(Note::default()).into()));
        let listings = [(RecordKind::Note, Listing::Complete(notes.collect()))].into();
        let contact = Sighting::Present { shown: Box::new(Record::Contact(Box::default()).into()), by_id: true };
        Observation { contact, listings, ..gone() }
    }

    #[track_caller]
    fn check(hints: &[Hint], looks: &[Observation], places: &[usize]) {
        assert_eq!(unseen(&hints.iter().collect::<Vec<_>>(), looks), places.iter().copied().collect());
    }

    #[test]
    fn what_is_deleted_and_still_there_is_unseen() {
        check(&[hint(Some("n"), true), hint(None, true)], &[with_notes(&["n", "m"])], &[0, 1]);
        check(&[hint(Some("n"), true)], &[with_notes(&["m"])], &[]);
        check(&[hint(Some("n"), true), hint(None, true)], &[gone()], &[]);
    }

    #[test]
    fn what_is_made_and_not_there_yet_is_unseen() {
        check(&[hint(Some("n"), false), hint(None, false)], &[with_notes(&["m"])], &[0]);
        check(&[hint(Some("m"), false)], &[with_notes(&["m"])], &[]);
        check(&[hint(Some("n"), false), hint(None, false)], &[gone()], &[0, 1]);
        let unasked = Observation { listings: Default::default(), ..with_notes(&[]) };
        check(&[hint(Some("n"), false), hint(Some("m"), true)], &[unasked], &[]);
    }

    #[test]
    fn where_both_was_said_either_is_right() {
        check(&[hint(Some("n"), true), hint(Some("n"), false)], &[with_notes(&["n"])], &[]);
        check(&[hint(Some("n"), true), hint(Some("n"), false), hint(Some("m"), false)], &[with_notes(&[])], &[2]);
    }

    #[test]
    fn a_record_of_several_contacts_is_there_when_one_shows_it_and_gone_when_none_does() {
        let looks = [with_notes(&["n"]), with_notes(&[])];
        check(&[hint(Some("n"), false)], &looks, &[]);
        check(&[hint(Some("n"), true)], &looks, &[0]);
    }

    #[test]
    fn a_hint_that_is_no_webhook_says_nothing() {
        let redriven = Hint::redriven(LocationId::new("l").unwrap(), ContactId::new("c").unwrap());
        check(&[redriven], &[gone()], &[]);
    }
}
