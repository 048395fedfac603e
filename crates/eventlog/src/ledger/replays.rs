//! Plans that were made, and the replays that apply them.

use std::num::NonZeroUsize;
use std::time::Duration;

use domain::replay::Tally;
use domain::{ContactId, Hash, LocationId, RulesRevision, Workspace};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::postgres::PgRow;
use sqlx::{PgExecutor, PgPool, Row};
use uuid::Uuid;

use crate::appends::Appended;
use crate::chain::Head;
use crate::columns::{At, as_stored, contact_id, epoch, epoch_column, location_id, signed, text, unsigned, workspace};
use crate::ledger::workspaces::{Role, fact, find};
use crate::{Error, Result};

/// What a plan would do, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    pub puts: u64,
    pub removes: u64,
    pub skips: u64,
    pub contacts: u64,
    pub events: u64,
    pub unreadable: u64,
    /// Puts that only other rules ask for.
    pub rewrites: u64,
}

impl From<&Tally> for Totals {
    fn from(tally: &Tally) -> Self {
        let Tally { puts, removes, skips, contacts, events, unreadable, rewrites, .. } = *tally;
        Self { puts, removes, skips, contacts, events, unreadable, rewrites }
    }
}

/// A plan, without its actions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub location_id: LocationId,
    pub hash: Hash,
    pub workspace: Workspace,
    pub rules: RulesRevision,
    /// The rules and the edition that the workspace had when it was planned.
    pub rules_then: RulesRevision,
    pub edition: u32,
    /// None is every contact.
    pub contact_id: Option<ContactId>,
    /// The last position that counts, and its hash.
    pub head: (u64, Hash),
    /// Whether the end was asked for, or is just where the log ended.
    pub bounded: bool,
    /// Whether the workspace itself was asked.
    pub present: bool,
    pub totals: Totals,
    pub who: String,
    pub made_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    Running,
    Paused,
    Done,
    Cancelled,
    Failed,
}

impl Phase {
    pub const ALL: [Self; 5] = [Self::Running, Self::Paused, Self::Done, Self::Cancelled, Self::Failed];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }

    pub fn has_ended(self) -> bool {
        !matches!(self, Self::Running | Self::Paused)
    }

    fn verb(self) -> &'static str {
        match self {
            Self::Running => "replay_resumed",
            Self::Paused => "replay_paused",
            Self::Done => "replay_done",
            Self::Cancelled => "replay_cancelled",
            Self::Failed => "replay_failed",
        }
    }
}

/// A plan being applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    pub replay_id: Uuid,
    pub plan: Plan,
    pub phase: Phase,
    /// What is later comes live.
    pub through: u64,
    /// The edition of the rules that its intents belong to.
    pub edition: u32,
    /// What the ledger says wrongly is still to be forgotten.
    pub forgets: bool,
    /// Objects to write or remove, and those that need no more.
    pub total: u64,
    pub done: u64,
    pub rounds: u32,
    pub reason: String,
    pub who: String,
    pub started_at: Timestamp,
    /// How long it has been worked on.
    pub worked: Duration,
    pub ended_at: Option<Timestamp>,
}

/// How far a replay has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayProgress {
    pub done: u64,
    pub rounds: u32,
    pub forgets: bool,
    pub reason: String,
    /// More time that was worked.
    pub worked: Duration,
}

macro_rules! select_plans {
    ($tail:literal) => {
        concat!(
            "SELECT location_id, hash, workspace, rules, rules_then, edition, contact_id, head_seq, head_hash, bounded, present, ",
            "totals::text, who, made_at FROM plans ",
            $tail
        )
    };
}

macro_rules! select_replays {
    ($tail:literal) => {
        concat!(
            "SELECT location_id, replay_id, plan_hash, phase, through_seq, edition, forgets, total, done, rounds, reason, who, started_at, ",
            "worked, ended_at FROM replays ",
            $tail
        )
    };
}

