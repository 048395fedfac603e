//! Reading objects with their content.

use domain::{Hash, ObjectKey, ObjectKind, Policy, Revision, Workspace};
use futures::{Stream, TryStreamExt, stream};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::digests::hash;
use crate::{Bridge, Error, Result};

/// An object as the workspace holds it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Object {
    pub key: ObjectKey,
    pub kind: ObjectKind,
    /// Whom it is about; a contact is about itself.
    pub contact: Option<ObjectKey>,
    pub revision: Revision,
    pub policy: Policy,
    /// As the bridge keeps it. Not `domain::Content`: what others wrote need not be content that we would write.
    pub content: Value,
    #[serde(deserialize_with = "hash")]
    pub digest: Hash,
}

/// Where a list goes on. Only the bridge knows what it means.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub(crate) String);

/// A part of a list. It may hold less than was asked for and not be the last.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Absent on the last page.
    #[serde(rename = "next_cursor")]
    pub next: Option<Cursor>,
}

impl Bridge {
    /// One object; none when nothing is there.
    ///
    /// # Errors
    /// `WorkspaceUnknown` when the workspace is not there.
    pub async fn object(&self, workspace: &Workspace, kind: ObjectKind, key: &ObjectKey) -> Result<Option<Object>> {
        let url = self.address(&["workspaces", workspace.as_str(), plural(kind), key.as_str()])?;
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
        self.part(&mut url, from);
        if let Some(contact) = contact {
            url.query_pairs_mut().append_pair("contact", contact.as_str());
        }
        self.get(url).await
    }

    /// Says which part of a list is wanted.
    pub(crate) fn part(&self, url: &mut Url, from: Option<&Cursor>) {
        url.query_pairs_mut().append_pair("limit", &self.settings().page_items.to_string());
        if let Some(Cursor(cursor)) = from {
            url.query_pairs_mut().append_pair("cursor", cursor);
        }
    }

    /// Every object that [`Bridge::page`] lists, a page at a time: memory holds one page. What is written meanwhile may be missed.
    pub fn objects(&self, workspace: &Workspace, contact: Option<&ObjectKey>) -> impl Stream<Item = Result<Object>> + Send + use<> {
        let (bridge, workspace, contact) = (self.clone(), workspace.clone(), contact.cloned());
        whole(move |cursor| {
            let (bridge, workspace, contact) = (bridge.clone(), workspace.clone(), contact.clone());
            async move { bridge.page(&workspace, contact.as_ref(), cursor.as_ref()).await }
        })
    }
}

/// A whole list, from its pages.
pub(crate) fn whole<T, F>(ask: impl FnMut(Option<Cursor>) -> F + Send) -> impl Stream<Item = Result<T>> + Send
where
    T: Send,
    F: Future<Output = Result<Page<T>>> + Send,
{
    let pages = stream::try_unfold((ask, Some(None)), async |(mut ask, place)| {
        let Some(cursor) = place else { return Ok(None) };
        let page = ask(cursor).await?;
        let items = stream::iter(page.items.into_iter().map(Ok));
        Ok(Some((items, (ask, page.next.map(Some)))))
    });
    pages.try_flatten()
}

/// As in paths.
fn plural(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Contact => "contacts",
        ObjectKind::Project => "projects",
        ObjectKind::Task => "tasks",
        ObjectKind::Note => "notes",
        ObjectKind::Appointment => "appointments",
    }
}
