//! What is known of GHL: loaded under the head's lock, changed in the same transaction as the log.
//!
//! - `records`: what is known, confirmed, and not seen for long
//! - `remained`: records that are on several contacts
//! - `names`: what records refer to is renamed
//! - `passes`, `progress`: how far the nets and the backfill have come
//! - `resyncs`: what a person asked to look at again
//! - `coverage`: how well the nets hold
//! - `parity`: how much of what was read again differed
//! - `premises`: what does not concern one contact
//! - `source`: what GHL does not answer
//! - `vanishing`: what vanished unusually and is held back
//!
//! Keys are looked up one by one (`LATERAL … OFFSET 0`): after a quick first fill the planner believes that a location has a handful
//! of rows, and would read all of them to find a few.

pub(crate) mod coverage;
pub(crate) mod names;
pub(crate) mod parity;
pub(crate) mod passes;
pub(crate) mod premises;
pub(crate) mod progress;
pub(crate) mod records;
pub(crate) mod remained;
pub(crate) mod resyncs;
pub(crate) mod source;
pub(crate) mod vanishing;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use domain::{
    Body, Change, ContactId, Draft, KnownContact, KnownRecord, Listing, LocationId, Moment, Observation, Observed, Reading, Record,
    RecordFact, RecordId, RecordKind, Revision, Sighting,
};
use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use crate::columns::{At, STATEMENT_ROWS_MAX, as_stored, epoch_column, signed, text, unsigned};
use crate::keys::Keys;
use crate::{Error, Result};

/// The known state of the contacts of one transaction, and which of it has changed.
#[derive(Default)]
pub(crate) struct Known {
    contacts: BTreeMap<ContactId, KnownContact>,
    /// Contacts with a record that can be read neither here nor in the log.
    pub(crate) unreadable: BTreeMap<ContactId, Revision>,
    changed: BTreeMap<RecordKey, Revision>,
    confirmed: BTreeMap<RecordKey, Timestamp>,
    /// Unchanged records of which more was read than before.
    reread: BTreeMap<RecordKey, Reading>,
    /// The contacts looked at, with the last event of each, where there is a new one.
    looked_at: BTreeMap<ContactId, Option<u64>>,
}

type RecordKey = (ContactId, RecordKind, RecordId);

impl Known {
    /// Loads what is known of these contacts, as far as records of these kinds are concerned: a contact's notes are most of what there is.
    pub(crate) async fn load(
        keys: &Keys,
        connection: &mut PgConnection,
        location_id: &LocationId,
        wanted: &BTreeSet<(&ContactId, RecordKind)>,
    ) -> Result<Self> {
        let ids: BTreeSet<&str> = wanted.iter().map(|(id, _)| id.as_str()).collect();
        let mut known = Self::default();
        let looks = sqlx::query(LOAD_LOOKS.as_str()).bind(location_id.as_str()).bind(Vec::from_iter(ids));
        let looks = looks.fetch_all(&mut *connection).await?;
        for row in &looks {
            known.take_looks(row)?;
        }
        // Without a row here there is none there: the two are written together.
        if looks.is_empty() {
            return Ok(known);
        }
        let records = sqlx::query(
            "SELECT k.* FROM unnest($2::text[], $3::text[]) AS wanted (id, kind) CROSS JOIN LATERAL (SELECT contact_id, kind, record_id, \
             present, asked_at, epoch, seq, content, reading FROM known_records \
             WHERE location_id = $1 AND contact_id = wanted.id AND kind = wanted.kind OFFSET 0) k",
        )
        .bind(location_id.as_str())
        .bind(wanted.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>())
        .bind(wanted.iter().map(|(_, kind)| kind.as_str()).collect::<Vec<_>>())
        .fetch_all(&mut *connection)
        .await?;
        for row in &records {
            known.take_record(keys, connection, location_id, row).await?;
        }
        Ok(known)
    }

    fn take_looks(&mut self, row: &PgRow) -> Result<()> {
        let Ok(contact_id) = ContactId::new(row.try_get::<String, _>(0)?) else { return Ok(()) };
        let known = self.contacts.entry(contact_id).or_default();
        for (column, kind) in (3..).zip(RecordKind::ALL) {
            if let Some(At(at)) = row.try_get::<Option<At>, _>(column)? {
                known.looks.asked_at.insert(kind, at);
            }
        }
        known.looks.updated_at = row.try_get::<Option<String>, _>(1)?.map(Moment::read);
        known.looks.by_id_at = row.try_get::<Option<At>, _>(2)?.map(|At(at)| at);
        Ok(())
    }

