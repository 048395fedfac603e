//! Idempotency: answers that are repeated when the same request comes again.

use sqlx::postgres::PgConnection;

use super::error::{Error, Result};
use super::plan::Applied;
use crate::object::Digest;
use crate::request::Item;

/// A request that is carried out once, however often it comes.
pub(crate) struct Once<'a> {
    pub(crate) idempotency_key: &'a str,
    /// What was asked, so that another request under the same key is noticed.
    pub(crate) request: Digest,
    /// The text to remember, from what was applied.
    pub(crate) answer: &'a (dyn Fn(&[Applied]) -> String + Send + Sync),
}

/// The answer that was given, if the request came before. Called under the head's lock, so of two equal requests one waits.
pub(super) async fn given(connection: &mut PgConnection, workspace: &str, once: &Once<'_>) -> Result<Option<String>> {
    let select =
        sqlx::query_as::<_, (Vec<u8>, String)>("SELECT request, answer::text FROM answers WHERE workspace = $1 AND idempotency_key = $2");
    match select.bind(workspace).bind(once.idempotency_key).fetch_optional(connection).await? {
        Some((request, _)) if request != once.request => Err(Error::OtherRequest),
        found => Ok(found.map(|(_, answer)| answer)),
    }
}

pub(super) async fn remember(
    connection: &mut PgConnection,
    workspace: &str,
    once: &Once<'_>,
    items: &[Item],
    applied: &[Applied],
) -> Result<()> {
    let insert =
        sqlx::query("INSERT INTO answers (workspace, idempotency_key, request, answer, contact) VALUES ($1, $2, $3, $4::json, $5)");
    let answer = (once.answer)(applied);
    let contact = items.first().and_then(|item| item.contact.as_deref());
    let insert = insert.bind(workspace).bind(once.idempotency_key).bind(once.request.as_slice()).bind(answer).bind(contact);
    insert.execute(connection).await?;
    Ok(())
}
