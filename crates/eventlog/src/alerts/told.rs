//! What is still to be told over a channel, and what was. It is noted before something is sent and again once it has arrived: after a
//! crash in between it is sent again, so each change arrives at least once, and twice only where the answer was lost.

use std::time::Duration;

use sqlx::Row;
use uuid::Uuid;

use crate::Result;
use crate::alerts::Alerts;
use crate::alerts::open::{Alert, read, select_alerts};
use crate::columns::{At, millis};

/// What there is to tell of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    Raised,
    Resolved,
}

impl Change {
    fn as_str(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Resolved => "resolved",
        }
    }
}

/// What is to be told over a channel in one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    pub raised: Vec<Alert>,
    pub resolved: Vec<Alert>,
    /// What is told with it, by alert. One that is resolved before it was told as raised is told as both.
    pub changes: Vec<(Uuid, Change)>,
}

impl Alerts {
    /// What is to be told over a channel: nothing until the oldest change has waited for so long, so that what happens together is told
    /// together. Of the conditions in `only`, where there are any given. What is silenced waits, and a condition that is gone is not
    /// told before it is resolved or back.
    pub async fn due(&self, channel: &str, group_wait: Duration, only: Option<&[&str]>, limit: u32) -> Result<Due> {
        let rows = sqlx::query(select_alerts!(
            ", coalesce(a.resolved_at, a.raised_at) <= now() - $3 * interval '1 millisecond', raised.told_at",
            "LEFT JOIN alerts_told raised ON raised.alert_id = a.id AND raised.channel = $1 AND raised.change = 'raised' \
             LEFT JOIN alerts_told resolved ON resolved.alert_id = a.id AND resolved.channel = $1 AND resolved.change = 'resolved' \
             WHERE s.until IS NULL AND ($2::text[] IS NULL OR a.condition = ANY($2)) \
             AND CASE WHEN a.resolved_at IS NULL THEN a.gone_at IS NULL AND raised.told_at IS NULL \
             ELSE raised.alert_id IS NOT NULL AND resolved.told_at IS NULL END \
             ORDER BY coalesce(a.resolved_at, a.raised_at), a.id LIMIT $4"
        ))
        .bind(channel)
        .bind(only)
        .bind(millis(group_wait))
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        let (mut due, mut has_waited) = (Due::default(), false);
        for row in rows {
            has_waited |= row.try_get::<bool, _>(10)?;
            let is_told = row.try_get::<Option<At>, _>(11)?.is_some();
            let alert = read(&row)?;
            if !is_told {
                due.changes.push((alert.id, Change::Raised));
            }
            if alert.resolved_at.is_some() {
                due.changes.push((alert.id, Change::Resolved));
                due.resolved.push(alert);
            } else {
                due.raised.push(alert);
            }
        }
        Ok(if has_waited { due } else { Due::default() })
    }

    /// Notes that changes are about to be told. Gives those of which this is the first attempt, or all earlier ones certainly failed.
    pub async fn begin_telling(&self, channel: &str, changes: &[(Uuid, Change)]) -> Result<Vec<(Uuid, Change)>> {
        let (ids, names) = columns(changes);
        let rows = sqlx::query(
            "INSERT INTO alerts_told (alert_id, channel, change) SELECT c.id, $1, c.change FROM unnest($2::uuid[], $3::text[]) \
             AS c (id, change) ON CONFLICT DO NOTHING RETURNING alert_id, change",
        )
        .bind(channel)
        .bind(ids)
        .bind(names)
        .fetch_all(&self.pool)
        .await?;
        let change = |name: &str| if name == Change::Raised.as_str() { Change::Raised } else { Change::Resolved };
        rows.iter().map(|row| Ok((row.try_get(0)?, change(row.try_get(1)?)))).collect()
    }

    /// Notes that changes arrived.
    pub async fn end_telling(&self, channel: &str, changes: &[(Uuid, Change)]) -> Result<()> {
        let (ids, names) = columns(changes);
        sqlx::query(
            "UPDATE alerts_told t SET told_at = now() FROM unnest($2::uuid[], $3::text[]) AS c (id, change) \
             WHERE t.alert_id = c.id AND t.channel = $1 AND t.change = c.change",
        )
        .bind(channel)
        .bind(ids)
        .bind(names)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Notes that changes certainly did not arrive.
    pub async fn withdraw_telling(&self, channel: &str, changes: &[(Uuid, Change)]) -> Result<()> {
        let (ids, names) = columns(changes);
        sqlx::query(
            "DELETE FROM alerts_told t USING unnest($2::uuid[], $3::text[]) AS c (id, change) \
             WHERE t.alert_id = c.id AND t.channel = $1 AND t.change = c.change AND t.told_at IS NULL",
        )
        .bind(channel)
        .bind(ids)
        .bind(names)
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

fn columns(changes: &[(Uuid, Change)]) -> (Vec<Uuid>, Vec<&'static str>) {
    changes.iter().map(|(id, change)| (*id, change.as_str())).unzip()
}
