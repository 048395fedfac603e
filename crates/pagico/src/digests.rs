//! Digests of what a workspace holds.

use domain::{Hash, ObjectKey, Workspace};
use futures::Stream;
use serde::{Deserialize, Deserializer};

use crate::pages::all_pages;
use crate::{Bridge, Result};

/// All mirrored objects of a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Root {
    #[serde(deserialize_with = "hash")]
    pub root: Hash,
    /// Contacts with at least one mirrored object.
    pub contacts: u64,
    pub objects: u64,
}

/// The mirrored objects of one contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct ContactDigest {
    #[serde(deserialize_with = "hash")]
    pub digest: Hash,
    pub objects: u64,
}

/// The digest of one contact, with its key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct DigestOf {
    pub contact: ObjectKey,
    #[serde(flatten)]
    pub digest: ContactDigest,
}

impl Bridge {
    /// The digests of all contacts that have mirrored objects, in the order of their keys (as bytes), a page at a time. Objects
    /// that are written meanwhile may be missed.
    pub fn digests(&self, workspace: &Workspace) -> impl Stream<Item = Result<DigestOf>> + Send + use<> {
        let (bridge, workspace) = (self.clone(), workspace.clone());
        all_pages(move |cursor| {
            let (bridge, workspace) = (bridge.clone(), workspace.clone());
            async move {
                let mut url = bridge.address(&["workspaces", workspace.as_str(), "digests"])?;
                bridge.add_page(&mut url, cursor.as_ref());
                bridge.get(url).await
            }
        })
    }

    /// # Errors
    /// `WorkspaceUnknown` when it is not there.
    pub async fn root(&self, workspace: &Workspace) -> Result<Root> {
        self.get(self.address(&["workspaces", workspace.as_str(), "digest"])?).await
    }

    /// For a contact without mirrored objects, or one that never existed, the digest of nothing.
    ///
    /// # Errors
    /// `WorkspaceUnknown` when the workspace is not there.
    pub async fn contact_digest(&self, workspace: &Workspace, contact: &ObjectKey) -> Result<ContactDigest> {
        self.get(self.address(&["workspaces", workspace.as_str(), "contacts", contact.as_str(), "digest"])?).await
    }
}

/// 64 hexadecimal digits.
pub(crate) fn hash<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
    let mut hash = Hash::default();
    hex::decode_to_slice(String::deserialize(deserializer)?, &mut hash).map_err(serde::de::Error::custom)?;
    Ok(hash)
}
