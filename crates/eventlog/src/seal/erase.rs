//! Erasing a person: the key is destroyed and what the log keeps beside its events is purged, in one transaction; what others hold is
//! listed, so that it can be removed however often that is interrupted.

use std::sync::Arc;

use domain::{ContactId, LocationId, OperatorFact, Revision, Workspace};
use jiff::Timestamp;
use serde_json::json;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Postgres, Row, Transaction};

use crate::appends::Appended;
use crate::chain::{Entry, Head, Prepared};
use crate::columns::{At, as_stored, contact_id, epoch, epoch_column, location_id, signed, text, unsigned, workspace};
use crate::keys::ring::KeyRing;
use crate::{Error, Result};

/// The columns of an erasure in the order that `read` expects.
macro_rules! select_erasures {
    ($tail:literal) => {
        concat!(
            "SELECT location_id, contact_id, reason, who, epoch, seq, plain_events, erased_at, workspaces, bus_at, finished_at, lifted_at ",
            "FROM erasures ",
            $tail
        )
    };
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasureRequest {
    /// Why; kept for ever, so it must not name the person.
    pub reason: String,
    pub who: String,
    /// Go on although events from before there was a key stay readable in the log.
    pub leave_plain_events: bool,
}

/// An erasure and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    pub location_id: LocationId,
    pub contact_id: ContactId,
    pub reason: String,
    pub who: String,
    /// The event that says so.
    pub revision: Revision,
    /// Events whose payloads stay readable in the log, because they were stored before there was a key.
    pub plain_events: u64,
    pub erased_at: Timestamp,
    /// The workspaces that may still hold objects of the contact.
    pub workspaces: Vec<Workspace>,
    /// When its messages were purged from the bus.
    pub bus_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    /// When an operator allowed the contact to be observed again.
    pub lifted_at: Option<Timestamp>,
}

/// A part of an erasure that is outside the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PurgedPart<'a> {
    Workspace(&'a Workspace),
    Bus,
}

/// Who was erased, and what of it is still to be done. Cheap to clone.
#[derive(Clone)]
pub struct Erasures {
    pub(crate) pool: PgPool,
    pub(crate) ring: Arc<KeyRing>,
    pub(crate) appended: Appended,
}

impl Erasures {
    /// Destroys the contact's key, purges what is known of the contact, its ledger, what of it is parked and what was planned for it
    /// alone, appends `operator.subject_erased`, and notes what is left to do outside the log. Doing it again answers with the first
    /// erasure. From then on the contact is not observed any more, until `lift`.
    ///
    /// # Errors
    /// `NotFound` when the contact was never seen, `PlainEvents` when payloads of it would stay readable and that was not asked for.
    pub async fn erase(&self, location_id: &LocationId, contact_id: &ContactId, request: &ErasureRequest) -> Result<Erasure> {
        let mut transaction = self.pool.begin().await?;
        let mut head = Head::lock(&mut *transaction, location_id).await?;
        if let Some(earlier) = of_contact(&mut transaction, location_id, contact_id).await?.filter(|earlier| earlier.lifted_at.is_none()) {
            return Ok(earlier);
        }
        let plain_events = plain_events(&mut transaction, location_id, contact_id).await?;
        if plain_events > 0 && !request.leave_plain_events {
            return Err(Error::PlainEvents { count: plain_events });
        }
        let workspaces = workspaces(&mut transaction, location_id, contact_id).await?;
        for purge in [
            "UPDATE contact_keys SET wrapped = NULL, kek_id = NULL, destroyed_at = now() \
             WHERE location_id = $1 AND contact_id = $2 AND destroyed_at IS NULL",
            "DELETE FROM known_records WHERE location_id = $1 AND contact_id = $2",
            "DELETE FROM known_contacts WHERE location_id = $1 AND contact_id = $2",
            "DELETE FROM ledger WHERE location_id = $1 AND contact_id = $2",
            "DELETE FROM parked WHERE location_id = $1 AND contact_id = $2",
            "DELETE FROM replays r USING plans p WHERE r.location_id = $1 AND p.location_id = $1 AND p.hash = r.plan_hash \
             AND p.contact_id = $2",
            "DELETE FROM plans WHERE location_id = $1 AND contact_id = $2",
        ] {
            sqlx::query(purge).bind(location_id.as_str()).bind(contact_id.as_str()).execute(&mut *transaction).await?;
        }
        let detail = json!({ "reason": request.reason, "plain_events": plain_events });
        let erasure = Erasure {
            location_id: location_id.clone(),
            contact_id: contact_id.clone(),
            reason: request.reason.clone(),
            who: request.who.clone(),
            revision: append_fact(&mut transaction, &mut head, location_id, contact_id, "subject_erased", detail, &request.who).await?,
            plain_events,
            erased_at: as_stored(Timestamp::now()),
            workspaces,
            bus_at: None,
            finished_at: None,
            lifted_at: None,
        };
        save(&mut transaction, &erasure).await?;
        transaction.commit().await?;
        self.ring.forget(location_id);
        self.appended.notify(1);
        Ok(erasure)
    }

