//! Derives changes from observations.
//!
//! - `observation`: what an answer of GHL shows of a contact
//! - `shown`: a record in it, with what the answer does not speak of
//! - `known`: what the log knows of the contact
//! - `renamed`: the records that show a name which has changed

mod known;
mod observation;
mod renamed;
mod shown;

use std::collections::BTreeSet;

use jiff::Timestamp;

pub use known::{Draft, KnownContact, KnownRecord, Looks, Observed};
pub use observation::{Listing, Observation, Sighting};
pub use renamed::Renamed;
pub use shown::{Doubt, Shown, Silent};

use crate::fields::{changes, fields};
use crate::reading::{ADDED, Reading, Readings};
use crate::{Change, FieldChange, Moment, Record, RecordFact, RecordId, RecordKind};

/// The changes between what is known and what was observed. Observing the same again gives none.
pub fn observe(known: &KnownContact, seen: &Observation) -> Observed {
    observe_by(Readings(ADDED), known, seen)
}

fn observe_by(readings: Readings, known: &KnownContact, seen: &Observation) -> Observed {
    let mut comparison = Comparison { readings, known, seen, observed: Observed::default() };
    comparison.contact();
    if !known.is_gone_by(seen) {
        for (kind, listing) in &seen.listings {
            match listing {
                Listing::Partial(records) => comparison.singly(*kind, records),
                Listing::Complete(records) => comparison.listing(*kind, records),
            }
        }
    }
    comparison.observed
}

/// How a record was seen.
#[derive(Clone, Copy)]
struct Part {
    /// Alone, not with all of its kind.
    singly: bool,
    /// As a whole, not as a row of a list over the location.
    whole: bool,
}

impl Part {
    /// In the complete list of its contact's.
    const OF_LISTING: Self = Self { singly: false, whole: true };
}

/// What is known beside what was seen.
struct Comparison<'a> {
    readings: Readings,
    known: &'a KnownContact,
    seen: &'a Observation,
    observed: Observed,
}

impl Comparison<'_> {
    fn contact(&mut self) {
        let (known, seen) = (self.known, self.seen);
        if known.is_stale(RecordKind::Contact, seen.asked_at) {
            return;
        }
        let id = RecordId::from(&seen.contact_id);
        match &seen.contact {
            Sighting::NotAsked => {}
            Sighting::Present { shown, by_id } => self.record(RecordKind::Contact, &id, Some(shown), Part { singly: false, whole: *by_id }),
            Sighting::Gone => {
                self.record(RecordKind::Contact, &id, None, Part::OF_LISTING);
                let records = known.records.keys().filter(|(kind, _)| *kind != RecordKind::Contact);
                for (kind, id) in records {
                    self.record(*kind, id, None, Part::OF_LISTING);
                }
            }
        }
    }

    fn singly(&mut self, kind: RecordKind, records: &[(RecordId, Option<Shown>)]) {
        let mut listed = BTreeSet::new();
        for (id, record) in records {
            if listed.insert(id) {
                self.record(kind, id, record.as_ref(), Part { singly: true, whole: false });
            }
        }
    }

    fn listing(&mut self, kind: RecordKind, records: &[(RecordId, Shown)]) {
        let known = self.known;
        if known.is_stale(kind, self.seen.asked_at) {
            return;
        }
        let mut listed = BTreeSet::new();
        for (id, record) in records {
            // A listing that changes while it is read may contain a record twice; the first one counts.
            if listed.insert(id) {
                self.record(kind, id, Some(record), Part::OF_LISTING);
            }
        }
        for (_, id) in known.records.keys().filter(|(of, id)| *of == kind && !listed.contains(id)) {
            self.record(kind, id, None, Part::OF_LISTING);
        }
    }

    fn record(&mut self, kind: RecordKind, id: &RecordId, shown: Option<&Shown>, part: Part) {
        let (known, seen) = (self.known, self.seen);
        let key = (kind, id.clone());
        let last = known.records.get(&key);
        if last.is_some_and(|last| seen.asked_at < last.asked_at) || (part.singly && known.is_stale(kind, seen.asked_at)) {
            return;
        }
        let read = last.map_or(Reading::FIRST, |last| last.reading);
        let reading = if part.whole && shown.is_some() { read.max(self.readings.whole(kind)) } else { read };
        let record = shown.map(|shown| shown.beside(last.map(|last| &last.record)));
        let fact = match (last, record.as_deref()) {
            (None, None) => None,
            (None, Some(record)) => Some((Change::Appeared, record, field_changes(None, record))),
            (Some(last), None) => last.present.then_some((Change::Vanished, &last.record, Vec::new())),
            (Some(last), Some(record)) => {
                let differing = field_changes(Some(&last.record), record);
                let (is_equal, changes) = (differing.is_empty(), self.but_first_read(kind, read, differing));
                if !last.present {
                    Some((Change::Returned, record, changes))
                } else if is_equal {
                    None
                } else {
                    Some((Change::Changed, record, changes))
                }
            }
        };
        let Some((change, record, changes)) = fact else {
            if part.singly && last.is_some() {
                self.observed.confirmed.push(key.clone());
            }
            if last.is_some() && reading > read {
                self.observed.reread.push((key, reading));
            }
            return;
        };
        let fact = RecordFact {
            change,
            names: seen.names.only(&record.references()),
            new_in_ghl: change == Change::Appeared && is_new(record, seen.connected_at),
            record: record.clone(),
            changes,
        };
        self.observed.drafts.push(Draft { record_id: id.clone(), occurred_at: occurred_at(&fact, seen.asked_at), reading, fact });
    }

    /// The changes without fields that were never read before: these had their value already, as far as anybody can tell.
    fn but_first_read(&self, kind: RecordKind, read: Reading, mut changes: Vec<FieldChange>) -> Vec<FieldChange> {
        changes.retain(|change| !change.before.is_null() || !self.readings.is_unread(kind, &change.field, read));
        changes
    }
}

