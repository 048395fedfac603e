//! Questions about the past: events that match, how contacts stood, and what went to Pagico.

use domain::{ContactId, LocationId, Point, RecordKind, Stored};
use jiff::Timestamp;
use sqlx::Row;

use crate::Result;
use crate::answers::Answers;
use crate::chain::Head;
use crate::columns::{At, contact_id, signed};
use crate::read::{select_events, stored};

/// Which events are meant. What is empty or absent matches everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EventFilter {
    pub kinds: Vec<RecordKind>,
    /// Whole types (`task.changed`) or what stands before their dot (`task`).
    pub types: Vec<String>,
    /// As `Net::as_str` names them.
    pub causes: Vec<String>,
    pub occurred: TimeRange,
    pub recorded: TimeRange,
}

/// From the first instant on, and before the second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeRange {
    pub from: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

/// Some of the log: the events that match, and how far it was looked through.
#[derive(Clone, Debug, PartialEq)]
pub struct EventPage {
    pub events: Vec<Stored>,
    /// Every event up to this position, itself included, that matches is in `events` or was before it.
    pub through: u64,
}

/// The conditions of an `EventFilter`, as parameters 2 to 8.
macro_rules! matching {
    () => {
        "AND (cardinality($2::text[]) = 0 OR record_kind = ANY($2)) \
         AND (cardinality($3::text[]) = 0 OR type = ANY($3) OR split_part(type, '.', 1) = ANY($3)) \
         AND (cardinality($4::text[]) = 0 OR EXISTS (SELECT FROM unnest($4) net WHERE strpos(cause::text, net) > 0)) \
         AND ($5::timestamptz IS NULL OR occurred_at >= $5) AND ($6::timestamptz IS NULL OR occurred_at < $6) \
         AND ($7::timestamptz IS NULL OR recorded_at >= $7) AND ($8::timestamptz IS NULL OR recorded_at < $8) "
    };
}

/// A query with its first eight parameters.
macro_rules! selecting {
    ($location:ident, $filter:ident, $($tail:tt)+) => {
        sqlx::query(select_events!("WHERE location_id = $1 ", matching!(), $($tail)+))
            .bind($location.as_str())
            .bind($filter.kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>())
            .bind(&$filter.types)
            // As text: what the database takes for no JSON may be in it. Within a string its quotes would be escaped.
            .bind($filter.causes.iter().map(|cause| format!("\"by\":\"{cause}\"")).collect::<Vec<_>>())
            .bind($filter.occurred.from.map(At))
            .bind($filter.occurred.until.map(At))
            .bind($filter.recorded.from.map(At))
            .bind($filter.recorded.until.map(At))
    };
}

impl Answers {
    /// Events of a location that match, or only those of one contact, after a position, oldest first. Looks at no more than `scan`
    /// positions and gives no more than `limit` events.
    ///
    /// # Errors
    /// `NotFound` when the location was never connected.
    pub async fn select(
        &self,
        location_id: &LocationId,
        contact_id: Option<&ContactId>,
        filter: &EventFilter,
        after: u64,
        limit: u32,
        scan: u64,
    ) -> Result<EventPage> {
        // What is committed up to the head can be read: positions commit in order.
        let head = Head::look(&self.pool, location_id).await?.seq;
        let end = head.min(after.saturating_add(scan)).max(after);
        let query = match contact_id {
            None => selecting!(location_id, filter, "AND seq > $9 AND seq <= $10 ORDER BY seq LIMIT $11"),
            Some(_) => {
                selecting!(location_id, filter, "AND seq > $9 AND seq <= $10 AND contact_id = $12 ORDER BY seq LIMIT $11")
            }
        };
        let query = query.bind(signed(after)).bind(signed(end)).bind(i64::from(limit));
        let query = if let Some(contact_id) = contact_id { query.bind(contact_id.as_str()) } else { query };
        let rows = query.fetch_all(&self.pool).await?;
        let events = rows.iter().map(stored).collect::<Result<Vec<_>>>()?;
        let full = u32::try_from(events.len()).is_ok_and(|count| count >= limit);
        let through = events.last().filter(|_| full).map_or(end, |last| last.seq);
        Ok(EventPage { events, through })
    }

    /// The events of a contact that match, before a position (or all), newest first.
    pub async fn history(
        &self,
        location_id: &LocationId,
        contact_id: &ContactId,
        filter: &EventFilter,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Stored>> {
        let rows = selecting!(location_id, filter, "AND contact_id = $9 AND seq < $10 ORDER BY seq DESC LIMIT $11")
            .bind(contact_id.as_str())
            .bind(before.map_or(i64::MAX, signed))
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(stored).collect()
    }

    /// Whether the log holds anything of a contact.
    pub async fn has_contact(&self, location_id: &LocationId, contact_id: &ContactId) -> Result<bool> {
        let row = sqlx::query("SELECT EXISTS (SELECT FROM events WHERE location_id = $1 AND contact_id = $2)")
            .bind(location_id.as_str())
            .bind(contact_id.as_str())
            .fetch_one(&self.pool)
            .await?;
        Ok(row.try_get(0)?)
    }

    /// Of each record of these contacts the last event until a moment: as each event holds the whole record, that is how they stood.
    /// Ordered by contact.
    pub async fn records_as_of(&self, location_id: &LocationId, contacts: &[ContactId], point: Point) -> Result<Vec<Stored>> {
        let (mut position, mut recorded_at, mut occurred_at) = (i64::MAX, None, None);
        match point {
            Point::Position(at) => position = signed(at),
            Point::RecordedAt(at) => recorded_at = Some(At(at)),
            Point::OccurredAt(at) => occurred_at = Some(At(at)),
        }
        let rows = sqlx::query(select_events!(
            "WHERE location_id = $1 AND seq = ANY(ARRAY(SELECT max(seq) FROM events WHERE location_id = $1 AND contact_id = ANY($2) \
             AND record_kind IS NOT NULL AND seq <= $3 AND ($4::timestamptz IS NULL OR recorded_at <= $4) \
             AND ($5::timestamptz IS NULL OR occurred_at <= $5) GROUP BY contact_id, record_kind, record_id)) ORDER BY contact_id, seq"
        ))
        .bind(location_id.as_str())
        .bind(contacts.iter().map(ContactId::as_str).collect::<Vec<_>>())
        .bind(position)
        .bind(recorded_at)
        .bind(occurred_at)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(stored).collect()
    }

    /// The contacts that the log holds anything of, after one of them, in the order of their ids: a step through the index for each.
    pub async fn contacts_in_log(&self, location_id: &LocationId, after: Option<&ContactId>, limit: u32) -> Result<Vec<ContactId>> {
        let rows = sqlx::query(
            "WITH RECURSIVE next AS (\
             SELECT (SELECT min(contact_id) FROM events WHERE location_id = $1 AND contact_id > $2) AS id, 1 AS row UNION ALL \
             SELECT (SELECT min(contact_id) FROM events WHERE location_id = $1 AND contact_id > next.id), row + 1 FROM next \
             WHERE next.id IS NOT NULL AND row < $3) SELECT id FROM next WHERE id IS NOT NULL ORDER BY id",
        )
        .bind(location_id.as_str())
        .bind(after.map_or("", ContactId::as_str))
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| contact_id(row.try_get(0)?)).collect()
    }
}
