//! One contact whose digests differ: object by object, and field by field.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use domain::{Action, ContactId, Intent, ObjectKey, Policy, Revision};
use futures::TryStreamExt as _;
use jiff::Timestamp;
use pagico::Object;
use proto::replay::v1 as api;
use serde_json::Value;

use super::comparison::{Comparison, Ended, RETRY_AFTER};
use super::expected::{digest, events_of, intents_of};

/// What is said of an object that holds what another version of the mapping made of it.
pub(super) const OUTDATED: &str = "outdated";

/// The differences of a contact; none when both sides are equal by now. A change that may only be on its way is waited for while it is
/// younger than the patience. Without `in_detail` the answer only says that something differs.
pub(super) async fn differences(
    comparison: &Comparison,
    contact: &ObjectKey,
    recent: bool,
    in_detail: bool,
) -> Result<Vec<api::Difference>, Ended> {
    let Some(contact_id) = contact.as_str().strip_prefix("ghl:contact/").and_then(|id| ContactId::new(id).ok()) else {
        // The object names somebody who cannot be a contact of GHL.
        return Ok(held_objects(comparison, contact).await?.into_values().map(|object| extra(contact.as_str(), &object)).collect());
    };
    let outdated = outdated(comparison, &contact_id).await?;
    if !recent && !in_detail {
        let problem = if outdated.is_empty() { "differs" } else { OUTDATED };
        return Ok(vec![api::Difference { contact_id: contact_id.to_string(), problem: problem.to_owned(), ..api::Difference::default() }]);
    }
    let deadline = Instant::now() + comparison.settings.patience * 2;
    loop {
        let events = events_of(comparison, &contact_id, u64::MAX - 1).await?;
        let youngest = events.youngest()?;
        let shared = comparison.known.shared_records(&comparison.location_id, u64::MAX - 1).await?;
        let wanted = intents_of(comparison, &shared, events).await?.intents;
        if comparison.contact_digest(contact).await? == digest(&wanted)? {
            return Ok(Vec::new());
        }
        if Timestamp::now().duration_since(youngest).unsigned_abs() >= comparison.settings.patience || Instant::now() >= deadline {
            let found = objects(&contact_id, &wanted, &outdated, held_objects(comparison, contact).await?);
            // None: the change was written between the two reads.
            if !found.is_empty() || Instant::now() >= deadline {
                return Ok(found);
            }
        }
        tokio::time::sleep(RETRY_AFTER).await;
    }
}

/// The mirrored objects that the workspace holds of a contact.
async fn held_objects(comparison: &Comparison, contact: &ObjectKey) -> Result<BTreeMap<ObjectKey, Object>, Ended> {
    match comparison.bridge.objects(&comparison.workspace, Some(contact)).try_collect::<Vec<Object>>().await {
        Err(pagico::Error::WorkspaceUnknown) => Ok(BTreeMap::new()),
        Ok(objects) => {
            let mirrored = objects.into_iter().filter(|object| object.policy == Policy::Mirror);
            Ok(mirrored.map(|object| (object.key.clone(), object)).collect())
        }
        Err(error) => Err(error.into()),
    }
}

/// The contact's objects that another version of the mapping has written, and the revisions that they have. What it made of them is not known
/// to this program.
async fn outdated(comparison: &Comparison, contact_id: &ContactId) -> Result<BTreeMap<ObjectKey, Revision>, Ended> {
    let held = comparison.ledger.held(&comparison.location_id, &comparison.workspace, &[contact_id.as_str()]).await?;
    let rules = comparison.rules.revision();
    let of_other = held.into_values().flatten().filter(|(_, held)| held.rules.is_of_other_mapping(rules));
    Ok(of_other.map(|(object, held)| (object, held.applied.revision)).collect())
}

fn objects(
    contact_id: &ContactId,
    wanted: &BTreeMap<ObjectKey, Intent>,
    outdated: &BTreeMap<ObjectKey, Revision>,
    mut held: BTreeMap<ObjectKey, Object>,
) -> Vec<api::Difference> {
    let mut found = Vec::new();
    for intent in wanted.values().filter(|intent| intent.policy == Policy::Mirror) {
        let object = held.remove(&intent.object);
        let content = match &intent.action {
            Action::Put(content) => content.to_json().ok(),
            Action::Remove => None,
        };
        let problem = match (&content, &object) {
            (Some(_), None) => "missing",
            (None, Some(_)) => "extra",
            (Some(content), Some(object))
                if *content != object.content && intent.kind == object.kind && outdated.get(&intent.object) == Some(&intent.revision) =>
            {
                OUTDATED
            }
            (Some(content), Some(object)) if *content != object.content || intent.kind != object.kind => "differs",
            (Some(_), Some(_)) | (None, None) => continue,
        };
        found.push(api::Difference {
            contact_id: contact_id.to_string(),
            object: intent.object.to_string(),
            kind: intent.kind.to_string(),
            problem: problem.to_owned(),
            changes: changes(object.as_ref().map(|object| &object.content), content.as_ref()),
            cause_seq: intent.revision.seq,
        });
    }
    found.extend(held.into_values().map(|object| extra(contact_id.as_str(), &object)));
    found
}

/// An object that the log does not know.
fn extra(contact_id: &str, object: &Object) -> api::Difference {
    api::Difference {
        contact_id: contact_id.to_owned(),
        object: object.key.to_string(),
        kind: object.kind.to_string(),
        problem: "extra".to_owned(),
        changes: changes(Some(&object.content), None),
        cause_seq: 0,
    }
}

/// The fields that differ: before as in the workspace, after as in the log.
fn changes(has: Option<&Value>, says: Option<&Value>) -> Vec<api::FieldChange> {
    let fields = |content: Option<&Value>| content.and_then(Value::as_object).cloned().unwrap_or_default();
    let (has, says) = (fields(has), fields(says));
    let names: BTreeSet<&String> = has.keys().chain(says.keys()).collect();
    let differing = names.into_iter().filter(|name| has.get(*name) != says.get(*name));
    let json = |value: Option<&Value>| value.map(Value::to_string).unwrap_or_default();
    let change =
        |name: &String| api::FieldChange { field: name.clone(), before_json: json(has.get(name)), after_json: json(says.get(name)) };
    differing.map(change).collect()
}