    async fn take_record(&mut self, keys: &Keys, connection: &mut PgConnection, location_id: &LocationId, row: &PgRow) -> Result<()> {
        let Ok(contact_id) = ContactId::new(row.try_get::<String, _>(0)?) else { return Ok(()) };
        let revision = Revision { epoch: crate::columns::epoch(row.try_get(5)?), seq: unsigned(row.try_get(6)?) };
        let kind = RecordKind::parse(row.try_get(1)?);
        let record_id = RecordId::new(row.try_get::<String, _>(2)?).ok();
        let record = match serde_json::from_slice::<Record>(row.try_get(7)?) {
            Ok(record) => Some(record),
            Err(_) => record_in_log(keys, connection, location_id, revision.seq).await?,
        };
        let (Some(kind), Some(record_id), Some(record)) = (kind, record_id, record) else {
            self.unreadable.insert(contact_id, revision);
            return Ok(());
        };
        let At(asked_at) = row.try_get(4)?;
        let known = KnownRecord { present: row.try_get(3)?, record, asked_at, reading: reading(row.try_get(8)?) };
        self.contacts.entry(contact_id).or_default().records.insert((kind, record_id), known);
        Ok(())
    }

    pub(crate) fn into_contacts(self) -> BTreeMap<ContactId, KnownContact> {
        self.contacts
    }

    /// What is known of a contact; nothing at all when it was never seen.
    pub(crate) fn of(&mut self, contact_id: &ContactId) -> &mut KnownContact {
        self.contacts.entry(contact_id.clone()).or_default()
    }

    /// Takes in what an observation amounted to. Its drafts get the positions that begin at `first`.
    pub(crate) fn take(&mut self, seen: &Observation, observed: &Observed, first: Revision) {
        self.of(&seen.contact_id).apply(seen, observed);
        let mut seq = first.seq;
        for draft in &observed.drafts {
            let key = (seen.contact_id.clone(), draft.fact.record.kind(), draft.record_id.clone());
            self.changed.insert(key, Revision { epoch: first.epoch, seq });
            seq += 1;
        }
        for (kind, record_id) in &observed.confirmed {
            self.confirmed.insert((seen.contact_id.clone(), *kind, record_id.clone()), as_stored(seen.asked_at));
        }
        for ((kind, record_id), reading) in &observed.reread {
            self.reread.insert((seen.contact_id.clone(), *kind, record_id.clone()), *reading);
        }
        let last = (seq > first.seq).then(|| seq - 1);
        let entry = self.looked_at.entry(seen.contact_id.clone()).or_insert(last);
        *entry = (*entry).max(last);
    }

    /// Takes in that records of a contact show other names. Nothing was looked at, so what is known of them stays.
    pub(crate) fn take_renamed(&mut self, contact_id: &ContactId, drafts: &[Draft], first: Revision) {
        for (draft, seq) in drafts.iter().zip(first.seq..) {
            let key = (contact_id.clone(), draft.fact.record.kind(), draft.record_id.clone());
            self.changed.insert(key, Revision { epoch: first.epoch, seq });
            self.looked_at.insert(contact_id.clone(), Some(seq));
        }
    }

    /// Takes in an event that was recorded once, when nothing but the log is left. How much of the record was read is in no log: what has no
    /// value in it counts as unread.
    pub(crate) fn recall(
        &mut self,
        contact_id: &ContactId,
        record_id: &RecordId,
        fact: &RecordFact,
        asked_at: Timestamp,
        revision: Revision,
    ) {
        let present = fact.change != Change::Vanished;
        let known = self.of(contact_id);
        if let Record::Contact(contact) = &fact.record {
            known.looks.asked_at.insert(RecordKind::Contact, asked_at);
            known.looks.updated_at = if present { contact.updated_at.clone() } else { None };
        }
        let (kind, record) = (fact.record.kind(), fact.record.clone());
        known.records.insert((kind, record_id.clone()), KnownRecord { present, record, asked_at, reading: Reading::FIRST });
        self.changed.insert((contact_id.clone(), kind, record_id.clone()), revision);
        let last = self.looked_at.entry(contact_id.clone()).or_insert(None);
        *last = (*last).max(Some(revision.seq));
    }

    /// Writes what has changed.
    pub(crate) async fn save(&self, connection: &mut PgConnection, location_id: &LocationId) -> Result<()> {
        self.save_changed(connection, location_id).await?;
        self.save_confirmed(connection, location_id).await?;
        self.save_reread(connection, location_id).await?;
        self.save_looks(connection, location_id).await
    }

