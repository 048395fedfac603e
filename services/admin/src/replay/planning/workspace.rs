//! What the workspace itself holds, where a plan is made against it.

use std::collections::BTreeMap;
use std::pin::Pin;

use domain::replay::{Planned, Present};
use domain::{ContactId, ObjectKey, ObjectKind, RecordKind, Workspace};
use futures::stream::{Peekable, Stream, StreamExt};
use pagico::{Bridge, Object};

use super::request::{ContactPlan, Error, Request};

/// The objects of a workspace, in the order of the contacts.
pub(super) struct Objects(Peekable<Pin<Box<dyn Stream<Item = pagico::Result<Object>> + Send>>>);

impl Objects {
    /// None where the plan is made against the ledger alone.
    pub(super) fn of(request: &Request) -> Option<Self> {
        let bridge = request.bridge.as_ref()?;
        let contact = request.contact_id.as_ref().map(ObjectKey::of_contact);
        let objects: Pin<Box<dyn Stream<Item = _> + Send>> = Box::pin(bridge.objects(&request.workspace, contact.as_ref()));
        Some(Self(objects.peekable()))
    }

    /// What the workspace holds of the next contact. Objects of contacts that the log does not know are passed over.
    pub(super) async fn next(&mut self, contact_id: &ContactId) -> Result<BTreeMap<ObjectKey, Present>, Error> {
        let wanted = ObjectKey::of_contact(contact_id);
        let mut present = BTreeMap::new();
        loop {
            let is_past = |next: &Object| next.contact.as_ref().is_some_and(|contact| *contact > wanted);
            match Pin::new(&mut self.0).peek().await {
                None => break,
                Some(Ok(next)) if is_past(next) => break,
                Some(_) => {}
            }
            match self.0.next().await {
                Some(Ok(object)) if object.contact.as_ref() == Some(&wanted) => {
                    present.insert(object.key, Present { revision: object.revision, content: object.content });
                }
                Some(Ok(_)) => {}
                // Nothing was ever written to it, or it was dropped.
                Some(Err(pagico::Error::WorkspaceUnknown)) | None => break,
                Some(Err(error)) => return Err(error.into()),
            }
        }
        Ok(present)
    }
}

/// One object, whosever it is.
pub(super) async fn object(bridge: &Bridge, workspace: &Workspace, kind: RecordKind, object: &ObjectKey) -> Result<Option<Present>, Error> {
    match bridge.object(workspace, ObjectKind::mirroring(kind), object).await {
        Ok(Some(there)) => Ok(Some(Present { revision: there.revision, content: there.content })),
        Ok(None) | Err(pagico::Error::WorkspaceUnknown) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What a rule started and is gone was removed by the user where the workspace remembers it, and is left so; else it was lost.
pub(super) async fn leave_removed_by_the_user(request: &Request, page: &mut [ContactPlan]) -> Result<(), Error> {
    let Some(bridge) = &request.bridge else { return Ok(()) };
    let mut starting: Vec<&mut Planned> = page.iter_mut().flat_map(|of| &mut of.planned).filter(|one| one.starts()).collect();
    let keys: Vec<&ObjectKey> = starting.iter().map(|one| &one.object).collect();
    let remembered = match bridge.remembered(&request.workspace, &keys).await {
        Err(pagico::Error::WorkspaceUnknown) => return Ok(()),
        remembered => remembered?,
    };
    starting.iter_mut().filter(|one| remembered.contains(&one.object)).for_each(|one| one.leave());
    Ok(())
}
