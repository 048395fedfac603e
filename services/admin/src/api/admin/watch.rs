//! Events as they are recorded.

use domain::{ContactId, LocationId, Opened};
use eventlog::{EventLog, Selection, Stretch};
use proto::admin::v1 as api;
use tonic::Status;

use super::answers;
use crate::api::events::keep_fields;
use crate::api::stream::Sender;
use crate::config::Limits;
use crate::status::status_of_log;

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
}

impl Watch {
    /// Sends what matches, for ever. Whoever listens resumes after the last position it got.
    pub(crate) async fn send(mut self, to: Sender<api::WatchEventsResponse>) -> Result<(), Status> {
        let mut appends = self.log.appends();
        loop {
            let Stretch { events, through } = self.next().await.map_err(status_of_log)?;
            if through == self.after {
                tokio::select! {
                    () = appends.wait_for_append() => {}
                    () = tokio::time::sleep(*self.limits.watch_interval) => {}
                }
                continue;
            }
            let events = self.log.keys().open(events).await.map_err(status_of_log)?;
            if self.tell(events, through, &to).await.is_err() {
                return Ok(());
            }
        }
    }

    async fn next(&self) -> eventlog::Result<Stretch> {
        let (contact_id, limits) = (self.contact_id.as_ref(), &self.limits);
        self.log
            .answers()
            .select(&self.location_id, contact_id, &self.selection, self.after, limits.watch_rows.get(), limits.scan_rows.get().into())
            .await
    }

    /// What matches, and how far it was looked through where that is further. Fails when nobody listens any more.
    async fn tell(&mut self, events: Vec<Opened>, through: u64, to: &Sender<api::WatchEventsResponse>) -> Result<(), ()> {
        for mut event in events {
            if keep_fields(&mut event, &self.fields) {
                self.after = event.seq;
                let response = api::WatchEventsResponse { event: Some(answers::event(event)), through: self.after };
                to.send(Ok(response)).await.map_err(drop)?;
            }
        }
        if self.after < through {
            self.after = through;
            let response = api::WatchEventsResponse { event: None, through: self.after };
            to.send(Ok(response)).await.map_err(drop)?;
        }
        Ok(())
    }
}