    async fn save_changed(&self, connection: &mut PgConnection, location_id: &LocationId) -> Result<()> {
        let mut rows = Vec::with_capacity(self.changed.len());
        for ((contact_id, kind, record_id), revision) in &self.changed {
            let known = self.contacts.get(contact_id).and_then(|known| known.records.get(&(*kind, record_id.clone())));
            let Some(known) = known else { continue };
            rows.push((contact_id, kind, record_id, known, revision, encoded(&known.record)?));
        }
        for rows in rows.chunks(STATEMENT_ROWS_MAX) {
            sqlx::query(
                "INSERT INTO known_records (location_id, contact_id, kind, record_id, present, asked_at, epoch, seq, content, reading) \
                 SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::bool[], $6::timestamptz[], $7::int[], $8::bigint[], $9::bytea[], \
                 $10::int[]) \
                 ON CONFLICT (location_id, contact_id, kind, record_id) DO UPDATE SET present = excluded.present, \
                 asked_at = excluded.asked_at, epoch = excluded.epoch, seq = excluded.seq, content = excluded.content, reading = excluded.reading",
            )
            .bind(location_id.as_str())
            .bind(rows.iter().map(|row| row.0.as_str()).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.1.as_str()).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.2.as_str()).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.3.present).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| At(row.3.asked_at)).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| epoch_column(row.4.epoch)).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| signed(row.4.seq)).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.5.as_slice()).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| reading_column(row.3.reading)).collect::<Vec<_>>())
            .execute(&mut *connection)
            .await?;
        }
        Ok(())
    }

    async fn save_confirmed(&self, connection: &mut PgConnection, location_id: &LocationId) -> Result<()> {
        if self.confirmed.is_empty() {
            return Ok(());
        }
        sqlx::query(
            // Rows of a location change under the lock on its head alone, so that they stay where they were found.
            "UPDATE known_records k SET asked_at = greatest(k.asked_at, found.asked_at) FROM (SELECT r.ctid AS place, u.asked_at \
             FROM unnest($2::text[], $3::text[], $4::text[], $5::timestamptz[]) AS u (contact_id, kind, record_id, asked_at) \
             CROSS JOIN LATERAL (SELECT ctid FROM known_records WHERE location_id = $1 AND contact_id = u.contact_id \
             AND kind = u.kind AND record_id = u.record_id OFFSET 0) r) found WHERE k.ctid = found.place",
        )
        .bind(location_id.as_str())
        .bind(self.confirmed.keys().map(|key| key.0.as_str()).collect::<Vec<_>>())
        .bind(self.confirmed.keys().map(|key| key.1.as_str()).collect::<Vec<_>>())
        .bind(self.confirmed.keys().map(|key| key.2.as_str()).collect::<Vec<_>>())
        .bind(self.confirmed.values().copied().map(At).collect::<Vec<_>>())
        .execute(&mut *connection)
        .await?;
        Ok(())
    }

    async fn save_reread(&self, connection: &mut PgConnection, location_id: &LocationId) -> Result<()> {
        if self.reread.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "UPDATE known_records k SET reading = found.reading FROM (SELECT r.ctid AS place, u.reading \
             FROM unnest($2::text[], $3::text[], $4::text[], $5::int[]) AS u (contact_id, kind, record_id, reading) \
             CROSS JOIN LATERAL (SELECT ctid FROM known_records WHERE location_id = $1 AND contact_id = u.contact_id \
             AND kind = u.kind AND record_id = u.record_id OFFSET 0) r) found WHERE k.ctid = found.place",
        )
        .bind(location_id.as_str())
        .bind(self.reread.keys().map(|key| key.0.as_str()).collect::<Vec<_>>())
        .bind(self.reread.keys().map(|key| key.1.as_str()).collect::<Vec<_>>())
        .bind(self.reread.keys().map(|key| key.2.as_str()).collect::<Vec<_>>())
        .bind(self.reread.values().map(|reading| reading_column(*reading)).collect::<Vec<_>>())
        .execute(&mut *connection)
        .await?;
        Ok(())
    }

    async fn save_looks(&self, connection: &mut PgConnection, location_id: &LocationId) -> Result<()> {
        let known: Vec<_> = self.looked_at.keys().filter_map(|id| Some((id, self.contacts.get(id)?))).collect();
        let looks: Vec<_> = known.iter().map(|(_, known)| &known.looks).collect();
        let present = known.iter().map(|(id, known)| {
            let contact = known.records.get(&(RecordKind::Contact, RecordId::from(*id)));
            contact.is_none_or(|contact| contact.present)
        });
        let updated_at = looks.iter().map(|looks| looks.updated_at.as_ref().map(|at| text(&at.to_string()).into_owned()));
        let mut query = sqlx::query(SAVE_LOOKS.as_str())
            .bind(location_id.as_str())
            .bind(self.looked_at.keys().map(ContactId::as_str).collect::<Vec<_>>())
            .bind(updated_at.collect::<Vec<_>>())
            .bind(self.looked_at.values().map(|seq| signed(seq.unwrap_or(0))).collect::<Vec<_>>())
            .bind(present.collect::<Vec<_>>())
            .bind(looks.iter().map(|looks| looks.by_id_at.map(At)).collect::<Vec<_>>());
        for kind in RecordKind::ALL {
            query = query.bind(looks.iter().map(|looks| looks.asked_at.get(&kind).copied().map(At)).collect::<Vec<_>>());
        }
        query.execute(&mut *connection).await?;
        Ok(())
    }
}

