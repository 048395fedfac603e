//! What plans and replays are worked on with.

use std::collections::BTreeMap;
use std::sync::Arc;

use bus::Bus;
use chassis::Shutdown;
use domain::{Rules, RulesRevision};
use eventlog::{EventLog, Plan};
use pagico::Bridge;
use tokio::sync::{Notify, Semaphore};

use super::planning;
use crate::config::{ReplaySettings, VerifySettings};

pub(crate) struct Context {
    pub(crate) log: EventLog,
    pub(crate) bus: Bus,
    pub(crate) bridge: Bridge,
    pub(crate) settings: ReplaySettings,
    pub(crate) verify: VerifySettings,
    /// Wakes the executor.
    pub(crate) started: Notify,
    /// How many plans may be made at the same time.
    pub(crate) plan_permits: Arc<Semaphore>,
    /// How many comparisons may be made at the same time.
    pub(crate) comparison_permits: Arc<Semaphore>,
    pub(crate) stop: Shutdown,
}

impl Context {
    /// Every text of rules that is known, the built-in ones included, as this program's mapping follows it. What this program cannot read is left
    /// out, and so is what a text gave by the mapping before.
    pub(crate) async fn rules_texts(&self) -> eventlog::Result<BTreeMap<RulesRevision, Rules>> {
        let kept = self.log.workspaces().rules_texts().await?;
        let read = kept.iter().filter_map(|(_, text)| Rules::parse(text).ok()).chain(Rules::builtin());
        Ok(read.map(|rules| (rules.revision().clone(), rules)).collect())
    }

    /// What a plan selects, to be planned with these rules among all that are known.
    pub(crate) fn planning_request(&self, plan: &Plan, rules: Rules, known: BTreeMap<RulesRevision, Rules>) -> planning::Request {
        planning::Request {
            location_id: plan.location_id.clone(),
            contact_id: plan.contact_id.clone(),
            workspace: plan.workspace.clone(),
            edition: plan.edition,
            rules: Arc::new(rules),
            earlier: Arc::new(known),
            through: plan.head.0,
            bridge: plan.present.then(|| self.bridge.clone()),
            page_events: self.settings.page_events.get(),
            connections: self.settings.connections.get(),
        }
    }
}
