//! Errors as gRPC statuses: a code, and a sentence that says what to do.

use tonic::Status;

use crate::replay::planning;

pub(crate) fn status_of_log(error: eventlog::Error) -> Status {
    tracing::debug!(%error, "a call failed");
    match error {
        eventlog::Error::Unavailable { .. } => Status::unavailable("the log database does not answer; try again later"),
        eventlog::Error::NotFound => Status::not_found("not found in the log; check the ids"),
        eventlog::Error::NotEmpty => Status::failed_precondition(
            "the location has events already; a log can only be imported into a database without any of its events",
        ),
        eventlog::Error::Superseded { .. } => Status::aborted(error.to_string()),
        eventlog::Error::AlreadyResolved => {
            Status::failed_precondition("it was resolved before; `mirrorctl parked` lists what still waits")
        }
        eventlog::Error::Corrupt { .. } => Status::data_loss(format!("{error}; restore the log from a backup and raise the epoch")),
        eventlog::Error::Unreadable(_) => {
            Status::internal(format!("{error}; a newer program may have written it: upgrade the admin service"))
        }
        eventlog::Error::Locked { .. } => Status::failed_precondition(format!("{error}; give it to the admin service as log.kek_file")),
        eventlog::Error::Damaged => Status::data_loss(format!("{error}; restore its row from a backup")),
        eventlog::Error::PlainEvents { .. } => Status::failed_precondition(format!(
            "{error} in the log; docs/erase-a-person.md says what can be done, `--leave-plain-events` erases all else"
        )),
        eventlog::Error::InState { .. } => Status::failed_precondition(error.to_string()),
        eventlog::Error::Misconfigured(_) | eventlog::Error::Refused { .. } => Status::internal(error.to_string()),
    }
}

/// Nothing is shown unless the access is recorded.
pub(crate) fn status_of_access_log(error: eventlog::Error) -> Status {
    tracing::warn!(%error, "the access log cannot be written");
    Status::unavailable("the access log cannot be written, so nothing is shown; try again later")
}

pub(crate) fn unknown_location() -> Status {
    Status::not_found("this location is not connected; `mirrorctl status` lists those that are")
}

pub(crate) fn unknown_contact() -> Status {
    Status::not_found("this contact was never seen; check the id and the location")
}

pub(crate) fn status_of_bridge(error: &pagico::Error) -> Status {
    tracing::debug!(%error, "a call of the bridge failed");
    match error {
        pagico::Error::Unavailable { .. } => Status::unavailable("Pagico's bridge does not answer; try again later"),
        pagico::Error::Unauthorized { .. } => Status::internal(format!("{error}; correct bridge.key of the admin service")),
        pagico::Error::UnexpectedAnswer { .. } => Status::internal(format!("{error}; correct bridge.url of the admin service")),
        pagico::Error::WorkspaceUnknown => {
            Status::not_found("Pagico's bridge has no such workspace; `mirrorctl workspace list` shows them")
        }
        pagico::Error::Aliased => Status::failed_precondition("the workspace is the one that readers see; promote another one first"),
        pagico::Error::Refused { .. } | pagico::Error::Misconfigured(_) => Status::internal(error.to_string()),
    }
}

pub(crate) fn status_of_bus(error: bus::Error) -> Status {
    tracing::debug!(%error, "a publish failed");
    Status::unavailable(format!("not published: {error}; it is still parked, redrive it again"))
}

pub(crate) fn status_of_planning(error: planning::Error) -> Status {
    match error {
        planning::Error::Log(error) => status_of_log(error),
        planning::Error::Bridge(error) => status_of_bridge(&error),
        planning::Error::Unwanted | planning::Error::Broken => Status::internal(error.to_string()),
    }
}
