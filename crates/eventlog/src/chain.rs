//! The chain of events: every event gets the next position of its location and a hash over itself and its predecessor.
//!
//! - `copy`: many events in one `COPY`

pub(crate) mod copy;

use std::sync::Arc;

use domain::{Body, Cause, ContactId, Event, Hash, LocationId, Net, OperatorFact, RecordId, RecordKind, Recorded, Revision, event_id};
use jiff::Timestamp;
use proof::Link;
use sqlx::{PgConnection, PgExecutor, Postgres, Row, Transaction};

use crate::chain::copy::Rows;
use crate::columns::{At, STATEMENT_ROWS_MAX, as_stored, epoch, epoch_column, signed, traceparent, unsigned};
use crate::keys::ring::ContactKey;
use crate::mirrored::state::MirrorState;
use crate::{Error, Result};

/// How many bytes of payload one statement carries at most.
const STATEMENT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// From how many events on a `COPY`, which takes one more exchange with the database, is quicker than a statement.
const COPY_EVENTS_MIN: usize = 32;

/// An event that has no position yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub contact_id: Option<ContactId>,
    pub record: Option<(RecordKind, RecordId)>,
    pub occurred_at: Timestamp,
    pub cause: Cause,
    pub traceparent: Option<String>,
    pub body: Body,
}

impl Entry {
    /// What a person did, as of now: about one contact, or about the whole location.
    pub(crate) fn by_operator(contact_id: Option<ContactId>, fact: OperatorFact, who: &str) -> Self {
        Self {
            contact_id,
            record: None,
            occurred_at: Timestamp::now(),
            cause: Cause::from(Net::Operator { who: who.to_owned() }),
            traceparent: None,
            body: Body::Operator(fact),
        }
    }
}

/// The end of a location's chain. Whoever has locked it is alone in appending to the location.
pub(crate) struct Head {
    pub(crate) epoch: u32,
    pub(crate) seq: u64,
    pub(crate) hash: Hash,
    /// How many erasures and lifts there were.
    pub(crate) erasures: i64,
}

impl Head {
    /// Lock order: a relay row, if any, before the head; nothing else is locked before it.
    ///
    /// # Errors
    /// `InState` when the log is closed, because the location was purged: nothing is appended to it any more.
    pub(crate) async fn lock(executor: impl PgExecutor<'_>, location_id: &LocationId) -> Result<Self> {
        const LOCK: &str = "SELECT epoch, seq, hash, erasures, closed FROM log_head WHERE location_id = $1 FOR UPDATE";
        let (head, closed) = Self::from_query(LOCK, executor, location_id).await?;
        if closed { Err(Error::InState { state: MirrorState::Purged }) } else { Ok(head) }
    }

    pub(crate) async fn look(executor: impl PgExecutor<'_>, location_id: &LocationId) -> Result<Self> {
        const LOOK: &str = "SELECT epoch, seq, hash, erasures, closed FROM log_head WHERE location_id = $1";
        Ok(Self::from_query(LOOK, executor, location_id).await?.0)
    }

    async fn from_query(query: &'static str, executor: impl PgExecutor<'_>, location_id: &LocationId) -> Result<(Self, bool)> {
        let row = sqlx::query(query).bind(location_id.as_str()).fetch_optional(executor).await?.ok_or(Error::NotFound)?;
        let (seq, hash) = (unsigned(row.try_get(1)?), row.try_get::<&[u8], _>(2)?);
        let hash = hash.try_into().map_err(|_| Error::Corrupt { location_id: location_id.clone(), seq, problem: "malformed head hash" })?;
        Ok((Self { epoch: epoch(row.try_get(0)?), seq, hash, erasures: row.try_get(3)? }, row.try_get(4)?))
    }

    /// The revision that comes after `fresh` more events.
    pub(crate) fn after(&self, fresh: usize) -> Revision {
        Revision { epoch: self.epoch, seq: self.seq + fresh as u64 + 1 }
    }

