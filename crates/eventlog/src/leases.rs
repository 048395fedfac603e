//! Leases: each location is looked after by one replica at a time. All of it runs on the database's clock.

use std::time::Duration;

use domain::LocationId;
use sqlx::{PgConnection, PgPool, Row};

use crate::columns::{location_id, millis, signed, unsigned};
use crate::{Error, Result};

/// The right to look after a location, until it expires or another holder has a higher token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    pub location_id: LocationId,
    /// Grows with every change of the holder.
    pub token: u64,
}

/// A replica of the poller, as the others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// Never used again once the replica is dead.
    pub instance: String,
    /// Where the others reach it; empty when that is not known.
    pub address: String,
    /// How long after its last turn it counts as dead.
    pub ttl: Duration,
}

/// What a replica holds after its turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Every lease it holds, those just taken among them.
    pub held: Vec<Lease>,
    /// How many locations it is to look after, so that together the replicas look after all.
    pub share: usize,
}

/// A lease is held for as long as its holder is among the pollers. So a replica keeps all of its leases by renewing its own row, and
/// whoever finds that row overdue takes it away before it takes a lease: the one who renews and the one who takes meet at that row.
/// Programs before this one wrote down when each lease ends: while that time lasts, it counts.
const TURN: &str = "\
    WITH before AS (SELECT alive_until >= now() AS in_time FROM pollers WHERE instance = $1), \
    renewed AS (UPDATE pollers SET address = $2, alive_until = now() + $3 * interval '1 millisecond' \
        WHERE instance = $1 AND NOT $5 RETURNING instance), \
    joined AS (INSERT INTO pollers (instance, address, alive_until) \
        SELECT $1, $2, now() + $3 * interval '1 millisecond' WHERE $5 \
        ON CONFLICT (instance) DO UPDATE SET address = excluded.address, alive_until = excluded.alive_until RETURNING instance), \
    dead AS (DELETE FROM pollers WHERE instance IN \
        (SELECT instance FROM pollers WHERE instance <> $1 AND alive_until < now() FOR UPDATE SKIP LOCKED) RETURNING instance), \
    alive AS (SELECT instance FROM pollers WHERE alive_until >= now() AND instance <> $1 UNION ALL SELECT $1), \
    share AS (SELECT ceil(cardinality($4::text[])::numeric / count(*))::bigint AS most FROM alive), \
    held AS (SELECT location_id, token FROM location_leases WHERE holder = $1 AND expires_at >= now()), \
    free AS (SELECT wanted.id, coalesce(l.token, 0) AS token FROM unnest($4::text[]) AS wanted (id) \
        LEFT JOIN location_leases l ON l.location_id = wanted.id \
        WHERE ($5 OR (SELECT in_time FROM before)) AND (l.location_id IS NULL OR l.expires_at < now() \
        OR (l.expires_at = 'infinity' AND l.holder <> $1 AND (l.holder IN (SELECT instance FROM dead) \
        OR NOT EXISTS (SELECT FROM pollers p WHERE p.instance = l.holder)))) \
        ORDER BY wanted.id LIMIT (SELECT greatest(most - (SELECT count(*) FROM held), 0) FROM share)), \
    taken AS (INSERT INTO location_leases AS l (location_id, holder, token, expires_at) \
        SELECT id, $1, token + 1, 'infinity' FROM free ON CONFLICT (location_id) DO UPDATE \
        SET holder = excluded.holder, token = excluded.token, expires_at = excluded.expires_at \
        WHERE l.token = excluded.token - 1 RETURNING location_id, token), \
    ours AS (SELECT * FROM held UNION ALL SELECT * FROM taken) \
    SELECT EXISTS (SELECT FROM renewed UNION ALL SELECT FROM joined), (SELECT most FROM share), \
    (SELECT coalesce(array_agg(location_id), '{}') FROM ours), (SELECT coalesce(array_agg(token), '{}') FROM ours)";

