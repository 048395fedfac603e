//! Reading for the web page: containers by title, what a container holds, what is due, what changed.

mod section;

use std::collections::HashMap;

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Row as _};

pub(crate) use self::section::Section;
use super::columns::{signed, unsigned};
use super::error::Result;
use super::lists::Object;
use super::lists::read_object;
use super::pool::Store;
use crate::object::Kind;

/// What the person searches for; without words everything is found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Search {
    /// All of them must be found.
    pub(crate) terms: Vec<String>,
}

/// Where the list of containers continues.
#[derive(Clone, Debug)]
pub(crate) struct ContainerCursor {
    pub(crate) sort: String,
    pub(crate) key: String,
}

/// A container in the list.
#[derive(Clone, Debug)]
pub(crate) struct Container {
    pub(crate) object: Object,
    pub(crate) sort: String,
    pub(crate) open_tasks: u64,
}

/// What holds the objects of a section.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Within<'a> {
    Container(&'a str),
    /// Objects whose container is not known.
    Inbox,
}

/// A slice of a section.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) objects: Vec<Object>,
    /// In the whole section.
    pub(crate) total: u64,
}

/// A change, with the object as it is now.
#[derive(Clone, Debug)]
pub(crate) struct Recent {
    pub(crate) object: Object,
    /// Microseconds since 1970.
    pub(crate) changed_at: i64,
}

/// How far a project is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tasks {
    pub(crate) open: u64,
    pub(crate) all: u64,
}

const COLUMNS: &str = "o.key, o.kind, o.contact, o.epoch, o.seq, o.policy, o.content::text AS content, o.digest, o.position";
const ORPHAN: &str = "kind <> 'contact' AND NOT (kind = 'project' AND container IS NULL)
    AND NOT EXISTS (SELECT 1 FROM objects c WHERE c.workspace = objects.workspace AND c.key = objects.container AND c.present
                    AND c.kind IN ('contact', 'project'))";
const FOUND: &str = "NOT EXISTS (SELECT 1 FROM unnest($3::text[]) AS term WHERE strpos(o.search, term) = 0)";

