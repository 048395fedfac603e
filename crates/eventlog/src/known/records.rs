//! What is known of a location's records: looked up, confirmed, and searched for what nobody has seen for long.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use domain::{ContactId, KnownContact, LocationId, Observation, RecordId, RecordKind, observe};
use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgPool, Row};

use crate::chain::Head;
use crate::columns::{At, as_stored, contact_id, record_id, unsigned};
use crate::keys::Keys;
use crate::keys::ring::is_erased;
use crate::known::{Known, asked_at, batches, compared};
use crate::{Lease, Result, leases};

/// A contact whose notes are due, and when they were last seen whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotesDue {
    pub contact_id: ContactId,
    pub asked_at: Option<Timestamp>,
}

/// GHL lets a task be on ten contacts.
const CONTACTS_OF_RECORD_MAX: i64 = 10;

/// What is known of GHL. Cheap to clone.
#[derive(Clone)]
pub struct KnownRecords {
    pub(crate) pool: PgPool,
    pub(crate) keys: Keys,
    pub(crate) transaction_records_max: NonZeroUsize,
}

impl KnownRecords {
    /// What is known of these contacts now, with their records of these kinds; those never seen are left out. It may be older than what
    /// an append compares with.
    pub async fn of(
        &self,
        location_id: &LocationId,
        contacts: &[ContactId],
        kinds: &[RecordKind],
    ) -> Result<BTreeMap<ContactId, KnownContact>> {
        let mut connection = self.pool.acquire().await?;
        let wanted = contacts.iter().flat_map(|id| kinds.iter().map(move |kind| (id, *kind))).collect();
        let known = Known::load(&self.keys, &mut connection, location_id, &wanted).await?;
        Ok(known.into_contacts())
    }

    /// Notes that these observations were made and found nothing new: when each record was last seen moves, so that what nobody has seen
    /// can be told. One that would be a change after all is left out, for another look to see.
    ///
    /// # Errors
    /// `NotFound` when the location was never connected, `Superseded` when the lease is not held any more.
    pub async fn confirm(&self, lease: &Lease, observations: &[Observation]) -> Result<()> {
        let location_id = &lease.location_id;
        for batch in batches(observations, self.transaction_records_max.get()) {
            let mut transaction = self.pool.begin().await?;
            let head = Head::lock(&mut *transaction, location_id).await?;
            leases::check(&mut transaction, lease).await?;
            let erased = self.keys.ring.locked_erased(&mut transaction, location_id, head.erasures).await?;
            let seen = batch.iter().filter(|seen| seen.location_id == *location_id && !is_erased(&erased, &seen.contact_id));
            let mut known = Known::load(&self.keys, &mut transaction, location_id, &compared(seen.clone())).await?;
            for seen in seen {
                let observed = observe(known.of(&seen.contact_id), seen);
                if observed.drafts.is_empty() && !known.unreadable.contains_key(&seen.contact_id) {
                    known.take(seen, &observed, head.after(0));
                }
            }
            known.save(&mut transaction, location_id).await?;
            transaction.commit().await?;
        }
        Ok(())
    }

    /// The contacts that a record is on as far as is known; if it is on none any more, the one that it was on last.
    pub async fn contacts_of(&self, location_id: &LocationId, kind: RecordKind, record: &RecordId) -> Result<Vec<ContactId>> {
        let rows = sqlx::query(
            "SELECT contact_id, present FROM known_records WHERE location_id = $1 AND kind <> 'contact' AND kind = $2 AND record_id = $3 \
             ORDER BY present DESC, seq DESC LIMIT $4",
        )
        .bind(location_id.as_str())
        .bind(kind.as_str())
        .bind(record.as_str())
        .bind(CONTACTS_OF_RECORD_MAX)
        .fetch_all(&self.pool)
        .await?;
        let mut contacts = Vec::with_capacity(rows.len());
        for row in &rows {
            if row.try_get(1)? || contacts.is_empty() {
                contacts.push(contact_id(row.try_get(0)?)?);
            }
        }
        Ok(contacts)
    }

