//! Workspaces as a whole.

use std::collections::BTreeSet;

use domain::{Hash, ObjectKey, Revision, Workspace};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use crate::digests::hash;
use crate::{Bridge, Result};

/// The head of a workspace.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Head {
    /// How many objects there are, of any policy.
    pub objects: u64,
    /// The head of its feed: it moves with every change.
    pub position: u64,
    /// The digest of all mirrored objects.
    #[serde(deserialize_with = "hash")]
    pub root: Hash,
}

/// The stored revision of an object, or of its tombstone.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct StoredRevision {
    pub key: ObjectKey,
    pub revision: Revision,
}

/// How far the removal of a workspace is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    Gone,
    /// It is no longer visible; the bridge is still removing its rows.
    Going,
}

#[derive(Deserialize)]
struct Retired {
    gone: bool,
}

#[derive(Deserialize)]
struct Erased {
    objects: u64,
}

#[derive(Deserialize)]
struct Outdated {
    outdated: u64,
    newer: Vec<StoredRevision>,
}

impl Bridge {
    /// Creates a workspace, unless it exists.
    ///
    /// # Errors
    /// `Refused` when the name is not valid; `Unavailable` while a workspace of that name is still being removed.
    pub async fn create(&self, workspace: &Workspace) -> Result<()> {
        let url = self.address(&["workspaces", workspace.as_str()])?;
        self.ask(Method::PUT, url, Some(b"{}".to_vec())).await.map(drop)
    }

    /// # Errors
    /// `WorkspaceUnknown` when it is not there.
    pub async fn head(&self, workspace: &Workspace) -> Result<Head> {
        self.get(self.address(&["workspaces", workspace.as_str()])?).await
    }

    /// Removes a workspace with everything in it. It disappears at once; asking again says whether its rows are gone too.
    ///
    /// # Errors
    /// `WorkspaceUnknown` when it is not there (any more); `Aliased` while an alias points at it.
    pub async fn retire(&self, workspace: &Workspace) -> Result<Leaving> {
        let url = self.address(&["workspaces", workspace.as_str()])?;
        let Retired { gone } = self.send(Method::DELETE, url, None).await?;
        Ok(if gone { Leaving::Gone } else { Leaving::Going })
    }

    /// Erases what is about a contact, and from then on refuses what is about it and not newer than the revision; gives how many
    /// objects there were. Repeating it is harmless.
    ///
    /// # Errors
    /// `WorkspaceUnknown` when the workspace is not there.
    pub async fn erase(&self, workspace: &Workspace, contact: &ObjectKey, revision: Revision) -> Result<u64> {
        let url = self.address(&["workspaces", workspace.as_str(), "contacts", contact.as_str(), "erase"])?;
        let Erased { objects } = self.send(Method::POST, url, Some(json!({ "revision": revision }))).await?;
        Ok(objects)
    }

    /// Those of these objects, or tombstones, whose stored revision is newer than the one given with their key. At most `items_max` at
    /// once.
    ///
    /// # Errors
    /// `WorkspaceUnknown` when the workspace is not there.
    pub async fn newer(&self, workspace: &Workspace, items: &[(&ObjectKey, Revision)]) -> Result<Vec<StoredRevision>> {
        let items = items.iter().map(|(key, revision)| json!({"key": key, "revision": revision})).collect();
        Ok(self.compare_revisions(workspace, items).await?.newer)
    }

    /// Makes objects older than any write, so that the next one replaces them: each is given with a revision and with the newer one that
    /// is stored. What was written since is left alone. Otherwise an object that somebody else wrote or removed with a revision that the
    /// log never gave would stay for ever. Gives how many; at most `items_max` at once.
    ///
    /// # Errors
    /// `WorkspaceUnknown` when the workspace is not there.
    pub async fn outdate(&self, workspace: &Workspace, items: &[(&ObjectKey, Revision, Revision)]) -> Result<u64> {
        let item = |(key, revision, stored): &(_, _, _)| json!({"key": key, "revision": revision, "stored": stored});
        Ok(self.compare_revisions(workspace, items.iter().map(item).collect()).await?.outdated)
    }

    /// Those of these objects that the workspace has or once had: an object that is missing now was removed, and not lost.
    ///
    /// # Errors
    /// `WorkspaceUnknown` when the workspace is not there.
    pub async fn remembered(&self, workspace: &Workspace, keys: &[&ObjectKey]) -> Result<BTreeSet<ObjectKey>> {
        let mut remembered = BTreeSet::new();
        for some in keys.chunks(self.settings().items_max.get()) {
            // Every stored revision is newer than 0.0.
            let items: Vec<(&ObjectKey, Revision)> = some.iter().map(|key| (*key, Revision { epoch: 0, seq: 0 })).collect();
            remembered.extend(self.newer(workspace, &items).await?.into_iter().map(|stored| stored.key));
        }
        Ok(remembered)
    }

    async fn compare_revisions(&self, workspace: &Workspace, items: Vec<serde_json::Value>) -> Result<Outdated> {
        let url = self.address(&["workspaces", workspace.as_str(), "outdate"])?;
        self.send(Method::POST, url, Some(json!({ "items": items }))).await
    }
}