    /// Chains a few events to the head and inserts them; the head itself is saved by `save`.
    pub(crate) async fn insert(
        &mut self,
        connection: &mut PgConnection,
        location_id: &LocationId,
        fresh: Vec<Prepared>,
    ) -> Result<Vec<Recorded>> {
        let chained = self.chain_all(location_id, fresh);
        let mut rest = chained.as_slice();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rows_for_a_statement(rest));
            insert(connection, location_id, now).await?;
            rest = later;
        }
        Ok(recorded(chained))
    }

    /// As `insert`, and as fast as can be for many.
    pub(crate) async fn insert_all(
        &mut self,
        mut transaction: Transaction<'static, Postgres>,
        location_id: &LocationId,
        fresh: Vec<Prepared>,
    ) -> Result<(Transaction<'static, Postgres>, Vec<Recorded>)> {
        if fresh.len() < COPY_EVENTS_MIN {
            let recorded = self.insert(&mut transaction, location_id, fresh).await?;
            return Ok((transaction, recorded));
        }
        let chained = self.chain_all(location_id, fresh);
        let mut rest = chained.as_slice();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rows_for_a_statement(rest));
            let mut rows = Rows::with_capacity(now.len(), now.iter().map(|chained| chained.payload.len()).sum());
            for chained in now {
                rows.push(&chained.link(), &chained.hash);
            }
            transaction = rows.insert(transaction).await?;
            rest = later;
        }
        Ok((transaction, recorded(chained)))
    }

    fn chain_all(&mut self, location_id: &LocationId, fresh: Vec<Prepared>) -> Vec<Chained> {
        let recorded_at = as_stored(Timestamp::now());
        fresh.into_iter().map(|prepared| self.chain(location_id, prepared, recorded_at)).collect()
    }

    fn chain(&mut self, location_id: &LocationId, prepared: Prepared, recorded_at: Timestamp) -> Chained {
        self.seq += 1;
        let Prepared { entry, type_name, cause, payload, key } = prepared;
        let event = Event {
            location_id: location_id.clone(),
            epoch: self.epoch,
            seq: self.seq,
            event_id: event_id(location_id, self.epoch, self.seq),
            contact_id: entry.contact_id,
            record: entry.record,
            type_name,
            occurred_at: entry.occurred_at,
            recorded_at,
            cause: entry.cause,
            traceparent: entry.traceparent,
            key_id: key.map(|key| key.id.clone()),
            body: entry.body,
        };
        let mut chained = Chained { event, cause, payload, hash: self.hash };
        chained.hash = chained.link().hash(&self.hash);
        self.hash = chained.hash;
        chained
    }

    /// Appends what a person did, and saves the head.
    pub(crate) async fn append_operator(
        &mut self,
        connection: &mut PgConnection,
        location_id: &LocationId,
        fact: OperatorFact,
        who: &str,
    ) -> Result<()> {
        let prepared = Prepared::new(Entry::by_operator(None, fact, who))?;
        self.insert(connection, location_id, vec![prepared]).await?;
        self.save(connection, location_id).await
    }

    pub(crate) async fn save(&self, connection: &mut PgConnection, location_id: &LocationId) -> Result<()> {
        sqlx::query("UPDATE log_head SET seq = $2, hash = $3 WHERE location_id = $1")
            .bind(location_id.as_str())
            .bind(signed(self.seq))
            .bind(self.hash.as_slice())
            .execute(connection)
            .await?;
        Ok(())
    }
}

/// An event in the bytes that will be stored.
pub(crate) struct Prepared {
    pub(crate) entry: Entry,
    pub(crate) type_name: String,
    cause: String,
    pub(crate) payload: Vec<u8>,
    /// What the payload is sealed with.
    pub(crate) key: Option<Arc<ContactKey>>,
}

