//! Looks again at what a person names: contacts by their ids, contacts that were updated since a time, or everything of some kinds.
//!
//! A request is kept in the log's database until it has ended, so that whoever holds the location goes on with it. What is found is appended
//! as by any other net, and gone is only what is gone for certain.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain::{ContactId, Net, RecordKind};
use eventlog::{NotesDue, Resync, ResyncTarget};
use ghl::{Search, Window};
use jiff::{SignedDuration, Timestamp};

use crate::context::Context;
use crate::look::connection::Connection;
use crate::look::request::{ContactPart, RecordParts};
use crate::nets::compare::{leave_alone, look_at};
use crate::nets::error::{Error, Result};
use crate::nets::pass::{PassEnd, end, look_at_missing, now, stay_open, walk};
use crate::nets::scope::{ListKind, Rounds, Scope};

/// Who the log names for what is found by looking at named contacts.
const WHO: &str = "resync";

/// Why a request waits that needs what the backfill has not read yet.
const WAITS_FOR_BACKFILL: &str = "it waits until the backfill has read this kind";

/// Carries out request after request until it is time to stop. One that takes the place of another is begun at once.
pub(crate) async fn run(context: &Context, connection: &Connection) -> anyhow::Result<()> {
    let found = AtomicU64::new(0);
    let in_flight_max = context.config.resync.contacts_in_flight_max.get();
    let scope = Scope { context, connection, net: &Net::Sweep, in_flight_max, found: Some(&found) };
    let mut rounds = Rounds::new(scope, "what a person asked to look at again", Some(&connection.resync_wanted));
    while rounds.begin().await {
        let round = tokio::select! {
            biased;
            () = connection.resync_wanted.notified() => Ok(Duration::ZERO),
            round = go_on(scope) => round,
        };
        rounds.end(round).await;
    }
    Ok(())
}

/// Goes on with the request that is under way, if any. Returns how long to wait before checking again.
async fn go_on(scope: Scope<'_>) -> Result<Duration> {
    let Scope { context, connection, .. } = scope;
    let check_interval = *context.config.resync.check_interval;
    let last = context.log.resyncs().last(&connection.location_id).await?;
    let Some(mut resync) = last.filter(|resync| resync.progress.ended_at.is_none()) else { return Ok(check_interval) };
    resync.progress.waits = None;
    if let Some(found) = scope.found {
        found.store(0, Ordering::Relaxed);
    }
    let changes_before = resync.progress.changes;
    let mut work = Work { scope, resync, changes_before };
    match work.carry_out().await {
        Ok(true) => work.end().await.map(|()| check_interval),
        Ok(false) => Ok(check_interval),
        Err(Error::Replaced) => Ok(Duration::ZERO),
        Err(Error::Stopped) => Err(Error::Stopped),
        Err(error) if error.is_refused() => {
            work.note_problem(&error.to_string());
            work.end().await.map(|()| check_interval)
        }
        Err(error) => {
            work.resync.progress.waits = Some(format!("{error}; it is tried again by itself"));
            // The error itself is told and retried; that it could not be written down changes nothing.
            drop(work.save().await);
            Err(error)
        }
    }
}

/// A request that is under way.
struct Work<'a> {
    scope: Scope<'a>,
    resync: Resync,
    /// What was found before this round.
    changes_before: u64,
}

