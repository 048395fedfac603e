//! Workspaces as a whole.

use domain::{Hash, Workspace};
use reqwest::Method;
use serde::Deserialize;

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

impl Bridge {
    /// Creates a workspace, unless it is there.
    ///
    /// # Errors
    /// `Refused` when it cannot be called so.
    pub async fn create(&self, workspace: &Workspace) -> Result<()> {
        let url = self.address(&["workspaces", workspace.as_str()])?;
        self.ask(Method::PUT, url, Some(b"{}".to_vec())).await.map(drop)
    }

    /// # Errors
    /// `WorkspaceUnknown` when it is not there.
    pub async fn head(&self, workspace: &Workspace) -> Result<Head> {
        self.get(self.address(&["workspaces", workspace.as_str()])?).await
    }
}
