//! Answers for people: where everything stands.

use std::collections::BTreeMap;

use domain::{ContactId, LocationId, ObjectKey, ObjectKind, RecordKind, Revision};
use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{Postgres, Row, Transaction};

use crate::answers::Answers;
use crate::columns::{At, contact_id, epoch, location_id, unsigned};
use crate::{Error, MirrorState, Progress, Result, known::progress};

#[derive(Clone, Debug, PartialEq)]
pub struct LocationOverview {
    pub location_id: LocationId,
    pub connected_at: Timestamp,
    pub epoch: u32,
    pub head: u64,
    /// The last position published to the bus.
    pub relayed: u64,
    /// The last position all of whose consequences have arrived.
    pub settled: u64,
    /// Records present in GHL, by kind; a kind of which there are none is missing.
    pub records: BTreeMap<RecordKind, u64>,
    /// Objects in the live workspace that the ledger holds as applied and not removed.
    pub applied: u64,
    pub parked: u64,
    /// Contacts with an object that is older in Pagico than in GHL.
    pub behind: u64,
    pub last_recorded_at: Option<Timestamp>,
    pub progress: Progress,
    /// What was decided about it, and since when that counts; none where no poller has brought it in.
    pub state: Option<(MirrorState, Timestamp)>,
}

impl LocationOverview {
    /// How many records of a kind are present in GHL.
    pub fn present(&self, kind: RecordKind) -> u64 {
        self.records.get(&kind).copied().unwrap_or(0)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ContactFilter {
    #[default]
    Any,
    InSync,
    Behind,
    Parked,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactSummary {
    pub contact_id: ContactId,
    /// The contact exists in GHL.
    pub present: bool,
    /// The position of the last change seen in GHL.
    pub ghl_seq: u64,
    /// Everything of the contact up to this position is in Pagico.
    pub applied_seq: u64,
    /// Records present in GHL, the contact itself included.
    pub records: u64,
    /// Objects that are older in Pagico than in GHL.
    pub behind: u64,
    pub parked: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactState {
    pub summary: ContactSummary,
    /// When GHL was last asked for the contact.
    pub asked_at: Option<Timestamp>,
    pub objects: Vec<ObjectState>,
}

/// One Pagico object of a contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectState {
    pub object: ObjectKey,
    pub kind: ObjectKind,
    /// The record exists in GHL; false for what a trigger started.
    pub present: bool,
    /// The last change in GHL; none for what a trigger started.
    pub ghl: Option<Revision>,
    pub applied: Option<Revision>,
    pub state: SyncState,
    pub delivered_at: Option<Timestamp>,
    /// What the workspace last answered.
    pub answer: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncState {
    InSync,
    Behind,
    Parked,
    /// Gone in GHL, and gone in Pagico.
    Removed,
    /// Started by a trigger: the user's own since.
    Started,
}

impl SyncState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InSync => "in_sync",
            Self::Behind => "behind",
            Self::Parked => "parked",
            Self::Removed => "removed",
            Self::Started => "started",
        }
    }
}

/// Contacts with what is known of them and of their objects in the live workspace.
macro_rules! select_contacts {
    ($tail:literal) => {
        concat!(
            "SELECT k.contact_id, coalesce(o.present, false), k.last_seq, ",
            "CASE WHEN o.behind = 0 THEN k.last_seq ELSE least(coalesce(o.applied, 0), o.first_behind - 1) END, ",
            "o.records, o.behind, p.parked, k.contact_asked_at FROM known_contacts k ",
            "CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE r.present) AS records, ",
            "bool_or(r.present) FILTER (WHERE r.kind = 'contact') AS present, max(l.seq) AS applied, ",
            "count(*) FILTER (WHERE (l.seq IS NULL AND r.present) OR (l.epoch, l.seq) < (r.epoch, r.seq)) AS behind, ",
            "min(r.seq) FILTER (WHERE (l.seq IS NULL AND r.present) OR (l.epoch, l.seq) < (r.epoch, r.seq)) AS first_behind ",
            "FROM known_records r LEFT JOIN ledger l ON l.location_id = r.location_id ",
            "AND l.workspace = (SELECT w.workspace FROM workspaces w WHERE w.location_id = k.location_id AND w.role = 'live') ",
            "AND l.object = 'ghl:' || r.kind || '/' || r.record_id ",
            "WHERE r.location_id = k.location_id AND r.contact_id = k.contact_id) o ",
            "CROSS JOIN LATERAL (SELECT count(*) AS parked FROM parked p ",
            "WHERE p.location_id = k.location_id AND p.contact_id = k.contact_id AND p.resolved_at IS NULL) p ",
            $tail
        )
    };
}

impl Answers {
    /// Every location at a glance, all from one moment.
    pub async fn overview(&self) -> Result<Vec<LocationOverview>> {
        let mut moment = self.moment().await?;
        let rows = sqlx::query(
            "SELECT h.location_id, l.connected_at, h.epoch, h.seq, r.published, r.settled, e.recorded_at, \
             p.watermark, p.cursor::text, p.seen, p.total, p.started_at, p.finished_at, m.state, m.since \
             FROM log_head h JOIN locations l USING (location_id) JOIN relay r USING (location_id) \
             LEFT JOIN mirrored_locations m USING (location_id) \
             LEFT JOIN progress p USING (location_id) LEFT JOIN events e ON e.location_id = h.location_id AND e.seq = h.seq \
             ORDER BY h.location_id",
        )
        .fetch_all(&mut *moment)
        .await?;
        let records = counts(&mut moment, "SELECT location_id, kind, count(*) FROM known_records WHERE present GROUP BY 1, 2").await?;
        let other = counts(
            &mut moment,
            "SELECT location_id, 'applied', count(*) FROM ledger JOIN workspaces USING (location_id, workspace) \
             WHERE role = 'live' AND NOT removed GROUP BY 1 \
             UNION ALL SELECT location_id, 'parked', count(*) FROM parked WHERE resolved_at IS NULL GROUP BY 1 \
             UNION ALL SELECT r.location_id, 'behind', count(DISTINCT r.contact_id) FROM known_records r \
             JOIN workspaces w ON w.location_id = r.location_id AND w.role = 'live' \
             LEFT JOIN ledger l ON l.location_id = r.location_id AND l.workspace = w.workspace \
             AND l.object = 'ghl:' || r.kind || '/' || r.record_id \
             WHERE (l.object IS NULL AND r.present) OR (l.epoch, l.seq) < (r.epoch, r.seq) GROUP BY 1",
        )
        .await?;
        rows.iter().map(|row| location_overview(row, &records, &other)).collect()
    }

