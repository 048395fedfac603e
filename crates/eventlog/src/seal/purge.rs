//! Purging a location: its log is closed, then every contact's key is destroyed and what is kept beside the events is removed, batch by batch;
//! what others hold is listed, so that it can be removed however often that is interrupted. The chain stays, and ends in the event that says so.

use std::sync::Arc;

use domain::{LocationId, OperatorFact, Revision, Workspace};
use jiff::Timestamp;
use serde_json::json;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Postgres, Row, Transaction};

use crate::appends::Appended;
use crate::chain::{Entry, Head, Prepared};
use crate::columns::{At, epoch, epoch_column, location_id, signed, text, unsigned, workspace};
use crate::keys::ring::KeyRing;
use crate::mirrored::count_change;
use crate::mirrored::state::MirrorState;
use crate::{Error, Result};

/// How many positions of the log one statement looks through for payloads that no key protects.
const POSITIONS_AT_ONCE: u64 = 50_000;

/// The columns of a purge in the order that `read` expects.
macro_rules! select_purges {
    ($tail:literal) => {
        concat!(
            "SELECT location_id, reason, who, epoch, seq, plain_events, begun_at, keys, rows, log_at, workspaces, bus_at, finished_at ",
            "FROM purges ",
            $tail
        )
    };
}

/// What is destroyed, so many at once: first the keys, without which nothing that is sealed can be read any more.
const DESTROY_KEYS: &str = "UPDATE contact_keys SET wrapped = NULL, kek_id = NULL, destroyed_at = now() WHERE location_id = $1 AND key_id IN \
     (SELECT key_id FROM contact_keys WHERE location_id = $1 AND destroyed_at IS NULL LIMIT $2)";

macro_rules! remove_from {
    ($table:literal) => {
        concat!("DELETE FROM ", $table, " WHERE ctid = ANY(ARRAY(SELECT ctid FROM ", $table, " WHERE location_id = $1 LIMIT $2))")
    };
}

/// Everything else that is kept of a location beside its events.
const REMOVE: [&str; 19] = [
    remove_from!("known_records"),
    remove_from!("known_contacts"),
    remove_from!("ledger"),
    remove_from!("parked"),
    remove_from!("replays"),
    remove_from!("plans"),
    remove_from!("location_names"),
    remove_from!("location_premises"),
    remove_from!("resyncs"),
    remove_from!("passes"),
    remove_from!("progress"),
    remove_from!("coverage"),
    remove_from!("parity"),
    remove_from!("vanishing"),
    remove_from!("source_troubles"),
    remove_from!("calls_nearly_spent"),
    remove_from!("workflow_secrets"),
    remove_from!("alerts"),
    remove_from!("alert_silences"),
];

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurgeRequest {
    /// Why; kept for ever, so it must name nobody.
    pub reason: String,
    pub who: String,
    /// Go on although events from before there was a key stay readable in the log.
    pub leave_plain_events: bool,
}

/// A purge and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purge {
    pub location_id: LocationId,
    pub reason: String,
    pub who: String,
    /// The event that says so, the last one of the location.
    pub revision: Revision,
    /// Events whose payloads stay readable in the log, because they were stored before there was a key.
    pub plain_events: u64,
    pub begun_at: Timestamp,
    /// How many contacts' keys were destroyed, and how many rows about contacts were removed.
    pub keys: u64,
    pub rows: u64,
    /// When nothing of it was left beside the log in the log's database.
    pub log_at: Option<Timestamp>,
    /// The workspaces that the bridge may still have.
    pub workspaces: Vec<Workspace>,
    /// When its messages were removed from the bus.
    pub bus_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
}

/// What of a purge is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PurgeStep<'a> {
    Log,
    Workspace(&'a Workspace),
    Bus,
}

/// Which locations were purged, and what of it is still to be done. Cheap to clone.
#[derive(Clone)]
pub struct Purges {
    pub(crate) pool: PgPool,
    pub(crate) ring: Arc<KeyRing>,
    pub(crate) appended: Appended,
}

type Tx = Transaction<'static, Postgres>;