/// GHL's time of the change if it gives one, otherwise the time of the observation. Never later than the observation.
fn occurred_at(fact: &RecordFact, asked_at: Timestamp) -> Timestamp {
    let reported = match fact.change {
        Change::Appeared => fact.record.added_at(),
        Change::Changed if fact.is_news() => fact.record.updated_at(),
        Change::Changed | Change::Vanished | Change::Returned | Change::Remained => None,
    };
    reported.and_then(Moment::instant).map_or(asked_at, |reported| reported.min(asked_at))
}

fn is_new(record: &Record, connected_at: Timestamp) -> bool {
    record.added_at().and_then(Moment::instant).is_some_and(|added| added >= connected_at)
}

/// May change although nothing else in the record did.
const VOLATILE: &str = "updated_at";

fn field_changes(before: Option<&Record>, after: &Record) -> Vec<FieldChange> {
    if before == Some(after) {
        return Vec::new();
    }
    let mut changes = changes(&before.map(fields).unwrap_or_default(), &fields(after));
    changes.retain(|change| change.field != VOLATILE);
    changes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::reading::Added;
    use crate::{Cause, Contact, ContactId, LocationId, Names, Net};

    /// The program before read no web addresses and sources, the one of now reads them.
    const BEFORE: Readings = Readings(&[]);
    const NOW: Readings = Readings(&[Added { reading: Reading(2), kind: RecordKind::Contact, fields: &["website", "source"] }]);

    fn ann(minute: i64, name: &str, website: Option<&str>, by_id: bool) -> Observation {
        let contact = Contact { name: Some(name.to_owned()), website: website.map(str::to_owned), ..Contact::default() };
        let shown = Shown::from(Record::Contact(Box::new(contact)));
        Observation {
            location_id: LocationId::new("loc").unwrap(),
            contact_id: ContactId::new("ann").unwrap(),
            asked_at: Timestamp::from_second(60 * minute).unwrap(),
            connected_at: Timestamp::UNIX_EPOCH,
            contact: Sighting::Present { shown: Box::new(shown), by_id },
            listings: BTreeMap::new(),
            names: Names::default(),
            cause: Cause::from(Net::Poll),
            traceparent: None,
        }
    }

    fn take(readings: Readings, known: &mut KnownContact, seen: &Observation) -> Vec<RecordFact> {
        let observed = observe_by(readings, known, seen);
        known.apply(seen, &observed);
        observed.drafts.into_iter().map(|draft| draft.fact).collect()
    }

    fn known_before() -> KnownContact {
        let mut known = KnownContact::default();
        assert_eq!(take(BEFORE, &mut known, &ann(1, "Ann", None, true)).len(), 1);
        known
    }

    fn fields(facts: &[RecordFact]) -> Vec<&str> {
        facts.iter().flat_map(|fact| &fact.changes).map(|change| change.field.as_str()).collect()
    }

    #[test]
    fn what_is_read_first_is_in_the_record_and_no_change_of_it() {
        for by_id in [true, false] {
            let mut known = known_before();
            let facts = take(NOW, &mut known, &ann(3, "Ann", Some("ann.example"), by_id));
            assert_eq!((facts.len(), facts[0].change, facts[0].is_news(), fields(&facts)), (1, Change::Changed, false, vec![]));
            let Record::Contact(contact) = &facts[0].record else { panic!("a contact") };
            assert_eq!(contact.website.as_deref(), Some("ann.example"));
            assert_eq!(take(NOW, &mut known, &ann(4, "Ann", Some("ann.example"), by_id)), []);
            assert_eq!(fields(&take(NOW, &mut known, &ann(5, "Ann", Some("b.example"), by_id))), ["website"], "from then on it changes");
        }
    }

    #[test]
    fn what_changed_is_told_without_what_was_read_first() {
        let facts = take(NOW, &mut known_before(), &ann(3, "Anna", Some("ann.example"), true));
        assert_eq!((fields(&facts), facts[0].is_news()), (vec!["name"], true));
    }

    #[test]
    fn what_was_read_as_empty_and_is_filled_later_has_changed() {
        let mut known = known_before();
        assert_eq!(take(NOW, &mut known, &ann(2, "Ann", None, true)), []);
        assert_eq!(fields(&take(NOW, &mut known, &ann(3, "Ann", Some("ann.example"), true))), ["website"]);
        let mut of_row = known_before();
        assert_eq!(take(NOW, &mut of_row, &ann(2, "Ann", None, false)), []);
        assert_eq!(fields(&take(NOW, &mut of_row, &ann(3, "Ann", Some("ann.example"), true))), [""; 0], "a row does not say all");
    }
}
