//! Aliases: names that stay the same while the workspace they point at changes.

use domain::Workspace;
use reqwest::Method;
use serde_json::json;

use crate::{Bridge, Result};

impl Bridge {
    /// Points an alias at a workspace, in one step for all who read by it. Pointing it there again does nothing.
    ///
    /// # Errors
    /// `WorkspaceUnknown` when the workspace is not there.
    pub async fn point_alias(&self, alias: &str, workspace: &Workspace) -> Result<()> {
        let url = self.address(&["aliases", alias])?;
        self.ask(Method::PUT, url, Some(json!({"workspace": workspace}).to_string().into_bytes())).await.map(drop)
    }

    /// Removes an alias, if it exists.
    ///
    /// # Errors
    /// `Refused` when the name is not a valid alias.
    pub async fn remove_alias(&self, alias: &str) -> Result<()> {
        self.ask(Method::DELETE, self.address(&["aliases", alias])?, None).await.map(drop)
    }
}
