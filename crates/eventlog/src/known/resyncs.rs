//! What a person asked to look at again, and how far that is: one request at a time for each location.

use domain::{ContactId, LocationId, RecordKind};
use jiff::Timestamp;
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};
use uuid::Uuid;

use crate::columns::{At, as_stored, contact_id, signed, text, unsigned};
use crate::{Error, Result};

/// A request to look again.
#[derive(Clone, Debug, PartialEq)]
pub struct Resync {
    pub resync_id: Uuid,
    pub target: ResyncTarget,
    pub who: String,
    pub asked_at: Timestamp,
    pub progress: ResyncProgress,
}

/// What is looked at again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResyncTarget {
    /// These contacts, with everything that belongs to them.
    Contacts(Vec<ContactId>),
    /// The contacts that were updated since then, with everything that belongs to them.
    Since(Timestamp),
    /// All records of these kinds.
    Kinds(Vec<RecordKind>),
}

/// How far a request is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResyncProgress {
    /// Where it goes on, in terms of whoever carries it out.
    pub cursor: Option<Value>,
    /// The kinds that are through.
    pub done: Vec<RecordKind>,
    /// What was looked at: contacts, or the rows of lists.
    pub seen: u64,
    pub total: Option<u64>,
    /// Changes that were found and appended.
    pub changes: u64,
    /// Why it does not go on at the moment.
    pub waits: Option<String>,
    /// What could not be looked at.
    pub problem: Option<String>,
    pub ended_at: Option<Timestamp>,
}

/// Requests to look again. Cheap to clone.
#[derive(Clone)]
pub struct Resyncs {
    pub(crate) pool: PgPool,
}

const COLUMNS: &str =
    "resync_id, contacts, since, kinds, who, asked_at, cursor::text, done, seen, total, changes, waits, problem, ended_at";

impl Resyncs {
    /// Keeps a request until it is carried out, in place of one that has ended, or, if so wished, of one that is under way. Gives what
    /// is under way now, and whether that is this request.
    pub async fn ask(
        &self,
        location_id: &LocationId,
        target: &ResyncTarget,
        who: &str,
        asked_at: Timestamp,
        replace: bool,
    ) -> Result<(Resync, bool)> {
        let (contacts, since, kinds) = match target {
            ResyncTarget::Contacts(contacts) => (contacts.iter().map(ContactId::as_str).collect(), None, Vec::new()),
            ResyncTarget::Since(since) => (Vec::new(), Some(At(as_stored(*since))), Vec::new()),
            ResyncTarget::Kinds(kinds) => (Vec::new(), None, kinds.iter().map(|kind| kind.as_str()).collect()),
        };
        let asked = sqlx::query(sqlx::AssertSqlSafe(format!(
            "INSERT INTO resyncs AS r (location_id, resync_id, contacts, since, kinds, who, asked_at) VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT (location_id) DO UPDATE SET resync_id = excluded.resync_id, contacts = excluded.contacts, since = excluded.since, \
             kinds = excluded.kinds, who = excluded.who, asked_at = excluded.asked_at, cursor = NULL, done = '{{}}', seen = 0, total = NULL, \
             changes = 0, waits = NULL, problem = NULL, ended_at = NULL WHERE r.ended_at IS NOT NULL OR $8 RETURNING {COLUMNS}"
        )))
        .bind(location_id.as_str())
        .bind(Uuid::new_v4())
        .bind::<Vec<&str>>(contacts)
        .bind(since)
        .bind::<Vec<&str>>(kinds)
        .bind(text(who))
        .bind(At(as_stored(asked_at)))
        .bind(replace)
        .fetch_optional(&self.pool)
        .await?;
        match asked {
            Some(row) => Ok((read(&row)?, true)),
            None => Ok((self.last(location_id).await?.ok_or_else(|| Error::malformed("resync"))?, false)),
        }
    }

    /// The last request for a location, under way or ended.
    pub async fn last(&self, location_id: &LocationId) -> Result<Option<Resync>> {
        let row = sqlx::query(sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM resyncs WHERE location_id = $1")))
            .bind(location_id.as_str())
            .fetch_optional(&self.pool)
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// Saves how far a request is; false when another one has taken its place.
    pub async fn save(&self, location_id: &LocationId, resync: &Resync) -> Result<bool> {
        let ResyncProgress { cursor, done, seen, total, changes, waits, problem, ended_at } = &resync.progress;
        let saved = sqlx::query(
            "UPDATE resyncs SET cursor = $3::json, done = $4, seen = $5, total = $6, changes = $7, waits = $8, problem = $9, \
             ended_at = $10 \
             WHERE location_id = $1 AND resync_id = $2",
        )
        .bind(location_id.as_str())
        .bind(resync.resync_id)
        .bind(cursor.as_ref().map(ToString::to_string))
        .bind(done.iter().map(|kind| kind.as_str()).collect::<Vec<_>>())
        .bind(signed(*seen))
        .bind(total.map(signed))
        .bind(signed(*changes))
        .bind(waits.as_deref().map(text))
        .bind(problem.as_deref().map(text))
        .bind(ended_at.map(|at| At(as_stored(at))))
        .execute(&self.pool)
        .await?;
        Ok(saved.rows_affected() > 0)
    }
}

fn read(row: &PgRow) -> Result<Resync> {
    let at = |column: usize| Ok::<_, Error>(row.try_get::<Option<At>, _>(column)?.map(|At(at)| at));
    let kinds = |column: usize| {
        let names = row.try_get::<Vec<String>, _>(column)?;
        names.iter().map(|name| RecordKind::parse(name).ok_or_else(|| Error::malformed("kind"))).collect::<Result<Vec<_>>>()
    };
    let contacts = row.try_get::<Vec<String>, _>(1)?.into_iter().map(contact_id).collect::<Result<Vec<_>>>()?;
    let target = match at(2)? {
        Some(since) => ResyncTarget::Since(since),
        None if contacts.is_empty() => ResyncTarget::Kinds(kinds(3)?),
        None => ResyncTarget::Contacts(contacts),
    };
    let cursor = row.try_get::<Option<&str>, _>(6)?;
    let progress = ResyncProgress {
        cursor: cursor.map(serde_json::from_str).transpose().map_err(domain::Decode::from)?,
        done: kinds(7)?,
        seen: unsigned(row.try_get(8)?),
        total: row.try_get::<Option<i64>, _>(9)?.map(unsigned),
        changes: unsigned(row.try_get(10)?),
        waits: row.try_get(11)?,
        problem: row.try_get(12)?,
        ended_at: at(13)?,
    };
    let At(asked_at) = row.try_get(5)?;
    Ok(Resync { resync_id: row.try_get(0)?, target, who: row.try_get(4)?, asked_at, progress })
}
