//! What every task of the mapper works with.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use chassis::Shutdown;
use domain::{Rules, RulesRevision};
use stage::Links;

use crate::config::Config;
use crate::metrics::Metrics;

pub(crate) struct Context {
    pub(crate) config: Config,
    /// The rules from the settings, which workspaces without rules of their own follow.
    pub(crate) rules: Arc<Rules>,
    pub(crate) rules_text: String,
    /// The rules of workspaces that have their own.
    pub(crate) known_rules: Mutex<BTreeMap<RulesRevision, Arc<Rules>>>,
    pub(crate) links: Arc<Links>,
    pub(crate) metrics: Metrics,
}

impl Context {
    /// Asks until there is an answer, even where a person has to act first; `None` when it is time to stop.
    pub(crate) async fn ask<T, E: std::fmt::Display, F: Future<Output = Result<T, E>> + Send>(
        &self,
        doing: &'static str,
        stop: &Shutdown,
        ask: impl FnMut() -> F + Send,
    ) -> Option<T> {
        self.links.retry.until_answered(doing, stop, |_| true, ask).await.ok()
    }

    /// Asks the log to open or seal, and shows in the readiness part `keys` whether it can.
    pub(crate) async fn ask_keys<T: Send, F: Future<Output = eventlog::Result<T>> + Send>(
        &self,
        doing: &'static str,
        stop: &Shutdown,
        mut ask: impl FnMut() -> F + Send,
    ) -> Option<T> {
        let shown = || {
            let asked = ask();
            async {
                let answer = asked.await;
                self.links.chassis.ready("keys", answer.as_ref().map(drop).map_err(ToString::to_string));
                answer
            }
        };
        self.ask(doing, stop, shown).await
    }
}
