//! The generations of a location's content, and the rules that they follow.

use domain::{LocationId, OperatorFact, RulesRevision, Workspace};
use jiff::Timestamp;
use serde_json::json;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgExecutor, PgPool, Row};

use crate::appends::Appended;
use crate::chain::Head;
use crate::columns::{At, as_stored, epoch, location_id, signed, unsigned, workspace};
use crate::{Error, Result};

/// What a workspace is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The one that people work in.
    Live,
    /// Built beside the live one.
    Shadow,
    /// Was live, and still receives changes, so that there is a way back.
    Former,
    /// Receives nothing more.
    Retired,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Live, Self::Shadow, Self::Former, Self::Retired];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Shadow => "shadow",
            Self::Former => "former",
            Self::Retired => "retired",
        }
    }

    fn parse(role: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == role)
    }
}

/// A workspace of a location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generation {
    pub location_id: LocationId,
    pub workspace: Workspace,
    pub role: Role,
    /// Rules of its own; none follows those that the mapper was started with.
    pub rules: Option<RulesRevision>,
    /// Raised whenever its rules change.
    pub edition: u32,
    /// The head of the log when it was created: what came later reached it live.
    pub created_seq: u64,
    pub created_at: Timestamp,
}

/// The columns of a workspace in the order that `read` expects.
macro_rules! select_workspaces {
    ($tail:literal) => {
        concat!("SELECT location_id, workspace, role, rules, edition, created_seq, created_at FROM workspaces ", $tail)
    };
}

/// The workspaces of every location, and the texts of the rules that they follow. Cheap to clone.
#[derive(Clone)]
pub struct Workspaces {
    pub(crate) pool: PgPool,
    pub(crate) appended: Appended,
}

impl Workspaces {
    /// The workspaces of these locations that receive changes.
    pub async fn receiving(&self, locations: &[LocationId]) -> Result<Vec<Generation>> {
        let ids: Vec<&str> = locations.iter().map(LocationId::as_str).collect();
        let query = sqlx::query(select_workspaces!("WHERE location_id = ANY($1) AND role <> 'retired' ORDER BY location_id, workspace"));
        query.bind(ids).fetch_all(&self.pool).await?.iter().map(read).collect()
    }

    /// Every workspace that the location ever had, oldest first.
    pub async fn list(&self, location_id: &LocationId) -> Result<Vec<Generation>> {
        let query = sqlx::query(select_workspaces!("WHERE location_id = $1 ORDER BY created_at, workspace"));
        query.bind(location_id.as_str()).fetch_all(&self.pool).await?.iter().map(read).collect()
    }

    /// Whether a workspace receives nothing any more.
    pub async fn is_retired(&self, location_id: &LocationId, workspace: &Workspace) -> Result<bool> {
        let query = sqlx::query("SELECT EXISTS (SELECT FROM workspaces WHERE location_id = $1 AND workspace = $2 AND role = 'retired')");
        let row = query.bind(location_id.as_str()).bind(workspace.as_str()).fetch_one(&self.pool).await?;
        Ok(row.try_get(0)?)
    }

    /// Keeps a text of rules under its revision.
    pub async fn keep_rules(&self, revision: &RulesRevision, text: &str) -> Result<()> {
        let insert = sqlx::query("INSERT INTO rules_texts (revision, text) VALUES ($1, $2) ON CONFLICT DO NOTHING");
        insert.bind(revision.as_str()).bind(text).execute(&self.pool).await?;
        Ok(())
    }

