//! The history of a contact, newest first, and where each change went.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Body, ContactId, Delivery, DeliveryFact, LocationId, ObjectKey, Opened, Revision, Workspace};
use eventlog::{Answers, EventFilter, Keys, Result};
use proto::admin::v1 as api;

use crate::api::answers;
use crate::api::events::keep_fields;
use crate::config::Limits;

pub(crate) struct History<'a> {
    pub(crate) answers: &'a Answers,
    pub(crate) keys: &'a Keys,
    pub(crate) limits: &'a Limits,
    pub(crate) location_id: &'a LocationId,
    pub(crate) contact_id: &'a ContactId,
}

impl History<'_> {
    /// Matching events before a position, or the newest, and where the next page begins. Reads at most `scan_rows` events, so a page
    /// may be short without being the last.
    pub(crate) async fn page(
        &self,
        selection: &EventFilter,
        fields: &[String],
        mut before: Option<u64>,
        size: u32,
    ) -> Result<(Vec<Opened>, Option<u64>)> {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let (mut found, mut scanned): (Vec<Opened>, u32) = (Vec::new(), 0);
        while scanned < self.limits.scan_rows.get() {
            // One event more than the page tells that another page follows.
            let wanted = u32::try_from(size + 1 - found.len()).unwrap_or(u32::MAX);
            let limit = if fields.is_empty() { wanted } else { self.limits.read_rows.get() };
            let rows = self.answers.history(self.location_id, self.contact_id, selection, before, limit).await?;
            let count = u32::try_from(rows.len()).unwrap_or(u32::MAX);
            for mut event in self.keys.open(rows).await? {
                before = Some(event.seq);
                if keep_fields(&mut event, fields) {
                    if found.len() == size {
                        let next = found.last().map(|last| last.seq);
                        return Ok((found, next));
                    }
                    found.push(event);
                }
            }
            if count < limit {
                return Ok((found, None));
            }
            scanned = scanned.saturating_add(count);
        }
        Ok((found, before))
    }

    /// Where the changes among these events were delivered, by position.
    pub(crate) async fn arrivals(&self, events: &[Opened]) -> Result<BTreeMap<u64, Vec<api::Arrival>>> {
        let mut traced = Deliveries::of(events);
        let Some(mut after) = traced.first() else { return Ok(BTreeMap::new()) };
        let deliveries = EventFilter { types: vec!["delivery".to_owned()], ..EventFilter::default() };
        loop {
            let (rows, contact_id) = (self.limits.read_rows.get(), Some(self.contact_id));
            let stretch = self.answers.select(self.location_id, contact_id, &deliveries, after, rows, u64::MAX).await?;
            if stretch.through == after {
                return Ok(traced.found);
            }
            after = stretch.through;
            for event in self.keys.open(stretch.events).await? {
                if let Ok(Body::Delivery(fact)) = &event.body {
                    traced.add(&event, fact);
                }
            }
        }
    }
}

/// Changes, and their deliveries as far as the log was read.
#[derive(Default)]
struct Deliveries {
    /// The positions of the changes of each record, by the object that mirrors it.
    changes: BTreeMap<ObjectKey, BTreeMap<Revision, u64>>,
    positions: BTreeMap<Revision, u64>,
    /// The workspaces that hold a change or a newer one.
    reached: BTreeSet<(Revision, Workspace)>,
    found: BTreeMap<u64, Vec<api::Arrival>>,
}

impl Deliveries {
    fn of(events: &[Opened]) -> Self {
        let mut traced = Self::default();
        for event in events {
            if let Some((kind, id)) = &event.record {
                let revision = event.revision();
                traced.changes.entry(ObjectKey::of_record(*kind, id)).or_default().insert(revision, event.seq);
                traced.positions.insert(revision, event.seq);
            }
        }
        traced
    }

    fn first(&self) -> Option<u64> {
        self.positions.values().min().copied()
    }

    fn add(&mut self, event: &Opened, fact: &DeliveryFact) {
        let delivered = fact.outcome == domain::DeliveryOutcome::Delivered;
        for delivery in &fact.deliveries {
            if let Some(seq) = self.positions.get(&delivery.revision) {
                self.found.entry(*seq).or_default().push(arrival(event, fact, delivery));
            }
            if delivered {
                self.add_earlier(event, fact, delivery);
            }
        }
    }

    /// Earlier changes of the object that were never delivered by themselves are in the workspace now too.
    fn add_earlier(&mut self, event: &Opened, fact: &DeliveryFact, delivery: &Delivery) {
        let Some(changes) = self.changes.get(&delivery.object) else { return };
        for (revision, seq) in changes.range(..=delivery.revision).rev() {
            if !self.reached.insert((*revision, delivery.workspace.clone())) {
                // Then so are all earlier ones.
                return;
            }
            if *revision != delivery.revision {
                self.found.entry(*seq).or_default().push(arrival(event, fact, delivery));
            }
        }
    }
}

fn arrival(event: &Opened, fact: &DeliveryFact, delivery: &Delivery) -> api::Arrival {
    api::Arrival {
        delivery: Some(answers::delivery(delivery.clone())),
        outcome: fact.outcome.as_str().to_owned(),
        recorded_at: Some(answers::at(event.recorded_at)),
        seq: event.seq,
    }
}
