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
use crate::{Change, FieldChange, Moment, Record, RecordFact, RecordId, RecordKind};

/// The changes between what is known and what was observed. Observing the same again gives none.
pub fn observe(known: &KnownContact, seen: &Observation) -> Observed {
    let mut observed = Observed::default();
    see_contact(known, seen, &mut observed);
    if known.is_gone_by(seen) {
        return observed;
    }
    for (kind, listing) in &seen.listings {
        match listing {
            Listing::Partial(records) => see_singly(known, seen, *kind, records, &mut observed),
            Listing::Complete(records) => see_listing(known, seen, *kind, records, &mut observed),
        }
    }
    observed
}

fn see_contact(known: &KnownContact, seen: &Observation, observed: &mut Observed) {
    if known.is_stale(RecordKind::Contact, seen.asked_at) {
        return;
    }
    let id = RecordId::from(&seen.contact_id);
    match &seen.contact {
        Sighting::NotAsked => {}
        Sighting::Present { shown, by_id: _ } => see_record(known, seen, RecordKind::Contact, &id, Some(shown), false, observed),
        Sighting::Gone => {
            see_record(known, seen, RecordKind::Contact, &id, None, false, observed);
            let records = known.records.keys().filter(|(kind, _)| *kind != RecordKind::Contact);
            for (kind, id) in records {
                see_record(known, seen, *kind, id, None, false, observed);
            }
        }
    }
}

fn see_singly(known: &KnownContact, seen: &Observation, kind: RecordKind, records: &[(RecordId, Option<Shown>)], observed: &mut Observed) {
    let mut listed = BTreeSet::new();
    for (id, record) in records {
        if listed.insert(id) {
            see_record(known, seen, kind, id, record.as_ref(), true, observed);
        }
    }
}

fn see_listing(known: &KnownContact, seen: &Observation, kind: RecordKind, records: &[(RecordId, Shown)], observed: &mut Observed) {
    if known.is_stale(kind, seen.asked_at) {
        return;
    }
    let mut listed = BTreeSet::new();
    for (id, record) in records {
        // A listing that changes while it is read may contain a record twice; the first one counts.
        if listed.insert(id) {
            see_record(known, seen, kind, id, Some(record), false, observed);
        }
    }
    for (_, id) in known.records.keys().filter(|(of, id)| *of == kind && !listed.contains(id)) {
        see_record(known, seen, kind, id, None, false, observed);
    }
}

fn see_record(
    known: &KnownContact,
    seen: &Observation,
    kind: RecordKind,
    id: &RecordId,
    shown: Option<&Shown>,
    singly: bool,
    observed: &mut Observed,
) {
    let key = (kind, id.clone());
    let last = known.records.get(&key);
    if last.is_some_and(|last| seen.asked_at < last.asked_at) || (singly && known.is_stale(kind, seen.asked_at)) {
        return;
    }
    let record = shown.map(|shown| shown.beside(last.map(|last| &last.record)));
    let fact = match (last, record.as_deref()) {
        (None, None) => None,
        (None, Some(record)) => Some((Change::Appeared, record, field_changes(None, record))),
        (Some(last), None) => last.present.then_some((Change::Vanished, &last.record, Vec::new())),
        (Some(last), Some(record)) => {
            let changes = field_changes(Some(&last.record), record);
            if !last.present {
                Some((Change::Returned, record, changes))
            } else if changes.is_empty() {
                None
            } else {
                Some((Change::Changed, record, changes))
            }
        }
    };
    let Some((change, record, changes)) = fact else {
        if singly && last.is_some() {
            observed.confirmed.push(key);
        }
        return;
    };
    observed.drafts.push(Draft {
        record_id: id.clone(),
        occurred_at: occurred_at(change, record, seen.asked_at),
        fact: RecordFact {
            change,
            names: seen.names.only(&record.references()),
            new_in_ghl: change == Change::Appeared && is_new(record, seen.connected_at),
            record: record.clone(),
            changes,
        },
    });
}

/// GHL's time of the change if it gives one, otherwise the time of the observation. Never later than the observation.
fn occurred_at(change: Change, record: &Record, asked_at: Timestamp) -> Timestamp {
    let reported = match change {
        Change::Appeared => record.added_at(),
        Change::Changed => record.updated_at(),
        Change::Vanished | Change::Returned | Change::Remained => None,
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
