//! Which locations, and which part of the log.

use proto::admin::v1::GetOverviewRequest;
use proto::replay::v1 as api;

use crate::cli::Connection;
use crate::cli::replay::{Against, SelectionArgs};
use crate::commands::files::text_of;
use crate::problem::Problem;

/// All locations, or the one that was named; without a name the service takes the only one.
pub(super) async fn locations(connection: &Connection, all: bool) -> Result<Vec<String>, Problem> {
    if !all {
        return Ok(vec![connection.location_id()]);
    }
    let overview = connection.admin().await?.get_overview(GetOverviewRequest {}).await?.into_inner();
    Ok(overview.locations.into_iter().map(|location| location.location_id).collect())
}

/// The selection as the service understands it.
pub(super) fn selection(location_id: &str, arguments: &SelectionArgs) -> Result<api::Selection, Problem> {
    use api::selection::{Rules, Until};
    let until = match (arguments.upto, arguments.recorded_until) {
        (Some(position), _) => Some(Until::Position(position)),
        (None, Some(at)) => Some(Until::RecordedAt(at.into())),
        (None, None) => None,
    };
    let rules = match (&arguments.rules_file, &arguments.rules_revision) {
        (Some(file), _) => Some(Rules::RulesText(text_of(file)?)),
        (None, Some(revision)) => Some(Rules::RulesRevision(revision.clone())),
        (None, None) => None,
    };
    let against = match arguments.against {
        Against::Ledger => api::Against::Unspecified,
        Against::Live => api::Against::Workspace,
    };
    Ok(api::Selection {
        location_id: location_id.to_owned(),
        contact_id: arguments.contact.clone().unwrap_or_default(),
        workspace: arguments.workspace.clone().unwrap_or_default(),
        against: against.into(),
        until,
        rules,
    })
}
