//! Appends observations to the log, in batches of those that are ready at the same time.

use std::collections::BTreeMap;

use domain::{Body, Listing, Observation, Recorded, Sighting};
use eventlog::{EventLog, Lease};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::config::AppendSettings;
use crate::context::Context;
use crate::metrics::Metrics;
use crate::parking::{Failure, Parker};

/// Appends the observations of one location, in the order in which they arrive.
#[derive(Clone, Debug)]
pub(crate) struct Appender {
    queue: mpsc::Sender<Entry>,
}

/// An observation, and the channel to whoever waits for it to be appended.
#[derive(Debug)]
struct Entry {
    observation: Box<Observation>,
    appended: oneshot::Sender<Appended>,
}

/// What became of an observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Appended {
    /// It is durably in the log, with this number of events; or it is parked.
    Done { events: usize },
    /// The log is unavailable: try again later.
    Later,
}

impl Appender {
    /// Starts the task that appends; it ends when the last clone of the appender is gone.
    pub(crate) fn start(context: &Context, lease: Lease) -> (Self, JoinHandle<()>) {
        let AppendSettings { waiting_max, batch_max } = context.config.append;
        let (queue, entries) = mpsc::channel(waiting_max.get());
        let target = Target { log: context.log.clone(), lease, parker: context.parker.clone(), metrics: context.metrics.clone() };
        let appending = tokio::spawn(append_all(target, batch_max.get(), entries));
        (Self { queue }, appending)
    }

    /// Waits until the observation is durably appended.
    pub(crate) async fn append(&self, observation: Observation) -> Appended {
        let (appended, answer) = oneshot::channel();
        let entry = Entry { observation: Box::new(observation), appended };
        match self.queue.send(entry).await {
            Ok(()) => answer.await.unwrap_or(Appended::Later),
            Err(_) => Appended::Later,
        }
    }
}

/// Where observations go: into the log, or to what is parked.
struct Target {
    log: EventLog,
    lease: Lease,
    parker: Parker,
    metrics: Metrics,
}

async fn append_all(target: Target, batch_max: usize, mut entries: mpsc::Receiver<Entry>) {
    let mut batch = Vec::with_capacity(batch_max);
    while entries.recv_many(&mut batch, batch_max).await > 0 {
        let (observations, waiting): (Vec<_>, Vec<_>) = batch.drain(..).map(|entry| (*entry.observation, entry.appended)).unzip();
        let outcomes = append_batch(&target, &observations).await;
        for (waiting, outcome) in waiting.into_iter().zip(outcomes) {
            // The caller may have stopped waiting.
            waiting.send(outcome).ok();
        }
    }
}

/// Appends a batch. If the log refuses it permanently, its observations are appended one by one, and only those refused are parked.
async fn append_batch(target: &Target, observations: &[Observation]) -> Vec<Appended> {
    match target.log.observe(&target.lease, observations).await {
        Ok(recorded) => count(&target.metrics, observations, &recorded),
        Err(error) if error.is_transient() || matches!(error, eventlog::Error::Superseded { .. } | eventlog::Error::InState { .. }) => {
            tracing::warn!(location.id = %target.lease.location_id, %error, "append failed, trying again later");
            vec![Appended::Later; observations.len()]
        }
        Err(error) => match observations {
            [] => Vec::new(),
            [observation] => vec![park(&target.parker, observation, &error).await],
            several => {
                let mut outcomes = Vec::with_capacity(several.len());
                for observation in several {
                    outcomes.extend(Box::pin(append_batch(target, std::slice::from_ref(observation))).await);
                }
                outcomes
            }
        },
    }
}

async fn park(parker: &Parker, observation: &Observation, error: &eventlog::Error) -> Appended {
    let failure = Failure { reason: error.to_string(), status: None, attempts: 1 };
    match parker.park_look(&observation.location_id, &observation.contact_id, failure, observation.traceparent.clone()).await {
        Ok(()) => Appended::Done { events: 0 },
        Err(error) => {
            tracing::warn!(location.id = %observation.location_id, contact.id = %observation.contact_id, %error, "parking failed, trying again later");
            Appended::Later
        }
    }
}

fn count(metrics: &Metrics, observations: &[Observation], recorded: &[Recorded]) -> Vec<Appended> {
    for event in recorded {
        if let (Some((kind, _)), Body::Record(fact)) = (&event.record, &event.body)
            && fact.is_news()
        {
            metrics.found(&event.location_id, event.cause.net.as_str(), *kind);
        }
    }
    let mut events: BTreeMap<_, usize> = BTreeMap::new();
    for contact_id in recorded.iter().filter_map(|event| event.contact_id.as_ref()) {
        *events.entry(contact_id).or_default() += 1;
    }
    let appended = |observation: &Observation| {
        // If a batch holds several observations of a contact, all changes are counted for the first.
        let events = events.remove(&observation.contact_id).unwrap_or_default();
        metrics.observed(observation.cause.net.as_str(), events, observed_records(observation).saturating_sub(events));
        Appended::Done { events }
    };
    observations.iter().map(appended).collect()
}

/// How many records an observation shows.
pub(crate) fn observed_records(observation: &Observation) -> usize {
    let contact = usize::from(observation.contact != Sighting::NotAsked);
    contact + observation.listings.values().map(Listing::len).sum::<usize>()
}