impl Store {
    /// Contacts or projects in the order of their titles, and whether there are more.
    pub(crate) async fn containers(
        &self,
        workspace: &str,
        kind: Kind,
        search: &Search,
        after: Option<&ContainerCursor>,
        items_max: u32,
    ) -> Result<(Vec<Container>, bool)> {
        let select = sqlx::query(AssertSqlSafe(format!(
            "SELECT {COLUMNS}, o.sort, (SELECT count(*) FROM objects t WHERE t.workspace = o.workspace AND t.container = o.key
             AND t.kind = 'task' AND t.present AND NOT t.flag) AS open_tasks
             FROM objects o WHERE o.workspace = $1 AND o.kind = $2 AND o.kind IN ('contact', 'project') AND o.present AND {FOUND}
             AND (o.sort, o.key) > ($4, $5) ORDER BY o.sort, o.key LIMIT $6"
        )));
        let (sort, key) = after.map_or(("", ""), |cursor| (&cursor.sort, &cursor.key));
        let select = select.bind(workspace).bind(kind.as_str()).bind(&search.terms).bind(sort).bind(key);
        let mut rows = select.bind(i64::from(items_max) + 1).fetch_all(&self.pool).await?;
        let more = rows.len() > items_max as usize;
        rows.truncate(items_max as usize);
        let containers = rows.iter().map(|row| {
            let open_tasks = unsigned(row.try_get("open_tasks")?);
            Ok(Container { object: read_object(row)?, sort: row.try_get("sort")?, open_tasks })
        });
        Ok((containers.collect::<Result<_>>()?, more))
    }

    /// How many contacts or projects the search finds.
    pub(crate) async fn found(&self, workspace: &str, kind: Kind, search: &Search) -> Result<u64> {
        let select = sqlx::query_scalar::<_, i64>(AssertSqlSafe(format!(
            "SELECT count(*) FROM objects o WHERE o.workspace = $1 AND o.kind = $2 AND o.kind IN ('contact', 'project') AND o.present AND {FOUND}"
        )));
        Ok(unsigned(select.bind(workspace).bind(kind.as_str()).bind(&search.terms).fetch_one(&self.pool).await?))
    }

    /// A page of a section. `now` is in microseconds since 1970.
    pub(crate) async fn section(
        &self,
        workspace: &str,
        within: Within<'_>,
        section: Section,
        now: i64,
        (offset, items_max): (u64, u32),
    ) -> Result<Shown> {
        let mut transaction = self.pool.begin().await?;
        let (held, container) = match within {
            Within::Container(key) => ("container = $2", Some(key)),
            Within::Inbox => {
                match_at_once(&mut transaction).await?;
                (ORPHAN, None)
            }
        };
        let chosen = format!("workspace = $1 AND present AND {held} AND $2::text IS NOT DISTINCT FROM $2 AND {}", section.condition());
        let count = format!("SELECT count(*) FROM objects WHERE {chosen}");
        let total = sqlx::query_scalar::<_, i64>(AssertSqlSafe(count)).bind(workspace).bind(container).bind(now);
        let total = unsigned(total.fetch_one(&mut *transaction).await?);
        if total <= offset {
            return Ok(Shown { objects: Vec::new(), total });
        }
        let select = format!(
            "SELECT {COLUMNS} FROM (SELECT * FROM objects WHERE {chosen} ORDER BY {order} OFFSET $4 LIMIT $5) AS o ORDER BY {order}",
            order = section.order()
        );
        let select = sqlx::query(AssertSqlSafe(select)).bind(workspace).bind(container).bind(now);
        let rows = select.bind(signed(offset)).bind(i64::from(items_max)).fetch_all(&mut *transaction).await?;
        Ok(Shown { objects: rows.iter().map(read_object).collect::<Result<_>>()?, total })
    }

    /// How many objects have no known container.
    pub(crate) async fn orphans(&self, workspace: &str) -> Result<u64> {
        let count = format!("SELECT count(*) FROM objects WHERE workspace = $1 AND present AND {ORPHAN}");
        let mut transaction = self.pool.begin().await?;
        match_at_once(&mut transaction).await?;
        Ok(unsigned(sqlx::query_scalar::<_, i64>(AssertSqlSafe(count)).bind(workspace).fetch_one(&mut *transaction).await?))
    }

    /// Open tasks due before `until`, the oldest first.
    pub(crate) async fn due(&self, workspace: &str, until: i64, items_max: u32) -> Result<Vec<Object>> {
        self.timed(
            workspace,
            "o.kind = 'task' AND NOT o.flag AND o.at IS NOT NULL AND o.at < $2 AND $3::bigint IS NULL",
            (until, None),
            items_max,
        )
        .await
    }

    /// Appointments that start in this time.
    pub(crate) async fn starting(&self, workspace: &str, from: i64, until: i64, items_max: u32) -> Result<Vec<Object>> {
        self.timed(workspace, "o.kind = 'appointment' AND o.at IS NOT NULL AND o.at >= $3 AND o.at < $2", (until, Some(from)), items_max)
            .await
    }

    async fn timed(
        &self,
        workspace: &str,
        condition: &'static str,
        (until, from): (i64, Option<i64>),
        items_max: u32,
    ) -> Result<Vec<Object>> {
        let select = format!("SELECT {COLUMNS} FROM objects o WHERE o.workspace = $1 AND o.present AND {condition} ORDER BY o.at LIMIT $4");
        let select = sqlx::query(AssertSqlSafe(select)).bind(workspace).bind(until).bind(from).bind(i64::from(items_max));
        select.fetch_all(&self.pool).await?.iter().map(read_object).collect()
    }

    /// The objects that changed last and still exist, each once. Looks back a limited number of changes.
    pub(crate) async fn recent(&self, workspace: &str, head: u64, items_max: u32) -> Result<Vec<Recent>> {
        let back = i64::from(items_max) * 10;
        let select = sqlx::query(AssertSqlSafe(format!(
            "SELECT {COLUMNS}, (extract(epoch FROM c.changed_at) * 1000000)::bigint AS changed_at
             FROM changes c JOIN objects o ON o.workspace = c.workspace AND o.key = c.key AND o.position = c.position
             WHERE c.workspace = $1 AND c.position > $2 AND o.present ORDER BY c.position DESC LIMIT $3"
        )));
        let rows = select.bind(workspace).bind(signed(head) - back).bind(i64::from(items_max)).fetch_all(&self.pool).await?;
        rows.iter().map(|row: &PgRow| Ok(Recent { object: read_object(row)?, changed_at: row.try_get("changed_at")? })).collect()
    }

    /// How many tasks these containers hold.
    pub(crate) async fn tasks_of(&self, workspace: &str, containers: &[&str]) -> Result<HashMap<String, Tasks>> {
        let select = sqlx::query_as::<_, (String, i64, i64)>(
            "SELECT container, count(*) FILTER (WHERE NOT flag), count(*) FROM objects
             WHERE workspace = $1 AND container = ANY ($2) AND kind = 'task' AND present GROUP BY container",
        );
        let rows = select.bind(workspace).bind(containers).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(|(container, open, all)| (container, Tasks { open: unsigned(open), all: unsigned(all) })).collect())
    }

    /// The objects of these keys that exist, in no order.
    pub(crate) async fn known(&self, workspace: &str, keys: &[&str]) -> Result<Vec<Object>> {
        let select = format!("SELECT {COLUMNS} FROM objects o WHERE o.workspace = $1 AND o.key = ANY ($2) AND o.present");
        let select = sqlx::query(AssertSqlSafe(select)).bind(workspace).bind(keys);
        select.fetch_all(&self.pool).await?.iter().map(read_object).collect()
    }
}

/// Joins objects with containers by hashing. The planner has no statistics of a workspace that has just been filled: it would scan all
/// containers for each object.
async fn match_at_once(connection: &mut PgConnection) -> Result<()> {
    sqlx::query("SET LOCAL enable_nestloop = off").execute(connection).await?;
    Ok(())
}