/// Who looks after which location. Cheap to clone.
#[derive(Clone)]
pub struct Leases {
    /// One connection of its own: a turn never waits behind the work that it is for.
    pub(crate) pool: PgPool,
}

impl Leases {
    /// The first turn of a replica; repeated when its answer was lost.
    pub async fn join(&self, replica: &Replica, candidates: &[LocationId]) -> Result<Turn> {
        self.take_turn(replica, candidates, true).await?.ok_or(Error::NotFound)
    }

    /// Says that a replica is alive, takes leases of candidates that nobody holds, up to its share, and gives all it holds. `None` when
    /// the others have declared it dead: then it holds nothing any more, and joins under another name.
    ///
    /// A replica that is late itself takes nothing: the others may be late for the same reason.
    pub async fn turn(&self, replica: &Replica, candidates: &[LocationId]) -> Result<Option<Turn>> {
        self.take_turn(replica, candidates, false).await
    }

    async fn take_turn(&self, replica: &Replica, candidates: &[LocationId], is_new: bool) -> Result<Option<Turn>> {
        let row = sqlx::query(TURN)
            .bind(&replica.instance)
            .bind(&replica.address)
            .bind(millis(replica.ttl))
            .bind(candidates.iter().map(LocationId::as_str).collect::<Vec<_>>())
            .bind(is_new)
            .fetch_one(&self.pool)
            .await?;
        if !row.try_get::<bool, _>(0)? {
            return Ok(None);
        }
        let share = usize::try_from(row.try_get::<i64, _>(1)?).unwrap_or_default();
        let (locations, tokens) = (row.try_get::<Vec<String>, _>(2)?, row.try_get::<Vec<i64>, _>(3)?);
        let lease = |(id, token): (String, i64)| Ok(Lease { location_id: location_id(id)?, token: unsigned(token) });
        let held = locations.into_iter().zip(tokens).map(lease).collect::<Result<_>>()?;
        Ok(Some(Turn { held, share }))
    }

    /// Says that a replica leaves.
    pub async fn leave(&self, replica: &Replica) -> Result<()> {
        sqlx::query("DELETE FROM pollers WHERE instance = $1").bind(&replica.instance).execute(&self.pool).await?;
        Ok(())
    }

    /// Gives leases back, so that other replicas can take them at once. Does nothing to those that others hold already.
    pub async fn release(&self, leases: &[Lease]) -> Result<()> {
        sqlx::query(
            "UPDATE location_leases held SET expires_at = '-infinity' FROM unnest($1::text[], $2::bigint[]) AS ours (location_id, token) \
             WHERE held.location_id = ours.location_id AND held.token = ours.token",
        )
        .bind(leases.iter().map(|lease| lease.location_id.as_str()).collect::<Vec<_>>())
        .bind(leases.iter().map(|lease| signed(lease.token)).collect::<Vec<_>>())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Where the replica is reached that looks after a location now; nothing while none does.
    pub async fn holder_address(&self, location_id: &LocationId) -> Result<Option<String>> {
        let row = sqlx::query(
            "SELECT address FROM location_leases JOIN pollers ON instance = holder \
             WHERE location_id = $1 AND expires_at >= now() AND alive_until >= now()",
        )
        .bind(location_id.as_str())
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?)
    }
}

/// Refuses whoever is not the holder any more. Under the head's lock: a new holder appends only after it, and then the old one sees its
/// token.
///
/// # Errors
/// `Superseded`.
pub(crate) async fn check(connection: &mut PgConnection, lease: &Lease) -> Result<()> {
    let row = sqlx::query("SELECT token FROM location_leases WHERE location_id = $1")
        .bind(lease.location_id.as_str())
        .fetch_optional(connection)
        .await?;
    let token = row.map(|row| row.try_get::<i64, _>(0)).transpose()?;
    if token == Some(signed(lease.token)) { Ok(()) } else { Err(Error::Superseded { location_id: lease.location_id.clone() }) }
}