impl Purges {
    /// Closes the log of a location that is retired: `operator.location_purged` is its last event, and in the same transaction its workspaces are
    /// retired, its tokens destroyed, and what is left to do is noted. From then on its contacts count as erased. Doing it again answers with how
    /// far it is.
    ///
    /// # Errors
    /// `NotFound` when it was never mirrored, `InState` when it is not retired, `PlainEvents` when payloads would stay readable and that was not
    /// asked for.
    pub async fn begin(&self, location_id: &LocationId, request: &PurgeRequest) -> Result<Purge> {
        if let Some(begun) = self.find(location_id).await? {
            return Ok(begun);
        }
        // Most of it is counted before anybody has to wait.
        let seen = Head::look(&self.pool, location_id).await?.seq;
        let plain_before = plain_events(&mut *self.pool.acquire().await?, location_id, 0, seen).await?;
        let mut transaction = self.pool.begin().await?;
        // The relay's row before the head, as whoever publishes takes them.
        sqlx::query("SELECT FROM relay WHERE location_id = $1 FOR UPDATE").bind(location_id.as_str()).execute(&mut *transaction).await?;
        let mut head = match Head::lock(&mut *transaction, location_id).await {
            Ok(head) => head,
            // Another was faster.
            Err(Error::InState { .. }) => return self.find(location_id).await?.ok_or(Error::NotFound),
            Err(error) => return Err(error),
        };
        let state = state(&mut transaction, location_id).await?;
        if state != MirrorState::Retired {
            return Err(Error::InState { state });
        }
        let plain_events = plain_before + plain_events(&mut transaction, location_id, seen, head.seq).await?;
        if plain_events > 0 && !request.leave_plain_events {
            return Err(Error::PlainEvents { count: plain_events });
        }
        let detail = json!({ "reason": request.reason, "plain_events": plain_events });
        let revision = close(&mut transaction, &mut head, location_id, detail, &request.who).await?;
        note(&mut transaction, location_id, request, revision, plain_events).await?;
        transaction.commit().await?;
        self.ring.forget(location_id);
        self.appended.notify(1);
        self.find(location_id).await?.ok_or(Error::NotFound)
    }

    /// Destroys or removes so many keys and rows at most; when nothing is left, `log_at` says so. Repeating it is harmless.
    ///
    /// # Errors
    /// `NotFound` when it was not begun.
    pub async fn destroy(&self, location_id: &LocationId, rows_max: u32) -> Result<Purge> {
        let (mut keys, mut rows) = (0, 0);
        for (number, statement) in std::iter::once(DESTROY_KEYS).chain(REMOVE).enumerate() {
            let left = u64::from(rows_max).saturating_sub(keys + rows);
            if left == 0 {
                break;
            }
            let mut transaction = self.pool.begin().await?;
            let done =
                sqlx::query(statement).bind(location_id.as_str()).bind(signed(left)).execute(&mut *transaction).await?.rows_affected();
            if done == 0 {
                continue;
            }
            let (of_keys, of_rows) = if number == 0 { (done, 0) } else { (0, done) };
            count(&mut transaction, location_id, of_keys, of_rows).await?;
            transaction.commit().await?;
            (keys, rows) = (keys + of_keys, rows + of_rows);
        }
        if keys + rows == 0 {
            self.record(location_id, PurgeStep::Log).await?;
        }
        self.find(location_id).await?.ok_or(Error::NotFound)
    }

    /// The purge of a location, if it was begun.
    pub async fn find(&self, location_id: &LocationId) -> Result<Option<Purge>> {
        let row = sqlx::query(select_purges!("WHERE location_id = $1")).bind(location_id.as_str()).fetch_optional(&self.pool).await?;
        row.as_ref().map(read).transpose()
    }

    /// Purges that are not finished, oldest first.
    pub async fn unfinished(&self, limit: u32) -> Result<Vec<Purge>> {
        let rows = sqlx::query(select_purges!("WHERE finished_at IS NULL ORDER BY begun_at LIMIT $1"))
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(read).collect()
    }

    /// Notes that a step is done, and that all of it is when nothing is left.
    pub async fn record(&self, location_id: &LocationId, step: PurgeStep<'_>) -> Result<()> {
        let (step, workspace) = match step {
            PurgeStep::Log => ("log", None),
            PurgeStep::Bus => ("bus", None),
            PurgeStep::Workspace(workspace) => ("workspace", Some(workspace.as_str())),
        };
        let mut transaction = self.pool.begin().await?;
        sqlx::query(
            "UPDATE purges SET workspaces = array_remove(workspaces, $3), \
             log_at = CASE WHEN $2 = 'log' THEN coalesce(log_at, now()) ELSE log_at END, \
             bus_at = CASE WHEN $2 = 'bus' THEN coalesce(bus_at, now()) ELSE bus_at END WHERE location_id = $1",
        )
        .bind(location_id.as_str())
        .bind(step)
        .bind(workspace)
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "UPDATE purges SET finished_at = now() WHERE location_id = $1 AND finished_at IS NULL AND log_at IS NOT NULL \
             AND bus_at IS NOT NULL AND cardinality(workspaces) = 0",
        )
        .bind(location_id.as_str())
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }
}