/// What observations are compared with. The contact always: all that is known of its records hangs on it.
pub(crate) fn compared<'a>(observations: impl Iterator<Item = &'a Observation>) -> BTreeSet<(&'a ContactId, RecordKind)> {
    let kinds = |seen: &Observation| match seen.contact {
        // With it goes whatever it had.
        Sighting::Gone => RecordKind::ALL.to_vec(),
        Sighting::NotAsked | Sighting::Present { .. } => [RecordKind::Contact].into_iter().chain(seen.listings.keys().copied()).collect(),
    };
    observations.flat_map(|seen| kinds(seen).into_iter().map(|kind| (&seen.contact_id, kind))).collect()
}

/// The column of `known_contacts` that says when a contact's records of a kind were last looked at as a whole.
pub(crate) fn asked_at(kind: RecordKind) -> String {
    format!("{kind}_asked_at")
}

/// The columns of every kind, each in this form.
fn asked_at_of_all(form: impl Fn(String) -> String) -> String {
    RecordKind::ALL.map(|kind| form(asked_at(kind))).join(", ")
}

/// The contact, its update time, when it was asked for by its id, then a column for each kind. Read by position: a name would be made and looked up for every row.
static LOAD_LOOKS: LazyLock<String> = LazyLock::new(|| {
    let asked_at = asked_at_of_all(|column| column);
    format!(
        "SELECT k.* FROM unnest($2::text[]) AS wanted (id) CROSS JOIN LATERAL (SELECT contact_id, updated_at, by_id_at, {asked_at} \
         FROM known_contacts WHERE location_id = $1 AND contact_id = wanted.id OFFSET 0) k"
    )
});

static SAVE_LOOKS: LazyLock<String> = LazyLock::new(|| {
    let columns = asked_at_of_all(|column| column);
    let set = asked_at_of_all(|column| format!("{column} = excluded.{column}"));
    let first = 7;
    let values = (first..first + RecordKind::ALL.len()).map(|index| format!(", ${index}::timestamptz[]")).collect::<String>();
    format!(
        "INSERT INTO known_contacts AS k (location_id, contact_id, updated_at, last_seq, present, by_id_at, {columns}) \
         SELECT $1, * FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bool[], $6::timestamptz[]{values}) \
         ON CONFLICT (location_id, contact_id) DO UPDATE SET {set}, updated_at = excluded.updated_at, by_id_at = excluded.by_id_at, \
         last_seq = greatest(k.last_seq, excluded.last_seq), present = excluded.present"
    )
});

fn reading(column: i32) -> Reading {
    Reading(u32::try_from(column).unwrap_or_default())
}

fn reading_column(Reading(reading): Reading) -> i32 {
    i32::try_from(reading).unwrap_or(i32::MAX)
}

fn encoded(record: &Record) -> Result<Vec<u8>> {
    Ok(serde_json::to_vec(record).map_err(domain::Decode::from)?)
}

/// The log holds the whole content too: what cannot be read in the projection is taken from there, if it can be read there.
async fn record_in_log(keys: &Keys, connection: &mut PgConnection, location_id: &LocationId, seq: u64) -> Result<Option<Record>> {
    match crate::read::one(connection, location_id, seq).await {
        Ok(Some(stored)) => match keys.open_over(connection, &stored).await? {
            Ok(Body::Record(fact)) => Ok(Some(fact.record)),
            Ok(Body::Delivery(_) | Body::Operator(_) | Body::Erased) | Err(_) => Ok(None),
        },
        Ok(None) | Err(Error::Unreadable(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Cuts observations into runs of at most `records_max` records each; one observation is never cut.
pub(crate) fn batches(observations: &[Observation], records_max: usize) -> Vec<&[Observation]> {
    let mut batches = Vec::new();
    let (mut rest, mut length, mut records) = (observations, 0, 0);
    for seen in observations {
        let more = records_in(seen);
        if length > 0 && records + more > records_max {
            let (batch, after) = rest.split_at(length);
            batches.push(batch);
            (rest, length, records) = (after, 0, 0);
        }
        length += 1;
        records += more;
    }
    if length > 0 {
        batches.push(rest);
    }
    batches
}

fn records_in(seen: &Observation) -> usize {
    1 + seen.listings.values().map(Listing::len).sum::<usize>()
}