    /// Contacts in the order of their ids, after `after`.
    pub async fn contacts(
        &self,
        location_id: &LocationId,
        filter: ContactFilter,
        after: Option<&ContactId>,
        limit: u32,
    ) -> Result<Vec<ContactSummary>> {
        let filter = match filter {
            ContactFilter::Any => "any",
            ContactFilter::InSync => "in sync",
            ContactFilter::Behind => "behind",
            ContactFilter::Parked => "parked",
        };
        let rows = sqlx::query(select_contacts!(
            "WHERE k.location_id = $1 AND k.contact_id > $2 AND CASE $3::text WHEN 'in sync' THEN o.behind = 0 AND p.parked = 0 \
             WHEN 'behind' THEN o.behind > 0 WHEN 'parked' THEN p.parked > 0 ELSE true END ORDER BY k.contact_id LIMIT $4"
        ))
        .bind(location_id.as_str())
        .bind(after.map_or("", ContactId::as_str))
        .bind(filter)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(summary).collect()
    }

    /// Everything of one contact, all from one moment.
    ///
    /// # Errors
    /// `NotFound` when the contact was never seen.
    pub async fn contact(&self, location_id: &LocationId, contact_id: &ContactId) -> Result<ContactState> {
        let mut moment = self.moment().await?;
        let contact = sqlx::query(select_contacts!("WHERE k.location_id = $1 AND k.contact_id = $2"))
            .bind(location_id.as_str())
            .bind(contact_id.as_str())
            .fetch_optional(&mut *moment)
            .await?
            .ok_or(Error::NotFound)?;
        let objects = sqlx::query(
            "WITH r AS (SELECT 'ghl:' || kind || '/' || record_id AS object, kind, present, epoch, seq FROM known_records \
             WHERE location_id = $1 AND contact_id = $2), \
             l AS (SELECT object, kind, epoch, seq, policy, removed, answer, delivered_at FROM ledger \
             WHERE location_id = $1 AND contact_id = $2 \
             AND workspace = (SELECT workspace FROM workspaces WHERE location_id = $1 AND role = 'live')), \
             p AS (SELECT DISTINCT object FROM parked \
             WHERE location_id = $1 AND contact_id = $2 AND resolved_at IS NULL AND object IS NOT NULL \
             AND workspace = (SELECT workspace FROM workspaces WHERE location_id = $1 AND role = 'live')) \
             SELECT object, coalesce(l.kind, r.kind), coalesce(r.present, false), r.epoch, r.seq, l.epoch, l.seq, \
             coalesce(l.policy <> 'mirror', false), coalesce(l.removed, false), l.answer, l.delivered_at, \
             EXISTS (SELECT FROM p WHERE p.object = whole.object) \
             FROM (SELECT object FROM r UNION SELECT object FROM l UNION SELECT object FROM p) whole \
             LEFT JOIN r USING (object) LEFT JOIN l USING (object) ORDER BY object",
        )
        .bind(location_id.as_str())
        .bind(contact_id.as_str())
        .fetch_all(&mut *moment)
        .await?;
        Ok(ContactState {
            asked_at: contact.try_get::<Option<At>, _>(7)?.map(|At(at)| at),
            summary: summary(&contact)?,
            objects: objects.iter().map(object).collect::<Result<_>>()?,
        })
    }

