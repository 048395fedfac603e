//! Whether a workspace holds what the log says: by digest, then contact by contact, then object by object and field by field.

mod differing;
mod expected;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::{ContactId, Hash, LocationId, ObjectKey, Rules, Whole, Workspace};
use eventlog::EventLog;
use futures::TryStreamExt as _;
use pagico::{Bridge, ContactDigest};
use proto::replay::v1 as api;
use proto::replay::v1::verify_replay_response::Part;
use tokio::sync::mpsc;
use tonic::Status;

use crate::config::VerifySettings;
use crate::status::{status_of_bridge, status_of_log, unknown_location};
use differing::differences;
use expected::expected;

/// What is compared with what.
#[derive(Clone)]
pub(crate) struct Verify {
    pub(crate) log: EventLog,
    pub(crate) bridge: Bridge,
    pub(crate) location_id: LocationId,
    pub(crate) workspace: Workspace,
    /// The rules of the workspace.
    pub(crate) rules: Rules,
    /// This contact only.
    pub(crate) contact_id: Option<ContactId>,
    /// How many differing contacts are looked into, object by object.
    pub(crate) contacts_max: u32,
    pub(crate) settings: VerifySettings,
}

type Sender = mpsc::Sender<Result<api::VerifyReplayResponse, Status>>;

/// How long to wait before a contact is looked at again whose change may only be on its way.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Why a comparison ends early.
#[derive(Debug)]
enum End {
    Failed(Status),
    /// Nobody listens any more.
    Alone,
}

impl From<eventlog::Error> for End {
    fn from(error: eventlog::Error) -> Self {
        Self::Failed(status_of_log(error))
    }
}

impl From<pagico::Error> for End {
    fn from(error: pagico::Error) -> Self {
        Self::Failed(status_of_bridge(&error))
    }
}

impl Verify {
    /// Sends how far it is, what differs, and last the result.
    pub(crate) async fn run(self, to: Sender) -> Result<(), Status> {
        match self.compare(&to).await {
            Ok(()) | Err(End::Alone) => Ok(()),
            Err(End::Failed(status)) => Err(status),
        }
    }

    async fn compare(&self, to: &Sender) -> Result<(), End> {
        let head = self.head().await?;
        let log = expected(self, head, to).await?;
        let log_root = root(&log.contacts);
        let result = api::VerifyResult {
            workspace: self.workspace.to_string(),
            head_seq: head,
            contacts: u64::try_from(log.contacts.len()).unwrap_or(u64::MAX),
            objects: log.contacts.values().map(|digest| digest.objects).sum(),
            log_root: hex::encode(log_root),
            workspace_root: hex::encode(log_root),
            equal: true,
            contacts_differing: 0,
            unreadable: log.unreadable,
        };
        if self.contact_id.is_none() && self.root().await? == log_root {
            return tell(to, Part::Result(result)).await;
        }
        let held = self.held().await?;
        let mut differing = 0;
        for contact in unlike(&log.contacts, &held) {
            let looked_into = differing < u64::from(self.contacts_max);
            let found = differences(self, contact, log.is_recent(contact), looked_into).await?;
            differing += u64::from(!found.is_empty());
            for difference in found.into_iter().filter(|_| looked_into) {
                tell(to, Part::Difference(difference)).await?;
            }
        }
        // Where nothing differs, what was only on its way has arrived.
        let workspace_root = hex::encode(root(&held));
        tell(to, Part::Result(api::VerifyResult { equal: differing == 0, contacts_differing: differing, workspace_root, ..result })).await
    }

    async fn head(&self) -> Result<u64, End> {
        let locations = self.log.locations().await?;
        let found = locations.into_iter().find(|location| location.location_id == self.location_id);
        found.map(|location| location.head).ok_or_else(|| End::Failed(unknown_location()))
    }

    /// The root of the workspace; of one that is not there, that of nothing.
    async fn root(&self) -> Result<Hash, End> {
        match self.bridge.root(&self.workspace).await {
            Err(pagico::Error::WorkspaceUnknown) => Ok(Whole::default().digest()),
            root => Ok(root?.root),
        }
    }

    /// The digests of what the workspace holds, by contact.
    async fn held(&self) -> Result<BTreeMap<ObjectKey, ContactDigest>, End> {
        let mut held = BTreeMap::new();
        if let Some(contact_id) = &self.contact_id {
            let contact = ObjectKey::of_contact(contact_id);
            let digest = self.contact_digest(&contact).await?;
            held.extend((digest.objects > 0).then_some((contact, digest)));
            return Ok(held);
        }
        let mut digests = Box::pin(self.bridge.digests(&self.workspace));
        loop {
            match digests.try_next().await {
                Ok(Some(of)) => drop(held.insert(of.contact, of.digest)),
                // A workspace that is not there holds nothing.
                Ok(None) | Err(pagico::Error::WorkspaceUnknown) => return Ok(held),
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn contact_digest(&self, contact: &ObjectKey) -> Result<ContactDigest, End> {
        match self.bridge.contact_digest(&self.workspace, contact).await {
            Err(pagico::Error::WorkspaceUnknown) => Ok(ContactDigest { digest: Whole::default().digest(), objects: 0 }),
            digest => Ok(digest?),
        }
    }
}

/// The digest of a whole workspace from those of its contacts.
fn root(contacts: &BTreeMap<ObjectKey, ContactDigest>) -> Hash {
    let mut root = Whole::default();
    contacts.values().for_each(|contact| root.add(&contact.digest));
    root.digest()
}

/// The contacts whose digests are not the same on both sides.
fn unlike<'a>(log: &'a BTreeMap<ObjectKey, ContactDigest>, held: &'a BTreeMap<ObjectKey, ContactDigest>) -> BTreeSet<&'a ObjectKey> {
    let differs = |contact: &&ObjectKey| log.get(*contact) != held.get(*contact);
    log.keys().chain(held.keys()).filter(differs).collect()
}

async fn tell(to: &Sender, part: Part) -> Result<(), End> {
    to.send(Ok(api::VerifyReplayResponse { part: Some(part) })).await.map_err(|_| End::Alone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests(of: &[(&str, u8)]) -> BTreeMap<ObjectKey, ContactDigest> {
        of.iter().map(|(key, digest)| (ObjectKey::from((*key).to_owned()), ContactDigest { digest: [*digest; 32], objects: 1 })).collect()
    }

    #[test]
    fn what_is_missing_extra_or_other_on_either_side_is_unlike() {
        let (log, held) = (digests(&[("a", 1), ("b", 1), ("c", 1)]), digests(&[("b", 1), ("c", 2), ("d", 1)]));
        assert_eq!(unlike(&log, &held).into_iter().map(ObjectKey::as_str).collect::<Vec<_>>(), ["a", "c", "d"]);
        assert!(unlike(&log, &log).is_empty());
        assert_ne!(root(&log), root(&held));
    }
}
