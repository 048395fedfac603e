//! `watch`: events as they are recorded.

use std::time::Duration;

use proto::admin::v1 as api;

use super::history;
use crate::cli::{Connection, WatchArgs};
use crate::output::Output;
use crate::problem::Problem;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// When the stream breaks, continues after the last position that was shown, for as long as it takes. If it never worked, it fails at once.
pub(crate) async fn watch(connection: &Connection, arguments: &WatchArgs, output: &mut Output<'_>) -> Result<(), Problem> {
    let mut left = arguments.count.unwrap_or(u64::MAX);
    let (location_id, start) = start_of(connection, arguments.after).await?;
    let (mut after, mut pause) = (start, FIRST_PAUSE);
    let mut worked = false;
    while left > 0 {
        let before = after;
        match stream(connection, arguments, &location_id, &mut after, &mut left, &mut worked, output).await {
            Ok(()) => {}
            Err(problem) if worked && problem.is_transient() => {}
            Err(problem) => return Err(problem),
        }
        pause = if after > before { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
        if left > 0 {
            tokio::time::sleep(pause).await;
        }
    }
    Ok(())
}

/// The location, and the position to start after. Determined before the stream begins, so that a stream that breaks at once skips nothing.
pub(crate) async fn start_of(connection: &Connection, after: Option<u64>) -> Result<(String, u64), Problem> {
    let named = connection.location_id();
    if let (false, Some(after)) = (named.is_empty(), after) {
        return Ok((named, after));
    }
    let mut admin = connection.admin().await?;
    let locations = admin.get_overview(api::GetOverviewRequest {}).await?.into_inner().locations;
    let mut meant = locations.into_iter().filter(|location| named.is_empty() || location.location_id == named);
    match (meant.next(), meant.next()) {
        (Some(location), None) => Ok((location.location_id, after.unwrap_or(location.head))),
        (Some(_), Some(_)) => Err(Problem::Usage("several locations are connected; name one with --location".to_owned())),
        (None, _) if named.is_empty() => Err(tonic::Status::not_found("no location is connected yet").into()),
        (None, _) => {
            Err(tonic::Status::not_found(format!("location {named} is not connected; `mirrorctl status` lists those that are")).into())
        }
    }
}

async fn stream(
    connection: &Connection,
    arguments: &WatchArgs,
    location_id: &str,
    after: &mut u64,
    left: &mut u64,
    worked: &mut bool,
    output: &mut Output<'_>,
) -> Result<(), Problem> {
    let mut admin = connection.without_deadline().admin().await?;
    let request = api::WatchEventsRequest {
        location_id: location_id.to_owned(),
        after: Some(*after),
        contact_id: arguments.contact.clone(),
        filter: Some(history::filter(&arguments.filter)),
    };
    let mut events = admin.watch_events(request).await?.into_inner();
    *worked = true;
    while let Some(api::WatchEventsResponse { event, through }) = events.message().await? {
        let Some(event) = event else {
            *after = through;
            continue;
        };
        history::show(&event, output)?;
        output.out.flush()?;
        *after = event.seq;
        *left = left.saturating_sub(1);
        if *left == 0 {
            break;
        }
    }
    Ok(())
}
