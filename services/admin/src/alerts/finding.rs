//! What is the matter now, by what the log's database, the disks and the sealer know.

use std::path::Path;

use domain::{LocationId, ObjectKind};
use eventlog::{Alerts, Credential, CredentialOwner, CredentialState, Credentials, Finding, SourceState, SourceTrouble};
use jiff::Timestamp;

use crate::alerts::condition::Condition;
use crate::config::ConditionSettings;
use crate::sealer::Proofs;

/// Where facts come from.
pub(crate) struct Facts {
    pub(crate) alerts: Alerts,
    pub(crate) credentials: Credentials,
    /// None where nothing is sealed: then nothing is said of proofs.
    pub(crate) proofs: Option<Proofs>,
    pub(crate) settings: ConditionSettings,
}

/// What was found, and the conditions that were asked for: of the others nothing is known now.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) findings: Vec<Finding>,
    pub(crate) asked: Vec<&'static str>,
}

impl Found {
    fn add(&mut self, condition: Condition, findings: impl IntoIterator<Item = Finding>) {
        self.asked.push(condition.as_str());
        self.findings.extend(findings);
    }
}

impl Facts {
    /// Asks for everything that can be known now.
    pub(crate) async fn find(&self) -> eventlog::Result<Found> {
        let mut found = Found::default();
        let pollers = self.alerts.pollers_seen(self.settings.no_poller_after).await?;
        let missed = || whole(Condition::NoPoller, pollers.alive_until, "no replica of the poller says that it is alive".to_owned());
        found.add(Condition::NoPoller, pollers.are_missed.then(missed));
        if pollers.is_any_alive {
            // Without a poller nobody knows how the source is.
            self.find_at_the_source(&mut found).await?;
        }
        self.find_on_the_way(&mut found).await?;
        found.add(Condition::DiskNearlyFull, self.full_disks());
        if let Some(unproved) = self.proofs.as_ref().and_then(Proofs::unproved) {
            let findings = unproved.into_iter().map(|(id, unproved)| of(Condition::LogNotProved, id, "", unproved.since, unproved.problem));
            found.add(Condition::LogNotProved, findings);
        }
        Ok(found)
    }

    async fn find_at_the_source(&self, found: &mut Found) -> eventlog::Result<()> {
        let set_aside = self.alerts.set_aside().await?;
        let dead = self.credentials.list().await?.into_iter().filter(|credential| credential.state == CredentialState::Dead);
        let troubles = self.alerts.source_troubles().await?;
        let is_set_aside = |finding: &Finding| finding.location_id.as_ref().is_some_and(|id| set_aside.contains(id));
        let dead: Vec<Finding> = dead.map(dead_credential).filter(|finding| !is_set_aside(finding)).collect();
        let is_said = |id: &LocationId| dead.iter().any(|finding| finding.location_id.as_ref() == Some(id));
        // A private integration token that is refused pauses its location.
        let paused = troubles.iter().filter(|(id, trouble)| is_paused(trouble) && !is_said(id));
        let paused: Vec<Finding> =
            paused.map(|(id, trouble)| of(Condition::TokenDead, id.clone(), "", trouble.since, trouble.cost.clone())).collect();
        found.add(Condition::TokenDead, dead.into_iter().chain(paused));
        let refused = troubles.into_iter().filter(|(_, trouble)| trouble.state == SourceState::Refused);
        found.add(
            Condition::ScopeMissing,
            refused.map(|(id, trouble)| {
                let cause = format!("GHL refuses {} (scope {}): {}", trouble.area, trouble.scope, trouble.cost);
                of(Condition::ScopeMissing, id, &trouble.area, trouble.since, cause)
            }),
        );
        let stuck = self.alerts.stuck_backfills(*self.settings.backfill_stuck_after).await?;
        found.add(
            Condition::BackfillStuck,
            stuck.into_iter().map(|stuck| {
                let of_all = stuck.total.map(|total| format!(" of {total}")).unwrap_or_default();
                let cause = format!("it has read {}{of_all} contacts and gets no further", stuck.seen);
                of(Condition::BackfillStuck, stuck.location_id, "", stuck.since, cause)
            }),
        );
        let overdue = self.alerts.overdue_sweeps(*self.settings.sweep_overdue_after).await?;
        found.add(
            Condition::SweepOverdue,
            overdue.into_iter().map(|overdue| {
                let plural = ObjectKind::mirroring(overdue.kind).plural();
                let cause = match overdue.complete_since {
                    Some(since) => format!("the last complete look at all {plural} began at {since:.0}"),
                    None => format!("there was no complete look at all {plural} since the backfill"),
                };
                of(Condition::SweepOverdue, overdue.location_id, overdue.kind.as_str(), overdue.since, cause)
            }),
        );
        let held = self.alerts.vanishing_held().await?;
        found.add(
            Condition::VanishingHeld,
            held.into_iter().map(|held| {
                let cause = format!("{} conclusions that something is gone are held back; no webhook announced it", held.count);
                of(Condition::VanishingHeld, held.location_id, "", held.since, cause)
            }),
        );
        let drifted = self.alerts.drifted(self.settings.drift_count_min, self.settings.drift_share_min).await?;
        found.add(
            Condition::Drift,
            drifted.into_iter().map(|drifted| {
                let (plural, parity) = (ObjectKind::mirroring(drifted.kind).plural(), drifted.parity);
                let cause =
                    format!("{} of {} {plural} differed that were read again in the last seven days", parity.differed, parity.compared);
                let finding = whole(Condition::Drift, None, cause);
                Finding { location_id: Some(drifted.location_id), subject: drifted.kind.to_string(), ..finding }
            }),
        );
        let spent = self.alerts.calls_nearly_spent().await?;
        found.add(
            Condition::CallsNearlySpent,
            spent.into_iter().map(|spent| {
                let cause = format!("{} of {} calls were left", spent.left_today, spent.day_calls_max);
                of(Condition::CallsNearlySpent, spent.location_id, "", spent.since, cause)
            }),
        );
        Ok(())
    }

