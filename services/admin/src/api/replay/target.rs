//! The location, the workspace and the rules that a call names.

use domain::{LocationId, Rules, RulesRevision, Workspace};
use eventlog::{Generation, Role};
use tonic::Status;

use crate::replay::Context;
use crate::status::{status_of_log, unknown_location};

impl Context {
    /// The rules of a workspace, as this program's mapping follows them: its own, or those that a mapper was last started with.
    pub(crate) async fn rules_of(&self, generation: &Generation) -> Result<RulesRevision, Status> {
        let kept = self.log.workspaces().rules_texts().await.map_err(status_of_log)?;
        let is_wanted =
            |(revision, _): &&(RulesRevision, String)| generation.rules.as_ref().is_none_or(|own| own.is_of_same_text(revision));
        let wanted = kept.iter().find(is_wanted);
        match (wanted.map(|(_, text)| Rules::parse(text)), &generation.rules, wanted) {
            (Some(Ok(rules)), _, _) => Ok(rules.revision().clone()),
            // This program cannot read them, or they are not kept.
            (_, Some(own), _) => Ok(own.clone()),
            (Some(Err(_)), None, Some((revision, _))) => Ok(revision.clone()),
            (_, None, _) => Rules::builtin().map(|rules| rules.revision().clone()).map_err(|error| Status::internal(error.to_string())),
        }
    }

    /// The rules of this text, as this program's mapping follows them, whichever mapping the revision names.
    pub(crate) async fn rules_named(&self, revision: &RulesRevision) -> Result<Rules, Status> {
        let kept = self.log.workspaces().rules_texts().await.map_err(status_of_log)?;
        let found = kept.into_iter().find(|(known, _)| known.is_of_same_text(revision)).map(|(_, text)| text);
        let builtin =
            || Rules::builtin().ok().filter(|rules| rules.revision().is_of_same_text(revision)).map(|_| Rules::BUILTIN.to_owned());
        let rules = found.or_else(builtin).and_then(|text| Some((Rules::parse(&text).ok()?, text)));
        let (rules, text) = rules.ok_or_else(|| Status::not_found(format!("no rules of revision {revision} are kept; give their text")))?;
        self.log.workspaces().keep_rules(rules.revision(), &text).await.map_err(status_of_log)?;
        Ok(rules)
    }

    /// The named location, which must be connected, or the only one there is.
    pub(crate) async fn location(&self, named: &str) -> Result<LocationId, Status> {
        let mut locations = self.log.locations().list().await.map_err(status_of_log)?;
        if !named.is_empty() {
            let found = locations.into_iter().find(|location| location.location_id.as_str() == named);
            return found.map(|location| location.location_id).ok_or_else(unknown_location);
        }
        match (locations.pop(), locations.len()) {
            (Some(only), 0) => Ok(only.location_id),
            (Some(_), more) => Err(Status::invalid_argument(format!("{} locations are connected; name one as location_id", more + 1))),
            (None, _) => Err(Status::failed_precondition("no location is connected yet; give one to the poller")),
        }
    }

    /// The named workspace, or the live one.
    pub(crate) async fn workspace(&self, location_id: &LocationId, named: &str) -> Result<Generation, Status> {
        let all = self.log.workspaces().list(location_id).await.map_err(status_of_log)?;
        let found = all.into_iter().find(|one| if named.is_empty() { one.role == Role::Live } else { one.workspace.as_str() == named });
        found.ok_or_else(|| Status::not_found("the location has no such workspace; `mirrorctl workspace list` shows those it has"))
    }

    /// Parses and keeps the text of rules.
    pub(crate) async fn keep_rules(&self, text: &str) -> Result<Rules, Status> {
        let rules = Rules::parse(text).map_err(|error| Status::invalid_argument(format!("rules_text: {error}")))?;
        self.log.workspaces().keep_rules(rules.revision(), text).await.map_err(status_of_log)?;
        Ok(rules)
    }
}

pub(crate) fn workspace_name(name: &str) -> Result<Workspace, Status> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_name = (1..=100).contains(&name.len()) && name.bytes().all(fits);
    let name = is_name.then(|| Workspace::new(name).ok()).flatten();
    name.ok_or_else(|| Status::invalid_argument("workspace must have 1 to 100 letters, digits, - or _"))
}
