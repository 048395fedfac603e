//! `replay`: plan, apply, follow, verify.

mod apply;
mod plan;
mod selection;
mod state;
mod verify;
pub(super) mod workspaces;

use proto::replay::v1 as api;

use crate::cli::Connection;
use crate::cli::replay::ReplayCommand;
use crate::output::Output;
use crate::problem::Problem;

pub(crate) async fn execute(connection: &Connection, command: ReplayCommand, output: &mut Output<'_>) -> Result<(), Problem> {
    match command {
        ReplayCommand::Plan(arguments) => plan::plan(connection, &arguments, output).await,
        ReplayCommand::Apply(arguments) => apply::apply(connection, &arguments, output).await,
        ReplayCommand::Status(arguments) => state::status(connection, arguments, output).await,
        ReplayCommand::List { limit } => state::list(connection, limit, output).await,
        ReplayCommand::Pause(which) => {
            let request = api::PauseReplayRequest { replay_id: which.replay_id, who: connection.who() };
            let answer = connection.replay().await?.pause_replay(request).await?.into_inner();
            state::show(&answer.replay.unwrap_or_default(), output)
        }
        ReplayCommand::Resume(which) => {
            let request = api::ResumeReplayRequest { replay_id: which.replay_id, who: connection.who() };
            let answer = connection.replay().await?.resume_replay(request).await?.into_inner();
            state::show(&answer.replay.unwrap_or_default(), output)
        }
        ReplayCommand::Cancel(which) => {
            let request = api::CancelReplayRequest { replay_id: which.replay_id, who: connection.who() };
            let answer = connection.replay().await?.cancel_replay(request).await?.into_inner();
            state::show(&answer.replay.unwrap_or_default(), output)
        }
        ReplayCommand::Verify(arguments) => verify::verify(connection, arguments, output).await,
    }
}
