//! What waits for a person.

use domain::{
    Body, Cause, ContactId, Delivery, DeliveryFact, DeliveryOutcome, Hash, LocationId, Net, ObjectKey, ObjectKind, Recorded, Revision,
    Workspace,
};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};
use uuid::Uuid;

use crate::appends::Appended;
use crate::chain::{Entry, Head, Prepared};
use crate::columns::{At, as_stored, epoch, epoch_column, location_id, signed, text, traceparent, unsigned};
use crate::{Error, Result};

/// The columns of a parked row in the order that `read` expects.
macro_rules! select_parked {
    ($tail:literal) => {
        concat!(
            "SELECT id, location_id, stage, contact_id, object, epoch, seq, subject, message, reason, status, attempts, traceparent, ",
            "parked_at, redriven_at, resolved_at FROM parked ",
            $tail
        )
    };
}

/// Where something got stuck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    Poller,
    Mapper,
    Writer,
}

impl Stage {
    pub const ALL: [Self; 3] = [Self::Poller, Self::Mapper, Self::Writer];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Poller => "poller",
            Self::Mapper => "mapper",
            Self::Writer => "writer",
        }
    }

    pub fn parse(stage: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == stage)
    }
}

/// Something that cannot go on by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parking {
    pub stage: Stage,
    pub location_id: LocationId,
    pub contact_id: Option<ContactId>,
    pub object: Option<ObjectKey>,
    pub revision: Option<Revision>,
    /// Where the message goes when it is sent again.
    pub subject: String,
    pub message: Vec<u8>,
    /// Why, in words a person can act on; nothing personal.
    pub reason: String,
    /// HTTP status of the last answer, where there was one.
    pub status: Option<u16>,
    pub attempts: u32,
    pub traceparent: Option<String>,
}

/// Something that waits, or has waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    pub id: Uuid,
    pub parking: Parking,
    pub parked_at: Timestamp,
    /// When it was last sent again without having been settled since.
    pub redriven_at: Option<Timestamp>,
    pub resolved_at: Option<Timestamp>,
}

/// What is parked. Cheap to clone.
#[derive(Clone)]
pub struct Parkings {
    pub(crate) pool: PgPool,
    pub(crate) appended: Appended,
}

impl Parkings {
    /// Parks what never became a settlement. Parking the same again while it waits is one row. Appends `delivery.parked` when the
    /// location has a log.
    pub async fn park(&self, parking: Parking) -> Result<Uuid> {
        let mut transaction = self.pool.begin().await?;
        let (id, events) = match Head::lock(&mut *transaction, &parking.location_id).await {
            Ok(mut head) => {
                let (id, recorded) = park(&mut transaction, &mut head, &parking).await?;
                if recorded.is_some() {
                    head.save(&mut transaction, &parking.location_id).await?;
                }
                (id, usize::from(recorded.is_some()))
            }
            Err(Error::NotFound) => (upsert(&mut transaction, &parking, live(&parking).as_ref()).await?.0, 0),
            Err(error) => return Err(error),
        };
        transaction.commit().await?;
        self.appended.notify(events);
        Ok(id)
    }

    /// What waits, oldest first, after the row `after`; of one location or of all.
    pub async fn list(&self, location_id: Option<&LocationId>, after: Option<Uuid>, limit: u32) -> Result<Vec<Parked>> {
        let rows = sqlx::query(select_parked!(
            "WHERE resolved_at IS NULL AND ($1::text IS NULL OR location_id = $1) \
             AND ($2::uuid IS NULL OR (parked_at, id) > (SELECT parked_at, id FROM parked WHERE id = $2)) \
             ORDER BY parked_at, id LIMIT $3"
        ))
        .bind(location_id.map(LocationId::as_str))
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(read).collect()
    }