/// Plans and the replays that apply them. Cheap to clone.
#[derive(Clone)]
pub struct Replays {
    pub(crate) pool: PgPool,
    pub(crate) appended: Appended,
    pub(crate) transaction_records_max: NonZeroUsize,
}

impl Replays {
    /// Keeps a plan, so that it can be approved by its hash.
    pub async fn keep_plan(&self, plan: &Plan) -> Result<()> {
        sqlx::query(
            "INSERT INTO plans (location_id, hash, workspace, rules, rules_then, edition, contact_id, head_seq, head_hash, bounded, present, \
             totals, who, made_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12::json, $13, $14) \
             ON CONFLICT (location_id, hash) DO UPDATE SET made_at = excluded.made_at, who = excluded.who, edition = excluded.edition, \
             rules_then = excluded.rules_then",
        )
        .bind(plan.location_id.as_str())
        .bind(plan.hash.as_slice())
        .bind(plan.workspace.as_str())
        .bind(plan.rules.as_str())
        .bind(plan.rules_then.as_str())
        .bind(epoch_column(plan.edition))
        .bind(plan.contact_id.as_ref().map(ContactId::as_str))
        .bind(signed(plan.head.0))
        .bind(plan.head.1.as_slice())
        .bind(plan.bounded)
        .bind(plan.present)
        .bind(serde_json::to_string(&plan.totals).map_err(domain::Decode::from)?)
        .bind(text(&plan.who))
        .bind(At(plan.made_at))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// # Errors
    /// `NotFound` when no plan has this hash.
    pub async fn plan(&self, hash: &Hash) -> Result<Plan> {
        let row = sqlx::query(select_plans!("WHERE hash = $1 LIMIT 1")).bind(hash.as_slice()).fetch_optional(&self.pool).await?;
        read_plan(&row.ok_or(Error::NotFound)?)
    }

    /// Starts a replay of what was planned. With it the workspace takes on the plan's rules, in the same transaction: every event that
    /// was appended before is in reach of the replay, every later one is mapped by the new rules.
    ///
    /// # Errors
    /// `NotFound` when the plan is not kept, or no longer; `AlreadyResolved` when the workspace is not as it was when it was planned;
    /// `Refused` while another replay of the location goes on.
    pub async fn start(&self, plan: &Plan, who: &str) -> Result<Replay> {
        let mut transaction = self.pool.begin().await?;
        let mut head = Head::lock(&mut *transaction, &plan.location_id).await?;
        // It may have been deleted since it was found.
        plan_of(&mut *transaction, plan.location_id.as_str(), &plan.hash).await?;
        let workspace = find(&mut *transaction, &plan.location_id, &plan.workspace).await?;
        if workspace.role == Role::Retired || workspace.edition != plan.edition {
            return Err(Error::AlreadyResolved);
        }
        let other = plan.rules != plan.rules_then;
        let edition = if other || plan.totals.rewrites > 0 { plan.edition + 1 } else { plan.edition };
        sqlx::query("UPDATE workspaces SET edition = $3, rules = coalesce($4, rules) WHERE location_id = $1 AND workspace = $2")
            .bind(plan.location_id.as_str())
            .bind(plan.workspace.as_str())
            .bind(epoch_column(edition))
            .bind(other.then(|| plan.rules.as_str()))
            .execute(&mut *transaction)
            .await?;
        let replay_id = Uuid::new_v4();
        let through = if plan.bounded { plan.head.0 } else { head.seq };
        sqlx::query(
            "INSERT INTO replays (location_id, replay_id, plan_hash, phase, through_seq, edition, forgets, total, who, started_at) \
             VALUES ($1, $2, $3, 'running', $4, $5, $6, $7, $8, $9)",
        )
        .bind(plan.location_id.as_str())
        .bind(replay_id)
        .bind(plan.hash.as_slice())
        .bind(signed(through))
        .bind(epoch_column(edition))
        .bind(plan.present)
        .bind(signed(plan.totals.puts + plan.totals.removes))
        .bind(text(who))
        .bind(At(as_stored(Timestamp::now())))
        .execute(&mut *transaction)
        .await?;
        let detail = json!({ "replay_id": replay_id, "plan": hex::encode(plan.hash), "workspace": plan.workspace, "rules": plan.rules });
        head.append_operator(&mut transaction, &plan.location_id, fact("replay_started", detail), who).await?;
        transaction.commit().await?;
        self.appended.notify(1);
        self.get(Some(replay_id)).await
    }

    /// A replay; the last one that was started for none.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn get(&self, replay_id: Option<Uuid>) -> Result<Replay> {
        let row = sqlx::query(select_replays!("WHERE $1::uuid IS NULL OR replay_id = $1 ORDER BY started_at DESC, replay_id DESC LIMIT 1"));
        let row = row.bind(replay_id).fetch_optional(&self.pool).await?.ok_or(Error::NotFound)?;
        self.with_plan(&row).await
    }

