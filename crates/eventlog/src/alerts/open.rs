//! The alerts: open from the first finding, resolved once the condition has been gone for a while.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::LocationId;
use jiff::Timestamp;
use sqlx::Row;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use crate::Result;
use crate::alerts::Alerts;
use crate::columns::{At, location_id, millis, text};

/// The columns of an alert in the order that `read` expects; the alert is called `a`. Silences that apply are those that say nothing
/// of the condition or of the location, or the same.
macro_rules! select_alerts {
    ($more:literal, $tail:literal) => {
        concat!(
            "SELECT a.id, a.condition, a.location_id, a.subject, a.since, a.cause, a.raised_at, a.gone_at, a.resolved_at, ",
            "s.until",
            $more,
            " FROM alerts a LEFT JOIN LATERAL (SELECT max(s.until) AS until FROM alert_silences s WHERE s.until > now() ",
            "AND s.condition IN ('', a.condition) AND s.location_id IN ('', a.location_id)) s ON true ",
            $tail
        )
    };
}
pub(crate) use select_alerts;

/// A condition that was found to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub condition: &'static str,
    /// None where the whole installation is concerned.
    pub location_id: Option<LocationId>,
    /// What of the location is concerned: a kind of record, a stream, a directory; empty for all of it.
    pub subject: String,
    /// Since when it holds; none where nobody knows, and it counts from now.
    pub since: Option<Timestamp>,
    /// In words; nothing personal.
    pub cause: String,
}

/// What a person has to know, from when it was found until it is resolved and forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    pub id: Uuid,
    pub condition: String,
    pub location_id: Option<LocationId>,
    pub subject: String,
    pub since: Timestamp,
    pub cause: String,
    pub raised_at: Timestamp,
    /// When the condition was last found gone. It may come back until the alert is resolved.
    pub gone_at: Option<Timestamp>,
    pub resolved_at: Option<Timestamp>,
    /// Nothing is told before this instant.
    pub silenced_until: Option<Timestamp>,
}

