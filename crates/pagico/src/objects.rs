//! Reading objects with their content.

use domain::{Hash, ObjectKey, ObjectKind, Policy, Revision, Workspace};
use futures::Stream;
use serde::Deserialize;
use serde_json::Value;

use crate::digests::hash;
use crate::pages::{Cursor, Page, all_pages};
use crate::{Bridge, Error, Result};

/// An object as the workspace holds it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Object {
    pub key: ObjectKey,
    pub kind: ObjectKind,
    /// The contact it is about; a contact is about itself.
    pub contact: Option<ObjectKey>,
    pub revision: Revision,
    pub policy: Policy,
    /// As the bridge keeps it. Not `domain::Content`: others may have written content that we would not write.
    pub content: Value,
    #[serde(deserialize_with = "hash")]
    pub digest: Hash,
}

impl Bridge {
    /// One object; none when it does not exist.
    ///
    /// # Errors
    /// `WorkspaceUnknown` when the workspace is not there.
    pub async fn object(&self, workspace: &Workspace, kind: ObjectKind, key: &ObjectKey) -> Result<Option<Object>> {
        let url = self.address(&["workspaces", workspace.as_str(), kind.plural(), key.as_str()])?;
        match self.get(url).await {
            Ok(object) => Ok(Some(object)),
            Err(Error::Refused { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A page of all objects, or of those of one contact, in the order of their contacts' keys and then of their own (as bytes).
    ///
    /// # Errors
    /// `WorkspaceUnknown` when the workspace is not there.
    pub async fn page(&self, workspace: &Workspace, contact: Option<&ObjectKey>, from: Option<&Cursor>) -> Result<Page<Object>> {
        let mut url = self.address(&["workspaces", workspace.as_str(), "objects"])?;
        self.add_page(&mut url, from);
        if let Some(contact) = contact {
            url.query_pairs_mut().append_pair("contact", contact.as_str());
        }
        self.get(url).await
    }

    /// Every object that [`Bridge::page`] lists, a page at a time: memory holds one page. Objects written meanwhile may be missed.
    pub fn objects(&self, workspace: &Workspace, contact: Option<&ObjectKey>) -> impl Stream<Item = Result<Object>> + Send + use<> {
        let (bridge, workspace, contact) = (self.clone(), workspace.clone(), contact.cloned());
        all_pages(move |cursor| {
            let (bridge, workspace, contact) = (bridge.clone(), workspace.clone(), contact.clone());
            async move { bridge.page(&workspace, contact.as_ref(), cursor.as_ref()).await }
        })
    }
}
