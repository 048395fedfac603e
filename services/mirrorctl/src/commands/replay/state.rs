//! `replay status` and `replay list`: how far replays are.

use std::time::Duration;

use proto::replay::v1 as api;

use crate::cli::Connection;
use crate::cli::replay::StatusArgs;
use crate::commands::pages::Pages;
use crate::output::table::{Table, printable};
use crate::output::{Output, format, progress};
use crate::problem::Problem;

/// How long to wait before a broken stream is opened again.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) async fn status(connection: &Connection, arguments: StatusArgs, output: &mut Output<'_>) -> Result<(), Problem> {
    let request = api::GetReplayRequest { replay_id: arguments.replay_id };
    let answer = connection.replay().await?.get_replay(request).await?.into_inner();
    let replay = answer.replay.unwrap_or_default();
    if arguments.watch { follow(connection, replay, output).await } else { show(&replay, output) }
}

pub(super) async fn list(connection: &Connection, limit: usize, output: &mut Output<'_>) -> Result<(), Problem> {
    let mut client = connection.replay().await?;
    let (mut replays, mut pages) = (Vec::new(), Pages::new(limit, false));
    while let Some((page_size, page_token)) = pages.next() {
        let request = api::ListReplaysRequest { location_id: connection.location_id(), page_size, page_token };
        let page = client.list_replays(request).await?.into_inner();
        replays.extend(pages.take(page.replays, page.next_page_token));
    }
    if output.json {
        return replays.iter().try_for_each(|replay| print(replay, output));
    }
    if replays.is_empty() {
        return Ok(writeln!(output.out, "there is no replay yet")?);
    }
    let mut table = Table::new(&["REPLAY", "PHASE", ">DONE", ">TOTAL", "WORKSPACE", "STARTED", "ENDED", "WHO"]);
    for replay in &replays {
        table.row([
            replay.replay_id.clone(),
            name_of(replay.phase()),
            format::grouped(replay.done),
            format::grouped(replay.total),
            workspace(replay),
            format::second(replay.started_at.as_ref()),
            format::second(replay.ended_at.as_ref()),
            format::or_dash(&replay.who),
        ]);
    }
    Ok(table.write(output.out)?)
}

fn workspace(replay: &api::ReplayState) -> String {
    let target = replay.plan.as_ref().and_then(|plan| plan.target.as_ref());
    format::or_dash(target.map_or("", |target| &target.workspace))
}

fn print(replay: &api::ReplayState, output: &mut Output<'_>) -> Result<(), Problem> {
    output.answer(&api::GetReplayResponse { replay: Some(replay.clone()) })
}

fn name_of(phase: api::ReplayPhase) -> String {
    format::enumerated(phase.as_str_name(), "REPLAY_PHASE_")
}

pub(super) fn show(replay: &api::ReplayState, output: &mut Output<'_>) -> Result<(), Problem> {
    if output.json {
        return print(replay, output);
    }
    let phase = replay.phase();
    let (style, word) = (output.style, &name_of(phase));
    let state = match phase {
        api::ReplayPhase::Done => style.new_text(word),
        api::ReplayPhase::Failed => style.gone(word),
        api::ReplayPhase::Paused | api::ReplayPhase::Cancelled => style.changed(word),
        api::ReplayPhase::Running | api::ReplayPhase::Unspecified => style.bold(word),
    };
    let (done, total) = (format::grouped(replay.done), format::grouped(replay.total));
    let rounds = if replay.rounds > 1 { format!(" in {} rounds", replay.rounds) } else { String::new() };
    writeln!(
        output.out,
        "replay {} into {}: {state}, {done} of {total} objects{rounds}{}",
        printable(&replay.replay_id),
        printable(&workspace(replay)),
        pace(replay)
    )?;
    if !replay.reason.is_empty() {
        writeln!(output.out, "{}", printable(&replay.reason))?;
    }
    Ok(())
}

/// Rate and time left, if they are known.
fn pace(replay: &api::ReplayState) -> String {
    if replay.phase() != api::ReplayPhase::Running || replay.rate <= 0.0 {
        return String::new();
    }
    let left = Duration::try_from_secs_f64(replay.seconds_left).unwrap_or_default().as_secs();
    let left = if left > 0 { format!(", {} left", format::span(left)) } else { String::new() };
    format!(", {:.0} a second{left}", replay.rate)
}

/// Follows a replay to its end, reconnecting when the stream breaks: the replay does not depend on being watched.
pub(super) async fn follow(connection: &Connection, mut replay: api::ReplayState, output: &mut Output<'_>) -> Result<(), Problem> {
    if output.json && has_ended(&replay) {
        print(&replay, output)?;
    }
    let bar = progress::bar_with_message(replay.total);
    while !has_ended(&replay) {
        match follow_once(connection, &mut replay, &bar, output).await {
            Ok(()) => {}
            Err(problem) if problem.is_transient() => {}
            Err(problem) => return Err(problem),
        }
        if !has_ended(&replay) {
            tokio::time::sleep(PAUSE).await;
        }
    }
    bar.finish_and_clear();
    if !output.json {
        show(&replay, output)?;
    }
    match replay.phase() {
        api::ReplayPhase::Failed => Err(Problem::Reported(1)),
        api::ReplayPhase::Cancelled => Err(Problem::Reported(5)),
        api::ReplayPhase::Done | api::ReplayPhase::Running | api::ReplayPhase::Paused | api::ReplayPhase::Unspecified => Ok(()),
    }
}

async fn follow_once(
    connection: &Connection,
    replay: &mut api::ReplayState,
    bar: &indicatif::ProgressBar,
    output: &mut Output<'_>,
) -> Result<(), Problem> {
    let request = api::WatchReplayRequest { replay_id: replay.replay_id.clone() };
    let mut states = connection.without_deadline().replay().await?.watch_replay(request).await?.into_inner();
    while let Some(api::WatchReplayResponse { replay: update }) = states.message().await? {
        let Some(update) = update else { continue };
        *replay = update;
        bar.set_length(replay.total);
        bar.set_position(replay.done);
        let message = if replay.phase() == api::ReplayPhase::Paused { ", paused".to_owned() } else { pace(replay) };
        bar.set_message(message);
        if output.json {
            print(replay, output)?;
            output.out.flush()?;
        }
    }
    Ok(())
}

fn has_ended(replay: &api::ReplayState) -> bool {
    matches!(replay.phase(), api::ReplayPhase::Done | api::ReplayPhase::Cancelled | api::ReplayPhase::Failed)
}