    /// Notes that a person sends it again and appends `delivery.redriven`; the caller publishes the message (unless it is empty,
    /// when there is nothing to send) and then calls `resolve_redriven`. The row of an object waits on until the delivery is
    /// settled, so that a crash before publishing loses nothing: it can be redriven again.
    ///
    /// # Errors
    /// `NotFound`, or `AlreadyResolved` when it no longer waits.
    pub async fn redrive(&self, location_id: &LocationId, parked_id: Uuid, who: &str) -> Result<Parked> {
        let mut transaction = self.pool.begin().await?;
        let head = match Head::lock(&mut *transaction, location_id).await {
            Ok(head) => Some(head),
            Err(Error::NotFound) => None,
            Err(error) => return Err(error),
        };
        let row = sqlx::query(select_parked!("WHERE location_id = $1 AND id = $2 FOR UPDATE"))
            .bind(location_id.as_str())
            .bind(parked_id)
            .fetch_optional(&mut *transaction)
            .await?
            .ok_or(Error::NotFound)?;
        let mut parked = read(&row)?;
        if parked.resolved_at.is_some() {
            return Err(Error::AlreadyResolved);
        }
        let now = as_stored(Timestamp::now());
        parked.redriven_at = Some(now);
        sqlx::query("UPDATE parked SET redriven_at = $3 WHERE location_id = $1 AND id = $2")
            .bind(location_id.as_str())
            .bind(parked_id)
            .bind(At(now))
            .execute(&mut *transaction)
            .await?;
        if let Some(mut head) = head {
            let cause = Cause::from(Net::Operator { who: who.to_owned() });
            let fact = fact(&parked.parking, DeliveryOutcome::Redriven);
            head.insert(&mut transaction, location_id, vec![prepared(&parked.parking, cause, fact, now)?]).await?;
            head.save(&mut transaction, location_id).await?;
        }
        transaction.commit().await?;
        self.appended.notify(1);
        Ok(parked)
    }

