//! Making a plan: the log contact by contact, against the ledger or against what the workspace holds. Memory holds a page of events
//! and one contact for each connection, however long the log is.

mod request;

mod contacts;
mod events;
mod workspace;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use domain::replay::Tally;
use eventlog::{ContactRange, EventLog};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

use self::contacts::Planner;
use self::request::Counters;
pub use self::request::{ContactPlan, Error, Progress, Request};

/// How many pages of a plan may wait to be taken.
const PAGES_WAITING_MAX: usize = 2;

/// A plan that is being made. Dropping it ends the work.
pub struct Planning {
    pages: mpsc::Receiver<Vec<ContactPlan>>,
    counters: Arc<Counters>,
    task: JoinHandle<Result<Tally, Error>>,
}

impl Planning {
    #[must_use]
    pub fn start(log: &EventLog, request: Request) -> Self {
        let (sender, pages) = mpsc::channel(PAGES_WAITING_MAX);
        let (log, counters) = (log.clone(), Arc::new(Counters::default()));
        let task = tokio::spawn(make(log, Arc::new(request), sender, Arc::clone(&counters)));
        Self { pages, counters, task }
    }

    /// The next contacts about whose objects something would be done, in no certain order; none at the end, or when planning failed.
    pub async fn next(&mut self) -> Option<Vec<ContactPlan>> {
        self.pages.recv().await
    }

    #[must_use]
    pub fn progress(&self) -> Progress {
        self.counters.progress()
    }

    /// Waits for the end, leaves out the contacts that were not taken, and sums up all of them.
    ///
    /// # Errors
    /// What kept the plan from being made.
    pub async fn finish(mut self) -> Result<Tally, Error> {
        while self.pages.recv().await.is_some() {}
        self.task.await.map_err(|_| Error::Broken)?
    }
}

/// Plans, on several connections at once where the workspace itself need not be asked.
async fn make(
    log: EventLog,
    request: Arc<Request>,
    pages: mpsc::Sender<Vec<ContactPlan>>,
    counters: Arc<Counters>,
) -> Result<Tally, Error> {
    let parts = match (&request.contact_id, &request.bridge) {
        (Some(contact_id), _) => vec![ContactRange::Only(contact_id.clone())],
        // The bridge lists in one order only.
        (None, Some(_)) => vec![ContactRange::Between(None, None)],
        (None, None) => log.answers().parts_of_contacts(&request.location_id, request.through, request.connections * 4).await?,
    };
    let parts = Arc::new(Mutex::new(VecDeque::from(parts)));
    let shared = Arc::new(log.known().shared_records(&request.location_id, request.through).await?);
    let mut workers: JoinSet<Result<Tally, Error>> = JoinSet::new();
    for _ in 0..request.connections {
        let (log, request, pages, counters) = (log.clone(), Arc::clone(&request), pages.clone(), Arc::clone(&counters));
        let (shared, parts) = (Arc::clone(&shared), Arc::clone(&parts));
        workers.spawn(async move {
            let mut tally = Tally::default();
            loop {
                let part = parts.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                let Some(part) = part else { return Ok(tally) };
                let planner = Planner { log: &log, request: &request, shared: &shared, pages: &pages, counters: &counters };
                tally.merge(&planner.part(&part).await?);
            }
        });
    }
    let mut tally = Tally::default();
    while let Some(ended) = workers.join_next().await {
        tally.merge(&ended.map_err(|_| Error::Broken)??);
    }
    Ok(tally)
}
