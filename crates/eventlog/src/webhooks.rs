//! What is remembered of webhooks: which were taken, and the secrets by which workflows may send some.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::LocationId;
use jiff::Timestamp;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};
use uuid::Uuid;

use crate::Result;
use crate::columns::{At, location_id, millis};

/// A digest of a webhook's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WebhookDigest(Uuid);

impl WebhookDigest {
    pub fn of(webhook_id: &str) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = <[u8; 32]>::from(Sha256::digest(webhook_id));
        Self(Uuid::from_bytes([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]))
    }
}

/// A hash of a workflow's secret. Looking it up tells nothing about the secret by the time it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret).into())
    }
}

/// A secret by which workflows of a location may send webhooks; without the secret itself, which nobody keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkflowSecret {
    pub location_id: LocationId,
    /// Names it, and opens nothing.
    pub secret_id: String,
    pub created_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
}

/// What is remembered of webhooks. Cheap to clone.
#[derive(Clone)]
pub struct Webhooks {
    pub(crate) pool: PgPool,
}

impl Webhooks {
    /// Whether this webhook was taken, by any replica.
    pub async fn was_taken(&self, digest: WebhookDigest) -> Result<bool> {
        let row = sqlx::query("SELECT EXISTS (SELECT FROM webhooks_taken WHERE digest = $1)").bind(digest.0).fetch_one(&self.pool).await?;
        Ok(row.try_get(0)?)
    }

    /// Remembers webhooks that were taken.
    pub async fn remember(&self, taken: &[WebhookDigest]) -> Result<()> {
        sqlx::query("INSERT INTO webhooks_taken (digest) SELECT unnest($1::uuid[]) ON CONFLICT DO NOTHING")
            .bind(taken.iter().map(|digest| digest.0).collect::<Vec<_>>())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Forgets webhooks that were taken longer ago than this.
    pub async fn forget(&self, older_than: Duration) -> Result<()> {
        sqlx::query("DELETE FROM webhooks_taken WHERE taken_at < now() - $1 * interval '1 millisecond'")
            .bind(millis(older_than))
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Makes a secret for the workflows of a location. It is told once, and kept as its hash.
    pub async fn create_secret(&self, location_id: &LocationId) -> Result<(WorkflowSecret, SecretString)> {
        let secret = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        let secret_id = format!("{:08x}", rand::random::<u32>());
        let row = sqlx::query(
            "INSERT INTO workflow_secrets (location_id, secret_id, hash, created_at) VALUES ($1, $2, $3, now()) \
             RETURNING location_id, secret_id, created_at, revoked_at",
        )
        .bind(location_id.as_str())
        .bind(secret_id)
        .bind(SecretHash::of(&secret).0.as_slice())
        .fetch_one(&self.pool)
        .await?;
        Ok((read(&row)?, secret.into()))
    }

    /// Revokes a secret; false when there is none of that name that holds.
    pub async fn revoke_secret(&self, location_id: &LocationId, secret_id: &str) -> Result<bool> {
        let done =
            sqlx::query("UPDATE workflow_secrets SET revoked_at = now() WHERE location_id = $1 AND secret_id = $2 AND revoked_at IS NULL")
                .bind(location_id.as_str())
                .bind(secret_id)
                .execute(&self.pool)
                .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Every secret there is or was, by location, oldest first.
    pub async fn secrets(&self) -> Result<Vec<WorkflowSecret>> {
        let rows = sqlx::query(
            "SELECT location_id, secret_id, created_at, revoked_at FROM workflow_secrets ORDER BY location_id, created_at, secret_id",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(read).collect()
    }

    /// The location that each secret opens.
    pub async fn open_secrets(&self) -> Result<BTreeMap<SecretHash, LocationId>> {
        let rows = sqlx::query("SELECT hash, location_id FROM workflow_secrets WHERE revoked_at IS NULL").fetch_all(&self.pool).await?;
        let mut open = BTreeMap::new();
        for row in &rows {
            if let Ok(hash) = row.try_get::<&[u8], _>(0)?.try_into() {
                open.insert(SecretHash(hash), location_id(row.try_get(1)?)?);
            }
        }
        Ok(open)
    }
}

fn read(row: &PgRow) -> Result<WorkflowSecret> {
    Ok(WorkflowSecret {
        location_id: location_id(row.try_get(0)?)?,
        secret_id: row.try_get(1)?,
        created_at: row.try_get::<At, _>(2)?.0,
        revoked_at: row.try_get::<Option<At>, _>(3)?.map(|At(at)| at),
    })
}
