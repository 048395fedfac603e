//! Compares the intents that decide, of a contact's events, with what a workspace holds.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::planned::{LedgerEntry, Planned, Present, Reason, Step};
use crate::gate::beats;
use crate::{Action, FieldChange, Intent, ObjectKey, Policy, Recorded, Rules, RulesRevision, Workspace, map};

/// What a plan is made for.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    pub workspace: &'a Workspace,
    /// The edition of the workspace's rules that the intents belong to.
    pub edition: u32,
    pub rules: &'a Rules,
    /// The known rules that made the current content of the workspace.
    pub earlier: &'a BTreeMap<RulesRevision, Rules>,
}

/// The intent that decides for each object of a contact, as on the live path: the newest for a mirrored object, the oldest start for an
/// object that is started once.
pub fn fold(intents: impl IntoIterator<Item = Intent>) -> BTreeMap<ObjectKey, Intent> {
    let mut deciding: BTreeMap<ObjectKey, Intent> = BTreeMap::new();
    for intent in intents {
        match deciding.get_mut(&intent.object) {
            Some(best) if beats(&intent, best) => *best = intent,
            Some(_) => {}
            None => drop(deciding.insert(intent.object.clone(), intent)),
        }
    }
    deciding
}

/// Plans one contact from its events, in the order of the log. `present` is what the workspace answered that it holds; none if it
/// was not asked. Objects in `settled` are left out.
pub fn plan(
    events: &[Recorded],
    held: &BTreeMap<ObjectKey, LedgerEntry>,
    present: Option<&BTreeMap<ObjectKey, Present>>,
    settled: &BTreeSet<ObjectKey>,
    target: Target<'_>,
) -> Vec<Planned> {
    let intents = events.iter().flat_map(|event| map(event, target.rules)).map(|intent| intent.bound_for(target.workspace, target.edition));
    let wanted = fold(intents.filter(|intent| !settled.contains(&intent.object)));
    let judged = wanted.into_values().map(|intent| {
        let held = held.get(&intent.object);
        let found = present.map(|present| present.get(&intent.object));
        let object = intent.object.clone();
        judge(intent, held, found, || content_before(events, held?, &object, target))
    });
    judged.collect()
}

/// The content of an object at the ledger's revision, by the rules that made it.
fn content_before(events: &[Recorded], held: &LedgerEntry, object: &ObjectKey, target: Target<'_>) -> Option<Value> {
    let at = events.binary_search_by_key(&held.applied.revision, Recorded::revision).ok()?;
    let rules = if held.rules == *target.rules.revision() { target.rules } else { target.earlier.get(&held.rules)? };
    let intent = map(events.get(at)?, rules).into_iter().find(|intent| intent.object == *object)?;
    content(&intent)
}

fn content(intent: &Intent) -> Option<Value> {
    match &intent.action {
        Action::Put(content) => content.to_json().ok(),
        Action::Remove => None,
    }
}

/// `found` is none where the workspace was not asked.
fn judge(wanted: Intent, held: Option<&LedgerEntry>, found: Option<Option<&Present>>, before: impl Fn() -> Option<Value>) -> Planned {
    let after = content(&wanted);
    let wrong = held.filter(|held| found.is_some_and(|found| contradicted(&wanted, after.as_ref(), held, found, &before)));
    let forget = wrong.map(|held| held.applied.revision);
    let held = held.filter(|_| forget.is_none());
    let there = found.flatten();
    // The answer of the workspace, if it was asked, overrides the ledger.
    let before = || found.map_or_else(&before, |there| there.map(|present| present.content.clone()));
    let (step, reason) = match (wanted.policy, &wanted.action, held) {
        (Policy::Once, Action::Put(_), None) => (Step::Put, Reason::Missing),
        (Policy::Once, Action::Put(_), Some(_)) => (Step::Skip, Reason::Started),
        (Policy::Once, Action::Remove, _) => (Step::Skip, Reason::Absent),
        (Policy::Mirror, _, Some(held)) if held.applied.policy == Policy::Once => (Step::Skip, Reason::Started),
        (Policy::Mirror, _, Some(held)) if held.applied.revision > wanted.revision => (Step::Skip, Reason::Newer),
        (Policy::Mirror, Action::Put(_), None) => (Step::Put, if there.is_some() { Reason::Drift } else { Reason::Missing }),
        (Policy::Mirror, Action::Put(_), Some(held)) if held.applied.revision < wanted.revision => (Step::Put, Reason::Behind),
        (Policy::Mirror, Action::Put(_), Some(held)) if held.rules != wanted.rules && before() != after => (Step::Put, Reason::Rules),
        (Policy::Mirror, Action::Put(_), Some(_)) => (Step::Skip, Reason::Equal),
        (Policy::Mirror, Action::Remove, None) if there.is_none() => (Step::Skip, Reason::Absent),
        (Policy::Mirror, Action::Remove, Some(held)) if held.removed => (Step::Skip, Reason::Absent),
        (Policy::Mirror, Action::Remove, _) => (Step::Remove, Reason::Vanished),
    };
    let changes = if step == Step::Skip { Vec::new() } else { changes(before(), after) };
    Planned {
        object: wanted.object.clone(),
        kind: wanted.kind,
        policy: wanted.policy,
        step,
        reason,
        cause: wanted.revision,
        changes,
        forget,
        intent: (step != Step::Skip).then_some(wanted),
    }
}

