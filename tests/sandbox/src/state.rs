//! Everything the location holds. Every change passes through one of the `put_` and `drop_` functions, which keep the
//! indexes, the search's delayed view and the world's file in step.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use jiff::{Timestamp, ToSpan as _, Unit, tz::TimeZone};

use crate::{
    Error,
    dice::Dice,
    journal::{Entry, Journal},
    records::{Appointment, Calendar, Contact, CustomField, Note, Task, User},
    search::Index,
};

/// A contact and what hangs on it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Folder {
    pub(crate) contact: Arc<Contact>,
    pub(crate) tasks: Vec<Arc<Task>>,
    pub(crate) notes: Vec<Arc<Note>>,
    pub(crate) appointments: Vec<Arc<Appointment>>,
}

/// What a location is before anybody works in it.
#[derive(Clone, Debug)]
pub(crate) struct Premises {
    pub(crate) location_id: String,
    pub(crate) company_id: String,
    pub(crate) name: String,
    pub(crate) zone_name: String,
    pub(crate) zone: TimeZone,
    pub(crate) allow_duplicate_contact: bool,
    pub(crate) users: BTreeMap<String, User>,
    pub(crate) calendars: BTreeMap<String, Calendar>,
    pub(crate) custom_fields: BTreeMap<String, CustomField>,
}

pub(crate) struct State {
    folders: BTreeMap<String, Folder>,
    /// Appointment id → contact id.
    whereabouts: BTreeMap<String, String>,
    /// Name → id.
    tags: BTreeMap<String, String>,
    index: Index,
    ids: Dice,
    journal: Option<Journal>,
}

impl State {
    pub(crate) fn new(seed: u64, search_lag: Duration) -> Self {
        Self {
            folders: BTreeMap::new(),
            whereabouts: BTreeMap::new(),
            tags: BTreeMap::new(),
            index: Index::new(search_lag),
            ids: Dice::for_purpose(seed, "ids"),
            journal: None,
        }
    }

    /// The world as the file has it, and written to that file from now on.
    pub(crate) fn kept_in(path: &Path, seed: u64, search_lag: Duration) -> Result<Self, Error> {
        let mut state = Self::new(seed, search_lag);
        for (ids, entry) in Journal::read(path, seed)? {
            state.ids = ids;
            state.replay(entry);
        }
        state.index.settle();
        let mut journal = Journal::create(path, seed)?;
        for entry in state.entries() {
            journal.write(&state.ids, &entry);
        }
        state.journal = Some(journal.finish(path)?);
        Ok(state)
    }

    fn replay(&mut self, entry: Entry) {
        match entry {
            Entry::Contact { row } => self.put_contact(row),
            Entry::Task { row } => self.put_task(row),
            Entry::Note { row } => self.put_note(row),
            Entry::Appointment { row } => self.put_appointment(row),
            Entry::Tag { name, id } => {
                self.tags.insert(name, id);
            }
            Entry::ContactGone { id } => drop(self.drop_contact(&id)),
            Entry::TaskGone { contact_id, id } => drop(self.drop_task(&contact_id, &id)),
            Entry::NoteGone { contact_id, id } => drop(self.drop_note(&contact_id, &id)),
            Entry::AppointmentGone { id } => drop(self.drop_appointment(&id)),
        }
    }

    fn entries(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = self.tags.iter().map(|(name, id)| Entry::Tag { name: name.clone(), id: id.clone() }).collect();
        for folder in self.folders.values() {
            entries.push(Entry::Contact { row: Arc::clone(&folder.contact) });
            entries.extend(folder.tasks.iter().map(|row| Entry::Task { row: Arc::clone(row) }));
            entries.extend(folder.notes.iter().map(|row| Entry::Note { row: Arc::clone(row) }));
            entries.extend(folder.appointments.iter().map(|row| Entry::Appointment { row: Arc::clone(row) }));
        }
        entries
    }

    fn journal(&mut self, entry: &Entry) {
        if let Some(journal) = &mut self.journal {
            journal.write(&self.ids, entry);
        }
    }

    pub(crate) fn new_id(&mut self) -> String {
        self.ids.id()
    }

    pub(crate) fn new_uuid(&mut self) -> String {
        self.ids.uuid()
    }

    // Reading.

    pub(crate) fn folder(&self, contact_id: &str) -> Option<&Folder> {
        self.folders.get(contact_id)
    }

    /// In the order of contact ids.
    pub(crate) fn folders(&self) -> impl Iterator<Item = &Folder> {
        self.folders.values()
    }

    pub(crate) fn contact_count(&self) -> usize {
        self.folders.len()
    }

    pub(crate) fn task(&self, contact_id: &str, id: &str) -> Option<&Arc<Task>> {
        self.folder(contact_id)?.tasks.iter().find(|task| task.id == id)
    }

    pub(crate) fn note(&self, contact_id: &str, id: &str) -> Option<&Arc<Note>> {
        self.folder(contact_id)?.notes.iter().find(|note| note.id == id)
    }

    pub(crate) fn appointment(&self, id: &str) -> Option<&Arc<Appointment>> {
        self.folder(self.whereabouts.get(id)?)?.appointments.iter().find(|appointment| appointment.id == id)
    }

