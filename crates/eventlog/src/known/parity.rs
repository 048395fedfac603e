//! How well the log agrees with GHL, by contacts that are read again although nothing says that they have changed.

use std::collections::BTreeMap;

use domain::{ContactId, LocationId, RecordKind};
use sqlx::Row;

use crate::Result;
use crate::columns::{contact_id, signed, unsigned};
use crate::known::records::KnownRecords;

/// For how many days, today among them, comparisons count.
pub(crate) const PARITY_DAYS: i32 = 7;

/// Records that were compared, and those of them that differed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parity {
    pub compared: u64,
    pub differed: u64,
}

impl Parity {
    /// The share of the records that differed; nothing while none was compared.
    pub fn drift(&self) -> Option<f64> {
        (self.compared > 0).then(|| small(self.differed) / small(self.compared))
    }

    /// The share that no more than differ, in 95 of 100 samples like this one: the upper end of Wilson's interval.
    pub fn drift_max(&self) -> Option<f64> {
        const Z: f64 = 1.96;
        let (count, share) = (small(self.compared), self.drift()?);
        let spread = Z * (share * (1.0 - share) / count + Z * Z / (4.0 * count * count)).sqrt();
        Some(((share + Z * Z / (2.0 * count) + spread) / (1.0 + Z * Z / count)).min(1.0))
    }
}

fn small(count: u64) -> f64 {
    u32::try_from(count).map_or(4_294_967_295.0, f64::from)
}

impl KnownRecords {
    /// Some contacts that are present as far as is known: those whose ids come next after any text that looks like one, and then those
    /// from the first. GHL's ids are drawn by chance, so these are, too.
    pub async fn contacts_by_chance(&self, location_id: &LocationId, chance: &str, limit: u32) -> Result<Vec<ContactId>> {
        let rows = sqlx::query(
            "SELECT contact_id FROM ((SELECT contact_id, 1 AS turn FROM known_contacts \
              WHERE location_id = $1 AND present AND contact_id > $2 ORDER BY contact_id LIMIT $3) \
             UNION ALL (SELECT contact_id, 2 FROM known_contacts \
              WHERE location_id = $1 AND present AND contact_id <= $2 ORDER BY contact_id LIMIT $3)) found ORDER BY turn, contact_id LIMIT $3",
        )
        .bind(location_id.as_str())
        .bind(chance)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| contact_id(row.try_get(0)?)).collect()
    }

    /// Counts records that were compared today, and forgets days that count no more.
    pub async fn note_parity(&self, location_id: &LocationId, parity: &BTreeMap<RecordKind, Parity>) -> Result<()> {
        sqlx::query(
            "WITH forgotten AS (DELETE FROM parity WHERE location_id = $1 AND day <= current_date - $5) \
             INSERT INTO parity AS p (location_id, kind, day, compared, differed) \
             SELECT $1, kind, current_date, compared, differed FROM unnest($2::text[], $3::bigint[], $4::bigint[]) AS n (kind, compared, differed) \
             ON CONFLICT (location_id, kind, day) \
             DO UPDATE SET compared = p.compared + excluded.compared, differed = p.differed + excluded.differed",
        )
        .bind(location_id.as_str())
        .bind(parity.keys().map(|kind| kind.as_str()).collect::<Vec<_>>())
        .bind(parity.values().map(|parity| signed(parity.compared)).collect::<Vec<_>>())
        .bind(parity.values().map(|parity| signed(parity.differed)).collect::<Vec<_>>())
        .bind(PARITY_DAYS)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// What was compared in the last days, by kind; kinds of which nothing was are left out.
    pub async fn parity(&self, location_id: &LocationId) -> Result<BTreeMap<RecordKind, Parity>> {
        let rows = sqlx::query(
            "SELECT kind, sum(compared)::bigint, sum(differed)::bigint FROM parity \
             WHERE location_id = $1 AND day > current_date - $2 GROUP BY 1",
        )
        .bind(location_id.as_str())
        .bind(PARITY_DAYS)
        .fetch_all(&self.pool)
        .await?;
        let mut parity = BTreeMap::new();
        for row in &rows {
            if let Some(kind) = RecordKind::parse(row.try_get(0)?) {
                parity.insert(kind, Parity { compared: unsigned(row.try_get(1)?), differed: unsigned(row.try_get(2)?) });
            }
        }
        Ok(parity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(compared: u64, differed: u64, drift: Option<f64>, least: f64, most: f64) {
        let parity = Parity { compared, differed };
        assert_eq!(parity.drift(), drift);
        let max = parity.drift_max().unwrap_or_default();
        assert!((least..=most).contains(&max), "{max}");
    }

    #[test]
    fn the_more_is_compared_the_less_may_differ_unseen() {
        check(0, 0, None, 0.0, 0.0);
        check(1, 0, Some(0.0), 0.7, 0.8);
        check(100, 0, Some(0.0), 0.03, 0.04);
        check(10_000, 0, Some(0.0), 0.0003, 0.0004);
        check(100, 10, Some(0.1), 0.17, 0.18);
        check(10, 10, Some(1.0), 1.0, 1.0);
    }
}
