//! Which fields of a record are read. A newer program reads more of what GHL gives than the one before it: what it reads first was there all
//! the time, and is no change of the record.

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

/// The fields that were added after the first reading. A field that is added to a record is added here, too, with the next reading of its kind:
/// else its first sight would count as a change.
pub(crate) const ADDED: &[Added] = &[
    Added {
        reading: Reading(2),
        kind: RecordKind::Contact,
        fields: &["additional_emails", "additional_phones", "attachments", "do_not_disturb_channels"],
    },
    Added { reading: Reading(2), kind: RecordKind::Task, fields: &["time_zone"] },
    Added { reading: Reading(2), kind: RecordKind::Note, fields: &["attachments"] },
];

/// What a program reads, by the fields that were added.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Readings(pub(crate) &'static [Added]);

impl Readings {
    /// How much is read of a record that is shown as a whole: not by a row of a list, which says less of it.
    pub(crate) fn whole(self, kind: RecordKind) -> Reading {
        self.of(kind).map(|added| added.reading).max().unwrap_or(Reading::FIRST)
    }

    /// Whether a field of a record was not read yet when so much of it was.
    pub(crate) fn is_unread(self, kind: RecordKind, field: &str, known: Reading) -> bool {
        let unread = self.of(kind).filter(|added| added.reading > known);
        unread.flat_map(|added| added.fields).any(|added| field_within(field, added))
    }

    fn of(self, kind: RecordKind) -> impl Iterator<Item = &'static Added> {
        self.0.iter().filter(move |added| added.kind == kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READINGS: Readings = Readings(&[
        Added { reading: Reading(2), kind: RecordKind::Contact, fields: &["nickname", "hobbies"] },
        Added { reading: Reading(3), kind: RecordKind::Contact, fields: &["pets"] },
        Added { reading: Reading(2), kind: RecordKind::Task, fields: &["effort"] },
    ]);

    #[test]
    fn a_field_is_unread_until_its_reading() {
        let whole = [RecordKind::Contact, RecordKind::Task, RecordKind::Note].map(|kind| READINGS.whole(kind).0);
        assert_eq!(whole, [3, 2, 1]);
        let unread = |kind, field, known| READINGS.is_unread(kind, field, Reading(known));
        assert!(unread(RecordKind::Contact, "pets", 2) && unread(RecordKind::Contact, "pets.cat", 1));
        assert!(!unread(RecordKind::Contact, "pets", 3) && !unread(RecordKind::Contact, "name", 1) && !unread(RecordKind::Note, "pets", 1));
    }
}
