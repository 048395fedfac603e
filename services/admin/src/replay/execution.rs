//! Applying plans: one replay at a time, by the process that holds the lease. What is left is planned again until nothing is, so that
//! whatever is lost on the way, even this process, only costs time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bus::{Lane, Outgoing, Stream, Subject};
use chassis::Shutdown;
use chassis::tasks::sleep;
use domain::replay::{Planned, Tally};
use domain::{Intent, ObjectKey, Policy, Revision};
use eventlog::{ContactMessage, Phase, Replay, ReplayProgress};
use uuid::Uuid;

use super::context::Context;
use super::planning::{self, ContactPlan, Planning};

/// Works on replays until it is time to stop.
pub(crate) async fn run(context: Arc<Context>, stop: Shutdown) -> anyhow::Result<()> {
    let holder = Uuid::new_v4();
    let (mut failures, mut failing) = (0_u32, None);
    while !stop.is_cancelled() {
        let worked = work_on_next(&context, holder, &mut failing, &stop);
        let pause = match Box::pin(worked).await {
            Ok(true) => {
                failures = 0;
                continue;
            }
            Ok(false) => {
                failures = 0;
                *context.settings.interval
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                tracing::warn!(%error, failures, replay.id = failing.map(tracing::field::display), "a replay waits");
                *context.settings.interval * failures.min(20)
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
            () = context.started.notified() => {}
        }
    }
    Ok(())
}

/// Returns whether there was something to do. A replay that failed lets others go first.
async fn work_on_next(context: &Arc<Context>, holder: Uuid, failing: &mut Option<Uuid>, stop: &Shutdown) -> Result<bool, Stopped> {
    if !context.log.replays().lease(holder, *context.settings.lease).await? {
        return Ok(false);
    }
    let Some(replay) = context.log.replays().next(*failing).await? else { return Ok(false) };
    *failing = Some(replay.replay_id);
    let progressed = ReplayProgress { done: replay.done, rounds: replay.rounds, forgets: replay.forgets, ..ReplayProgress::default() };
    let mut work = Execution {
        context,
        holder,
        stop,
        run: Uuid::new_v4(),
        base: replay.done,
        replay,
        progressed,
        published: 0,
        recorded_at: Instant::now(),
    };
    match work.converge().await {
        Ok(()) | Err(Stopped::Interrupted) => {
            *failing = None;
            Ok(true)
        }
        Err(stopped) => Err(stopped),
    }
}

/// Why work on a replay ends early.
#[derive(Debug, thiserror::Error)]
enum Stopped {
    /// It was paused, has ended, was taken over by another process, or this one stops.
    #[error("the replay was interrupted")]
    Interrupted,
    #[error(transparent)]
    Log(#[from] eventlog::Error),
    #[error(transparent)]
    Bus(#[from] bus::Error),
    #[error(transparent)]
    Plan(#[from] planning::Error),
    #[error(transparent)]
    Bridge(#[from] pagico::Error),
    #[error("an intent did not become JSON")]
    Encoding,
}

struct Execution<'a> {
    context: &'a Arc<Context>,
    holder: Uuid,
    stop: &'a Shutdown,
    replay: Replay,
    /// Makes the message ids of this attempt differ from those of any other.
    run: Uuid,
    /// What was done before this attempt.
    base: u64,
    progressed: ReplayProgress,
    published: u64,
    recorded_at: Instant,
}

impl Execution<'_> {
    async fn converge(&mut self) -> Result<(), Stopped> {
        if self.is_of_other_mapping().await? {
            let reason = "it was planned by another version of the mapping than that of the admin service; plan and apply again";
            self.context.log.replays().set_phase(&self.replay, Phase::Failed, reason, "admin").await?;
            return Ok(());
        }
        let (mut before, mut idle) = (None, 0);
        loop {
            let tally = self.round().await?;
            self.progressed.forgets = false;
            if tally.actions() == 0 {
                self.progressed.done = self.replay.total;
                self.record_progress().await?;
                tracing::info!(replay.id = %self.replay.replay_id, rounds = self.progressed.rounds, "the replay is done");
                self.context.log.replays().set_phase(&self.replay, Phase::Done, "", "admin").await?;
                return Ok(());
            }
            self.wait_until_settled().await?;
            self.progressed.rounds += 1;
            self.progressed.done = self.replay.total.saturating_sub(tally.actions()).max(self.progressed.done);
            idle = if before.as_ref() == Some(&tally) { idle + 1 } else { 0 };
            if idle >= self.context.settings.idle_rounds_max {
                let reason = format!("{} objects do not arrive; `mirrorctl parked` shows what waits for a person", tally.actions());
                self.record_progress().await?;
                self.context.log.replays().set_phase(&self.replay, Phase::Failed, &reason, "admin").await?;
                return Ok(());
            }
            before = Some(tally);
            if idle > 0 {
                // What a live change has overtaken is settled by the live lane.
                self.pause(*self.context.settings.interval).await?;
            }
        }
    }

    /// Plans what is left, and publishes it as it comes.
    async fn round(&mut self) -> Result<Tally, Stopped> {
        let mut planning = Planning::start(&self.context.log, self.planning_request().await?);
        let mut batch = Batch::default();
        while let Some(page) = planning.next().await {
            for ContactPlan { planned, .. } in page {
                planned.into_iter().for_each(|one| batch.add(one));
                if batch.intents.len() >= self.context.settings.batch_intents.get() {
                    self.send(std::mem::take(&mut batch)).await?;
                }
            }
        }
        let tally = planning.finish().await?;
        self.send(batch).await?;
        Ok(tally)
    }

    /// Whether what was planned cannot be made any more: the program was replaced meanwhile.
    async fn is_of_other_mapping(&self) -> Result<bool, Stopped> {
        let planned = &self.replay.plan.rules;
        let known = self.context.rules_texts().await?;
        Ok(known.keys().any(|rules| rules.is_of_same_text(planned) && rules.is_of_other_mapping(planned)))
    }

    async fn planning_request(&self) -> Result<planning::Request, Stopped> {
        let (plan, context) = (&self.replay.plan, self.context);
        let known = context.rules_texts().await?;
        let rules = known.get(&plan.rules).cloned().ok_or(eventlog::Error::NotFound)?;
        Ok(planning::Request {
            edition: self.replay.edition,
            through: self.replay.through,
            bridge: self.progressed.forgets.then(|| context.bridge.clone()),
            ..context.planning_request(plan, rules, known)
        })
    }

    async fn send(&mut self, batch: Batch) -> Result<(), Stopped> {
        if batch.intents.is_empty() {
            return Ok(());
        }
        let plan = &self.replay.plan;
        if self.progressed.forgets {
            for some in batch.intents.chunks(self.context.settings.outdate_items.get()) {
                self.outdate(some).await?;
            }
            // After the workspace: if this process ends in between, the ledger is still known to be wrong.
            // What is newer than the plan is left to the live lane, unless an earlier state was asked for.
            let through = if plan.bounded { u64::MAX } else { self.replay.through };
            self.context.log.ledger().forget(&plan.location_id, &plan.workspace, through, &batch.forget).await?;
        }
        while self.context.bus.backlog(Stream::Replays).await? >= self.context.settings.backlog_max.get() {
            self.pause(*self.context.settings.backlog_interval).await?;
        }
        let sent = batch.intents.len() as u64;
        let outgoing = self.outgoing(&batch.intents).await?;
        self.context.bus.publish_all(outgoing).await?;
        self.published += sent;
        self.record_progress_when_due().await
    }

    /// What a stranger wrote, or removed, with a revision that the log never issued would refuse what is sent, so it is marked as
    /// outdated. It is told from a live change, which may overtake this at any time, by its event: that is in the log before
    /// anything is written. And only what is still stored as it was read is marked.
    async fn outdate(&self, intents: &[Intent]) -> Result<(), Stopped> {
        let (plan, context) = (&self.replay.plan, self.context);
        let mirrored = intents.iter().filter(|intent| intent.policy == Policy::Mirror);
        let wanted: BTreeMap<&ObjectKey, Revision> = mirrored.map(|intent| (&intent.object, intent.revision)).collect();
        let items: Vec<(&ObjectKey, Revision)> = wanted.iter().map(|(key, revision)| (*key, *revision)).collect();
        let newer = match context.bridge.newer(&plan.workspace, &items).await {
            Err(pagico::Error::WorkspaceUnknown) => return Ok(()),
            newer => newer?,
        };
        if newer.is_empty() {
            return Ok(());
        }
        let positions: Vec<u64> = newer.iter().map(|aged| aged.revision.seq).collect();
        let known = context.log.answers().records_at(&plan.location_id, &positions).await?;
        let foreign = newer.iter().filter(|aged| !known.contains(&(aged.revision, aged.key.clone())));
        let items: Vec<_> = foreign.filter_map(|aged| Some((&aged.key, *wanted.get(&aged.key)?, aged.revision))).collect();
        match context.bridge.outdate(&plan.workspace, &items).await {
            Ok(_) | Err(pagico::Error::WorkspaceUnknown) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Seals intents as on the live lane; those of a contact that was erased meanwhile are left out.
    async fn outgoing(&self, intents: &[Intent]) -> Result<Vec<Outgoing>, Stopped> {
        let message = |intent: &Intent| {
            let bytes = intent.encode().map_err(|_| Stopped::Encoding)?;
            Ok(ContactMessage { location_id: intent.location_id.clone(), contact_id: intent.contact_id.clone(), bytes })
        };
        let messages = intents.iter().map(message).collect::<Result<Vec<_>, Stopped>>()?;
        let bodies = self.context.log.keys().seal(messages).await?;
        let (run, rounds) = (self.run, self.progressed.rounds);
        let outgoing = intents.iter().zip(bodies).filter_map(|(intent, body)| {
            Some(Outgoing {
                subject: Subject::intents(Lane::Replay, &intent.location_id, &intent.contact_id),
                id: Some(format!("replay:{run}.{rounds}/{}", intent.object)),
                traceparent: chassis::trace::traceparent(),
                body: body?,
            })
        });
        Ok(outgoing.collect())
    }

    /// Waits until the writer has settled everything that was sent.
    async fn wait_until_settled(&mut self) -> Result<(), Stopped> {
        while self.context.bus.backlog(Stream::Replays).await? > 0 {
            self.pause(*self.context.settings.backlog_interval).await?;
        }
        self.record_progress().await
    }

    async fn pause(&mut self, pause: Duration) -> Result<(), Stopped> {
        if !sleep(self.stop, pause).await {
            return Err(Stopped::Interrupted);
        }
        self.record_progress_when_due().await
    }

    async fn record_progress_when_due(&mut self) -> Result<(), Stopped> {
        if self.stop.is_cancelled() {
            return Err(Stopped::Interrupted);
        }
        if self.recorded_at.elapsed() < *self.context.settings.interval { Ok(()) } else { self.record_progress().await }
    }

    /// Records the progress, renews the lease, and finds out whether to go on.
    async fn record_progress(&mut self) -> Result<(), Stopped> {
        if !self.context.log.replays().lease(self.holder, *self.context.settings.lease).await? {
            return Err(Stopped::Interrupted);
        }
        if self.progressed.rounds == 0 && self.published > 0 {
            let waiting = self.context.bus.backlog(Stream::Replays).await?;
            let done = self.base + self.published.saturating_sub(waiting);
            self.progressed.done = done.clamp(self.progressed.done, self.replay.total.max(self.progressed.done));
        }
        self.progressed.worked = self.recorded_at.elapsed();
        self.recorded_at = Instant::now();
        let phase = self.context.log.replays().record_progress(&self.replay, &self.progressed).await?;
        self.progressed.worked = Duration::ZERO;
        if phase == Phase::Running { Ok(()) } else { Err(Stopped::Interrupted) }
    }
}

/// What is published together.
#[derive(Default)]
struct Batch {
    intents: Vec<Intent>,
    /// The objects of which the ledger is wrong, with the revisions that it holds.
    forget: Vec<(ObjectKey, Revision)>,
}

impl Batch {
    fn add(&mut self, planned: Planned) {
        let Planned { object, intent, forget, .. } = planned;
        if let Some(intent) = intent {
            self.forget.extend(forget.map(|revision| (object, revision)));
            self.intents.push(intent);
        }
    }
}
