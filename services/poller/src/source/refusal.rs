//! Converts failures to gRPC statuses with messages that a person can act on.

use tonic::Status;

/// A failure of the log.
pub(super) fn status_of_log(error: eventlog::Error) -> Status {
    if error.is_transient() {
        Status::unavailable("the log database does not answer; try again when it is back")
    } else {
        Status::internal(error.to_string())
    }
}

/// The failure of a call to GHL.
pub(super) fn status_of_call(error: &ghl::CallError) -> Status {
    use ghl::{CallError, Error};
    let failed = match error {
        CallError::Unknown(_) => return Status::not_found(format!("{error}; `mirrorctl ghl` lists those there are")),
        CallError::Arguments { .. } => return Status::invalid_argument(error.to_string()),
        CallError::SwitchedOff(_) => return Status::failed_precondition(error.to_string()),
        CallError::Failed(failed) => failed,
    };
    match failed {
        Error::Unavailable { .. } => Status::unavailable(format!("{failed}; try again later")),
        Error::Throttled { .. } => Status::resource_exhausted(failed.to_string()),
        Error::UnknownOutcome { .. } => Status::aborted(failed.to_string()),
        Error::Unauthorized { .. } => Status::failed_precondition(format!("{failed}; the location needs one that works")),
        Error::Forbidden { .. } => Status::permission_denied(failed.to_string()),
        Error::RecordForbidden { .. } => Status::permission_denied(failed.to_string()),
        Error::LocationInactive { .. } => Status::failed_precondition(format!("{failed}; switch it on there")),
        Error::NotFound { .. } => Status::not_found(failed.to_string()),
        Error::Duplicate { contact_id: Some(contact_id), .. } => Status::already_exists(format!("{failed}: {contact_id}")),
        Error::Duplicate { contact_id: None, .. } => Status::already_exists(failed.to_string()),
        Error::Refused { .. } => Status::failed_precondition(failed.to_string()),
        Error::TooLong => Status::out_of_range(format!("{failed}; ask for less at once")),
        Error::Unreadable { .. } => Status::data_loss(failed.to_string()),
    }
}