    /// Keeps the rules that a mapper was started with: workspaces without rules of their own follow them from now on.
    pub async fn configure_rules(&self, revision: &RulesRevision, text: &str) -> Result<()> {
        sqlx::query(
            "INSERT INTO rules_texts (revision, text, configured_at) VALUES ($1, $2, now()) \
             ON CONFLICT (revision) DO UPDATE SET configured_at = now()",
        )
        .bind(revision.as_str())
        .bind(text)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Every text of rules that is kept, the one that a mapper was last started with first.
    pub async fn rules_texts(&self) -> Result<Vec<(RulesRevision, String)>> {
        let rows = sqlx::query("SELECT revision, text FROM rules_texts ORDER BY configured_at DESC NULLS LAST, created_at");
        let read = |row: &PgRow| Ok((RulesRevision::from(row.try_get::<String, _>(0)?), row.try_get(1)?));
        rows.fetch_all(&self.pool).await?.iter().map(read).collect()
    }

    /// Creates a shadow. It receives what is appended from now on.
    ///
    /// # Errors
    /// `NotFound` when the location was never connected, `Refused` when the name is taken or the rules are not kept.
    pub async fn create(
        &self,
        location_id: &LocationId,
        workspace: &Workspace,
        rules: Option<&RulesRevision>,
        who: &str,
    ) -> Result<Generation> {
        let mut transaction = self.pool.begin().await?;
        let mut head = Head::lock(&mut *transaction, location_id).await?;
        sqlx::query(
            "INSERT INTO workspaces (location_id, workspace, role, rules, created_seq, created_at) VALUES ($1, $2, 'shadow', $3, $4, $5)",
        )
        .bind(location_id.as_str())
        .bind(workspace.as_str())
        .bind(rules.map(RulesRevision::as_str))
        .bind(signed(head.seq))
        .bind(At(as_stored(Timestamp::now())))
        .execute(&mut *transaction)
        .await?;
        let created = find(&mut *transaction, location_id, workspace).await?;
        let detail = json!({ "workspace": workspace, "rules": rules });
        head.append_operator(&mut transaction, location_id, fact("workspace_created", detail), who).await?;
        transaction.commit().await?;
        self.appended.notify(1);
        Ok(created)
    }

    /// Makes a shadow, or the former workspace, the live one. Gives it and the one that was live, which becomes `then`.
    ///
    /// # Errors
    /// `NotFound` when there is no such workspace, `AlreadyResolved` when it is neither.
    pub async fn promote(
        &self,
        location_id: &LocationId,
        workspace: &Workspace,
        then: Role,
        who: &str,
    ) -> Result<(Generation, Generation)> {
        let mut transaction = self.pool.begin().await?;
        let mut head = Head::lock(&mut *transaction, location_id).await?;
        let chosen = find(&mut *transaction, location_id, workspace).await?;
        if !matches!(chosen.role, Role::Shadow | Role::Former) {
            return Err(Error::AlreadyResolved);
        }
        let live = sqlx::query(select_workspaces!("WHERE location_id = $1 AND role = 'live'"));
        let live = read(&live.bind(location_id.as_str()).fetch_one(&mut *transaction).await?)?;
        let former = sqlx::query(select_workspaces!("WHERE location_id = $1 AND role = 'former'"));
        // Only one is the way back: the one before it stays as a shadow.
        if let Some(row) = former.bind(location_id.as_str()).fetch_optional(&mut *transaction).await? {
            set_role(&mut transaction, &read(&row)?, Role::Shadow).await?;
        }
        set_role(&mut transaction, &live, then).await?;
        set_role(&mut transaction, &chosen, Role::Live).await?;
        let verb = if chosen.role == Role::Former { "workspace_rolled_back" } else { "workspace_promoted" };
        let detail = json!({ "workspace": workspace, "instead_of": live.workspace });
        head.append_operator(&mut transaction, location_id, fact(verb, detail), who).await?;
        transaction.commit().await?;
        self.appended.notify(1);
        Ok((Generation { role: Role::Live, ..chosen }, Generation { role: then, ..live }))
    }

    /// Ends a workspace: it receives nothing more, its ledger is forgotten, and a replay into it is cancelled. Repeating it changes
    /// nothing.
    ///
    /// # Errors
    /// `NotFound` when there is no such workspace, `AlreadyResolved` when it is the live one.
    pub async fn retire(&self, location_id: &LocationId, workspace: &Workspace, who: &str) -> Result<Generation> {
        let mut transaction = self.pool.begin().await?;
        let mut head = Head::lock(&mut *transaction, location_id).await?;
        let chosen = find(&mut *transaction, location_id, workspace).await?;
        if chosen.role == Role::Live {
            return Err(Error::AlreadyResolved);
        }
        if chosen.role != Role::Retired {
            set_role(&mut transaction, &chosen, Role::Retired).await?;
            let detail = json!({ "workspace": workspace });
            head.append_operator(&mut transaction, location_id, fact("workspace_retired", detail), who).await?;
        }
        sqlx::query(
            "UPDATE replays r SET phase = 'cancelled', reason = 'the workspace was retired', ended_at = $3 FROM plans p \
             WHERE r.location_id = $1 AND r.phase IN ('running', 'paused') AND p.location_id = $1 AND p.hash = r.plan_hash \
             AND p.workspace = $2",
        )
        .bind(location_id.as_str())
        .bind(workspace.as_str())
        .bind(At(as_stored(Timestamp::now())))
        .execute(&mut *transaction)
        .await?;
        sqlx::query("DELETE FROM ledger WHERE location_id = $1 AND workspace = $2")
            .bind(location_id.as_str())
            .bind(workspace.as_str())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        self.appended.notify(1);
        Ok(Generation { role: Role::Retired, ..chosen })
    }
}

async fn set_role(connection: &mut PgConnection, of: &Generation, role: Role) -> Result<()> {
    let update = sqlx::query("UPDATE workspaces SET role = $3 WHERE location_id = $1 AND workspace = $2");
    update.bind(of.location_id.as_str()).bind(of.workspace.as_str()).bind(role.as_str()).execute(connection).await?;
    Ok(())
}

pub(crate) fn fact(verb: &str, detail: serde_json::Value) -> OperatorFact {
    OperatorFact { verb: verb.to_owned(), detail }
}

pub(crate) async fn find(executor: impl PgExecutor<'_>, location_id: &LocationId, workspace: &Workspace) -> Result<Generation> {
    let query = sqlx::query(select_workspaces!("WHERE location_id = $1 AND workspace = $2"));
    let row = query.bind(location_id.as_str()).bind(workspace.as_str()).fetch_optional(executor).await?;
    read(&row.ok_or(Error::NotFound)?)
}

fn read(row: &PgRow) -> Result<Generation> {
    Ok(Generation {
        location_id: location_id(row.try_get(0)?)?,
        workspace: workspace(row.try_get(1)?)?,
        role: Role::parse(row.try_get(2)?).ok_or_else(|| Error::malformed("role"))?,
        rules: row.try_get::<Option<String>, _>(3)?.map(RulesRevision::from),
        edition: epoch(row.try_get(4)?),
        created_seq: unsigned(row.try_get(5)?),
        created_at: row.try_get::<At, _>(6)?.0,
    })
}
