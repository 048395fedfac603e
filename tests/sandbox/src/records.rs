//! What the simulated location holds. Serialized only for the world's own file; what goes over the wire is in [`crate::wire`].

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Contact {
    pub(crate) id: String,
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) company_name: Option<String>,
    pub(crate) gender: Option<String>,
    pub(crate) address1: Option<String>,
    pub(crate) city: Option<String>,
    pub(crate) state: Option<String>,
    pub(crate) country: Option<String>,
    pub(crate) postal_code: Option<String>,
    pub(crate) website: Option<String>,
    pub(crate) time_zone: Option<String>,
    pub(crate) source: Option<String>,
    /// `type` on the wire: `lead`, `customer`.
    pub(crate) kind: Option<String>,
    pub(crate) assigned_to: Option<String>,
    /// `YYYY-MM-DD`.
    pub(crate) date_of_birth: Option<String>,
    pub(crate) dnd: bool,
    /// By the names of version 2021-07-28: `Call`, `Email`, `SMS`, `WhatsApp`, `GMB`, `FB`.
    pub(crate) dnd_settings: BTreeMap<String, Value>,
    pub(crate) tags: Vec<String>,
    pub(crate) custom_fields: Vec<CustomValue>,
    pub(crate) followers: Vec<String>,
    #[serde(default)]
    pub(crate) business_id: Option<String>,
    /// As people have seen them: objects with `email`, with `phone` and `phoneLabel`.
    #[serde(default)]
    pub(crate) additional_emails: Vec<Value>,
    #[serde(default)]
    pub(crate) additional_phones: Vec<Value>,
    /// Addresses of files.
    #[serde(default)]
    pub(crate) attachments: Vec<Value>,
    pub(crate) date_added: Timestamp,
    pub(crate) date_updated: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CustomValue {
    pub(crate) id: String,
    /// String, number, array or object, as the field's type has it.
    pub(crate) value: Value,
}

impl Contact {
    pub(crate) fn name(&self) -> Option<String> {
        let part = |part: &Option<String>| part.clone().filter(|part| !part.is_empty());
        match (part(&self.first_name), part(&self.last_name)) {
            (Some(first), Some(last)) => Some(format!("{first} {last}")),
            (Some(only), None) | (None, Some(only)) => Some(only),
            (None, None) => None,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) id: String,
    /// None: it hangs on nobody.
    pub(crate) contact_id: Option<String>,
    /// Further contacts it hangs on.
    #[serde(default)]
    pub(crate) also: Vec<String>,
    pub(crate) title: Option<String>,
    pub(crate) body: Option<String>,
    pub(crate) assigned_to: Option<String>,
    pub(crate) due_date: Option<Timestamp>,
    pub(crate) completed: bool,
    /// Only webhooks tell it.
    pub(crate) date_added: Timestamp,
}

impl Task {
    pub(crate) fn contact_ids(&self) -> impl Iterator<Item = &String> {
        self.contact_id.iter().chain(&self.also)
    }
}

/// A rule by which tasks come by themselves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RecurringTask {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) contact_ids: Vec<String>,
    pub(crate) owners: Vec<String>,
    /// As it was written.
    pub(crate) rrule_options: Value,
    /// Tasks it made so far.
    pub(crate) occurrences: u32,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// A company that contacts may belong to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Business {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) phone: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) website: Option<String>,
    pub(crate) address: Option<String>,
    pub(crate) city: Option<String>,
    pub(crate) state: Option<String>,
    pub(crate) postal_code: Option<String>,
    pub(crate) country: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) id: String,
    pub(crate) contact_id: String,
    pub(crate) title: Option<String>,
    pub(crate) body: Option<String>,
    pub(crate) user_id: Option<String>,
    pub(crate) color: Option<String>,
    pub(crate) pinned: bool,
    pub(crate) date_added: Timestamp,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Appointment {
    pub(crate) id: String,
    pub(crate) contact_id: String,
    pub(crate) calendar_id: String,
    pub(crate) group_id: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) address: Option<String>,
    pub(crate) notes: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) status: String,
    pub(crate) assigned_user_id: Option<String>,
    pub(crate) source: Option<String>,
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    pub(crate) date_added: Timestamp,
    pub(crate) date_updated: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) email: String,
    pub(crate) phone: String,
    pub(crate) role: String,
}

impl User {
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Calendar {
    pub(crate) id: String,
    pub(crate) group_id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) slot_minutes: u32,
    pub(crate) user_ids: Vec<String>,
}

/// The definition of a custom field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CustomField {
    pub(crate) id: String,
    pub(crate) name: String,
    /// `contact.shirt_size`
    pub(crate) key: String,
    /// `TEXT`, `NUMERICAL`, `CHECKBOX` …
    pub(crate) data_type: String,
    pub(crate) options: Vec<String>,
    pub(crate) position: u32,
}