/// Whether the workspace contradicts the ledger. The user may have changed an object that belongs to the user. If such an object is
/// gone, only the workspace knows whether the user removed it or it was lost: see `Planned::leave`.
fn contradicted(
    wanted: &Intent,
    after: Option<&Value>,
    held: &LedgerEntry,
    found: Option<&Present>,
    before: impl Fn() -> Option<Value>,
) -> bool {
    let as_it_was_made = |present: &Present| {
        held.rules != wanted.rules
            && before().map_or_else(|| held.rules.is_of_other_mapping(&wanted.rules), |before| before == present.content)
    };
    match found {
        None => !held.removed,
        Some(_) if held.removed => true,
        Some(_) if held.applied.policy == Policy::Once => false,
        // A newer revision that is still on its way to the workspace is no drift, nor is what earlier rules made, or the mapping before: what
        // that one made is not known any more.
        Some(present) => held.applied.revision == wanted.revision && Some(&present.content) != after && !as_it_was_made(present),
    }
}

/// The fields in which two contents differ. An absent content has no fields.
fn changes(before: Option<Value>, after: Option<Value>) -> Vec<FieldChange> {
    let (mut before, after) = (fields(before), fields(after));
    let of_after = after.into_iter().map(|(field, after)| (before.remove(&field).unwrap_or_default(), after, field));
    let mut changes: Vec<FieldChange> = of_after.map(|(before, after, field)| FieldChange { field, before, after }).collect();
    changes.extend(before.into_iter().map(|(field, before)| FieldChange { field, before, after: Value::Null }));
    changes.retain(|change| change.before != change.after);
    changes.sort_by(|one, other| one.field.cmp(&other.field));
    changes
}

fn fields(content: Option<Value>) -> serde_json::Map<String, Value> {
    match content {
        Some(Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Applied, Body, Cause, Change, Contact, ContactId, LocationId, Names, Net, Record, RecordFact, RecordId, RecordKind, Revision,
        event_id,
    };
    use jiff::Timestamp;
    use serde_json::json;

    fn ann() -> Recorded {
        let location_id = LocationId::new("loc").unwrap();
        let contact = Contact { name: Some("Ann".to_owned()), ..Contact::default() };
        let record = Record::Contact(Box::new(contact));
        let fact = RecordFact { change: Change::Appeared, record, changes: Vec::new(), names: Names::default(), new_in_ghl: false };
        let body = Body::Record(Box::new(fact));
        Recorded {
            event_id: event_id(&location_id, 1, 7),
            location_id,
            epoch: 1,
            seq: 7,
            contact_id: ContactId::new("ann").ok(),
            record: RecordId::new("ann").ok().map(|id| (RecordKind::Contact, id)),
            occurred_at: Timestamp::UNIX_EPOCH,
            recorded_at: Timestamp::UNIX_EPOCH,
            cause: Cause::from(Net::Poll),
            traceparent: None,
            key_id: None,
            type_name: body.type_name(),
            body,
        }
    }

    /// What is planned by the mapping of now for an object that the mapping before has written.
    fn planned(content: Option<Value>) -> Planned {
        let (before, now) = (Rules::followed_by(Rules::BUILTIN, 6).unwrap(), Rules::followed_by(Rules::BUILTIN, 7).unwrap());
        let (workspace, earlier) = (Workspace::new("w").unwrap(), [(now.revision().clone(), now.clone())].into());
        let target = Target { workspace: &workspace, edition: 0, rules: &now, earlier: &earlier };
        let revision = Revision { epoch: 1, seq: 7 };
        let object = ObjectKey::of_contact(&ContactId::new("ann").unwrap());
        let applied = Applied { revision, edition: 0, policy: Policy::Mirror };
        let held = [(object.clone(), LedgerEntry { applied, rules: before.revision().clone(), removed: false })].into();
        let present = content.map(|content| [(object, Present { revision, content })].into());
        plan(&[ann()], &held, present.as_ref(), &BTreeSet::new(), target).remove(0)
    }

    #[test]
    fn what_the_mapping_before_has_written_is_written_again_as_after_other_rules() {
        assert_eq!((planned(None).step, planned(None).reason), (Step::Put, Reason::Rules), "what it wrote is not known");
        let as_before = planned(Some(json!({"name": "Ann", "phone": "by hand or by the mapping before"})));
        assert_eq!((as_before.step, as_before.reason, as_before.forget), (Step::Put, Reason::Rules, None));
        let as_now = planned(Some(json!({"name": "Ann"})));
        assert_eq!((as_now.step, as_now.reason), (Step::Skip, Reason::Equal), "it reads the same");
    }
}
