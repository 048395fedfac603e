//! The workspaces that a location's events go to, each with its rules.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use bus::Message;
use chassis::Shutdown;
use domain::{LocationId, Rules, RulesRevision, Workspace};

use crate::context::Context;

/// A workspace that receives changes.
#[derive(Clone, Debug)]
pub(crate) struct Destination {
    pub(crate) workspace: Workspace,
    pub(crate) edition: u32,
    pub(crate) rules: Arc<Rules>,
}

/// The workspaces of each location of a batch.
#[derive(Debug)]
pub(crate) struct Destinations {
    configured: Arc<Rules>,
    known: BTreeMap<LocationId, Vec<Destination>>,
}

impl Destinations {
    pub(crate) fn new(configured: Arc<Rules>, known: BTreeMap<LocationId, Vec<Destination>>) -> Self {
        Self { configured, known }
    }

    /// A location that the log does not know has one workspace, which has its name.
    pub(crate) fn of(&self, location_id: &LocationId) -> Vec<Destination> {
        let only = || vec![Destination { workspace: Workspace::live_of(location_id), edition: 0, rules: Arc::clone(&self.configured) }];
        self.known.get(location_id).cloned().unwrap_or_else(only)
    }
}

/// Loads the workspaces of the locations of these messages, as long as it takes. `None` when it is time to stop first.
pub(crate) async fn load(context: &Context, messages: &[Message], stop: &Shutdown) -> Option<Destinations> {
    let mut locations: Vec<LocationId> = messages.iter().filter_map(Message::location_id).collect();
    locations.sort();
    locations.dedup();
    let known = context.ask("reading workspaces", stop, || try_load(context, &locations)).await?;
    Some(Destinations::new(Arc::clone(&context.rules), known))
}

async fn try_load(context: &Context, locations: &[LocationId]) -> anyhow::Result<BTreeMap<LocationId, Vec<Destination>>> {
    let mut known: BTreeMap<LocationId, Vec<Destination>> = BTreeMap::new();
    for generation in context.links.log.workspaces().receiving(locations).await? {
        let rules = match &generation.rules {
            None => Arc::clone(&context.rules),
            Some(revision) => own_rules(context, revision).await?,
        };
        let destination = Destination { workspace: generation.workspace, edition: generation.edition, rules };
        known.entry(generation.location_id).or_default().push(destination);
    }
    Ok(known)
}

async fn own_rules(context: &Context, revision: &RulesRevision) -> anyhow::Result<Arc<Rules>> {
    let kept = || context.known_rules.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(rules) = kept().get(revision) {
        return Ok(Arc::clone(rules));
    }
    let texts = context.links.log.workspaces().rules_texts().await?;
    let text = texts.into_iter().find_map(|(known, text)| (known == *revision).then_some(text));
    let text = text.ok_or_else(|| anyhow::anyhow!("rules {revision} are not in the log"))?;
    let rules = Arc::new(Rules::parse(&text)?);
    kept().insert(revision.clone(), Arc::clone(&rules));
    Ok(rules)
}