    /// Tags of the location: name → id.
    pub(crate) fn tags(&self) -> &BTreeMap<String, String> {
        &self.tags
    }

    /// What the search sees, brought up to what it may see by now.
    pub(crate) fn index(&mut self) -> &Index {
        self.index.advance();
        &self.index
    }

    /// Makes the search see everything at once.
    pub(crate) fn settle_search(&mut self) {
        self.index.settle();
    }

    // Changing.

    pub(crate) fn put_contact(&mut self, contact: Arc<Contact>) {
        for tag in &contact.tags {
            self.ensure_tag(tag);
        }
        self.index.put(&contact);
        self.journal(&Entry::Contact { row: Arc::clone(&contact) });
        let folder = self.folders.entry(contact.id.clone()).or_default();
        folder.contact = contact;
    }

    pub(crate) fn put_task(&mut self, task: Arc<Task>) {
        self.journal(&Entry::Task { row: Arc::clone(&task) });
        if let Some(folder) = self.folders.get_mut(&task.contact_id) {
            put(&mut folder.tasks, task, |row| &row.id);
        }
    }

    pub(crate) fn put_note(&mut self, note: Arc<Note>) {
        self.journal(&Entry::Note { row: Arc::clone(&note) });
        if let Some(folder) = self.folders.get_mut(&note.contact_id) {
            put(&mut folder.notes, note, |row| &row.id);
        }
    }

    pub(crate) fn put_appointment(&mut self, appointment: Arc<Appointment>) {
        self.journal(&Entry::Appointment { row: Arc::clone(&appointment) });
        if let Some(folder) = self.folders.get_mut(&appointment.contact_id) {
            self.whereabouts.insert(appointment.id.clone(), appointment.contact_id.clone());
            put(&mut folder.appointments, appointment, |row| &row.id);
        }
    }

    pub(crate) fn ensure_tag(&mut self, name: &str) -> String {
        if let Some(id) = self.tags.get(name) {
            return id.clone();
        }
        let id = self.new_id();
        self.tags.insert(name.to_owned(), id.clone());
        self.journal(&Entry::Tag { name: name.to_owned(), id: id.clone() });
        id
    }

    /// With everything that hangs on it.
    pub(crate) fn drop_contact(&mut self, id: &str) -> Option<Folder> {
        let folder = self.folders.remove(id)?;
        for appointment in &folder.appointments {
            self.whereabouts.remove(&appointment.id);
        }
        self.index.drop_row(&folder.contact.id);
        self.journal(&Entry::ContactGone { id: id.to_owned() });
        Some(folder)
    }

    pub(crate) fn drop_task(&mut self, contact_id: &str, id: &str) -> Option<Arc<Task>> {
        let task = take(&mut self.folders.get_mut(contact_id)?.tasks, |row| row.id == id)?;
        self.journal(&Entry::TaskGone { contact_id: contact_id.to_owned(), id: id.to_owned() });
        Some(task)
    }

    pub(crate) fn drop_note(&mut self, contact_id: &str, id: &str) -> Option<Arc<Note>> {
        let note = take(&mut self.folders.get_mut(contact_id)?.notes, |row| row.id == id)?;
        self.journal(&Entry::NoteGone { contact_id: contact_id.to_owned(), id: id.to_owned() });
        Some(note)
    }

    pub(crate) fn drop_appointment(&mut self, id: &str) -> Option<Arc<Appointment>> {
        let contact_id = self.whereabouts.remove(id)?;
        let appointment = take(&mut self.folders.get_mut(&contact_id)?.appointments, |row| row.id == id)?;
        self.journal(&Entry::AppointmentGone { id: id.to_owned() });
        Some(appointment)
    }

    /// Moves `dateUpdated`, always forward.
    pub(crate) fn touch(&mut self, contact_id: &str) -> Option<Arc<Contact>> {
        let mut contact = Contact::clone(&self.folder(contact_id)?.contact);
        contact.date_updated = after(contact.date_updated);
        let contact = Arc::new(contact);
        self.put_contact(Arc::clone(&contact));
        Some(contact)
    }
}

/// Now, to the millisecond, as GHL's instants are.
pub(crate) fn now() -> Timestamp {
    Timestamp::now().round(Unit::Millisecond).unwrap_or_default()
}

/// Now, but later than `before` even when the clock has not moved on: two edits never share one `dateUpdated`.
pub(crate) fn after(before: Timestamp) -> Timestamp {
    let next = before.checked_add(1.millisecond()).unwrap_or(before);
    now().max(next)
}

fn put<T>(rows: &mut Vec<Arc<T>>, row: Arc<T>, id: impl Fn(&T) -> &String) {
    match rows.iter_mut().find(|held| id(held) == id(&row)) {
        Some(held) => *held = row,
        None => rows.push(row),
    }
}

fn take<T>(rows: &mut Vec<Arc<T>>, is_it: impl Fn(&T) -> bool) -> Option<Arc<T>> {
    let place = rows.iter().position(|row| is_it(row))?;
    Some(rows.remove(place))
}
