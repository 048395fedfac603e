//! `resync`: asks to look at GHL again, and shows how far that is.

use std::time::Duration;

use proto::source::v1 as api;

use crate::cli::{Connection, ResyncArgs};
use crate::output::progress::bar;
use crate::output::table::printable;
use crate::output::{Output, format};
use crate::problem::Problem;

/// How often `--follow` asks how far it is.
const ASKED_EVERY: Duration = Duration::from_millis(500);

/// How often in a row `--follow` may get no answer: the location may just be moving to another replica.
const UNANSWERED_MAX: u32 = 20;

pub(crate) async fn resync(connection: &Connection, arguments: ResyncArgs, output: &mut Output<'_>) -> Result<(), Problem> {
    let ResyncArgs { kinds, contacts, since, replace, follow, status } = arguments;
    let resync = if status {
        progress(connection).await?
    } else {
        let request = api::ResyncRequest {
            location_id: connection.location_id(),
            contact_ids: contacts,
            since: since.map(Into::into),
            kinds,
            who: connection.who(),
            replace,
        };
        let answer = connection.source().await?.resync(request).await?.into_inner();
        let resync = answer.resync.unwrap_or_default();
        if !output.json {
            let (who, at) = (printable(&resync.who), format::second(resync.asked_at.as_ref()));
            let joined = if answer.joined { format!(": {who} has asked for the same at {at}") } else { String::new() };
            writeln!(output.out, "looking again at {}{joined}", what(&resync))?;
        }
        resync
    };
    let resync = if follow { until_ended(connection, resync, output).await? } else { resync };
    show(&resync, follow || status, output)?;
    match (follow, resync.problem.as_str()) {
        (true, "") | (false, _) => Ok(()),
        (true, _) => Err(Problem::Reported(6)),
    }
}

async fn progress(connection: &Connection) -> Result<api::Resync, Problem> {
    let request = api::GetResyncRequest { location_id: connection.location_id() };
    Ok(connection.source().await?.get_resync(request).await?.into_inner().resync.unwrap_or_default())
}

/// Asks how far it is until it has ended. One that another takes the place of has ended, too.
async fn until_ended(connection: &Connection, asked: api::Resync, output: &mut Output<'_>) -> Result<api::Resync, Problem> {
    let bar = bar(asked.total.unwrap_or_default());
    let (mut unanswered, mut last) = (0, asked);
    while last.ended_at.is_none() {
        tokio::time::sleep(ASKED_EVERY).await;
        let resync = match progress(connection).await {
            Ok(resync) => resync,
            Err(problem) if problem.is_transient() && unanswered < UNANSWERED_MAX => {
                unanswered += 1;
                continue;
            }
            Err(problem) => return Err(problem),
        };
        unanswered = 0;
        if resync.resync_id != last.resync_id {
            bar.finish_and_clear();
            return Err(Problem::Unfinished(format!("{} has asked for something else instead", printable(&resync.who))));
        }
        bar.set_length(resync.total.unwrap_or_default().max(resync.seen));
        bar.set_position(resync.seen);
        if output.json && resync != last {
            output.answer(&resync)?;
        } else if resync.waits != last.waits && !resync.waits.is_empty() {
            bar.suspend(|| writeln!(output.out, "waiting: {}", printable(&resync.waits)))?;
        }
        last = resync;
    }
    bar.finish_and_clear();
    Ok(last)
}

fn show(resync: &api::Resync, in_full: bool, output: &mut Output<'_>) -> Result<(), Problem> {
    if output.json {
        return output.answer(resync);
    }
    if !in_full {
        return Ok(writeln!(output.out, "it goes on by itself; `mirrorctl resync --status` shows how far")?);
    }
    let (seen, changes) = (format::grouped(resync.seen), format::grouped(resync.changes));
    let of = resync.total.map(|total| format!(" of {}", format::grouped(total))).unwrap_or_default();
    let (who, asked_at) = (printable(&resync.who), format::second(resync.asked_at.as_ref()));
    let state = match &resync.ended_at {
        Some(at) => format!("ended {}", format::second(Some(at))),
        None => "under way".to_owned(),
    };
    writeln!(output.out, "{}, asked by {who} at {asked_at}: {state}", what(resync))?;
    writeln!(output.out, "  {seen}{of} looked at, {changes} changes found")?;
    for (word, text) in [("waiting", &resync.waits), ("not looked at", &resync.problem)] {
        if !text.is_empty() {
            writeln!(output.out, "  {word}: {}", printable(text))?;
        }
    }
    Ok(())
}

/// What is looked at, in a few words.
fn what(resync: &api::Resync) -> String {
    let listed = |names: &[String]| names.iter().map(|name| printable(name)).collect::<Vec<_>>().join(", ");
    let location = printable(&resync.location_id);
    match (resync.contact_ids.as_slice(), &resync.since) {
        ([], Some(since)) => format!("what was updated in {location} since {}", format::second(Some(since))),
        ([], None) => format!("every {} of {location}", listed(&resync.kinds)),
        (contacts, _) => format!("contact {} of {location}", listed(contacts)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looked_at_is_said_in_a_few_words() {
        let resync = api::Resync { location_id: "loc".to_owned(), ..api::Resync::default() };
        let kinds = api::Resync { kinds: vec!["task".to_owned(), "note".to_owned()], ..resync.clone() };
        assert_eq!(what(&kinds), "every task, note of loc");
        let contacts = api::Resync { contact_ids: vec!["a".to_owned()], ..resync.clone() };
        assert_eq!(what(&contacts), "contact a of loc");
        let since = api::Resync { since: Some(prost_types::Timestamp { seconds: 0, nanos: 0 }), ..resync };
        assert_eq!(what(&since), "what was updated in loc since 1970-01-01T00:00:00Z");
    }
}
