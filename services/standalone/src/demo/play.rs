//! The story of the demo, from the backfill to the last live change.

use std::io::Write;
use std::time::{Duration, Instant};

use sandbox::story::Deed;
use tokio::time::sleep;

use super::agency::{self, Agency};
use super::figures::{Figures, Probe};
use super::summary::Summary;
use super::texts;
use super::workspace::Workspace;
use crate::cli::DemoArgs;
use crate::compare::{Difference, differences};
use crate::failure::Failure;
use crate::progress::Progress;

/// How often the figures are read, and the shortest time between two comparisons of the whole workspace.
const LOOK_EVERY: Duration = Duration::from_millis(200);
const COMPARE_EVERY: Duration = Duration::from_secs(3);
/// How long to wait until the log knows what the workspace already holds.
const SETTLED_WITHIN: Duration = Duration::from_secs(10);
/// How long one comparison may take.
const COMPARE_WITHIN: Duration = Duration::from_secs(60);

pub(super) struct Play<'a> {
    pub(super) args: &'a DemoArgs,
    pub(super) begun: Instant,
    pub(super) progress: Progress,
    pub(super) agency: &'a mut Agency,
    pub(super) probe: Probe,
    pub(super) workspace: Workspace,
    /// The contact of the last change, unless it was deleted.
    pub(super) changed: Option<String>,
}

impl Play<'_> {
    pub(super) async fn until_the_end(&mut self, addresses: &texts::Addresses) -> Result<(), Failure> {
        self.progress.say(&texts::opening(self.agency));
        if !self.args.until_in_sync {
            self.story().await?;
            let summary = self.summary(true).await?;
            self.report(&summary, Some(addresses))?;
            return std::future::pending().await;
        }
        let left = self.args.deadline.saturating_sub(self.begun.elapsed());
        let outcome = match tokio::time::timeout(left, self.story()).await {
            Ok(outcome) => outcome,
            Err(_) => Err(self.what_differs().await),
        };
        let summary = self.summary(outcome.is_ok()).await?;
        self.report(&summary, None)?;
        outcome
    }

    async fn story(&mut self) -> Result<(), Failure> {
        self.backfill().await?;
        self.live_changes().await?;
        self.until_in_sync().await
    }

    /// Waits until every contact that was there at the beginning was fetched.
    async fn backfill(&self) -> Result<(), Failure> {
        let mut step = self.progress.step("backfill");
        let expected = self.agency.counts().contacts;
        loop {
            let figures = self.probe.read(self.agency).await?;
            let note = format!(
                "contacts fetched, {} records, {} objects in Pagico, {} GHL calls",
                figures.records, figures.delivered, figures.ghl_calls
            );
            step.at(figures.fetched, figures.to_fetch.or(Some(expected)), &note);
            if figures.backfilled {
                step.done(&format!("done: {} records known, {} GHL calls", figures.records, figures.ghl_calls));
                return Ok(());
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn live_changes(&mut self) -> Result<(), Failure> {
        let mut live = self.progress.step("live");
        let mut noticed = texts::Noticed::default();
        while let Some(step) = self.agency.next_change()? {
            noticed.count(&step);
            live.at(step.number as u64, Some(step.of as u64), &texts::change(&step));
            if step.deed != Deed::DeleteContact {
                self.changed = Some(step.contact_id);
            }
            sleep(agency::PACE).await;
        }
        live.done(&noticed.to_string());
        Ok(())
    }

    /// Waits until the workspace equals GHL. The log says when a comparison is worth while; only the comparison decides.
    async fn until_in_sync(&self) -> Result<(), Failure> {
        let mut step = self.progress.step("in sync");
        let mut compared: Option<Instant> = None;
        loop {
            let figures = self.probe.read(self.agency).await?;
            let counts = self.agency.counts();
            let is_due = compared.is_none_or(|at| at.elapsed() >= COMPARE_EVERY);
            if figures.is_quiet() && figures.records >= counts.records() || is_due {
                let differences = self.compare().await?;
                compared = Some(Instant::now());
                if differences.is_empty() {
                    self.until_quiet().await?;
                    step.done(&format!("the workspace equals GHL: {} records, object by object", counts.records()));
                    return Ok(());
                }
                let last = differences.first().map(ToString::to_string).unwrap_or_default();
                step.at(figures.delivered, None, &format!("{} differences, such as {last}", differences.len()));
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until the log knows of every delivery, so that the figures are complete.
    async fn until_quiet(&self) -> Result<(), Failure> {
        let deadline = Instant::now() + SETTLED_WITHIN;
        while !self.probe.read(self.agency).await?.is_quiet() && Instant::now() < deadline {
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    async fn compare(&self) -> anyhow::Result<Vec<Difference>> {
        let truth = self.agency.truth();
        let held = self.workspace.objects().await?;
        let connected_at = self.probe.connected_at().await?;
        Ok(differences(&truth, &held, connected_at))
    }

    async fn what_differs(&self) -> Failure {
        let unfinished = format!("the deadline of {:?} has passed", self.args.deadline);
        match tokio::time::timeout(COMPARE_WITHIN, self.compare()).await {
            Ok(Ok(differences)) => Failure::NotInSync { differences, unfinished: Some(unfinished) },
            Ok(Err(error)) => Failure::NotInSync { differences: Vec::new(), unfinished: Some(format!("{unfinished}; {error:#}")) },
            Err(_) => Failure::NotInSync { differences: Vec::new(), unfinished: Some(unfinished) },
        }
    }

    async fn summary(&self, in_sync: bool) -> anyhow::Result<Summary> {
        let Figures { records, events, intents, delivered, parked, lag, ghl_calls, .. } = self.probe.read(self.agency).await?;
        Ok(Summary { in_sync, records, events, intents, delivered, parked, lag, ghl_calls, seconds: self.begun.elapsed().as_secs_f64() })
    }

    fn report(&self, summary: &Summary, addresses: Option<&texts::Addresses>) -> anyhow::Result<()> {
        self.progress.say(&format!("\n{}", summary.table()));
        if let Some(addresses) = addresses {
            self.progress.say(&addresses.text(self.changed.as_deref()));
        }
        if self.args.json {
            let line = serde_json::to_string(summary)?;
            let mut out = std::io::stdout().lock();
            writeln!(out, "{line}")?;
            out.flush()?;
        }
        Ok(())
    }
}
