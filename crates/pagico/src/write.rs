//! Writing: many objects in one request.

use domain::{Action, Intent, ObjectKey, Revision, UntaggedContent, Workspace};
use reqwest::Method;
use serde::{Deserialize, Serialize};

use crate::{Bridge, Error, ErrorBody, Result};

/// The answer to one item.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Answer {
    #[serde(default)]
    pub key: Option<String>,
    pub status: u16,
    pub outcome: String,
    #[serde(default)]
    pub error: Option<ErrorBody>,
}

#[derive(Deserialize)]
struct Results {
    results: Vec<Answer>,
}

impl Bridge {
    /// Writes a batch of what [`item`] made: one answer for each item, in their order. Writing the same again is harmless.
    ///
    /// # Errors
    /// `WorkspaceUnknown` when it was never created; `Refused` when the request as a whole is refused.
    pub async fn write(&self, workspace: &Workspace, items: &[&[u8]]) -> Result<Vec<Answer>> {
        let url = self.address(&["workspaces", workspace.as_str(), "batch"])?;
        let (status, body) = self.ask(Method::POST, url, Some(body(items))).await?;
        let Results { results } = serde_json::from_slice(&body).map_err(|_| Error::UnexpectedAnswer { status })?;
        if results.len() == items.len() { Ok(results) } else { Err(Error::UnexpectedAnswer { status }) }
    }
}

fn body(items: &[&[u8]]) -> Vec<u8> {
    [b"{\"items\":[".as_slice(), &items.join(b",".as_slice()), b"]}"].concat()
}

/// One item of a batch, as JSON.
///
/// # Errors
/// None of these types can fail to serialise; the error is passed on rather than hidden.
pub fn item(intent: &Intent, traceparent: Option<&str>) -> Result<Vec<u8>, serde_json::Error> {
    let (op, policy, content) = match &intent.action {
        Action::Put(content) => ("put", Some(intent.policy), Some(UntaggedContent(content))),
        Action::Remove => ("remove", None, None),
    };
    serde_json::to_vec(&Item {
        op,
        kind: intent.kind.as_str(),
        key: &intent.object,
        contact: ObjectKey::of_contact(&intent.contact_id),
        revision: intent.revision,
        policy,
        content,
        idempotency_key: format!("{}/{}", intent.event_id, intent.object),
        traceparent,
    })
}

#[derive(Serialize)]
struct Item<'a> {
    op: &'static str,
    kind: &'static str,
    key: &'a ObjectKey,
    contact: ObjectKey,
    revision: Revision,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<domain::Policy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<UntaggedContent<'a>>,
    idempotency_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a str>,
}

#[cfg(test)]
mod tests;
