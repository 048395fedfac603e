//! Whether the workspace holds what GHL holds, object by object.
//!
//! Written from what GHL answers and what a person expects to read, without the code that maps one to the other: the two check each
//! other. It looks at what the bridge serves, not at what was recorded as delivered.

mod fields;
mod model;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use model::text_of;
pub use model::{Difference, Names, Object, Truth};

/// What a new contact starts, by the rules that are compiled in.
const STARTED: [(&str, usize); 3] = [("project", 1), ("task", 3), ("note", 1)];

/// Finds every difference; none when the workspace is in sync. A contact that GHL added after `connected_at` must have started its
/// onboarding exactly once, any other contact not at all.
#[must_use]
pub fn differences(truth: &Truth, workspace: &[Object], connected_at: Timestamp) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut held: BTreeMap<&str, &Object> = BTreeMap::new();
    for object in workspace {
        if held.insert(&object.key, object).is_some() {
            found.push(difference(&object.key, "is there twice"));
        }
    }
    let kinds = [("contact", &truth.contacts), ("task", &truth.tasks), ("note", &truth.notes), ("appointment", &truth.appointments)];
    let mut expected = BTreeSet::new();
    for (kind, record) in kinds.into_iter().flat_map(|(kind, records)| records.iter().map(move |record| (kind, record))) {
        let key = format!("ghl:{kind}/{}", text_of(record, "id").unwrap_or_default());
        check(truth, kind, record, held.get(key.as_str()).copied(), &key, &mut found);
        expected.insert(key);
    }
    for object in workspace.iter().filter(|object| object.key.starts_with("ghl:") && !expected.contains(&object.key)) {
        found.push(difference(&object.key, "is in the workspace, not in GHL"));
    }
    started(truth, workspace, connected_at, &mut found);
    found
}

fn check(truth: &Truth, kind: &str, record: &Value, object: Option<&Object>, key: &str, found: &mut Vec<Difference>) {
    let Some(object) = object else {
        found.push(difference(key, "is in GHL, not in the workspace"));
        return;
    };
    let contact = text_of(record, if kind == "contact" { "id" } else { "contactId" }).unwrap_or_default();
    if object.kind != kind || object.contact != format!("ghl:contact/{contact}") {
        found.push(difference(key, &format!("is a {} of {}, should be a {kind} of {contact}", object.kind, object.contact)));
    }
    let fields = match kind {
        "contact" => fields::contact(truth, record, &object.content),
        "task" => fields::task(truth, record, &object.content),
        "note" => fields::note(truth, record, &object.content),
        _ => fields::appointment(truth, record, &object.content),
    };
    found.extend(fields.into_iter().map(|problem| difference(key, &problem)));
}

fn started(truth: &Truth, workspace: &[Object], connected_at: Timestamp, found: &mut Vec<Difference>) {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for object in workspace.iter().filter(|object| object.key.starts_with("rule:onboarding/")) {
        *counts.entry((object.contact.as_str(), object.kind.as_str())).or_default() += 1;
    }
    for contact in &truth.contacts {
        let key = format!("ghl:contact/{}", text_of(contact, "id").unwrap_or_default());
        let added = text_of(contact, "dateAdded").and_then(|at| at.parse::<Timestamp>().ok());
        let is_new = added.is_some_and(|at| at > connected_at);
        for (kind, count) in STARTED {
            let (count, is) = (if is_new { count } else { 0 }, counts.get(&(key.as_str(), kind)).copied().unwrap_or(0));
            if is != count {
                found.push(difference(&key, &format!("started {is} {kind}s of its onboarding, should have {count}")));
            }
        }
    }
}

fn difference(key: &str, problem: &str) -> Difference {
    Difference { key: key.to_owned(), problem: problem.to_owned() }
}

#[cfg(test)]
mod tests;