    /// Contacts that are present as far as is known and that nobody has asked for since an instant, in the order of their ids.
    pub async fn unseen_contacts(
        &self,
        location_id: &LocationId,
        since: Timestamp,
        after: Option<&ContactId>,
        limit: u32,
    ) -> Result<Vec<ContactId>> {
        let rows = sqlx::query(
            "SELECT contact_id FROM known_contacts WHERE location_id = $1 AND contact_id > $2 AND present \
             AND (contact_asked_at IS NULL OR contact_asked_at < $3) ORDER BY contact_id LIMIT $4",
        )
        .bind(location_id.as_str())
        .bind(after.map_or("", ContactId::as_str))
        .bind(At(as_stored(since)))
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| contact_id(row.try_get(0)?)).collect()
    }

    /// Records of a kind that are present as far as is known and that nobody has seen since an instant, singly or in a listing, in the
    /// order of their contacts. Their content is as bytes where it cannot be read.
    pub async fn unseen_records(
        &self,
        location_id: &LocationId,
        kind: RecordKind,
        since: Timestamp,
        after: Option<(&ContactId, &RecordId)>,
        limit: u32,
    ) -> Result<Vec<(ContactId, RecordId, Option<domain::Record>)>> {
        let asked_at = asked_at(kind);
        let rows = sqlx::query(AssertSqlSafe(format!(
            "SELECT r.contact_id, r.record_id, r.content FROM known_records r JOIN known_contacts k USING (location_id, contact_id) \
             WHERE r.location_id = $1 AND r.kind = $2 AND r.present AND r.asked_at < $3 \
             AND coalesce(k.{asked_at}, '-infinity') < $3 \
             AND (r.contact_id, r.record_id) > ($4, $5) ORDER BY r.contact_id, r.record_id LIMIT $6",
        )))
        .bind(location_id.as_str())
        .bind(kind.as_str())
        .bind(At(as_stored(since)))
        .bind(after.map_or("", |(contact_id, _)| contact_id.as_str()))
        .bind(after.map_or("", |(_, record_id)| record_id.as_str()))
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        let unseen =
            |row: &PgRow| Ok((contact_id(row.try_get(0)?)?, record_id(row.try_get(1)?)?, serde_json::from_slice(row.try_get(2)?).ok()));
        rows.iter().map(unseen).collect()
    }

    /// Contacts whose notes were last seen whole before an instant, those that waited longest first, after `after`.
    pub async fn notes_due(
        &self,
        location_id: &LocationId,
        before: Timestamp,
        after: Option<&NotesDue>,
        limit: u32,
    ) -> Result<Vec<NotesDue>> {
        let rows = sqlx::query(
            "SELECT contact_id, note_asked_at FROM known_contacts WHERE location_id = $1 AND present \
             AND coalesce(note_asked_at, '-infinity') < $2 \
             AND (coalesce(note_asked_at, '-infinity'), contact_id) > (coalesce($3::timestamptz, '-infinity'), $4) \
             ORDER BY coalesce(note_asked_at, '-infinity'), contact_id LIMIT $5",
        )
        .bind(location_id.as_str())
        .bind(At(as_stored(before)))
        .bind(after.and_then(|due| due.asked_at).map(At))
        .bind(after.map_or("", |due| due.contact_id.as_str()))
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        let due = |row: &PgRow| {
            Ok(NotesDue { contact_id: contact_id(row.try_get(0)?)?, asked_at: row.try_get::<Option<At>, _>(1)?.map(|At(at)| at) })
        };
        rows.iter().map(due).collect()
    }

    /// How many records of a kind a location has, as far as is known. Reads the row of each: not for every look.
    pub async fn present(&self, location_id: &LocationId, kind: RecordKind) -> Result<u64> {
        let row = sqlx::query("SELECT count(*) FROM known_records WHERE location_id = $1 AND kind = $2 AND present")
            .bind(location_id.as_str())
            .bind(kind.as_str())
            .fetch_one(&self.pool)
            .await?;
        Ok(unsigned(row.try_get(0)?))
    }

    /// How many contacts a location has, as far as is known.
    pub async fn contacts_present(&self, location_id: &LocationId) -> Result<u64> {
        let row = sqlx::query("SELECT count(*) FROM known_contacts WHERE location_id = $1 AND present")
            .bind(location_id.as_str())
            .fetch_one(&self.pool)
            .await?;
        Ok(unsigned(row.try_get(0)?))
    }
}
