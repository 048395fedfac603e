//! Leases: each location is looked after by one replica at a time. All of it runs on the database's clock.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::LocationId;
use sqlx::{PgConnection, PgPool, Row};

use crate::columns::{location_id, signed, unsigned};
use crate::{Error, Result};

/// The right to look after a location, until it expires or another holder has a higher token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    pub location_id: LocationId,
    /// Grows with every change of the holder.
    pub token: u64,
}

/// Who looks after which location. Cheap to clone.
#[derive(Clone)]
pub struct Leases {
    pub(crate) pool: PgPool,
}

impl Leases {
    /// Says that a replica is alive for so much longer and where the others reach it, and gives how many are. Those that died are
    /// forgotten.
    pub async fn heartbeat(&self, instance: &str, address: &str, ttl: Duration) -> Result<u64> {
        sqlx::query(
            "INSERT INTO pollers (instance, address, alive_until) VALUES ($1, $2, now() + $3 * interval '1 millisecond') \
             ON CONFLICT (instance) DO UPDATE SET address = excluded.address, alive_until = excluded.alive_until",
        )
        .bind(instance)
        .bind(address)
        .bind(millis(ttl))
        .execute(&self.pool)
        .await?;
        sqlx::query("DELETE FROM pollers WHERE alive_until < now() - interval '1 hour'").execute(&self.pool).await?;
        let row = sqlx::query("SELECT count(*) FROM pollers WHERE alive_until >= now()").fetch_one(&self.pool).await?;
        Ok(unsigned(row.try_get(0)?))
    }

    /// Says that a replica leaves.
    pub async fn leave(&self, instance: &str) -> Result<()> {
        sqlx::query("DELETE FROM pollers WHERE instance = $1").bind(instance).execute(&self.pool).await?;
        Ok(())
    }

    /// Takes the lease of a location that nobody holds; nothing while somebody does.
    pub async fn acquire(&self, location_id: &LocationId, instance: &str, ttl: Duration) -> Result<Option<Lease>> {
        let row = sqlx::query(
            "INSERT INTO location_leases AS held (location_id, holder, token, expires_at) \
             VALUES ($1, $2, 1, now() + $3 * interval '1 millisecond') ON CONFLICT (location_id) DO UPDATE SET \
             holder = excluded.holder, token = held.token + 1, expires_at = excluded.expires_at \
             WHERE held.expires_at < now() RETURNING token",
        )
        .bind(location_id.as_str())
        .bind(instance)
        .bind(millis(ttl))
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| Ok(Lease { location_id: location_id.clone(), token: unsigned(row.try_get(0)?) })).transpose()
    }

    /// Extends leases, and gives those that are still held: also one that has expired, as long as nobody else took it.
    pub async fn renew(&self, leases: &[Lease], ttl: Duration) -> Result<BTreeSet<LocationId>> {
        let rows = sqlx::query(
            "UPDATE location_leases held SET expires_at = now() + $3 * interval '1 millisecond' \
             FROM unnest($1::text[], $2::bigint[]) AS ours (location_id, token) \
             WHERE held.location_id = ours.location_id AND held.token = ours.token RETURNING held.location_id",
        )
        .bind(leases.iter().map(|lease| lease.location_id.as_str()).collect::<Vec<_>>())
        .bind(leases.iter().map(|lease| signed(lease.token)).collect::<Vec<_>>())
        .bind(millis(ttl))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| location_id(row.try_get(0)?)).collect()
    }

    /// Gives a lease back, so that another replica can take it at once. Does nothing when it is held by another one already.
    pub async fn release(&self, lease: &Lease) -> Result<()> {
        sqlx::query("UPDATE location_leases SET expires_at = '-infinity' WHERE location_id = $1 AND token = $2")
            .bind(lease.location_id.as_str())
            .bind(signed(lease.token))
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Where the replica is reached that looks after a location now; nothing while none does.
    pub async fn holder_address(&self, location_id: &LocationId) -> Result<Option<String>> {
        let row = sqlx::query(
            "SELECT address FROM location_leases JOIN pollers ON instance = holder WHERE location_id = $1 AND expires_at >= now()",
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

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
