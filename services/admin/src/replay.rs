//! Replays: planned from the log, reviewed, applied, and the workspaces that they fill.

mod execution;
pub mod planning;

use std::collections::BTreeMap;
use std::sync::Arc;

use bus::Bus;
use chassis::Shutdown;
use domain::{Rules, RulesRevision};
use eventlog::EventLog;
use pagico::Bridge;
use tokio::sync::{Notify, Semaphore};

pub(crate) use execution::run;

use crate::config::{ReplaySettings, VerifySettings};

/// What plans, replays and workspaces are worked on with.
pub(crate) struct Tools {
    pub(crate) log: EventLog,
    pub(crate) bus: Bus,
    pub(crate) bridge: Bridge,
    pub(crate) settings: ReplaySettings,
    pub(crate) verify: VerifySettings,
    /// Wakes the executor.
    pub(crate) started: Notify,
    /// Plans that may be made at the same time.
    pub(crate) planning: Arc<Semaphore>,
    /// Comparisons that may be made at the same time.
    pub(crate) comparing: Arc<Semaphore>,
    pub(crate) stop: Shutdown,
}

impl Tools {
    /// Every text of rules that is known, those that are compiled in among them. What cannot be read by this program is left out.
    pub(crate) async fn texts(&self) -> eventlog::Result<BTreeMap<RulesRevision, Rules>> {
        let kept = self.log.rules_texts().await?;
        let read = kept.iter().filter_map(|(_, text)| Rules::parse(text).ok()).chain(Rules::builtin());
        Ok(read.map(|rules| (rules.revision().clone(), rules)).collect())
    }
}
