//! What a location is and what its users, custom fields and calendars are called, as GHL last gave them.

use domain::{LocationId, Names};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use sqlx::Row;

use crate::known::records::KnownRecords;
use crate::{Result, Wrapped};

/// What does not concern one contact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Premises {
    pub names: Names,
    /// By IANA name.
    pub time_zone: Option<String>,
    pub company_id: Option<String>,
}

impl KnownRecords {
    /// Keeps it for the next poller that looks after the location.
    pub async fn keep_premises(&self, location_id: &LocationId, premises: &Premises) -> Result<()> {
        let content = serde_json::to_vec(premises).map_err(domain::Decode::from)?;
        let kept = match self.keys.ring.kek() {
            Some(kek) => kek.wrap(&content, &associated_data(location_id))?,
            None => Wrapped { kek_id: String::new(), bytes: content },
        };
        sqlx::query(
            "INSERT INTO location_premises (location_id, kek_id, content) VALUES ($1, $2, $3) \
             ON CONFLICT (location_id) DO UPDATE SET kek_id = excluded.kek_id, content = excluded.content",
        )
        .bind(location_id.as_str())
        .bind(kept.kek_id)
        .bind(kept.bytes)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// What was kept last; None where nothing was.
    ///
    /// # Errors
    /// `Locked` when the key that sealed it is not given any more.
    pub async fn premises(&self, location_id: &LocationId) -> Result<Option<Premises>> {
        let row = sqlx::query("SELECT kek_id, content FROM location_premises WHERE location_id = $1")
            .bind(location_id.as_str())
            .fetch_optional(&self.pool)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let kept = Wrapped { kek_id: row.try_get(0)?, bytes: row.try_get(1)? };
        let content = match self.keys.ring.kek() {
            Some(kek) if !kept.kek_id.is_empty() => kek.unwrapped(&kept, &associated_data(location_id))?.expose_secret().to_vec(),
            None if !kept.kek_id.is_empty() => return Err(crate::Error::Locked { kek_id: kept.kek_id }),
            Some(_) | None => kept.bytes,
        };
        Ok(Some(serde_json::from_slice(&content).map_err(domain::Decode::from)?))
    }
}

fn associated_data(location_id: &LocationId) -> Vec<u8> {
    crate::keys::cipher::parts(["premises", location_id.as_str()])
}
