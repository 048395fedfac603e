//! From the log to the bus: which events have been published, and how far back a wiped bus must be refilled from.

use std::collections::BTreeMap;

use domain::{Decode, LocationId, Revision, Stored};
use jiff::Timestamp;
use sqlx::{PgPool, Postgres, Row, Transaction};

use crate::Result;
use crate::appends::Appended;
use crate::columns::{At, location_id, signed, unsigned};
use crate::ledger::parked::{self, Parking, Stage};
use crate::read::{event, link, select_events};

/// One attempt to relay.
pub enum RelayTurn {
    /// Everything is published.
    Idle,
    /// Another replica is publishing this location.
    Busy,
    Batch(RelayBatch),
}

/// Events to publish. Holds the lease on the location's cursor; dropping it without `done` gives the lease back with the cursor
/// where it was, and the same events come again.
pub struct RelayBatch {
    /// In order of the log.
    pub events: Vec<Stored>,
    unreadable: Vec<Parking>,
    round: u32,
    through: u64,
    location_id: LocationId,
    transaction: Transaction<'static, Postgres>,
}

impl RelayBatch {
    /// The message id of an event: names the fact, so that publishing it twice is noticed, and the round, so that publishing it
    /// again on purpose, after the bus lost something, is not mistaken for a repetition.
    pub fn message_id(&self, event: &Stored) -> String {
        let Stored { location_id, epoch, seq, .. } = event;
        if self.round == 0 { format!("{location_id}:{epoch}.{seq}") } else { format!("{location_id}:{epoch}.{seq}~{}", self.round) }
    }

    /// Moves the cursor past the batch. Call it when every event is acknowledged by the bus.
    pub async fn done(mut self) -> Result<()> {
        for parking in &self.unreadable {
            parked::upsert(&mut self.transaction, parking, None).await?;
        }
        sqlx::query("UPDATE relay SET published = $2 WHERE location_id = $1")
            .bind(self.location_id.as_str())
            .bind(signed(self.through))
            .execute(&mut *self.transaction)
            .await?;
        Ok(self.transaction.commit().await?)
    }
}

/// What was last seen of a stream: one that is younger or shorter has lost something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamState {
    pub created_at: Timestamp,
    pub last_sequence: u64,
}

/// How far each location is published. Cheap to clone.
#[derive(Clone)]
pub struct Relay {
    pub(crate) pool: PgPool,
    pub(crate) appended: Appended,
}

impl Relay {
    /// The locations with events that are not yet published.
    pub async fn behind(&self) -> Result<Vec<LocationId>> {
        let rows =
            sqlx::query("SELECT location_id FROM relay JOIN log_head USING (location_id) WHERE published < seq ORDER BY location_id")
                .fetch_all(&self.pool)
                .await?;
        rows.iter().map(|row| location_id(row.try_get(0)?)).collect()
    }

    /// Takes the next events to publish, and with them the lease on the location. An event that cannot even be read as a row of the
    /// log is left out of the batch and parked when the batch is done.
    pub async fn next(&self, location_id: &LocationId, limit: u32) -> Result<RelayTurn> {
        let mut transaction = self.pool.begin().await?;
        // A cursor that falls back after a crash publishes twice, which is harmless: no need to wait for the disk.
        let row = sqlx::query(
            "SELECT published, round, set_config('synchronous_commit', 'off', true) FROM relay \
             WHERE location_id = $1 FOR UPDATE SKIP LOCKED",
        )
        .bind(location_id.as_str())
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(row) = row else { return Ok(RelayTurn::Busy) };
        let rows = sqlx::query(select_events!("WHERE location_id = $1 AND seq > $2 ORDER BY seq LIMIT $3"))
            .bind(location_id.as_str())
            .bind(row.try_get::<i64, _>(0)?)
            .bind(i64::from(limit))
            .fetch_all(&mut *transaction)
            .await?;
        let round = u32::try_from(row.try_get::<i32, _>(1)?).unwrap_or(0);
        let mut batch = RelayBatch {
            events: Vec::with_capacity(rows.len()),
            unreadable: Vec::new(),
            round,
            through: 0,
            location_id: location_id.clone(),
            transaction,
        };
        for row in &rows {
            let link = link(row)?;
            let revision = Revision { epoch: link.epoch, seq: link.seq };
            batch.through = link.seq;
            match event(link) {
                Ok(event) => batch.events.push(event),
                Err(error) => batch.unreadable.push(unreadable(location_id, revision, &error)),
            }
        }
        Ok(if rows.is_empty() { RelayTurn::Idle } else { RelayTurn::Batch(batch) })
    }

