//! Contacts come, change and go.

use std::sync::Arc;

use serde_json::Value;

use super::World;
use crate::{
    Refusal, Webhook,
    draft::{self, Fields, Writer},
    records::Contact,
    state::{State, after, now},
    webhook::payload::News,
};

/// What [`World::upsert_contact_as`] did.
pub(crate) struct Upserted {
    pub(crate) new: bool,
    pub(crate) contact: Arc<Contact>,
}

impl World {
    /// A person adds a contact; the body is that of `POST /contacts/`, and may also name `id`, `type`, `dateAdded`.
    /// People may enter duplicates. Gives the id.
    pub fn create_contact(&self, body: &Value, fate: Webhook) -> Result<String, Refusal> {
        self.create_contact_as(Writer::Person, draft::object(body)?, fate).map(|contact| contact.id.clone())
    }

    /// A person edits a contact; the body is that of `PUT /contacts/{id}`, and may also set `companyName`, `type`.
    pub fn update_contact(&self, id: &str, body: &Value, fate: Webhook) -> Result<(), Refusal> {
        self.update_contact_as(Writer::Person, id, draft::object(body)?, fate).map(drop)
    }

    /// A person opens the contact and saves it unchanged: `dateUpdated` moves.
    pub fn touch_contact(&self, id: &str, fate: Webhook) -> Result<(), Refusal> {
        self.update_contact_as(Writer::Person, id, &Fields::new(), fate).map(drop)
    }

    /// A person deletes a contact, and with it its tasks, notes and appointments, of which no webhook tells.
    pub fn delete_contact(&self, id: &str, fate: Webhook) -> Result<(), Refusal> {
        let mut state = self.state();
        let contact = state.drop_contact(id, false).ok_or_else(|| Refusal::not_found("Contact", id))?;
        self.tell(&mut state, fate, &News::Contact { event: "ContactDelete", contact: &contact });
        Ok(())
    }

    /// A person gets back a deleted contact with all that hung on it, under the same ids; GHL tells nobody.
    pub fn restore_contact(&self, id: &str) -> Result<(), Refusal> {
        let mut state = self.state();
        state.restore_contact(id).ok_or_else(|| Refusal::not_found("Contact", id))?;
        if self.touch().restored {
            drop(state.touch(id));
        }
        Ok(())
    }

    /// A person merges two contacts: what hangs on the loser hangs on the winner then, whose empty fields are filled and who gets the
    /// loser's tags; the loser is gone for good. No webhook is documented; when one is sent, it looks like an update and a delete.
    pub fn merge_contacts(&self, winner: &str, loser: &str, fate: Webhook) -> Result<(), Refusal> {
        let mut state = self.state();
        let (held, lost) = (contact(&state, winner)?, contact(&state, loser)?);
        if winner == loser {
            return Err(Refusal::bad_request("a contact cannot be merged into itself"));
        }
        state.move_children(loser, winner);
        let merged = Arc::new(merged(&held, &lost));
        state.put_contact(Arc::clone(&merged));
        state.drop_contact(loser, true);
        self.tell(&mut state, fate, &News::Contact { event: "ContactUpdate", contact: &merged });
        self.tell(&mut state, fate, &News::Contact { event: "ContactDelete", contact: &lost });
        Ok(())
    }

    /// Gives the tags it has then.
    pub fn add_tags(&self, id: &str, tags: &[&str], fate: Webhook) -> Result<Vec<String>, Refusal> {
        let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
        self.change_tags(id, &tags, &[], fate)
    }

    /// Gives the tags it has then.
    pub fn remove_tags(&self, id: &str, tags: &[&str], fate: Webhook) -> Result<Vec<String>, Refusal> {
        let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
        self.change_tags(id, &[], &tags, fate)
    }

    pub(crate) fn change_tags(&self, id: &str, add: &[String], remove: &[String], fate: Webhook) -> Result<Vec<String>, Refusal> {
        let mut state = self.state();
        let held = contact(&state, id)?;
        let mut changed = Contact::clone(&held);
        let remove = draft::tag_names(remove);
        changed.tags.retain(|tag| !remove.contains(tag));
        changed.tags.extend(draft::tag_names(add));
        changed.tags = draft::tag_names(&changed.tags);
        if self.touch().tags {
            changed.date_updated = after(held.date_updated);
        }
        let changed = Arc::new(changed);
        state.put_contact(Arc::clone(&changed));
        if changed.tags != held.tags {
            self.tell(&mut state, fate, &News::Contact { event: "ContactTagUpdate", contact: &changed });
        }
        Ok(changed.tags.clone())
    }

