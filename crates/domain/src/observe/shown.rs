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
    /// Fields with a local time that may also mean another moment, and which one that is: in an hour that autumn repeats the other
    /// one of the two, in an unknown time zone any.
    pub doubts: BTreeMap<&'static str, Option<Moment>>,
}

impl From<Record> for Shown {
    /// Shown whole, without doubts.
    fn from(record: Record) -> Self {
        Self { record, silent: Silent::new(), doubts: BTreeMap::new() }
    }
}

impl Shown {
    /// Takes from another answer about the same record what this one does not speak of or is in doubt about.
    #[must_use]
    pub fn filled_from(self, other: &Self) -> Self {
        let Self { record, mut silent, mut doubts } = self;
        if record.kind() != other.record.kind() {
            return Self { record, silent, doubts };
        }
        let said: Silent = silent.iter().filter(|name| !other.silent.contains(*name)).copied().collect();
        let record = with_fields_of(record, &other.record, &said);
        let sure = doubts.keys().filter(|name| !other.silent.contains(*name) && !other.doubts.contains_key(*name));
        let sure: BTreeMap<_, _> = sure.map(|name| (*name, doubts.get(name).cloned().flatten())).collect();
        let settled = settled(&record, &other.record, &sure);
        silent.retain(|name| !said.contains(name));
        doubts.retain(|name, _| !settled.contains(name));
        Self { record: with_fields_of(record, &other.record, &settled), silent, doubts }
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
fn settled(doubtful: &Record, sure: &Record, doubts: &BTreeMap<&'static str, Option<Moment>>) -> Silent {
    if doubts.is_empty() {
        return Silent::new();
    }
    let (doubtful, sure) = (written(doubtful), written(sure));
    let ends = |(name, other): (&&'static str, &Option<Moment>)| {
        let moment = sure.get(*name).and_then(Value::as_str).map(Moment::read)?;
        moment.instant()?;
        let as_read = doubtful.get(*name).and_then(Value::as_str).map(Moment::read);
        (other.is_none() || *other == Some(moment.clone()) || as_read == Some(moment)).then_some(*name)
    };
    doubts.iter().filter_map(ends).collect()
}

/// The fields of a contact in which an answer has the known value in another spelling.
fn spelled_otherwise(shown: &Contact, known: &Contact) -> Silent {
    let mut same = Silent::new();
    // Lists have been seen with the name of a contact in lower case.
    let parts_are_equal = shown.first_name == known.first_name && shown.last_name == known.last_name;
    let folded = |name: &Option<String>| name.as_ref().map(|name| name.to_lowercase());
    if parts_are_equal && shown.name != known.name && folded(&shown.name) == folded(&known.name) {
        same.insert("name");
    }
    let day = |moment: &Option<Moment>| moment.as_ref().and_then(day_of);
    if shown.date_of_birth != known.date_of_birth && day(&known.date_of_birth).is_some_and(|known| day(&shown.date_of_birth) == Some(known)) {
        same.insert("date_of_birth");
    }
    same
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
        Shown { doubts: [("starts_at", other.map(Moment::read))].into(), ..Shown::from(visit(starts_at, None)) }
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
        let contact = |name: &str, first: &str, birthday: Moment| {
            let contact = Contact {
                name: Some(name.to_owned()),
                first_name: Some(first.to_owned()),
                date_of_birth: Some(birthday),
                ..Contact::default()
            };
            Record::Contact(Box::new(contact))
        };
        let day = || Moment::Text("1990-04-20".to_owned());
        let known = contact("ann smith", "Ann", Moment::read("1990-04-20T04:00:00Z"));
        assert_eq!(*Shown::from(contact("Ann Smith", "Ann", day())).beside(Some(&known)), known);
        let renamed = contact("ANN SMITH", "ANN", Moment::Text("1990-04-21".to_owned()));
        assert_eq!(*Shown::from(renamed.clone()).beside(Some(&known)), renamed);
    }
}