    /// Replays, newest first, after the one given; of one location or of all.
    pub async fn list(&self, location_id: Option<&LocationId>, after: Option<Uuid>, limit: u32) -> Result<Vec<Replay>> {
        let rows = sqlx::query(select_replays!(
            "WHERE ($1::text IS NULL OR location_id = $1) AND ($2::uuid IS NULL OR (started_at, replay_id) < \
             (SELECT started_at, replay_id FROM replays WHERE replay_id = $2)) ORDER BY started_at DESC, replay_id DESC LIMIT $3"
        ))
        .bind(location_id.map(LocationId::as_str))
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        let mut replays = Vec::with_capacity(rows.len());
        for row in &rows {
            replays.push(self.with_plan(row).await?);
        }
        Ok(replays)
    }

    /// The replay that is to be worked on, if any: the oldest, but for the one given, which comes last.
    pub async fn next(&self, last: Option<Uuid>) -> Result<Option<Replay>> {
        let next = sqlx::query(select_replays!("WHERE phase = 'running' ORDER BY replay_id IS NOT DISTINCT FROM $1, started_at LIMIT 1"));
        match next.bind(last).fetch_optional(&self.pool).await? {
            Some(row) => Ok(Some(self.with_plan(&row).await?)),
            None => Ok(None),
        }
    }

    /// Changes what a replay is doing, and appends that it was. Doing what it does already changes nothing.
    ///
    /// # Errors
    /// `AlreadyResolved` when it has ended.
    pub async fn set_phase(&self, replay: &Replay, phase: Phase, reason: &str, who: &str) -> Result<Replay> {
        let location_id = &replay.plan.location_id;
        let mut transaction = self.pool.begin().await?;
        let mut head = Head::lock(&mut *transaction, location_id).await?;
        let row = sqlx::query("SELECT phase FROM replays WHERE location_id = $1 AND replay_id = $2 FOR UPDATE");
        let row = row.bind(location_id.as_str()).bind(replay.replay_id).fetch_optional(&mut *transaction).await?.ok_or(Error::NotFound)?;
        let now = read_phase(row.try_get(0)?)?;
        if now == phase {
            return self.get(Some(replay.replay_id)).await;
        }
        if now.has_ended() {
            return Err(Error::AlreadyResolved);
        }
        sqlx::query("UPDATE replays SET phase = $3, reason = $4, ended_at = $5 WHERE location_id = $1 AND replay_id = $2")
            .bind(location_id.as_str())
            .bind(replay.replay_id)
            .bind(phase.as_str())
            .bind(text(reason))
            .bind(phase.has_ended().then(|| At(as_stored(Timestamp::now()))))
            .execute(&mut *transaction)
            .await?;
        let detail = json!({ "replay_id": replay.replay_id, "workspace": replay.plan.workspace, "reason": reason });
        head.append_operator(&mut transaction, location_id, fact(phase.verb(), detail), who).await?;
        transaction.commit().await?;
        self.appended.notify(1);
        self.get(Some(replay.replay_id)).await
    }