    /// Lets an erased contact be observed again. What was erased stays erased: what is observed from now on is sealed with a new key.
    ///
    /// # Errors
    /// `NotFound` when the contact is not erased.
    pub async fn lift(&self, location_id: &LocationId, contact_id: &ContactId, who: &str) -> Result<Erasure> {
        let mut transaction = self.pool.begin().await?;
        let mut head = Head::lock(&mut *transaction, location_id).await?;
        let erasure = of_contact(&mut transaction, location_id, contact_id).await?.filter(|erasure| erasure.lifted_at.is_none());
        let mut erasure = erasure.ok_or(Error::NotFound)?;
        append_fact(&mut transaction, &mut head, location_id, contact_id, "erasure_lifted", serde_json::Value::Null, who).await?;
        erasure.lifted_at = Some(as_stored(Timestamp::now()));
        sqlx::query("UPDATE erasures SET lifted_at = $3 WHERE location_id = $1 AND contact_id = $2")
            .bind(location_id.as_str())
            .bind(contact_id.as_str())
            .bind(erasure.lifted_at.map(At))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        self.ring.forget(location_id);
        self.appended.notify(1);
        Ok(erasure)
    }

    /// The erasure of a contact, the last one.
    pub async fn find(&self, location_id: &LocationId, contact_id: &ContactId) -> Result<Option<Erasure>> {
        let mut connection = self.pool.begin().await?;
        of_contact(&mut connection, location_id, contact_id).await
    }

    /// Erasures that are not finished, oldest first.
    pub async fn unfinished(&self, limit: u32) -> Result<Vec<Erasure>> {
        let rows = sqlx::query(select_erasures!("WHERE finished_at IS NULL ORDER BY erased_at LIMIT $1"))
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(read).collect()
    }

