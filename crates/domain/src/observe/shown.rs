//! A record as one answer of GHL shows it: what the answer does not speak of is not gone.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde_json::Value;

use crate::fields::written;
use crate::{Contact, Moment, Record};

/// The names of fields that an answer does not speak of: they may have a value all the same, and keep what is known.
pub type Silent = BTreeSet<&'static str>;

/// A record as one answer shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    pub record: Record,
    pub silent: Silent,
    /// Those of them that are there, in a form that is not known.
    pub unread: Silent,
    /// Fields with a local time that may mean another moment than the one that was read.
    pub doubts: BTreeMap<&'static str, Doubt>,
}

/// What else a local time without an offset may mean.
#[derive(Clone, Debug, PartialEq)]
pub enum Doubt {
    /// The other one of two moments, in the hour that autumn repeats.
    Or(Moment),
    /// Any moment: the time zone is not known.
    Unplaced,
}

impl From<Record> for Shown {
    /// Shown whole, without doubts.
    fn from(record: Record) -> Self {
        Self { record, silent: Silent::new(), unread: Silent::new(), doubts: BTreeMap::new() }
    }
}

impl Shown {
    /// Takes from another answer about the same record what this one does not speak of or is in doubt about.
    #[must_use]
    pub fn filled_from(self, other: &Self) -> Self {
        let Self { record, mut silent, unread, mut doubts } = self;
        if record.kind() != other.record.kind() {
            return Self { record, silent, unread, doubts };
        }
        let said: Silent = silent.iter().filter(|name| !other.silent.contains(*name)).copied().collect();
        let record = with_fields_of(record, &other.record, &said);
        let mut settled = settled(&record, &other.record, &doubts);
        settled.retain(|name| !other.silent.contains(name) && !other.doubts.contains_key(name));
        silent.retain(|name| !said.contains(name));
        doubts.retain(|name, _| !settled.contains(name));
        Self { record: with_fields_of(record, &other.record, &settled), silent, unread, doubts }
    }

    /// The record as it is by this answer and by what is known. A different spelling of what is known is no change of it.
    pub(super) fn beside<'a>(&'a self, last: Option<&Record>) -> Cow<'a, Record> {
        let Some(last) = last.filter(|last| last.kind() == self.record.kind()) else { return Cow::Borrowed(&self.record) };
        let mut kept = self.silent.clone();
        kept.extend(settled(&self.record, last, &self.doubts));
        if let (Record::Contact(shown), Record::Contact(known)) = (&self.record, last) {
            kept.extend(spelled_otherwise(shown, known));
        }
        if kept.is_empty() { Cow::Borrowed(&self.record) } else { Cow::Owned(with_fields_of(self.record.clone(), last, &kept)) }
    }
}

/// Which doubts about moments another source, which gives these fields with certainty, ends: it has one of the two moments, or one where
/// this one has none.
fn settled(doubtful: &Record, sure: &Record, doubts: &BTreeMap<&'static str, Doubt>) -> Silent {
    if doubts.is_empty() {
        return Silent::new();
    }
    let (doubtful, sure) = (written(doubtful), written(sure));
    let ends = |(name, doubt): (&&'static str, &Doubt)| {
        let moment = sure.get(*name).and_then(Value::as_str).map(Moment::read).filter(|moment| moment.instant().is_some())?;
        let is_one_of_two = || Some(&moment) == doubtful.get(*name).and_then(Value::as_str).map(Moment::read).as_ref();
        match doubt {
            Doubt::Unplaced => Some(*name),
            Doubt::Or(other) => (*other == moment || is_one_of_two()).then_some(*name),
        }
    };
    doubts.iter().filter_map(ends).collect()
}

/// The fields of a contact in which an answer has the known value in another spelling.
fn spelled_otherwise(shown: &Contact, known: &Contact) -> Silent {
    let mut same = Silent::new();
    // Lists have been seen with names in lower case, and answers without any, beside the parts of it that people typed.
    let parts_are_equal = shown.first_name == known.first_name && shown.last_name == known.last_name;
    let in_lower_case = known.name.as_ref().map(|name| name.to_lowercase());
    let says_no_more = shown.name == in_lower_case || (says_what_parts_say(shown) && says_what_parts_say(known));
    if shown.name != known.name && parts_are_equal && says_no_more {
        same.insert("name");
    }
    let day = |moment: &Option<Moment>| moment.as_ref().and_then(day_of);
    if shown.date_of_birth != known.date_of_birth && day(&known.date_of_birth).is_some_and(|known| day(&shown.date_of_birth) == Some(known))
    {
        same.insert("date_of_birth");
    }
    same
}