    /// Notes how far a replay has come, and gives what it is doing.
    pub async fn record_progress(&self, replay: &Replay, progressed: &ReplayProgress) -> Result<Phase> {
        let row = sqlx::query(
            "UPDATE replays SET done = $3, rounds = $4, forgets = $5, reason = CASE WHEN phase = 'running' THEN $6 ELSE reason END, \
             worked = worked + $7 WHERE location_id = $1 AND replay_id = $2 RETURNING phase",
        )
        .bind(replay.plan.location_id.as_str())
        .bind(replay.replay_id)
        .bind(signed(progressed.done))
        .bind(epoch_column(progressed.rounds))
        .bind(progressed.forgets)
        .bind(text(&progressed.reason))
        .bind(i64::try_from(progressed.worked.as_millis()).unwrap_or(i64::MAX))
        .fetch_optional(&self.pool)
        .await?;
        read_phase(row.ok_or(Error::NotFound)?.try_get(0)?)
    }

    /// Takes or renews the lease on working on replays. False while somebody else holds it.
    pub async fn lease(&self, holder: Uuid, ttl: Duration) -> Result<bool> {
        let row = sqlx::query(
            "INSERT INTO replay_lease AS l (holder, until) VALUES ($1, now() + $2 * interval '1 millisecond') \
             ON CONFLICT (only_one) DO UPDATE SET holder = excluded.holder, until = excluded.until \
             WHERE l.holder = excluded.holder OR l.until < now() RETURNING true",
        )
        .bind(holder)
        .bind(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX))
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.is_some())
    }

    async fn with_plan(&self, row: &PgRow) -> Result<Replay> {
        let (location_id, hash) = (row.try_get::<&str, _>(0)?, row.try_get::<&[u8], _>(2)?);
        Ok(Replay {
            plan: plan_of(&self.pool, location_id, hash).await?,
            replay_id: row.try_get(1)?,
            phase: read_phase(row.try_get(3)?)?,
            through: unsigned(row.try_get(4)?),
            edition: epoch(row.try_get(5)?),
            forgets: row.try_get(6)?,
            total: unsigned(row.try_get(7)?),
            done: unsigned(row.try_get(8)?),
            rounds: epoch(row.try_get(9)?),
            reason: row.try_get(10)?,
            who: row.try_get(11)?,
            started_at: row.try_get::<At, _>(12)?.0,
            worked: Duration::from_millis(unsigned(row.try_get(13)?)),
            ended_at: row.try_get::<Option<At>, _>(14)?.map(|At(at)| at),
        })
    }
}

async fn plan_of(executor: impl PgExecutor<'_>, location_id: &str, hash: &[u8]) -> Result<Plan> {
    let row =
        sqlx::query(select_plans!("WHERE location_id = $1 AND hash = $2")).bind(location_id).bind(hash).fetch_optional(executor).await?;
    read_plan(&row.ok_or(Error::NotFound)?)
}

fn read_phase(phase: &str) -> Result<Phase> {
    Phase::ALL.into_iter().find(|known| known.as_str() == phase).ok_or_else(|| Error::malformed("phase"))
}

fn read_plan(row: &PgRow) -> Result<Plan> {
    let hash = |column| row.try_get::<&[u8], _>(column)?.try_into().map_err(|_| Error::malformed("hash"));
    Ok(Plan {
        location_id: location_id(row.try_get(0)?)?,
        hash: hash(1)?,
        workspace: workspace(row.try_get(2)?)?,
        rules: RulesRevision::from(row.try_get::<String, _>(3)?),
        rules_then: RulesRevision::from(row.try_get::<String, _>(4)?),
        edition: epoch(row.try_get(5)?),
        contact_id: row.try_get::<Option<String>, _>(6)?.map(contact_id).transpose()?,
        head: (unsigned(row.try_get(7)?), hash(8)?),
        bounded: row.try_get(9)?,
        present: row.try_get(10)?,
        totals: serde_json::from_str(row.try_get(11)?).map_err(domain::Decode::from)?,
        who: row.try_get(12)?,
        made_at: row.try_get::<At, _>(13)?.0,
    })
}
