//! A whole location, contact by contact, in bounded memory.

use domain::{ContactId, LocationId, Point};
use eventlog::{Answers, Keys};
use proto::audit::v1 as api;
use tonic::Status;

use super::answers;
use super::past::{PastContact, Reader};
use crate::api::stream::Sender;
use crate::config::Limits;
use crate::status::status_of_log;

pub(crate) struct Export {
    pub(crate) answers: Answers,
    pub(crate) keys: Keys,
    pub(crate) limits: Limits,
    pub(crate) location_id: LocationId,
    /// The export begins after this contact.
    pub(crate) after: Option<ContactId>,
    pub(crate) moments: Moments,
}

/// The moment, or the two moments, that are exported.
#[derive(Clone, Copy)]
pub(crate) enum Moments {
    AsOf(Point),
    Diff { from: Point, to: Point },
}

/// One contact at both moments.
pub(crate) struct ExportedContact {
    contact_id: ContactId,
    from: PastContact,
    to: PastContact,
}

impl ExportedContact {
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
    /// Sends contact by contact. The caller can go on after the last one it got.
    pub(crate) async fn send<T>(mut self, to: Sender<T>, answer: fn(ExportedContact) -> Option<T>) -> Result<(), Status> {
        loop {
            let contacts = self.batch().await?;
            let Some(last) = contacts.last() else { return Ok(()) };
            self.after = Some(last.contact_id.clone());
            for answer in contacts.into_iter().filter_map(answer) {
                if to.send(Ok(answer)).await.is_err() {
                    return Ok(());
                }
            }
        }
    }

    async fn batch(&self) -> Result<Vec<ExportedContact>, Status> {
        let contacts = self.answers.contacts_in_log(&self.location_id, self.after.as_ref(), self.limits.export_contacts.get()).await;
        let contacts = contacts.map_err(status_of_log)?;
        let reader = Reader { answers: &self.answers, keys: &self.keys, limits: &self.limits };
        let (from, to) = match self.moments {
            Moments::AsOf(point) => (None, point),
            Moments::Diff { from, to } => (Some(from), to),
        };
        let mut before = match from {
            Some(from) => reader.contacts(&self.location_id, &contacts, from).await?,
            None => std::collections::BTreeMap::new(),
        };
        let mut after = reader.contacts(&self.location_id, &contacts, to).await?;
        let exported = |contact_id: ContactId| ExportedContact {
            from: before.remove(&contact_id).unwrap_or_default(),
            to: after.remove(&contact_id).unwrap_or_default(),
            contact_id,
        };
        Ok(contacts.into_iter().map(exported).collect())
    }
}
