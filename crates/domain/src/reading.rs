//! Which fields of a record are read. A newer program reads more of what GHL gives than the one before it: what it reads first was there all
//! the time, and is no change of the record.

use std::collections::BTreeSet;

use crate::RecordKind;
use crate::fields::field_within;

/// How much of a record was read: the later the reading, the more fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reading(pub u32);

impl Reading {
    /// That of the first programs, which kept no account of it.
    pub const FIRST: Self = Self(1);
}

/// The fields that a reading added to a kind of record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Added {
    pub(crate) reading: Reading,
    pub(crate) kind: RecordKind,
    pub(crate) fields: &'static [&'static str],
}

/// The fields that were added after the first reading, in the order of the readings. A field that is added to a record is added here, too, with
/// the next reading of its kind: else its first sight would count as a change.
pub(crate) const ADDED: &[Added] = &[];

/// What a program reads, by the fields that were added.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Readings(pub(crate) &'static [Added]);

impl Readings {
    /// How much of a record is read once an answer has shown it that is silent about some of its fields. What no answer has spoken of
    /// yet is still unread.
    pub(crate) fn after(self, kind: RecordKind, before: Reading, silent: &BTreeSet<&'static str>) -> Reading {
        let more = self.0.iter().filter(|added| added.kind == kind && added.reading > before);
        let spoken_of = more.take_while(|added| !added.fields.iter().any(|field| silent.contains(field)));
        spoken_of.map(|added| added.reading).last().unwrap_or(before)
    }

    /// Whether a field of a record was not read yet when so much of it was.
    pub(crate) fn is_unread(self, kind: RecordKind, field: &str, known: Reading) -> bool {
        let unread = self.0.iter().filter(|added| added.kind == kind && added.reading > known);
        unread.flat_map(|added| added.fields).any(|added| field_within(field, added))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READINGS: Readings = Readings(&[
        Added { reading: Reading(2), kind: RecordKind::Contact, fields: &["nickname", "hobbies"] },
        Added { reading: Reading(3), kind: RecordKind::Contact, fields: &["pets"] },
        Added { reading: Reading(3), kind: RecordKind::Task, fields: &["effort"] },
    ]);

    #[test]
    fn a_reading_counts_once_an_answer_has_spoken_of_all_its_fields() {
        let after =
            |before, silent: &[&'static str]| READINGS.after(RecordKind::Contact, Reading(before), &silent.iter().copied().collect()).0;
        assert_eq!((after(1, &[]), after(1, &["pets"]), after(1, &["hobbies"]), after(1, &["name"])), (3, 2, 1, 3));
        assert_eq!((after(2, &["hobbies"]), after(3, &["pets"]), after(9, &[])), (3, 3, 9));
        assert_eq!(READINGS.after(RecordKind::Note, Reading::FIRST, &BTreeSet::new()), Reading::FIRST);
    }

    #[test]
    fn a_field_is_unread_until_its_reading() {
        let unread = |kind, field, known| READINGS.is_unread(kind, field, Reading(known));
        assert!(unread(RecordKind::Contact, "pets", 2) && unread(RecordKind::Contact, "pets.cat", 1));
        assert!(!unread(RecordKind::Contact, "pets", 3) && !unread(RecordKind::Contact, "name", 1) && !unread(RecordKind::Note, "pets", 1));
    }
}
