//! From looks to the log: what is ready together is appended together.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::{Listing, Observation, Recorded, Sighting};
use eventlog::Lease;
use tokio::sync::{mpsc, oneshot};

use crate::context::Tools;
use crate::hint::{Hinted, Stuck};

/// Appends the observations of one location, in the order they come in.
#[derive(Clone, Debug)]
pub(crate) struct Appender {
    looks: mpsc::Sender<Look>,
}

#[derive(Debug)]
struct Look {
    observation: Box<Observation>,
    appended: oneshot::Sender<Appended>,
}

/// What became of an observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Appended {
    /// It is in the log, durably, with so many events; or it is parked.
    Done { events: usize },
    /// The log cannot be reached now.
    Later,
}

impl Appender {
    /// Starts the task that appends; it ends when the last clone of the appender is gone.
    pub(crate) fn start(tools: Arc<Tools>, lease: Lease) -> Self {
        let (looks, inbox) = mpsc::channel(tools.config.append.waiting_max);
        tokio::spawn(append_what_comes(tools, lease, inbox));
        Self { looks }
    }

    /// Waits until the observation is durably appended.
    pub(crate) async fn append(&self, observation: Observation) -> Appended {
        let (appended, answer) = oneshot::channel();
        let look = Look { observation: Box::new(observation), appended };
        match self.looks.send(look).await {
            Ok(()) => answer.await.unwrap_or(Appended::Later),
            Err(_) => Appended::Later,
        }
    }
}

async fn append_what_comes(tools: Arc<Tools>, lease: Lease, mut inbox: mpsc::Receiver<Look>) {
    let batch_max = tools.config.append.batch_max;
    let mut looks = Vec::with_capacity(batch_max);
    while inbox.recv_many(&mut looks, batch_max).await > 0 {
        let (observations, waiting): (Vec<_>, Vec<_>) = looks.drain(..).map(|look| (*look.observation, look.appended)).unzip();
        let outcomes = append_batch(&tools, &lease, &observations).await;
        for (waiting, outcome) in waiting.into_iter().zip(outcomes) {
            // Whoever asked may have stopped waiting.
            waiting.send(outcome).ok();
        }
    }
}

/// Appends a batch; if the log refuses it for good, one by one, so that only what is refused is parked.
async fn append_batch(tools: &Tools, lease: &Lease, observations: &[Observation]) -> Vec<Appended> {
    match tools.log.observe_as(lease, observations).await {
        Ok(recorded) => count(tools, observations, &recorded),
        Err(error) if error.is_transient() || matches!(error, eventlog::Error::Superseded { .. }) => {
            tracing::warn!(location.id = %lease.location_id, %error, "not appended, again later");
            vec![Appended::Later; observations.len()]
        }
        Err(error) => match observations {
            [] => Vec::new(),
            [observation] => vec![park(tools, observation, &error).await],
            several => {
                let mut outcomes = Vec::with_capacity(several.len());
                for observation in several {
                    outcomes.extend(Box::pin(append_batch(tools, lease, std::slice::from_ref(observation))).await);
                }
                outcomes
            }
        },
    }
}

async fn park(tools: &Tools, observation: &Observation, error: &eventlog::Error) -> Appended {
    let stuck = Stuck { reason: error.to_string(), status: None, attempts: 1 };
    let hinted = Hinted::redriven(&observation.location_id, &observation.contact_id);
    match tools.park(&hinted, stuck, observation.traceparent.clone()).await {
        Ok(()) => Appended::Done { events: 0 },
        Err(error) => {
            tracing::warn!(location.id = %observation.location_id, contact.id = %observation.contact_id, %error, "not parked yet");
            Appended::Later
        }
    }
}

fn count(tools: &Tools, observations: &[Observation], recorded: &[Recorded]) -> Vec<Appended> {
    for event in recorded {
        if let Some((kind, _)) = &event.record {
            tools.metrics.found(&event.location_id, event.cause.net.as_str(), *kind);
        }
    }
    let mut events: BTreeMap<_, usize> = BTreeMap::new();
    for contact_id in recorded.iter().filter_map(|event| event.contact_id.as_ref()) {
        *events.entry(contact_id).or_default() += 1;
    }
    let appended = |observation: &Observation| {
        // Of several looks at one contact in a batch the first takes the credit.
        let events = events.remove(&observation.contact_id).unwrap_or_default();
        tools.metrics.observed(observation.cause.net.as_str(), events, looked_at(observation).saturating_sub(events));
        Appended::Done { events }
    };
    observations.iter().map(appended).collect()
}

/// Records that an observation shows.
pub(crate) fn looked_at(observation: &Observation) -> usize {
    let listed = |listing: &Listing| match listing {
        Listing::NotAsked => 0,
        Listing::Partial(records) => records.len(),
        Listing::Complete(records) => records.len(),
    };
    let contact = usize::from(observation.contact != Sighting::NotAsked);
    contact + listed(&observation.tasks) + listed(&observation.notes) + listed(&observation.appointments)
}