    /// A transaction in which every query sees the same moment.
    async fn moment(&self) -> Result<Transaction<'static, Postgres>> {
        Ok(self.pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?)
    }
}

type Counts = BTreeMap<(String, String), u64>;

async fn counts(moment: &mut Transaction<'static, Postgres>, query: &'static str) -> Result<Counts> {
    let rows = sqlx::query(query).fetch_all(&mut **moment).await?;
    rows.iter().map(|row| Ok(((row.try_get(0)?, row.try_get(1)?), unsigned(row.try_get(2)?)))).collect()
}

fn location_overview(row: &PgRow, records: &Counts, other: &Counts) -> Result<LocationOverview> {
    let id: String = row.try_get(0)?;
    let count = |counts: &Counts, what: &str| counts.get(&(id.clone(), what.to_owned())).copied().unwrap_or(0);
    Ok(LocationOverview {
        connected_at: row.try_get::<At, _>(1)?.0,
        epoch: epoch(row.try_get(2)?),
        head: unsigned(row.try_get(3)?),
        relayed: unsigned(row.try_get(4)?),
        settled: unsigned(row.try_get(5)?),
        records: RecordKind::ALL
            .into_iter()
            .map(|kind| (kind, count(records, kind.as_str())))
            .filter(|(_, present)| *present > 0)
            .collect(),
        applied: count(other, "applied"),
        parked: count(other, "parked"),
        behind: count(other, "behind"),
        last_recorded_at: row.try_get::<Option<At>, _>(6)?.map(|At(at)| at),
        progress: progress::read(row, 7)?,
        state: match (row.try_get::<Option<&str>, _>(13)?, row.try_get::<Option<At>, _>(14)?) {
            (Some(state), Some(At(since))) => Some((MirrorState::parse(state).ok_or_else(|| Error::malformed("state"))?, since)),
            (_, None) | (None, _) => None,
        },
        location_id: location_id(id)?,
    })
}

fn summary(row: &PgRow) -> Result<ContactSummary> {
    Ok(ContactSummary {
        contact_id: contact_id(row.try_get(0)?)?,
        present: row.try_get(1)?,
        ghl_seq: unsigned(row.try_get(2)?),
        applied_seq: unsigned(row.try_get(3)?),
        records: unsigned(row.try_get(4)?),
        behind: unsigned(row.try_get(5)?),
        parked: unsigned(row.try_get(6)?),
    })
}

fn object(row: &PgRow) -> Result<ObjectState> {
    let revision = |first| {
        let (column, seq): (Option<i32>, Option<i64>) = (row.try_get(first)?, row.try_get(first + 1)?);
        Ok::<_, Error>(column.zip(seq).map(|(column, seq)| Revision { epoch: epoch(column), seq: unsigned(seq) }))
    };
    let object = ObjectKey::from(row.try_get::<String, _>(0)?);
    let kind = row.try_get::<Option<&str>, _>(1)?.and_then(ObjectKind::parse);
    let (present, ghl, applied): (bool, _, _) = (row.try_get(2)?, revision(3)?, revision(5)?);
    let (started, removed, parked): (bool, bool, bool) = (row.try_get(7)?, row.try_get(8)?, row.try_get(11)?);
    let state = if parked {
        SyncState::Parked
    } else if started {
        SyncState::Started
    } else if applied.is_none() && !present {
        // Vanished before there was anything to remove.
        SyncState::Removed
    } else if applied < ghl {
        SyncState::Behind
    } else if removed && !present {
        SyncState::Removed
    } else {
        SyncState::InSync
    };
    Ok(ObjectState {
        kind: kind.unwrap_or_else(|| crate::ledger::parked::kind_of(&object)),
        object,
        present,
        ghl,
        applied,
        state,
        delivered_at: row.try_get::<Option<At>, _>(10)?.map(|At(at)| at),
        answer: row.try_get(9)?,
    })
}