impl Alerts {
    /// Brings the alerts in line with what was found. Conditions that were asked for and not found are gone, and resolved when they
    /// stay gone for so long; where nobody was told of one, it leaves no trace. Of other conditions nothing is known, and nothing changes.
    pub async fn reconcile(&self, findings: &[Finding], asked: &[&str], resolved_after: Duration) -> Result<()> {
        let mut transaction = self.pool.begin().await?;
        let columns = Columns::of(findings);
        sqlx::query(
            "INSERT INTO alerts AS a (condition, location_id, subject, since, cause, raised_at) \
             SELECT f.condition, f.location_id, f.subject, coalesce(f.since, now()), f.cause, now() \
             FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::text[]) \
             AS f (condition, location_id, subject, since, cause) \
             ON CONFLICT (condition, location_id, subject) WHERE resolved_at IS NULL \
             DO UPDATE SET cause = excluded.cause, gone_at = NULL WHERE a.cause <> excluded.cause OR a.gone_at IS NOT NULL",
        )
        .bind(&columns.conditions)
        .bind(&columns.locations)
        .bind(&columns.subjects)
        .bind(&columns.since)
        .bind(&columns.causes)
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "UPDATE alerts SET gone_at = now() WHERE resolved_at IS NULL AND gone_at IS NULL AND condition = ANY($1) \
             AND (condition, location_id, subject) NOT IN (SELECT * FROM unnest($2::text[], $3::text[], $4::text[]))",
        )
        .bind(asked)
        .bind(&columns.conditions)
        .bind(&columns.locations)
        .bind(&columns.subjects)
        .execute(&mut *transaction)
        .await?;
        // Whoever does not know whether something is gone cannot say that it stayed gone.
        sqlx::query("UPDATE alerts SET gone_at = NULL WHERE resolved_at IS NULL AND gone_at IS NOT NULL AND condition <> ALL($1)")
            .bind(asked)
            .execute(&mut *transaction)
            .await?;
        for settle in [
            "DELETE FROM alerts WHERE resolved_at IS NULL AND gone_at <= now() - $1 * interval '1 millisecond' \
             AND NOT EXISTS (SELECT FROM alerts_told WHERE alert_id = id)",
            "UPDATE alerts SET resolved_at = now() WHERE resolved_at IS NULL AND gone_at <= now() - $1 * interval '1 millisecond'",
        ] {
            sqlx::query(settle).bind(millis(resolved_after)).execute(&mut *transaction).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// The open alerts, oldest first, after the alert `after`; of one location or of all.
    pub async fn open(&self, location_id: Option<&LocationId>, after: Option<Uuid>, limit: u32) -> Result<Vec<Alert>> {
        let rows = sqlx::query(select_alerts!(
            "",
            "WHERE a.resolved_at IS NULL AND ($1::text IS NULL OR a.location_id = $1) \
             AND ($2::uuid IS NULL OR (a.raised_at, a.id) > (SELECT raised_at, id FROM alerts WHERE id = $2)) \
             ORDER BY a.raised_at, a.id LIMIT $3"
        ))
        .bind(location_id.map(LocationId::as_str))
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(read).collect()
    }

    /// When it was told over which channel that these alerts were raised.
    pub async fn told(&self, alerts: &[Alert]) -> Result<BTreeMap<Uuid, BTreeMap<String, Timestamp>>> {
        let ids: Vec<Uuid> = alerts.iter().map(|alert| alert.id).collect();
        let rows = sqlx::query(
            "SELECT alert_id, channel, told_at FROM alerts_told WHERE alert_id = ANY($1) AND change = 'raised' AND told_at IS NOT NULL",
        )
        .bind(ids)
        .fetch_all(&self.pool)
        .await?;
        let mut told: BTreeMap<Uuid, BTreeMap<String, Timestamp>> = BTreeMap::new();
        for row in rows {
            told.entry(row.try_get(0)?).or_default().insert(row.try_get(1)?, row.try_get::<At, _>(2)?.0);
        }
        Ok(told)
    }

    /// Forgets alerts that were resolved longer than `keep` ago, and silences that are over. Says how many alerts that were.
    pub async fn forget(&self, keep: Duration) -> Result<u64> {
        sqlx::query("DELETE FROM alert_silences WHERE until <= now()").execute(&self.pool).await?;
        let forgotten = sqlx::query("DELETE FROM alerts WHERE resolved_at < now() - $1 * interval '1 millisecond'")
            .bind(millis(keep))
            .execute(&self.pool)
            .await?;
        Ok(forgotten.rows_affected())
    }
}

/// Findings as the columns of a statement.
#[derive(Default)]
struct Columns {
    conditions: Vec<&'static str>,
    locations: Vec<String>,
    subjects: Vec<String>,
    since: Vec<Option<At>>,
    causes: Vec<String>,
}

impl Columns {
    /// Each alert once: a statement cannot change a row twice.
    fn of(findings: &[Finding]) -> Self {
        let by_key: BTreeMap<_, _> =
            findings.iter().map(|finding| ((finding.condition, &finding.location_id, &finding.subject), finding)).collect();
        let mut columns = Self::default();
        for finding in by_key.into_values() {
            columns.conditions.push(finding.condition);
            columns.locations.push(finding.location_id.as_ref().map(ToString::to_string).unwrap_or_default());
            columns.subjects.push(text(&finding.subject).into_owned());
            columns.since.push(finding.since.map(At));
            columns.causes.push(text(&finding.cause).into_owned());
        }
        columns
    }
}

pub(crate) fn read(row: &PgRow) -> Result<Alert> {
    let at = |column: usize| Ok::<_, crate::Error>(row.try_get::<Option<At>, _>(column)?.map(|At(at)| at));
    let location: String = row.try_get(2)?;
    Ok(Alert {
        id: row.try_get(0)?,
        condition: row.try_get(1)?,
        location_id: if location.is_empty() { None } else { Some(location_id(location)?) },
        subject: row.try_get(3)?,
        since: row.try_get::<At, _>(4)?.0,
        cause: row.try_get(5)?,
        raised_at: row.try_get::<At, _>(6)?.0,
        gone_at: at(7)?,
        resolved_at: at(8)?,
        silenced_until: at(9)?,
    })
}
