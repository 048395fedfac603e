//! Events as they are recorded.

use chassis::Shutdown;
use domain::LocationId;
use eventlog::EventLog;
use proto::admin::v1 as api;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::config::Limits;
use crate::{answers, refusal};

/// Reads the log in order from a position on. Positions have no gaps and commit in order, so reading after the last one seen leaves
/// nothing out and repeats nothing.
pub(crate) struct Watch {
    pub(crate) log: EventLog,
    pub(crate) location_id: LocationId,
    pub(crate) after: u64,
    pub(crate) limits: Limits,
    pub(crate) stop: Shutdown,
}

type Sender = mpsc::Sender<Result<api::WatchEventsResponse, Status>>;

impl Watch {
    /// The place among the watchers is given back when the stream ends.
    pub(crate) fn start(self, place: OwnedSemaphorePermit) -> ReceiverStream<Result<api::WatchEventsResponse, Status>> {
        let (sender, receiver) = mpsc::channel(16);
        tokio::spawn(async move {
            tokio::select! {
                () = self.stop.clone().cancelled_owned() => {
                    // A caller that is gone already misses nothing.
                    drop(sender.try_send(Err(Status::unavailable("the admin service is stopping; watch again after the last position"))));
                }
                () = sender.closed() => {}
                () = self.send(&sender) => {}
            }
            drop(place);
        });
        ReceiverStream::new(receiver)
    }

    async fn send(mut self, sender: &Sender) {
        let mut appends = self.log.appends();
        loop {
            match self.log.read(&self.location_id, self.after, self.limits.watch_rows).await {
                Ok(events) if events.is_empty() => {
                    tokio::select! {
                        () = appends.wait_for_append() => {}
                        () = tokio::time::sleep(self.limits.watch_interval) => {}
                    }
                }
                Ok(events) => {
                    for event in events {
                        self.after = event.seq;
                        let response = api::WatchEventsResponse { event: Some(answers::event(event)) };
                        if sender.send(Ok(response)).await.is_err() {
                            return;
                        }
                    }
                }
                Err(error) => {
                    // The caller resumes after the last position it got; one that is gone already needs no answer.
                    drop(sender.send(Err(refusal::of_log(error))).await);
                    return;
                }
            }
        }
    }
}