    async fn find_on_the_way(&self, found: &mut Found) -> eventlog::Result<()> {
        let parked = self.alerts.parked_work().await?;
        found.add(
            Condition::Parked,
            parked.into_iter().map(|parked| {
                let pieces =
                    if parked.count == 1 { "1 piece of work waits".to_owned() } else { format!("{} pieces of work wait", parked.count) };
                of(Condition::Parked, parked.location_id, "", parked.since, pieces)
            }),
        );
        let late = self.alerts.unsettled_work(self.settings.lag_after).await?;
        found.add(
            Condition::Lag,
            late.into_iter().map(|late| {
                let cause =
                    format!("{} events are not known to have arrived, {} of them are not on the bus yet", late.unsettled, late.unpublished);
                of(Condition::Lag, late.location_id, "", late.since, cause)
            }),
        );
        let lost = self.alerts.lost_streams(self.settings.stream_lost_for).await?;
        found.add(
            Condition::StreamLost,
            lost.into_iter().map(|lost| {
                let cause = format!("the stream {} is younger or shorter than it was", lost.name);
                Finding { subject: lost.name, ..whole(Condition::StreamLost, Some(lost.since), cause) }
            }),
        );
        Ok(())
    }

    fn full_disks(&self) -> Vec<Finding> {
        let full = self.settings.disks.iter().filter_map(|path| {
            let free = free_share(path).filter(|free| *free < self.settings.disk_free_min)?;
            // Whole percents: the cause does not change every minute.
            let cause = format!("{:.0} % of the disk is free", (free * 100.0).floor());
            Some(Finding { subject: path.display().to_string(), ..whole(Condition::DiskNearlyFull, None, cause) })
        });
        full.collect()
    }
}

/// How much of the disk under a path is free for this process, from 0 to 1; nothing where that cannot be said.
fn free_share(path: &Path) -> Option<f64> {
    let disk = rustix::fs::statvfs(path);
    let disk = disk.inspect_err(|error| tracing::warn!(path = %path.display(), %error, "a disk cannot be asked")).ok()?;
    (disk.f_blocks > 0).then(|| disk.f_bavail as f64 / disk.f_blocks as f64)
}

/// Whether a location is paused. All its areas are; one of them stands for it.
fn is_paused(trouble: &SourceTrouble) -> bool {
    trouble.state == SourceState::Paused && trouble.area == "contacts"
}

fn dead_credential(credential: Credential) -> Finding {
    let problem = credential.problem.unwrap_or_else(|| "its refresh token is spent or refused".to_owned());
    let finding = whole(Condition::TokenDead, None, problem);
    match credential.owner {
        CredentialOwner::Location(id) => Finding { location_id: Some(id), ..finding },
        CredentialOwner::Company(id) => Finding { subject: format!("company {id}"), ..finding },
    }
}

fn of(condition: Condition, location_id: LocationId, subject: &str, since: Timestamp, cause: String) -> Finding {
    Finding { condition: condition.as_str(), location_id: Some(location_id), subject: subject.to_owned(), since: Some(since), cause }
}

fn whole(condition: Condition, since: Option<Timestamp>, cause: String) -> Finding {
    Finding { condition: condition.as_str(), location_id: None, subject: String::new(), since, cause }
}
