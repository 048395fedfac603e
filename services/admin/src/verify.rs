//! Whether a workspace holds what the log says: by digest, then contact by contact, then object by object and field by field.

mod comparison;
mod differing;
mod expected;

use std::collections::{BTreeMap, BTreeSet};

use domain::{CombinedDigest, Hash, ObjectKey};
use futures::TryStreamExt as _;
use pagico::ContactDigest;
use proto::replay::v1 as api;
use proto::replay::v1::verify_replay_response::Part;
use tonic::Status;

pub(crate) use self::comparison::Comparison;
use self::comparison::{Ended, Sender, send};
use self::differing::{OUTDATED, differences};
use self::expected::expected;
use crate::status::unknown_location;

/// Sends how far it is, what differs, and last the result.
pub(crate) async fn run(comparison: Comparison, to: Sender) -> Result<(), Status> {
    match compare(&comparison, &to).await {
        Ok(()) | Err(Ended::CallerGone) => Ok(()),
        Err(Ended::Failed(status)) => Err(status),
    }
}

async fn compare(comparison: &Comparison, to: &Sender) -> Result<(), Ended> {
    let head = head(comparison).await?;
    let log = expected(comparison, head, to).await?;
    let log_root = root(&log.contacts);
    let result = api::VerifyResult {
        workspace: comparison.workspace.to_string(),
        head_seq: head,
        contacts: u64::try_from(log.contacts.len()).unwrap_or(u64::MAX),
        objects: log.contacts.values().map(|digest| digest.objects).sum(),
        log_root: hex::encode(log_root),
        workspace_root: hex::encode(log_root),
        equal: true,
        contacts_differing: 0,
        contacts_outdated: 0,
        unreadable: log.unreadable,
    };
    if comparison.contact_id.is_none() && workspace_root(comparison).await? == log_root {
        return send(to, Part::Result(result)).await;
    }
    let held = workspace_digests(comparison).await?;
    let (mut differing, mut outdated) = (0, 0);
    for contact in differing_contacts(&log.contacts, &held) {
        let in_detail = differing + outdated < u64::from(comparison.contacts_max);
        let found = differences(comparison, contact, log.is_recent(contact), in_detail).await?;
        let is_outdated = found.iter().all(|difference| difference.problem == OUTDATED);
        let count = if is_outdated { &mut outdated } else { &mut differing };
        *count += u64::from(!found.is_empty());
        for difference in found.into_iter().filter(|_| in_detail) {
            send(to, Part::Difference(difference)).await?;
        }
    }
    // Where nothing differs, what was only on its way has arrived.
    let workspace_root = hex::encode(root(&held));
    let equal = differing + outdated == 0;
    let result = api::VerifyResult { equal, contacts_differing: differing, contacts_outdated: outdated, workspace_root, ..result };
    send(to, Part::Result(result)).await
}

async fn head(comparison: &Comparison) -> Result<u64, Ended> {
    let locations = comparison.locations.list().await?;
    let found = locations.into_iter().find(|location| location.location_id == comparison.location_id);
    found.map(|location| location.head).ok_or_else(|| Ended::Failed(unknown_location()))
}

/// The root of the workspace; of one that is not there, that of nothing.
async fn workspace_root(comparison: &Comparison) -> Result<Hash, Ended> {
    match comparison.bridge.root(&comparison.workspace).await {
        Err(pagico::Error::WorkspaceUnknown) => Ok(CombinedDigest::default().digest()),
        root => Ok(root?.root),
    }
}

/// The digests of what the workspace holds, by contact.
async fn workspace_digests(comparison: &Comparison) -> Result<BTreeMap<ObjectKey, ContactDigest>, Ended> {
    let mut held = BTreeMap::new();
    if let Some(contact_id) = &comparison.contact_id {
        let contact = ObjectKey::of_contact(contact_id);
        let digest = comparison.contact_digest(&contact).await?;
        held.extend((digest.objects > 0).then_some((contact, digest)));
        return Ok(held);
    }
    let mut digests = Box::pin(comparison.bridge.digests(&comparison.workspace));
    loop {
        match digests.try_next().await {
            Ok(Some(of)) => drop(held.insert(of.contact, of.digest)),
            // A workspace that is not there holds nothing.
            Ok(None) | Err(pagico::Error::WorkspaceUnknown) => return Ok(held),
            Err(error) => return Err(error.into()),
        }
    }
}

/// The digest of a whole workspace from those of its contacts.
fn root(contacts: &BTreeMap<ObjectKey, ContactDigest>) -> Hash {
    let mut root = CombinedDigest::default();
    contacts.values().for_each(|contact| root.add(&contact.digest));
    root.digest()
}

/// The contacts whose digests are not the same on both sides.
fn differing_contacts<'a>(
    log: &'a BTreeMap<ObjectKey, ContactDigest>,
    held: &'a BTreeMap<ObjectKey, ContactDigest>,
) -> BTreeSet<&'a ObjectKey> {
    let differs = |contact: &&ObjectKey| log.get(*contact) != held.get(*contact);
    log.keys().chain(held.keys()).filter(differs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests(of: &[(&str, u8)]) -> BTreeMap<ObjectKey, ContactDigest> {
        of.iter().map(|(key, digest)| (ObjectKey::from((*key).to_owned()), ContactDigest { digest: [*digest; 32], objects: 1 })).collect()
    }

    #[test]
    fn what_is_missing_extra_or_other_on_either_side_differs() {
        let (log, held) = (digests(&[("a", 1), ("b", 1), ("c", 1)]), digests(&[("b", 1), ("c", 2), ("d", 1)]));
        assert_eq!(differing_contacts(&log, &held).into_iter().map(ObjectKey::as_str).collect::<Vec<_>>(), ["a", "c", "d"]);
        assert!(differing_contacts(&log, &log).is_empty());
        assert_ne!(root(&log), root(&held));
    }
}
