//! A whole location, contact by contact, in bounded memory.

use chassis::Shutdown;
use domain::{ContactId, LocationId, Point};
use eventlog::EventLog;
use proto::audit::v1 as api;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::answers;
use super::past::{Looking, Seen};
use crate::config::Limits;
use crate::status;

pub(crate) struct Export {
    pub(crate) log: EventLog,
    pub(crate) limits: Limits,
    pub(crate) location_id: LocationId,
    /// Goes on after this contact.
    pub(crate) after: Option<ContactId>,
    pub(crate) what: What,
    pub(crate) stop: Shutdown,
}

#[derive(Clone, Copy)]
pub(crate) enum What {
    AsOf(Point),
    Diff { from: Point, to: Point },
}

/// One contact of the export.
pub(crate) struct Part {
    contact_id: ContactId,
    from: Seen,
    to: Seen,
}

impl Part {
    /// The contact at the second moment; none where nothing had been seen of it.
    pub(crate) fn snapshot(self) -> Option<api::Snapshot> {
        let snapshot = answers::snapshot(&self.contact_id, self.to);
        (!snapshot.records.is_empty() || !snapshot.unreadable.is_empty()).then_some(snapshot)
    }

    /// How the contact differs; none where it does not.
    pub(crate) fn difference(self) -> Option<api::Difference> {
        let difference = answers::difference(&self.contact_id, &self.from, &self.to);
        (!difference.records.is_empty() || !difference.unreadable.is_empty()).then_some(difference)
    }
}

impl Export {
    /// The place among the exports is given back when the stream ends.
    pub(crate) fn start<T: Send + 'static>(
        self,
        place: OwnedSemaphorePermit,
        answer: fn(Part) -> Option<T>,
    ) -> ReceiverStream<Result<T, Status>> {
        // What is read ahead is at most one batch and what lies in here.
        let (sender, receiver) = mpsc::channel(4);
        let stop = self.stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {
                    let stopping = Status::unavailable("the admin service is stopping; export again after the last contact");
                    // A caller that is gone already misses nothing.
                    drop(sender.try_send(Err(stopping)));
                }
                () = sender.closed() => {}
                () = self.send(&sender, answer) => {}
            }
            drop(place);
        });
        ReceiverStream::new(receiver)
    }

    async fn send<T>(mut self, sender: &mpsc::Sender<Result<T, Status>>, answer: fn(Part) -> Option<T>) {
        loop {
            match self.batch().await {
                Ok(parts) if parts.is_empty() => return,
                Ok(parts) => {
                    self.after = parts.last().map(|last| last.contact_id.clone());
                    for answer in parts.into_iter().filter_map(answer) {
                        if sender.send(Ok(answer)).await.is_err() {
                            return;
                        }
                    }
                }
                Err(status) => {
                    // The caller goes on after the last contact it got; one that is gone already needs no answer.
                    drop(sender.send(Err(status)).await);
                    return;
                }
            }
        }
    }

    async fn batch(&self) -> Result<Vec<Part>, Status> {
        let contacts = self.log.contacts_in_log(&self.location_id, self.after.as_ref(), self.limits.export_contacts).await;
        let contacts = contacts.map_err(status::of_log)?;
        let looking = Looking { log: &self.log, limits: &self.limits };
        let (from, to) = match self.what {
            What::AsOf(point) => (None, point),
            What::Diff { from, to } => (Some(from), to),
        };
        let mut before = match from {
            Some(from) => looking.contacts(&self.location_id, &contacts, from).await?,
            None => std::collections::BTreeMap::new(),
        };
        let mut after = looking.contacts(&self.location_id, &contacts, to).await?;
        let part = |contact_id: ContactId| Part {
            from: before.remove(&contact_id).unwrap_or_default(),
            to: after.remove(&contact_id).unwrap_or_default(),
            contact_id,
        };
        Ok(contacts.into_iter().map(part).collect())
    }
}