impl Prepared {
    /// What is given back is what will be read: instants in whole microseconds, a traceparent that is one.
    pub(crate) fn new(entry: Entry) -> Result<Self> {
        let entry = Entry { occurred_at: as_stored(entry.occurred_at), traceparent: traceparent(entry.traceparent.as_deref()), ..entry };
        Ok(Self {
            type_name: crate::columns::text(&entry.body.type_name()).into_owned(),
            cause: serde_json::to_string(&entry.cause).map_err(domain::Decode::from)?,
            payload: entry.body.encode().map_err(domain::Decode::from)?,
            key: None,
            entry,
        })
    }
}

/// An event with its position, and the bytes of it that are stored.
struct Chained {
    event: Recorded,
    cause: String,
    payload: Vec<u8>,
    hash: Hash,
}

impl Chained {
    /// The columns as they are hashed and stored.
    fn link(&self) -> Link<'_> {
        let event = &self.event;
        Link {
            location_id: event.location_id.as_str(),
            epoch: event.epoch,
            seq: event.seq,
            event_id: event.event_id.0,
            contact_id: event.contact_id.as_ref().map(ContactId::as_str),
            record_kind: event.record.as_ref().map(|(kind, _)| kind.as_str()),
            record_id: event.record.as_ref().map(|(_, id)| id.as_str()),
            type_name: &event.type_name,
            occurred_at: event.occurred_at.as_microsecond(),
            recorded_at: event.recorded_at.as_microsecond(),
            cause: &self.cause,
            traceparent: event.traceparent.as_deref(),
            key_id: event.key_id.as_deref(),
            payload: &self.payload,
        }
    }
}

fn recorded(chained: Vec<Chained>) -> Vec<Recorded> {
    chained.into_iter().map(|chained| chained.event).collect()
}

/// At least one, so that an event of any size gets through.
fn rows_for_a_statement(chained: &[Chained]) -> usize {
    let mut bytes = 0;
    let fitting = chained.iter().take(STATEMENT_ROWS_MAX).take_while(|chained| {
        bytes += chained.payload.len();
        bytes <= STATEMENT_BYTES_MAX
    });
    fitting.count().max(1)
}

async fn insert(connection: &mut PgConnection, location_id: &LocationId, chained: &[Chained]) -> Result<()> {
    fn column<'a, T>(links: &[Link<'a>], value: impl Fn(&Link<'a>) -> T) -> Vec<T> {
        links.iter().map(value).collect()
    }
    let links: Vec<Link<'_>> = chained.iter().map(Chained::link).collect();
    sqlx::query(
        "INSERT INTO events (location_id, recorded_at, epoch, seq, event_id, contact_id, record_kind, record_id, type, occurred_at, \
         cause, traceparent, key_id, payload, hash) \
         SELECT $1, $2, $3, seq, event_id, contact_id, record_kind, record_id, type, occurred_at, cause::json, traceparent, key_id, \
         payload, hash FROM unnest($4::bigint[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::text[], $10::timestamptz[], \
         $11::text[], $12::text[], $13::text[], $14::bytea[], $15::bytea[]) \
         AS fresh (seq, event_id, contact_id, record_kind, record_id, type, occurred_at, cause, traceparent, key_id, payload, hash)",
    )
    .bind(location_id.as_str())
    .bind(chained.first().map(|chained| At(chained.event.recorded_at)))
    .bind(chained.first().map(|chained| epoch_column(chained.event.epoch)))
    .bind(column(&links, |link| signed(link.seq)))
    .bind(column(&links, |link| link.event_id))
    .bind(column(&links, |link| link.contact_id))
    .bind(column(&links, |link| link.record_kind))
    .bind(column(&links, |link| link.record_id))
    .bind(column(&links, |link| link.type_name))
    .bind(chained.iter().map(|chained| At(chained.event.occurred_at)).collect::<Vec<_>>())
    .bind(column(&links, |link| link.cause))
    .bind(column(&links, |link| link.traceparent))
    .bind(column(&links, |link| link.key_id))
    .bind(column(&links, |link| link.payload))
    .bind(chained.iter().map(|chained| chained.hash.as_slice()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