    pub(crate) fn create_contact_as(&self, writer: Writer, body: &Fields, fate: Webhook) -> Result<Arc<Contact>, Refusal> {
        let at = now();
        let mut contact = Contact { date_added: at, date_updated: at, kind: Some("lead".to_owned()), ..Contact::default() };
        draft::contact(&mut contact, body, writer, &self.premises().custom_fields)?;
        let mut state = self.state();
        if writer != Writer::Person
            && !self.settings().allow_duplicate_contact
            && let Some((held, field)) = duplicate(&state, contact.email.as_deref(), contact.phone.as_deref())
        {
            return Err(Refusal::duplicate(&held.id, held.name(), field));
        }
        contact.id = match body.get("id").and_then(Value::as_str) {
            Some(id) if writer == Writer::Person => id.to_owned(),
            _ => state.new_id(),
        };
        let contact = Arc::new(contact);
        state.put_contact(Arc::clone(&contact));
        self.tell(&mut state, fate, &News::Contact { event: "ContactCreate", contact: &contact });
        Ok(contact)
    }

    pub(crate) fn update_contact_as(&self, writer: Writer, id: &str, body: &Fields, fate: Webhook) -> Result<Arc<Contact>, Refusal> {
        let mut state = self.state();
        let held = contact(&state, id)?;
        let mut changed = Contact::clone(&held);
        draft::contact(&mut changed, body, writer, &self.premises().custom_fields)?;
        changed.date_updated = after(held.date_updated);
        let changed = Arc::new(changed);
        state.put_contact(Arc::clone(&changed));
        for event in events(&held, &changed) {
            self.tell(&mut state, fate, &News::Contact { event, contact: &changed });
        }
        Ok(changed)
    }

    pub(crate) fn upsert_contact_as(&self, body: &Fields, fate: Webhook) -> Result<Upserted, Refusal> {
        let text = |key: &str| body.get(key).and_then(Value::as_str);
        let held = duplicate(&self.state(), text("email"), text("phone")).map(|(contact, _)| contact.id.clone());
        if let Some(id) = held {
            let without: [&str; 4] = ["locationId", "gender", "companyName", "createNewIfDuplicateAllowed"];
            let body = body.iter().filter(|(key, _)| !without.contains(&key.as_str()));
            let body = body.map(|(key, value)| (key.clone(), value.clone())).collect();
            let contact = self.update_contact_as(Writer::Updating, &id, &body, fate)?;
            return Ok(Upserted { new: false, contact });
        }
        let contact = self.create_contact_as(Writer::Creating, body, fate)?;
        Ok(Upserted { new: true, contact })
    }
}

pub(super) fn contact(state: &State, id: &str) -> Result<Arc<Contact>, Refusal> {
    let folder = state.folder(id).ok_or_else(|| Refusal::not_found("Contact", id))?;
    Ok(Arc::clone(&folder.contact))
}

fn merged(winner: &Contact, loser: &Contact) -> Contact {
    let filled = |held: &Option<String>, other: &Option<String>| held.clone().or_else(|| other.clone());
    let mut merged = Contact {
        email: filled(&winner.email, &loser.email),
        phone: filled(&winner.phone, &loser.phone),
        company_name: filled(&winner.company_name, &loser.company_name),
        address1: filled(&winner.address1, &loser.address1),
        city: filled(&winner.city, &loser.city),
        assigned_to: filled(&winner.assigned_to, &loser.assigned_to),
        date_of_birth: filled(&winner.date_of_birth, &loser.date_of_birth),
        date_updated: after(winner.date_updated),
        ..winner.clone()
    };
    merged.tags.extend(loser.tags.iter().cloned());
    merged.tags = draft::tag_names(&merged.tags);
    for field in &loser.custom_fields {
        if !merged.custom_fields.iter().any(|held| held.id == field.id) {
            merged.custom_fields.push(field.clone());
        }
    }
    merged.custom_fields.sort_by(|left, right| left.id.cmp(&right.id));
    merged
}

/// E-mail first, then phone.
pub(crate) fn duplicate(state: &State, email: Option<&str>, phone: Option<&str>) -> Option<(Arc<Contact>, &'static str)> {
    let find =
        |is_it: &dyn Fn(&Contact) -> bool| state.folders().find(|folder| is_it(&folder.contact)).map(|folder| Arc::clone(&folder.contact));
    let same_email = |contact: &Contact| contact.email.as_deref().zip(email).is_some_and(|(held, email)| held.eq_ignore_ascii_case(email));
    let same_phone = |contact: &Contact| contact.phone.as_deref().zip(phone).is_some_and(|(held, phone)| held == phone);
    find(&same_email).map(|contact| (contact, "email")).or_else(|| find(&same_phone).map(|contact| (contact, "phone")))
}

/// One edit may be told several times over, once per kind of change.
fn events(before: &Contact, after: &Contact) -> Vec<&'static str> {
    let tags = before.tags != after.tags;
    let dnd = before.dnd != after.dnd || before.dnd_settings != after.dnd_settings;
    let rest = Contact {
        tags: before.tags.clone(),
        dnd: before.dnd,
        dnd_settings: before.dnd_settings.clone(),
        date_updated: before.date_updated,
        ..after.clone()
    };
    let mut events = Vec::new();
    if rest != *before || !(tags || dnd) {
        events.push("ContactUpdate");
    }
    if tags {
        events.push("ContactTagUpdate");
    }
    if dnd {
        events.push("ContactDndUpdate");
    }
    events
}
