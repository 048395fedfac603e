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
        let folder = state.drop_contact(id).ok_or_else(|| Refusal::not_found("Contact", id))?;
        self.tell(&mut state, fate, &News::Contact { event: "ContactDelete", contact: &folder.contact });
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
        if self.settings().touch.tags {
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