/// What was decided about the location, which stays so until the end of the transaction.
async fn state(transaction: &mut Tx, location_id: &LocationId) -> Result<MirrorState> {
    let row = sqlx::query("SELECT state FROM mirrored_locations WHERE location_id = $1 FOR UPDATE")
        .bind(location_id.as_str())
        .fetch_optional(&mut **transaction)
        .await?;
    MirrorState::parse(row.ok_or(Error::NotFound)?.try_get(0)?).ok_or_else(|| Error::malformed("state"))
}

/// How many events of these positions hold a payload that no key protects.
async fn plain_events(connection: &mut PgConnection, location_id: &LocationId, mut after: u64, upto: u64) -> Result<u64> {
    let mut plain = 0;
    while after < upto {
        let last = upto.min(after.saturating_add(POSITIONS_AT_ONCE));
        let row = sqlx::query(
            "SELECT count(*) FROM events WHERE location_id = $1 AND seq > $2 AND seq <= $3 AND key_id IS NULL AND record_kind IS NOT NULL",
        )
        .bind(location_id.as_str())
        .bind(signed(after))
        .bind(signed(last))
        .fetch_one(&mut *connection)
        .await?;
        plain += unsigned(row.try_get(0)?);
        after = last;
    }
    Ok(plain)
}

/// Appends the last event and closes the log; nothing of it is published any more.
async fn close(transaction: &mut Tx, head: &mut Head, location_id: &LocationId, detail: serde_json::Value, who: &str) -> Result<Revision> {
    let revision = head.after(0);
    let fact = OperatorFact { verb: "location_purged".to_owned(), detail };
    head.insert(transaction, location_id, vec![Prepared::new(Entry::by_operator(None, fact, who))?]).await?;
    head.save(transaction, location_id).await?;
    for close in [
        "UPDATE log_head SET closed = true, erasures = erasures + 1 WHERE location_id = $1",
        "UPDATE relay r SET published = h.seq, settled = h.seq FROM log_head h WHERE r.location_id = $1 AND h.location_id = $1",
    ] {
        sqlx::query(close).bind(location_id.as_str()).execute(&mut **transaction).await?;
    }
    Ok(revision)
}

async fn note(transaction: &mut Tx, location_id: &LocationId, request: &PurgeRequest, revision: Revision, plain_events: u64) -> Result<()> {
    sqlx::query(
        "INSERT INTO purges (location_id, reason, who, epoch, seq, plain_events, begun_at, workspaces) \
         SELECT $1, $2, $3, $4, $5, $6, now(), coalesce(array_agg(workspace ORDER BY workspace), '{}') FROM workspaces WHERE location_id = $1",
    )
    .bind(location_id.as_str())
    .bind(text(&request.reason))
    .bind(text(&request.who))
    .bind(epoch_column(revision.epoch))
    .bind(signed(revision.seq))
    .bind(signed(plain_events))
    .execute(&mut **transaction)
    .await?;
    sqlx::query(
        "UPDATE mirrored_locations SET state = 'purged', since = now(), who = $2, reason = $3, kek_id = NULL, sealed = NULL \
         WHERE location_id = $1",
    )
    .bind(location_id.as_str())
    .bind(text(&request.who))
    .bind(text(&request.reason))
    .execute(&mut **transaction)
    .await?;
    for end in [
        // What is still on its way to a workspace must not create it again.
        "UPDATE workspaces SET role = 'retired' WHERE location_id = $1",
        "UPDATE credentials SET state = 'retired', sealed = NULL, kek_id = NULL, refresh_begun_at = NULL, problem = NULL \
         WHERE kind = 'location' AND id = $1",
    ] {
        sqlx::query(end).bind(location_id.as_str()).execute(&mut **transaction).await?;
    }
    count_change(transaction).await
}

async fn count(transaction: &mut Tx, location_id: &LocationId, keys: u64, rows: u64) -> Result<()> {
    sqlx::query("UPDATE purges SET keys = keys + $2, rows = rows + $3 WHERE location_id = $1")
        .bind(location_id.as_str())
        .bind(signed(keys))
        .bind(signed(rows))
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

fn read(row: &PgRow) -> Result<Purge> {
    let at = |column| Ok::<_, Error>(row.try_get::<Option<At>, _>(column)?.map(|At(at)| at));
    Ok(Purge {
        location_id: location_id(row.try_get(0)?)?,
        reason: row.try_get(1)?,
        who: row.try_get(2)?,
        revision: Revision { epoch: epoch(row.try_get(3)?), seq: unsigned(row.try_get(4)?) },
        plain_events: unsigned(row.try_get(5)?),
        begun_at: row.try_get::<At, _>(6)?.0,
        keys: unsigned(row.try_get(7)?),
        rows: unsigned(row.try_get(8)?),
        log_at: at(9)?,
        workspaces: row.try_get::<Vec<String>, _>(10)?.into_iter().map(workspace).collect::<Result<_>>()?,
        bus_at: at(11)?,
        finished_at: at(12)?,
    })
}
