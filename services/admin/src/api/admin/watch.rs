//! The stream of events as they are recorded.

use domain::{ContactId, LocationId, Opened};
use eventlog::{Answers, Appends, EventFilter, EventPage, Keys};
use proto::admin::v1 as api;
use tonic::Status;

use super::answers;
use crate::api::events::keep_fields;
use crate::api::stream::Sender;
use crate::config::Limits;
use crate::status::status_of_log;

/// Reads the log in order after a position. Positions have no gaps and commit in order, so reading on after the last one misses
/// nothing and repeats nothing.
pub(crate) struct Watch {
    pub(crate) appends: Appends,
    pub(crate) answers: Answers,
    pub(crate) keys: Keys,
    pub(crate) location_id: LocationId,
    /// Only events of this contact; none for all contacts.
    pub(crate) contact_id: Option<ContactId>,
    pub(crate) selection: EventFilter,
    pub(crate) fields: Vec<String>,
    pub(crate) after: u64,
    pub(crate) limits: Limits,
}

impl Watch {
    /// Sends matching events until nobody listens. A caller resumes after the last position it got.
    pub(crate) async fn send(mut self, to: Sender<api::WatchEventsResponse>) -> Result<(), Status> {
        loop {
            let EventPage { events, through } = self.next().await.map_err(status_of_log)?;
            if through == self.after {
                tokio::select! {
                    () = self.appends.wait_for_append() => {}
                    () = tokio::time::sleep(*self.limits.watch_interval) => {}
                }
                continue;
            }
            let events = self.keys.open(events).await.map_err(status_of_log)?;
            if self.send_matching(events, through, &to).await.is_err() {
                return Ok(());
            }
        }
    }

    async fn next(&self) -> eventlog::Result<EventPage> {
        let (contact_id, limits) = (self.contact_id.as_ref(), &self.limits);
        self.answers
            .select(&self.location_id, contact_id, &self.selection, self.after, limits.watch_rows.get(), limits.scan_rows.get().into())
            .await
    }

    /// Sends the events that match, and how far the log was read where that is further. Fails when nobody listens any more.
    async fn send_matching(&mut self, events: Vec<Opened>, through: u64, to: &Sender<api::WatchEventsResponse>) -> Result<(), ()> {
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
