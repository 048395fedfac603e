//! Whose record it is, for hints that name no contact: the log is asked first, then GHL.

use std::time::Duration;

use domain::{ContactId, RecordId, RecordKind};

use crate::context::Context;
use crate::look::connection::Connection;
use crate::look::verdict::verdict;

/// The contacts that have the record. None where nobody knows: the record may be too new to be found, or be gone.
///
/// # Errors
/// How long to wait when the log or GHL cannot be asked now.
pub(super) async fn contacts_of(
    context: &Context,
    connection: &Connection,
    kind: RecordKind,
    record_id: &RecordId,
    attempt: u32,
) -> Result<Vec<ContactId>, Duration> {
    let known = context.log.known().contacts_of(&connection.location_id, kind, record_id).await.map_err(|error| {
        tracing::warn!(location.id = %connection.location_id, %error, "the contact of a record could not be looked up, trying again later");
        *context.config.retry.reconnect
    })?;
    if !known.is_empty() {
        return Ok(known);
    }
    let rows_max = context.config.hints.task_search_rows;
    let asked = match kind {
        RecordKind::Task if rows_max > 0 => connection.client.contact_of_task(record_id, rows_max).await,
        RecordKind::Appointment => connection.client.contact_of_appointment(record_id).await,
        // GHL has no search for notes.
        RecordKind::Task | RecordKind::Note | RecordKind::Contact => Ok(None),
    };
    match asked {
        Ok(contact_id) => Ok(contact_id.into_iter().collect()),
        Err(error) => {
            tracing::warn!(location.id = %connection.location_id, record.id = %record_id, %error, "search for the contact of a record failed");
            match verdict(&error, attempt, &context.config.retry) {
                domain::Verdict::Retry(delay) if error.is_transient() => Err(delay),
                domain::Verdict::Retry(_) | domain::Verdict::Park(_) | domain::Verdict::Done => Ok(Vec::new()),
            }
        }
    }
}