    /// Resolves a redriven row that no settlement will ever resolve, because it is about no object. Does nothing to others.
    pub async fn resolve_redriven(&self, location_id: &LocationId, parked_id: Uuid) -> Result<()> {
        sqlx::query(
            "UPDATE parked SET resolved_at = now() WHERE location_id = $1 AND id = $2 \
             AND redriven_at IS NOT NULL AND resolved_at IS NULL AND object IS NULL",
        )
        .bind(location_id.as_str())
        .bind(parked_id)
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

/// Parks within a transaction that holds the head. Gives the event when it does not already wait; the head is then to be saved.
pub(crate) async fn park(connection: &mut PgConnection, head: &mut Head, parking: &Parking) -> Result<(Uuid, Option<Recorded>)> {
    let (id, fresh) = upsert(connection, parking, live(parking).as_ref()).await?;
    if !fresh {
        return Ok((id, None));
    }
    let fact = fact(parking, DeliveryOutcome::Parked);
    let prepared = prepared(parking, Cause::from(Net::Writer), fact, Timestamp::now())?;
    let recorded = head.insert(connection, &parking.location_id, vec![prepared]).await?.pop();
    Ok((id, recorded))
}

/// Gives the id of the row, and whether it is news: a new row, or one that was redriven and failed again.
pub(crate) async fn upsert(connection: &mut PgConnection, parking: &Parking, workspace: Option<&Workspace>) -> Result<(Uuid, bool)> {
    let row = sqlx::query(
        "WITH waiting AS (SELECT FROM parked WHERE location_id = $1 AND fingerprint = $2 AND resolved_at IS NULL AND redriven_at IS NULL) \
         INSERT INTO parked (location_id, fingerprint, stage, contact_id, workspace, object, epoch, seq, subject, message, reason, \
         status, attempts, traceparent, parked_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) \
         ON CONFLICT (location_id, fingerprint) WHERE resolved_at IS NULL DO UPDATE SET subject = excluded.subject, \
         message = excluded.message, reason = excluded.reason, status = excluded.status, attempts = excluded.attempts, \
         traceparent = excluded.traceparent, redriven_at = NULL \
         RETURNING id, NOT EXISTS (SELECT FROM waiting)",
    )
    .bind(parking.location_id.as_str())
    .bind(fingerprint(parking, workspace).as_slice())
    .bind(parking.stage.as_str())
    .bind(parking.contact_id.as_ref().map(ContactId::as_str))
    .bind(workspace.map(Workspace::as_str))
    .bind(parking.object.as_ref().map(|object| text(object.as_str())))
    .bind(parking.revision.map(|revision| epoch_column(revision.epoch)))
    .bind(parking.revision.map(|revision| signed(revision.seq)))
    .bind(text(&parking.subject))
    .bind(parking.message.as_slice())
    .bind(text(&parking.reason))
    .bind(parking.status.map(i32::from))
    .bind(i64::from(parking.attempts))
    .bind(traceparent(parking.traceparent.as_deref()))
    .bind(At(Timestamp::now()))
    .fetch_one(connection)
    .await?;
    Ok((row.try_get(0)?, row.try_get(1)?))
}

/// What is parked when what is known of a contact can be read neither in the projection nor in the log. There is no message to send
/// again: the next look at the contact is the next attempt.
pub(crate) fn unreadable_contact(location_id: &LocationId, contact_id: &ContactId, revision: Revision) -> Parking {
    Parking {
        stage: Stage::Poller,
        location_id: location_id.clone(),
        contact_id: Some(contact_id.clone()),
        object: None,
        revision: Some(revision),
        subject: String::new(),
        message: Vec::new(),
        reason: format!("what is known of the contact cannot be read, nor can event {revision}: a newer program may have written it"),
        status: None,
        attempts: 1,
        traceparent: None,
    }
}

fn live(parking: &Parking) -> Option<Workspace> {
    parking.object.as_ref().map(|_| Workspace::live_of(&parking.location_id))
}

/// The same for the same thing parked again. A message counts only where nothing else says what it is about.
fn fingerprint(parking: &Parking, workspace: Option<&Workspace>) -> Hash {
    let message = if parking.object.is_some() { &[][..] } else { &parking.message };
    let about = (
        parking.stage.as_str(),
        parking.contact_id.as_ref(),
        workspace,
        parking.object.as_ref(),
        parking.revision.map(|revision| revision.to_string()),
    );
    // Debug quotes every part, so that no two different lists of parts look the same.
    Sha256::new().chain_update(format!("{about:?}")).chain_update([0]).chain_update(message).finalize().into()
}

fn fact(parking: &Parking, outcome: DeliveryOutcome) -> DeliveryFact {
    let delivery = parking.object.as_ref().zip(parking.revision).zip(live(parking)).map(|((object, revision), workspace)| Delivery {
        workspace,
        kind: kind_of(object),
        object: object.clone(),
        revision,
        answer: parking.reason.clone(),
    });
    DeliveryFact { outcome, deliveries: delivery.into_iter().collect() }
}

/// The kind that a key speaks of; what a trigger started hangs on its project.
pub(crate) fn kind_of(object: &ObjectKey) -> ObjectKind {
    let kind = object.as_str().strip_prefix("ghl:").and_then(|rest| rest.split('/').next());
    kind.and_then(ObjectKind::parse).unwrap_or(ObjectKind::Project)
}

fn prepared(parking: &Parking, cause: Cause, fact: DeliveryFact, at: Timestamp) -> Result<Prepared> {
    Prepared::new(Entry {
        contact_id: parking.contact_id.clone(),
        record: None,
        occurred_at: at,
        cause,
        traceparent: parking.traceparent.clone(),
        body: Body::Delivery(fact),
    })
}

fn read(row: &PgRow) -> Result<Parked> {
    let revision = row.try_get::<Option<i32>, _>(5)?.zip(row.try_get::<Option<i64>, _>(6)?);
    let at = |column| Ok::<_, Error>(row.try_get::<Option<At>, _>(column)?.map(|At(at)| at));
    let status = row.try_get::<Option<i32>, _>(10)?;
    Ok(Parked {
        id: row.try_get(0)?,
        parking: Parking {
            stage: Stage::parse(row.try_get(2)?).ok_or_else(|| Error::malformed("stage"))?,
            location_id: location_id(row.try_get(1)?)?,
            contact_id: row.try_get::<Option<String>, _>(3)?.and_then(|id| ContactId::new(id).ok()),
            object: row.try_get::<Option<String>, _>(4)?.map(ObjectKey::from),
            revision: revision.map(|(column, seq)| Revision { epoch: epoch(column), seq: unsigned(seq) }),
            subject: row.try_get(7)?,
            message: row.try_get(8)?,
            reason: row.try_get(9)?,
            status: status.and_then(|status| u16::try_from(status).ok()),
            attempts: u32::try_from(row.try_get::<i64, _>(11)?).unwrap_or(u32::MAX),
            traceparent: row.try_get(12)?,
        },
        parked_at: row.try_get::<At, _>(13)?.0,
        redriven_at: at(14)?,
        resolved_at: at(15)?,
    })
}
