//! Reading a location contact by contact: what a replay folds.

use std::collections::BTreeSet;

use domain::{Change, ContactId, LocationId, ObjectKey, RecordId, RecordKind, Revision, Stored};
use jiff::Timestamp;
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::Result;
use crate::answers::Answers;
use crate::columns::{At, epoch, signed, unsigned};
use crate::read::{select_events, stored};

/// How many positions of the log are looked at to cut it into parts of about the same length.
const SAMPLES: u64 = 256;

/// Which contacts to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContactRange {
    /// This one.
    Only(ContactId),
    /// Those after the one and up to the other, itself included; an end that is missing is open.
    Between(Option<String>, Option<String>),
}

/// An event of a record that was not yet looked into.
#[derive(Debug)]
pub struct RawEvent(PgRow);

impl RawEvent {
    pub fn contact_id(&self) -> Result<&str> {
        Ok(self.0.try_get(4)?)
    }

    pub fn revision(&self) -> Result<Revision> {
        Ok(Revision { epoch: epoch(self.0.try_get(2)?), seq: unsigned(self.0.try_get(1)?) })
    }

    pub fn recorded_at(&self) -> Result<Timestamp> {
        Ok(self.0.try_get::<At, _>(9)?.0)
    }

    /// The kind and id of the record and how it changed; nothing for what this program does not know.
    pub fn record(&self) -> Result<Option<(RecordKind, &str, Change)>> {
        let (kind, type_name) = (self.0.try_get::<Option<&str>, _>(5)?, self.0.try_get::<&str, _>(7)?);
        let change = type_name.rsplit_once('.').and_then(|(_, word)| Change::ALL.into_iter().find(|change| change.as_str() == word));
        let record = kind.and_then(RecordKind::parse).zip(self.0.try_get::<Option<&str>, _>(6)?).zip(change);
        Ok(record.map(|((kind, id), change)| (kind, id, change)))
    }

    /// # Errors
    /// `Unreadable` when the columns are not those of an event.
    pub fn stored(&self) -> Result<Stored> {
        stored(&self.0)
    }
}

impl Answers {
    /// Cuts the contacts of a location into about this many parts with about the same number of events each.
    pub async fn parts_of_contacts(&self, location_id: &LocationId, through: u64, parts: usize) -> Result<Vec<ContactRange>> {
        let samples = SAMPLES.min(through);
        let positions: Vec<i64> = (0..samples).map(|index| signed(1 + index * through / samples)).collect();
        let rows = sqlx::query(
            "SELECT contact_id FROM events WHERE location_id = $1 AND seq = ANY($2) AND contact_id IS NOT NULL \
             ORDER BY contact_id COLLATE \"C\"",
        );
        let rows = rows.bind(location_id.as_str()).bind(positions).fetch_all(&self.pool).await?;
        let mut cuts: Vec<String> = Vec::new();
        for part in 1..parts {
            if let Some(row) = rows.get(part * rows.len() / parts) {
                cuts.push(row.try_get(0)?);
            }
        }
        cuts.dedup();
        let mut ranges = Vec::with_capacity(cuts.len() + 1);
        let mut after = None;
        for cut in cuts {
            ranges.push(ContactRange::Between(after.replace(cut.clone()), Some(cut)));
        }
        ranges.push(ContactRange::Between(after, None));
        Ok(ranges)
    }

    /// The next events of records, by contact and then by position, up to a position; after the contact and position given.
    pub async fn records_by_contact(
        &self,
        location_id: &LocationId,
        contacts: &ContactRange,
        after: Option<(&str, u64)>,
        through: u64,
        limit: u32,
    ) -> Result<Vec<RawEvent>> {
        let (from, to) = match contacts {
            ContactRange::Only(contact_id) => {
                return self.records_of(location_id, contact_id, after.map_or(0, |(_, position)| position), through, limit).await;
            }
            ContactRange::Between(from, to) => (from.as_deref(), to.as_deref()),
        };
        // Past every position of the contact before the range; no contact has an empty id.
        let (contact, position) = after.unwrap_or_else(|| (from.unwrap_or_default(), u64::MAX));
        let rows = sqlx::query(select_events!(
            "WHERE location_id = $1 AND contact_id IS NOT NULL AND (contact_id COLLATE \"C\", seq) > ($2, $3) \
             AND ($4::text IS NULL OR contact_id COLLATE \"C\" <= $4) \
             AND seq <= $5 AND record_kind IS NOT NULL ORDER BY contact_id COLLATE \"C\", seq LIMIT $6"
        ))
        .bind(location_id.as_str())
        .bind(contact)
        .bind(signed(position))
        .bind(to)
        .bind(signed(through))
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(RawEvent).collect())
    }

    async fn records_of(
        &self,
        location_id: &LocationId,
        contact_id: &ContactId,
        after: u64,
        through: u64,
        limit: u32,
    ) -> Result<Vec<RawEvent>> {
        let rows = sqlx::query(select_events!(
            "WHERE location_id = $1 AND contact_id = $2 AND seq > $3 AND seq <= $4 AND record_kind IS NOT NULL ORDER BY seq LIMIT $5"
        ))
        .bind(location_id.as_str())
        .bind(contact_id.as_str())
        .bind(signed(after))
        .bind(signed(through))
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(RawEvent).collect())
    }

    /// The events at these positions.
    pub async fn events_at(&self, location_id: &LocationId, positions: &[u64]) -> Result<Vec<Stored>> {
        let positions: Vec<i64> = positions.iter().copied().map(signed).collect();
        let rows = sqlx::query(select_events!("WHERE location_id = $1 AND seq = ANY($2) ORDER BY seq"));
        let rows = rows.bind(location_id.as_str()).bind(positions).fetch_all(&self.pool).await?;
        rows.iter().map(stored).collect()
    }

    /// Which of these positions of the log hold an event of a record: its revision, and the object that mirrors the record.
    pub async fn records_at(&self, location_id: &LocationId, positions: &[u64]) -> Result<BTreeSet<(Revision, ObjectKey)>> {
        let positions: Vec<i64> = positions.iter().copied().map(signed).collect();
        let rows = sqlx::query(
            "SELECT epoch, seq, record_kind, record_id FROM events WHERE location_id = $1 AND seq = ANY($2) AND record_kind IS NOT NULL",
        );
        let mut records = BTreeSet::new();
        for row in rows.bind(location_id.as_str()).bind(positions).fetch_all(&self.pool).await? {
            let revision = Revision { epoch: epoch(row.try_get(0)?), seq: unsigned(row.try_get(1)?) };
            let id = row.try_get::<Option<String>, _>(3)?.and_then(|id| RecordId::new(id).ok());
            if let Some((kind, id)) = RecordKind::parse(row.try_get(2)?).zip(id) {
                records.insert((revision, ObjectKey::of_record(kind, &id)));
            }
        }
        Ok(records)
    }
}