/// Whether the name of a contact adds nothing to its parts.
fn says_what_parts_say(contact: &Contact) -> bool {
    let words = |text: &str| text.to_lowercase().split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let parts = [&contact.first_name, &contact.last_name].into_iter().flatten().flat_map(|part| words(part)).collect::<Vec<_>>();
    !parts.is_empty() && contact.name.as_deref().is_none_or(|name| words(name) == parts)
}

/// The day of a birthday, in whichever spelling it was stored.
fn day_of(birthday: &Moment) -> Option<Date> {
    match birthday {
        Moment::At(at) => Some(Moment::nearest_day(*at)),
        Moment::Text(text) => text.parse().ok(),
    }
}

/// The record with these fields as another of its kind has them.
fn with_fields_of(record: Record, other: &Record, names: &Silent) -> Record {
    if names.is_empty() {
        return record;
    }
    let (other, mut filled) = (written(other), written(&record));
    for name in names {
        match other.get(*name) {
            Some(value) => filled.insert((*name).to_owned(), value.clone()),
            None => filled.remove(*name),
        };
    }
    serde_json::from_value(Value::Object(filled)).unwrap_or(record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Appointment;

    fn visit(starts_at: &str, place: Option<&str>) -> Record {
        Record::Appointment(Appointment {
            starts_at: Some(Moment::read(starts_at)),
            place: place.map(str::to_owned),
            ..Appointment::default()
        })
    }

    fn doubtful(starts_at: &str, other: Option<&str>) -> Shown {
        let doubt = other.map_or(Doubt::Unplaced, |other| Doubt::Or(Moment::read(other)));
        Shown { doubts: [("starts_at", doubt)].into(), ..Shown::from(visit(starts_at, None)) }
    }

    #[test]
    fn a_known_offset_beats_a_naive_time() {
        let (first, second) = ("2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z");
        let known = visit(second, None);
        assert_eq!(*doubtful(first, Some(second)).beside(Some(&known)), known, "the hour that autumn repeats");
        assert_eq!(*doubtful("2026-11-01 01:30:00", None).beside(Some(&known)), known, "an unknown time zone");
        let moved = visit("2026-11-01T08:30:00Z", None);
        assert_eq!(*doubtful(first, Some(second)).beside(Some(&moved)), visit(first, None), "neither of the two");
        assert_eq!(*doubtful(first, Some(second)).beside(None), visit(first, None));
    }

    #[test]
    fn another_answer_ends_silence_and_doubts() {
        let (first, second) = ("2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z");
        let shown = Shown { silent: ["place", "notes"].into(), ..doubtful(first, Some(second)) };
        let row = Shown { silent: ["notes"].into(), ..Shown::from(visit(second, Some("Room 2"))) };
        let filled = shown.clone().filled_from(&row);
        assert_eq!(filled, Shown { silent: ["notes"].into(), ..Shown::from(visit(second, Some("Room 2"))) });
        assert_eq!(shown.clone().filled_from(&shown), shown);
    }

    #[test]
    fn another_spelling_of_what_is_known_is_no_change() {
        let contact = |name: Option<&str>, first: Option<&str>, birthday: &str| {
            let text = |text: &str| text.to_owned();
            let contact = Contact {
                name: name.map(text),
                first_name: first.map(text),
                date_of_birth: Some(Moment::read(birthday)),
                ..Contact::default()
            };
            Record::Contact(Box::new(contact))
        };
        #[track_caller]
        fn check(known: Record, shown: Record, same: bool) {
            assert_eq!(*Shown::from(shown.clone()).beside(Some(&known)), if same { known } else { shown });
        }
        let (day, midnight) = ("1990-04-20", "1990-04-20T04:00:00Z");
        check(contact(None, None, midnight), contact(None, None, day), true);
        check(contact(None, None, midnight), contact(None, None, "1990-04-21"), false);
        check(contact(Some("ann"), Some("Ann"), day), contact(Some("Ann"), Some("Ann"), day), true);
        check(contact(None, Some("Ann"), day), contact(Some("Ann"), Some("Ann"), day), true);
        check(contact(Some("Ann"), Some("Ann"), day), contact(Some("ANN"), Some("ANN"), day), false);
        check(contact(Some("The Larsens"), None, day), contact(Some("the larsens"), None, day), true);
        check(contact(Some("the larsens"), None, day), contact(Some("The Larsens"), None, day), false);
        check(contact(Some("The Larsens"), Some("Ann"), day), contact(Some("Ann"), Some("Ann"), day), false);
    }
}
