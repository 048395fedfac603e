//! What is really there, and what has been asked of it: for tests and for people to compare with.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::World;
use crate::{
    history::{RecordKind, Version},
    webhook::outbox::WebhookStats,
    wire::{self, ApiVersion},
};

/// Everything that is alive, in GHL's shapes.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Snapshot {
    pub location_id: String,
    pub time_zone: String,
    /// Tasks that hang on nobody, as the other tasks are told.
    pub loose_tasks: Vec<Value>,
    /// By id.
    pub contacts: BTreeMap<String, ContactTruth>,
    /// Id → name.
    pub users: BTreeMap<String, String>,
    /// Id → name.
    pub calendars: BTreeMap<String, String>,
    /// Id → name.
    pub custom_fields: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ContactTruth {
    /// As `GET /contacts/{id}` has it.
    pub contact: Value,
    /// As `GET /contacts/{id}/tasks` has them.
    pub tasks: Vec<Value>,
    /// As `GET /contacts/{id}/notes` has them.
    pub notes: Vec<Value>,
    /// As `GET /calendars/events` has them, with offsets.
    pub appointments: Vec<Value>,
}

impl Snapshot {
    /// Contacts, tasks, notes, appointments.
    pub fn counts(&self) -> [usize; 4] {
        let sum = |count: fn(&ContactTruth) -> usize| self.contacts.values().map(count).sum();
        [self.contacts.len(), sum(|truth| truth.tasks.len()), sum(|truth| truth.notes.len()), sum(|truth| truth.appointments.len())]
    }
}

/// What callers did and got.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Stats {
    /// Method and route (`GET /contacts/{contactId}`) → calls, refused ones included.
    pub calls: BTreeMap<String, u64>,
    pub calls_total: u64,
    /// Answered with 429 because a limit was passed.
    pub limited: u64,
    /// The most calls in any one interval of the rate limit, refused ones included.
    pub most_in_interval: usize,
    pub burst: u32,
    pub interval_ms: u64,
    /// Of today's allowance.
    pub day_used: u32,
    pub day: u32,
    /// Answers that went wrong on purpose.
    pub faults: u64,
    /// Of all locations of the agency.
    pub webhooks: WebhookStats,
}

impl Stats {
    /// Whether the caller kept within the limits at every instant; if not, a sentence about it.
    pub fn limits_held(&self) -> Result<(), String> {
        if self.limited > 0 || u32::try_from(self.most_in_interval).unwrap_or(u32::MAX) > self.burst {
            return Err(format!(
                "{} calls within {} ms where {} are allowed; {} were refused",
                self.most_in_interval, self.interval_ms, self.burst, self.limited
            ));
        }
        Ok(())
    }
}

impl World {
    pub fn snapshot(&self) -> Snapshot {
        let premises = self.premises();
        let state = self.state();
        let contacts = state.folders().map(|folder| {
            let contact = wire::ContactById(&folder.contact, &premises.location_id, ApiVersion::V2);
            let truth = ContactTruth {
                contact: serde_json::to_value(contact).unwrap_or_default(),
                tasks: folder.tasks.iter().map(|task| wire::task(task)).collect(),
                notes: folder.notes.iter().map(|note| wire::note(note)).collect(),
                appointments: folder.appointments.iter().map(|row| wire::calendar_event(row, premises, ApiVersion::V2)).collect(),
            };
            (folder.contact.id.clone(), truth)
        });
        Snapshot {
            location_id: premises.location_id.clone(),
            time_zone: premises.zone_name.clone(),
            loose_tasks: state.tasks_after(0).filter(|task| task.contact_id.is_none()).map(|task| wire::task(task)).collect(),
            contacts: contacts.collect(),
            users: self.users().into_iter().map(|user| (user.id.clone(), user.name())).collect(),
            calendars: self.calendars().into_iter().map(|calendar| (calendar.id, calendar.name)).collect(),
            custom_fields: self.custom_fields().into_iter().map(|field| (field.id, field.name)).collect(),
        }
    }

    /// Every version that each record went through, oldest first; empty unless [`crate::Settings::history`] was set.
    pub fn versions(&self) -> BTreeMap<(RecordKind, String), Vec<Version>> {
        self.state().history().map(|history| history.told(self.premises())).unwrap_or_default()
    }

    /// Deleted contacts that may be restored, in order.
    pub fn deleted_contact_ids(&self) -> Vec<String> {
        self.state().binned().cloned().collect()
    }

    /// Tasks deleted on their own, in order.
    pub fn deleted_task_ids(&self) -> Vec<String> {
        self.state().binned_tasks().cloned().collect()
    }

    pub fn loose_task_ids(&self) -> Vec<String> {
        self.state().tasks_after(0).filter(|task| task.contact_id.is_none()).map(|task| task.id.clone()).collect()
    }

    pub fn recurring_task_ids(&self) -> Vec<String> {
        self.state().recurring_tasks().keys().cloned().collect()
    }

    pub fn business_ids(&self) -> Vec<String> {
        self.state().businesses().keys().cloned().collect()
    }

    /// In order.
    pub fn contact_ids(&self) -> Vec<String> {
        self.state().folders().map(|folder| folder.contact.id.clone()).collect()
    }

    pub fn contact_count(&self) -> usize {
        self.state().contact_count()
    }

    pub fn tags_of(&self, contact_id: &str) -> Vec<String> {
        self.state().folder(contact_id).map(|folder| folder.contact.tags.clone()).unwrap_or_default()
    }

    pub fn task_ids(&self, contact_id: &str) -> Vec<String> {
        self.state().folder(contact_id).map(|folder| folder.tasks.iter().map(|row| row.id.clone()).collect()).unwrap_or_default()
    }

    pub fn note_ids(&self, contact_id: &str) -> Vec<String> {
        self.state().folder(contact_id).map(|folder| folder.notes.iter().map(|row| row.id.clone()).collect()).unwrap_or_default()
    }

    pub fn appointment_ids(&self, contact_id: &str) -> Vec<String> {
        self.state().folder(contact_id).map(|folder| folder.appointments.iter().map(|row| row.id.clone()).collect()).unwrap_or_default()
    }

    pub fn stats(&self) -> Stats {
        let passed = self.door().passed();
        Stats {
            calls_total: passed.calls.values().sum(),
            calls: passed.calls,
            limited: passed.refused,
            most_in_interval: passed.most_seen,
            burst: passed.limits.burst,
            interval_ms: u64::try_from(passed.limits.interval.as_millis()).unwrap_or(u64::MAX),
            day_used: passed.day_used,
            day: passed.limits.day,
            faults: passed.faults,
            webhooks: self.0.outbox.stats(),
        }
    }
}
