//! Looks until GHL answers or the look has to be parked.

use chassis::Shutdown;
use domain::{Observation, Verdict};

use crate::context::Context;
use crate::look::connection::Connection;
use crate::look::fetch::look;
use crate::look::refused::{REFUSALS_MIN, is_contact_alone};
use crate::look::request::Request;
use crate::look::verdict::verdict;
use crate::parking::Failure;

/// Why nothing was seen.
#[derive(Debug)]
pub(crate) enum Unseen {
    /// The connection was stopped before the work was done.
    Stopped,
    /// GHL refuses what was asked, and not for this contact alone.
    Refused(ghl::Error),
}

/// Looks until GHL has answered. None when the look was parked.
pub(crate) async fn look_until_seen(
    context: &Context,
    connection: &Connection,
    request: Request,
    stop: &Shutdown,
) -> Result<Option<Observation>, Unseen> {
    let mut attempt = 1;
    while connection.wait_until_askable(stop).await {
        let error = match look(context, connection, request.clone()).await {
            Ok(observation) => return Ok(Some(observation)),
            Err(error) => error,
        };
        let verdict = if let ghl::Error::Forbidden { operation, .. } = &error {
            if attempt < REFUSALS_MIN {
                Verdict::Retry(context.config.retry.delay(attempt, None))
            } else if is_contact_alone(context, connection, &request.contact_id, operation).await {
                Verdict::Park(error.to_string())
            } else {
                return Err(Unseen::Refused(error));
            }
        } else {
            verdict(&error, attempt, &context.config.retry)
        };
        let pause = match verdict {
            Verdict::Done => return Ok(None),
            Verdict::Retry(delay) => {
                tracing::warn!(location.id = %connection.location_id, contact.id = %request.contact_id, %error, attempt, "look failed, trying again");
                delay
            }
            Verdict::Park(reason) => {
                let failure = Failure { reason, status: error.status(), attempts: attempt };
                match context.parker.park_look(&connection.location_id, &request.contact_id, failure, request.traceparent.clone()).await {
                    Ok(()) => return Ok(None),
                    Err(error) => {
                        tracing::warn!(location.id = %connection.location_id, %error, "parking failed, trying again later");
                        *context.config.retry.reconnect
                    }
                }
            }
        };
        if !connection.sleep(stop, pause).await {
            return Err(Unseen::Stopped);
        }
        attempt = attempt.saturating_add(1);
    }
    Err(Unseen::Stopped)
}