impl Work<'_> {
    /// False when it has to wait.
    async fn carry_out(&mut self) -> Result<bool> {
        match self.resync.target.clone() {
            ResyncTarget::Contacts(contacts) => self.look_at_contacts(&contacts).await.map(|()| true),
            ResyncTarget::Since(since) => self.look_at_updated(since).await.map(|()| true),
            ResyncTarget::Kinds(kinds) => self.pass_all(&kinds).await,
        }
    }

    async fn save(&mut self) -> Result<()> {
        let Scope { context, connection, found, .. } = self.scope;
        self.resync.progress.changes = self.changes_before + found.map_or(0, |found| found.load(Ordering::Relaxed));
        match context.log.resyncs().save(&connection.location_id, &self.resync).await? {
            true => Ok(()),
            false => Err(Error::Replaced),
        }
    }

    async fn end(&mut self) -> Result<()> {
        self.resync.progress.ended_at = Some(now());
        match self.save().await {
            Ok(()) => {}
            Err(Error::Replaced) => return Ok(()),
            Err(error) => return Err(error),
        }
        let progress = &self.resync.progress;
        tracing::info!(location.id = %self.scope.connection.location_id, resync.id = %self.resync.resync_id, seen = progress.seen,
            changes = progress.changes, problem = progress.problem.as_deref(), "what a person asked to look at again was looked at");
        Ok(())
    }

    /// Something that could not be looked at; the rest goes on.
    fn note_problem(&mut self, problem: &str) {
        let told = self.resync.progress.problem.get_or_insert_default();
        if !told.is_empty() {
            told.push_str("; ");
        }
        told.push_str(problem);
    }

    /// Each in full, as after a webhook, and on the same lane: a person waits for it.
    async fn look_at_contacts(&mut self, contacts: &[ContactId]) -> Result<()> {
        let net = Net::Operator { who: WHO.to_owned() };
        let scope = Scope { net: &net, ..self.scope };
        self.resync.progress.total = Some(contacts.len() as u64);
        let batch = usize::try_from(scope.context.config.resync.batch.get()).unwrap_or(usize::MAX);
        let seen = usize::try_from(self.resync.progress.seen).unwrap_or(usize::MAX);
        for some in contacts.get(seen..).unwrap_or_default().chunks(batch) {
            self.wait_while_paused().await?;
            look_at(scope, some.iter().cloned().map(|contact_id| scope.whole(contact_id)).collect()).await?;
            self.resync.progress.seen += some.len() as u64;
            self.save().await?;
        }
        Ok(())
    }

    /// Each contact that GHL's search shows with a later update time, in full.
    async fn look_at_updated(&mut self, since: Timestamp) -> Result<()> {
        let Scope { context, connection, .. } = self.scope;
        // GHL's clock may be ahead of this one.
        let ahead = SignedDuration::try_from(context.config.watch.overlap).unwrap_or_default();
        let to = self.resync.asked_at.checked_add(ahead).unwrap_or(Timestamp::MAX);
        let mut search = Search {
            window: Window::Updated { from: since, to },
            rows_max: context.config.sweep.page_rows.get(),
            after: self.resync.progress.cursor.clone(),
        };
        let mut cursors = HashSet::new();
        for _ in 0..context.config.sweep.pages_max {
            self.wait_while_paused().await?;
            let zone = connection.names.zone(&self.scope.client()).await?;
            let page = self.scope.client().search(&search, &zone).await?.value;
            leave_alone(self.scope, ListKind::Contacts, &page.unreadable).await?;
            let given = (page.rows.len() + page.unreadable.len()) as u64;
            look_at(self.scope, page.rows.into_iter().map(|row| self.scope.whole(row.contact_id)).collect()).await?;
            let progress = &mut self.resync.progress;
            progress.seen += given;
            progress.total = page.total.filter(|total| *total > 0 || progress.seen == 0).or(progress.total);
            match page.next.filter(|_| given > 0) {
                Some(next) if cursors.insert(next.to_string()) => {
                    progress.cursor = Some(next.clone());
                    search.after = Some(next);
                    self.save().await?;
                }
                None if progress.total.is_none_or(|total| progress.seen >= total) => return Ok(()),
                Some(_) | None => {
                    self.note_problem("the search ended before its last contact; ask again");
                    return Ok(());
                }
            }
        }
        self.note_problem("the search is longer than sweep.pages_max");
        Ok(())
    }

    /// All records of some kinds. A list that breaks off or is refused holds up no other. False when it has to wait.
    async fn pass_all(&mut self, kinds: &[RecordKind]) -> Result<bool> {
        let Scope { context, connection, .. } = self.scope;
        for kind in ListKind::ALL.into_iter().filter(|kind| kinds.contains(&kind.record_kind())) {
            if self.resync.progress.done.contains(&kind.record_kind()) {
                continue;
            }
            if !self.scope.is_backfilled(kind).await? {
                self.resync.progress.waits = Some(WAITS_FOR_BACKFILL.to_owned());
                self.save().await?;
                return Ok(false);
            }
            connection.sweep_gives_way.notify_one();
            let turn = connection.sweeping.lock().await;
            let passed = self.pass(kind).await;
            drop(turn);
            match passed {
                Err(error) if error.is_refused() => self.note_problem(&error.to_string()),
                passed => passed?,
            }
            let pass = context.log.passes().get(&connection.location_id, self.scope.net.as_str(), kind.record_kind()).await?;
            self.resync.progress.seen += pass.seen;
            self.finish(kind.record_kind()).await?;
        }
        if kinds.contains(&RecordKind::Note) && !self.resync.progress.done.contains(&RecordKind::Note) {
            self.look_at_notes().await?;
            self.finish(RecordKind::Note).await?;
        }
        Ok(true)
    }

    async fn finish(&mut self, kind: RecordKind) -> Result<()> {
        self.resync.progress.done.push(kind);
        self.save().await
    }

    /// A pass like the sweep's, in its place: the sweep's next one counts from its end. It begins when it was asked for, by which it is
    /// known again after a restart.
    async fn pass(&mut self, kind: ListKind) -> Result<()> {
        let Scope { context, connection, .. } = self.scope;
        let since = self.resync.asked_at;
        let pass = context.log.passes().get(&connection.location_id, self.scope.net.as_str(), kind.record_kind()).await?;
        if pass.started_at != Some(since) && pass.complete_since.is_some_and(|complete_since| complete_since >= since) {
            return Ok(());
        }
        if pass.started_at != Some(since) {
            // What a look has refuted is looked at once more: a person doubts it.
            connection.refuted.clear();
        }
        let range = context.config.appointments.range(since);
        match walk(self.scope, kind, since, range).await? {
            PassEnd::BrokenOff(why) => {
                stay_open(self.scope, kind, why).await?;
                self.note_problem(&format!("the list of kind {} broke off; the sweep tries it again", kind.record_kind()));
                Ok(())
            }
            ended @ (PassEnd::Complete(_) | PassEnd::Unreadable | PassEnd::Superseded) => {
                if let PassEnd::Complete(complete) = &ended {
                    look_at_missing(self.scope, kind, complete, range).await?;
                } else {
                    self.note_problem(&format!("a row of the list of kind {} could not be read", kind.record_kind()));
                }
                end(self.scope, kind, &ended).await
            }
        }
    }

    /// The notes of every contact, one call each: GHL lists them by contact only. Those that were looked at since it was asked for are done.
    async fn look_at_notes(&mut self) -> Result<()> {
        let Scope { context, connection, .. } = self.scope;
        let (known, limit) = (context.log.known(), context.config.resync.batch.get());
        let mut after: Option<NotesDue> = None;
        loop {
            self.wait_while_paused().await?;
            let due = known.notes_due(&connection.location_id, self.resync.asked_at, after.as_ref(), limit).await?;
            let Some(last) = due.last() else { return Ok(()) };
            after = Some(last.clone());
            let given = due.len() as u64;
            let request = |due: NotesDue| self.scope.request(due.contact_id, ContactPart::Skip, RecordParts::NOTES);
            look_at(self.scope, due.into_iter().map(request).collect()).await?;
            self.resync.progress.seen += given;
            self.save().await?;
        }
    }

    async fn wait_while_paused(&self) -> Result<()> {
        let Scope { context, connection, .. } = self.scope;
        context.chassis.control().wait_while_paused(self.scope.stop()).await;
        if connection.wait_until_askable(self.scope.stop()).await { Ok(()) } else { Err(Error::Stopped) }
    }
}