    /// Notes that a part of an erasure is done, and that all of it is when nothing is left.
    pub async fn record_purged(&self, erasure: &Erasure, part: PurgedPart<'_>) -> Result<()> {
        let workspace = match part {
            PurgedPart::Workspace(workspace) => Some(workspace.as_str()),
            PurgedPart::Bus => None,
        };
        sqlx::query(
            "UPDATE erasures SET workspaces = array_remove(workspaces, $5), bus_at = CASE WHEN $5 IS NULL THEN now() ELSE bus_at END, \
             finished_at = CASE WHEN cardinality(array_remove(workspaces, $5)) = 0 AND ($5 IS NULL OR bus_at IS NOT NULL) THEN now() END \
             WHERE location_id = $1 AND contact_id = $2 AND epoch = $3 AND seq = $4 AND finished_at IS NULL",
        )
        .bind(erasure.location_id.as_str())
        .bind(erasure.contact_id.as_str())
        .bind(epoch_column(erasure.revision.epoch))
        .bind(signed(erasure.revision.seq))
        .bind(workspace)
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

type Tx = Transaction<'static, Postgres>;

async fn of_contact(transaction: &mut Tx, location_id: &LocationId, contact_id: &ContactId) -> Result<Option<Erasure>> {
    let row = sqlx::query(select_erasures!("WHERE location_id = $1 AND contact_id = $2"))
        .bind(location_id.as_str())
        .bind(contact_id.as_str())
        .fetch_optional(&mut **transaction)
        .await?;
    row.as_ref().map(read).transpose()
}

/// How many events of the contact's records hold a payload that no key protects.
async fn plain_events(transaction: &mut Tx, location_id: &LocationId, contact_id: &ContactId) -> Result<u64> {
    let row = sqlx::query(
        "SELECT count(*), count(*) FILTER (WHERE key_id IS NULL AND record_kind IS NOT NULL) FROM events \
         WHERE location_id = $1 AND contact_id = $2",
    )
    .bind(location_id.as_str())
    .bind(contact_id.as_str())
    .fetch_one(&mut **transaction)
    .await?;
    if row.try_get::<i64, _>(0)? == 0 {
        return Err(Error::NotFound);
    }
    Ok(unsigned(row.try_get(1)?))
}

/// Where objects of the contact may be: where the ledger says so, and in every workspace of the location.
async fn workspaces(transaction: &mut Tx, location_id: &LocationId, contact_id: &ContactId) -> Result<Vec<Workspace>> {
    let rows = sqlx::query(
        "SELECT workspace FROM ledger WHERE location_id = $1 AND contact_id = $2 \
         UNION SELECT workspace FROM workspaces WHERE location_id = $1 ORDER BY 1",
    )
    .bind(location_id.as_str())
    .bind(contact_id.as_str())
    .fetch_all(&mut **transaction)
    .await?;
    rows.iter().map(|row| workspace(row.try_get(0)?)).collect()
}

async fn append_fact(
    transaction: &mut Tx,
    head: &mut Head,
    location_id: &LocationId,
    contact_id: &ContactId,
    verb: &str,
    detail: serde_json::Value,
    who: &str,
) -> Result<Revision> {
    let revision = head.after(0);
    let fact = OperatorFact { verb: verb.to_owned(), detail };
    let prepared = Prepared::new(Entry::by_operator(Some(contact_id.clone()), fact, who))?;
    head.insert(transaction, location_id, vec![prepared]).await?;
    head.save(transaction, location_id).await?;
    sqlx::query("UPDATE log_head SET erasures = erasures + 1 WHERE location_id = $1")
        .bind(location_id.as_str())
        .execute(&mut **transaction)
        .await?;
    Ok(revision)
}

async fn save(transaction: &mut Tx, erasure: &Erasure) -> Result<()> {
    sqlx::query(
        "INSERT INTO erasures (location_id, contact_id, reason, who, epoch, seq, plain_events, erased_at, workspaces) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (location_id, contact_id) DO UPDATE SET reason = excluded.reason, \
         who = excluded.who, epoch = excluded.epoch, seq = excluded.seq, plain_events = excluded.plain_events, \
         erased_at = excluded.erased_at, workspaces = excluded.workspaces, bus_at = NULL, finished_at = NULL, lifted_at = NULL",
    )
    .bind(erasure.location_id.as_str())
    .bind(erasure.contact_id.as_str())
    .bind(text(&erasure.reason))
    .bind(text(&erasure.who))
    .bind(epoch_column(erasure.revision.epoch))
    .bind(signed(erasure.revision.seq))
    .bind(signed(erasure.plain_events))
    .bind(At(erasure.erased_at))
    .bind(erasure.workspaces.iter().map(Workspace::as_str).collect::<Vec<_>>())
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

fn read(row: &PgRow) -> Result<Erasure> {
    let at = |column| Ok::<_, Error>(row.try_get::<Option<At>, _>(column)?.map(|At(at)| at));
    Ok(Erasure {
        location_id: location_id(row.try_get(0)?)?,
        contact_id: contact_id(row.try_get(1)?)?,
        reason: row.try_get(2)?,
        who: row.try_get(3)?,
        revision: Revision { epoch: epoch(row.try_get(4)?), seq: unsigned(row.try_get(5)?) },
        plain_events: unsigned(row.try_get(6)?),
        erased_at: row.try_get::<At, _>(7)?.0,
        workspaces: row.try_get::<Vec<String>, _>(8)?.into_iter().map(workspace).collect::<Result<_>>()?,
        bus_at: at(9)?,
        finished_at: at(10)?,
        lifted_at: at(11)?,
    })
}
