//! Events as they are recorded.

use chassis::Shutdown;
use domain::{ContactId, LocationId};
use eventlog::{EventLog, Selection, Stretch};
use proto::admin::v1 as api;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::answers;
use crate::api::events::{Opened, open};
use crate::config::Limits;
use crate::status;

/// Reads the log in order from a position on. Positions have no gaps and commit in order, so reading after the last one seen leaves
/// nothing out and repeats nothing.
pub(crate) struct Watch {
    pub(crate) log: EventLog,
    pub(crate) location_id: LocationId,
    /// Only events of this contact; none for all.
    pub(crate) contact_id: Option<ContactId>,
    pub(crate) selection: Selection,
    pub(crate) fields: Vec<String>,
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
            match self.next().await {
                Ok(stretch) if stretch.through == self.after => {
                    tokio::select! {
                        () = appends.wait_for_append() => {}
                        () = tokio::time::sleep(self.limits.watch_interval) => {}
                    }
                }
                Ok(Stretch { events, through }) => match open(&self.log, events).await {
                    Ok(events) => {
                        if self.tell(events, through, sender).await.is_err() {
                            return;
                        }
                    }
                    Err(error) => {
                        drop(sender.send(Err(status::of_log(error))).await);
                        return;
                    }
                },
                Err(error) => {
                    // The caller resumes after the last position it got; one that is gone already needs no answer.
                    drop(sender.send(Err(status::of_log(error))).await);
                    return;
                }
            }
        }
    }

    async fn next(&self) -> eventlog::Result<Stretch> {
        let (contact_id, limits) = (self.contact_id.as_ref(), &self.limits);
        self.log.select(&self.location_id, contact_id, &self.selection, self.after, limits.watch_rows, limits.scan_rows.into()).await
    }

    /// What matches, and how far it was looked through where that is further. Fails when nobody listens any more.
    async fn tell(&mut self, events: Vec<Opened>, through: u64, sender: &Sender) -> Result<(), ()> {
        for mut event in events {
            if event.keep_fields(&self.fields) {
                self.after = event.stored.seq;
                let response = api::WatchEventsResponse { event: Some(answers::event(event)), through: self.after };
                sender.send(Ok(response)).await.map_err(drop)?;
            }
        }
        if self.after < through {
            self.after = through;
            let response = api::WatchEventsResponse { event: None, through: self.after };
            sender.send(Ok(response)).await.map_err(drop)?;
        }
        Ok(())
    }
}