    /// How many events are not published yet, of each location that has any.
    pub async fn lags(&self) -> Result<BTreeMap<LocationId, u64>> {
        let rows = sqlx::query("SELECT location_id, seq - published FROM relay JOIN log_head USING (location_id) WHERE published < seq")
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(|row| Ok((location_id(row.try_get(0)?)?, unsigned(row.try_get(1)?)))).collect()
    }

    /// How far each location is published.
    pub async fn positions(&self) -> Result<BTreeMap<LocationId, u64>> {
        let rows = sqlx::query("SELECT location_id, published FROM relay").fetch_all(&self.pool).await?;
        rows.iter().map(|row| Ok((location_id(row.try_get(0)?)?, unsigned(row.try_get(1)?)))).collect()
    }

    /// Remembers positions whose consequences have all arrived: nothing before them needs publishing again. Never moves back.
    pub async fn save_settled(&self, positions: &BTreeMap<LocationId, u64>) -> Result<()> {
        sqlx::query(
            "UPDATE relay r SET settled = u.settled FROM unnest($1::text[], $2::bigint[]) AS u (location_id, settled) \
             WHERE r.location_id = u.location_id AND r.settled < u.settled",
        )
        .bind(positions.keys().map(LocationId::as_str).collect::<Vec<_>>())
        .bind(positions.values().copied().map(signed).collect::<Vec<_>>())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Sends the relay of every location back to its settled mark, because the bus has lost something. Waits for batches in hand.
    pub async fn rewind(&self) -> Result<()> {
        sqlx::query("UPDATE relay SET published = settled, round = round + 1 WHERE published > settled").execute(&self.pool).await?;
        self.appended.notify(1);
        Ok(())
    }

    /// What was last seen of a stream; nothing of one that was never seen.
    pub async fn stream(&self, name: &str) -> Result<Option<StreamState>> {
        let row =
            sqlx::query("SELECT created_at, last_sequence FROM streams WHERE name = $1").bind(name).fetch_optional(&self.pool).await?;
        row.map(|row| Ok(StreamState { created_at: row.try_get::<At, _>(0)?.0, last_sequence: unsigned(row.try_get(1)?) })).transpose()
    }

    /// Remembers what was seen of a stream. Instants are kept in whole microseconds: compare with what `stream` gives, not with what was passed here.
    pub async fn remember_stream(&self, name: &str, seen: &StreamState) -> Result<()> {
        sqlx::query(
            "INSERT INTO streams (name, created_at, last_sequence) VALUES ($1, $2, $3) \
             ON CONFLICT (name) DO UPDATE SET created_at = excluded.created_at, last_sequence = excluded.last_sequence",
        )
        .bind(name)
        .bind(At(seen.created_at))
        .bind(signed(seen.last_sequence))
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

fn unreadable(location_id: &LocationId, revision: Revision, error: &Decode) -> Parking {
    Parking {
        stage: Stage::Poller,
        location_id: location_id.clone(),
        contact_id: None,
        object: None,
        revision: Some(revision),
        subject: String::new(),
        message: Vec::new(),
        reason: format!("event {revision} was not published, it cannot be read: {error}"),
        status: None,
        attempts: 1,
        traceparent: None,
    }
}
