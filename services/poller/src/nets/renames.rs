//! What was renamed at GHL reaches what shows it, without a call: the names are read from time to time anyway, and the rest is known.

use eventlog::Renaming;
use jiff::Timestamp;

use crate::nets::error::{Error, Result};
use crate::nets::scope::Scope;

/// Carries the names to the records that show them, if they were read again since the last time.
pub(crate) async fn follow(scope: Scope<'_>) -> Result<()> {
    let Scope { context, connection, .. } = scope;
    let Some((names, read_at)) = connection.names.to_follow() else { return Ok(()) };
    let (at, mut appended) = (Timestamp::now(), 0);
    while let Renaming::More { events } =
        context.log.rename(&connection.lease, &names, at, context.config.names.renames_batch.get()).await?
    {
        appended += events;
        if scope.stop().is_cancelled() {
            return Err(Error::Stopped);
        }
    }
    if appended > 0 {
        tracing::info!(location.id = %connection.location_id, events = appended, "names have changed");
    }
    connection.names.follow(read_at);
    Ok(())
}
