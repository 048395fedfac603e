//! One page of contacts or tasks.

use eventlog::Pass;
use ghl::{Search, TaskSearch, Window};
use serde_json::{Value, json};

use crate::look::request::AnswerId;
use crate::nets::compare::{self, leave_alone};
use crate::nets::error::Result;
use crate::nets::scope::{ListKind, Scope};

pub(super) struct Page {
    /// How many rows count as seen.
    pub(super) seen: u64,
    pub(super) total: Option<u64>,
    /// Whether GHL gave all rows that belong to it.
    pub(super) whole: bool,
    /// The cursor of the next page; none when this was the last.
    pub(super) next: Option<Value>,
}

pub(super) async fn page_of_contacts(scope: Scope<'_>, pass: &Pass) -> Result<Page> {
    let Scope { context, connection, .. } = scope;
    let zone = connection.names.zone(&scope.client()).await?;
    let rows_max = if scope.is_backfill() { context.config.backfill.page_rows } else { context.config.sweep.page_rows };
    let search = Search { window: Window::Everyone, rows_max: rows_max.get(), after: pass.cursor.clone() };
    let answer = scope.client().search(&search, &zone).await?;
    let answer_id = AnswerId { asked_at: answer.asked_at, trace_id: answer.trace_id };
    let list = answer.value;
    leave_alone(scope, ListKind::Contacts, &list.unreadable).await?;
    let given = list.rows.len() + list.unreadable.len();
    compare::contacts(scope, list.rows, &answer_id).await?;
    // Only an empty page marks the end, not a short one.
    let next = list.next.filter(|_| given > 0);
    Ok(Page { seen: given as u64, total: list.total, whole: true, next })
}

pub(super) async fn page_of_tasks(scope: Scope<'_>, pass: &Pass) -> Result<Page> {
    let Scope { context, connection, .. } = scope;
    let settings = &context.config.tasks;
    let zone = connection.names.zone(&scope.client()).await?;
    let skip = pass.cursor.as_ref().and_then(Value::as_u64).unwrap_or(0);
    let search = TaskSearch { rows_max: settings.page_rows.get(), skip, ..TaskSearch::default() };
    let answer = scope.client().search_tasks(&search, &zone).await?;
    let answer_id = AnswerId { asked_at: answer.asked_at, trace_id: answer.trace_id };
    let list = answer.value;
    leave_alone(scope, ListKind::Tasks, &list.unreadable).await?;
    let given = list.given as u64;
    compare::records(scope, ListKind::Tasks, list.rows, &answer_id).await?;
    // Rows that vanish before the next page is read shift those behind them. Pages overlap, so that none of these is skipped.
    let overlap = if given >= u64::from(settings.page_rows.get()) { settings.overlap_rows.min(given.saturating_sub(1)) } else { 0 };
    let next = (given > 0).then(|| json!(skip + given - overlap));
    Ok(Page { seen: given - overlap, total: list.total, whole: list.whole, next })
}
