//! Everything the location holds. Every change passes through one of the `put_` and `drop_` functions, which keep the
//! indexes, the search's delayed view and the world's file in step.

mod gone;
mod kept;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
    sync::Arc,
};

use jiff::{Timestamp, ToSpan as _, Unit};

use crate::{
    dice::Dice,
    history::{History, RecordKind, Row},
    journal::{Entry, Journal},
    records::{Appointment, Business, Contact, Note, RecurringTask, Task},
    search::{Index, Lag},
};

/// A contact and what hangs on it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Folder {
    pub(crate) contact: Arc<Contact>,
    /// Oldest first.
    pub(crate) tasks: Vec<Arc<Task>>,
    pub(crate) notes: Vec<Arc<Note>>,
    pub(crate) appointments: Vec<Arc<Appointment>>,
}

pub(crate) struct State {
    folders: BTreeMap<String, Folder>,
    /// Deleted contacts with what hung on them alone: people may restore them.
    bin: BTreeMap<String, Folder>,
    /// All tasks, those that hang on nobody too.
    tasks: BTreeMap<String, Arc<Task>>,
    /// Oldest first.
    tasks_by_age: BTreeSet<(i64, String)>,
    /// Tasks deleted on their own.
    task_bin: BTreeMap<String, Arc<Task>>,
    /// Appointment id → contact id.
    whereabouts: BTreeMap<String, String>,
    /// Start and id of appointments.
    agenda: BTreeSet<(i64, String)>,
    businesses: BTreeMap<String, Arc<Business>>,
    recurring_tasks: BTreeMap<String, Arc<RecurringTask>>,
    /// Name → id.
    tags: BTreeMap<String, String>,
    index: Index,
    ids: Dice,
    journal: Option<Journal>,
    history: Option<History>,
}

impl State {
    pub(crate) fn new(seed: u64, lag: Lag, history: bool) -> Self {
        Self {
            folders: BTreeMap::new(),
            bin: BTreeMap::new(),
            tasks: BTreeMap::new(),
            tasks_by_age: BTreeSet::new(),
            task_bin: BTreeMap::new(),
            whereabouts: BTreeMap::new(),
            agenda: BTreeSet::new(),
            businesses: BTreeMap::new(),
            recurring_tasks: BTreeMap::new(),
            tags: BTreeMap::new(),
            index: Index::new(lag, seed),
            ids: Dice::for_purpose(seed, "ids"),
            journal: None,
            history: history.then(History::default),
        }
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

    pub(crate) fn task(&self, id: &str) -> Option<&Arc<Task>> {
        self.tasks.get(id)
    }

    /// All of the location but the first few, oldest first.
    pub(crate) fn tasks_after(&self, skipped: usize) -> impl Iterator<Item = &Arc<Task>> {
        self.tasks_by_age.iter().skip(skipped).filter_map(|(_, id)| self.tasks.get(id))
    }

    /// Those that start within the window, in milliseconds, in that order.
    pub(crate) fn agenda(&self, window: RangeInclusive<i64>) -> impl Iterator<Item = &Arc<Appointment>> {
        let (from, to) = (*window.start(), *window.end());
        let started = self.agenda.range((from, String::new())..).take_while(move |(at, _)| *at <= to);
        started.filter_map(|(_, id)| self.appointment(id))
    }

    pub(crate) fn businesses(&self) -> &BTreeMap<String, Arc<Business>> {
        &self.businesses
    }

    pub(crate) fn recurring_tasks(&self) -> &BTreeMap<String, Arc<RecurringTask>> {
        &self.recurring_tasks
    }

    /// Deleted contacts that may be restored.
    pub(crate) fn binned(&self) -> impl Iterator<Item = &String> {
        self.bin.keys()
    }

    /// Tasks deleted on their own that may be restored.
    pub(crate) fn binned_tasks(&self) -> impl Iterator<Item = &String> {
        self.task_bin.keys()
    }

    pub(crate) fn history(&self) -> Option<&History> {
        self.history.as_ref()
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

    pub(crate) fn set_lag(&mut self, lag: Lag) {
        self.index.set_lag(lag);
    }

    /// Makes the search see everything at once.
    pub(crate) fn settle_search(&mut self) {
        self.index.settle();
    }

    // Changing.

    fn remember(&mut self, row: Row) {
        if let Some(history) = &mut self.history {
            history.is(row);
        }
    }

    fn remember_gone(&mut self, kind: RecordKind, id: &str) {
        if let Some(history) = &mut self.history {
            history.gone(kind, id);
        }
    }

    pub(crate) fn put_contact(&mut self, contact: Arc<Contact>) {
        for tag in &contact.tags {
            self.ensure_tag(tag);
        }
        self.index.put(&contact);
        self.journal(&Entry::Contact { row: Arc::clone(&contact) });
        self.remember(Row::Contact(Arc::clone(&contact)));
        let folder = self.folders.entry(contact.id.clone()).or_default();
        folder.contact = contact;
    }

    /// Contacts that are not there are left out of it.
    pub(crate) fn put_task(&mut self, task: Arc<Task>) {
        self.journal(&Entry::Task { row: Arc::clone(&task) });
        self.remember(Row::Task(Arc::clone(&task)));
        if let Some(old) = self.tasks.insert(task.id.clone(), Arc::clone(&task)) {
            self.unlink_task(&old);
        }
        self.tasks_by_age.insert((task.date_added.as_millisecond(), task.id.clone()));
        for contact_id in task.contact_ids() {
            if let Some(folder) = self.folders.get_mut(contact_id) {
                let place = folder.tasks.partition_point(|held| (held.date_added, &held.id) < (task.date_added, &task.id));
                folder.tasks.insert(place, Arc::clone(&task));
            }
        }
    }

    fn unlink_task(&mut self, task: &Task) {
        self.tasks_by_age.remove(&(task.date_added.as_millisecond(), task.id.clone()));
        for contact_id in task.contact_ids() {
            if let Some(folder) = self.folders.get_mut(contact_id) {
                folder.tasks.retain(|row| row.id != task.id);
            }
        }
    }

    pub(crate) fn put_note(&mut self, note: Arc<Note>) {
        self.journal(&Entry::Note { row: Arc::clone(&note) });
        self.remember(Row::Note(Arc::clone(&note)));
        if let Some(folder) = self.folders.get_mut(&note.contact_id) {
            put(&mut folder.notes, note, |row| &row.id);
        }
    }

    pub(crate) fn put_appointment(&mut self, appointment: Arc<Appointment>) {
        self.journal(&Entry::Appointment { row: Arc::clone(&appointment) });
        self.remember(Row::Appointment(Arc::clone(&appointment)));
        if let Some(old) = self.appointment(&appointment.id).cloned() {
            self.agenda.remove(&(old.start.as_millisecond(), old.id.clone()));
        }
        if let Some(folder) = self.folders.get_mut(&appointment.contact_id) {
            self.agenda.insert((appointment.start.as_millisecond(), appointment.id.clone()));
            self.whereabouts.insert(appointment.id.clone(), appointment.contact_id.clone());
            put(&mut folder.appointments, appointment, |row| &row.id);
        }
    }

    pub(crate) fn put_business(&mut self, business: Arc<Business>) {
        self.journal(&Entry::Business { row: Arc::clone(&business) });
        self.businesses.insert(business.id.clone(), business);
    }

    pub(crate) fn put_recurring_task(&mut self, rule: Arc<RecurringTask>) {
        self.journal(&Entry::RecurringTask { row: Arc::clone(&rule) });
        self.recurring_tasks.insert(rule.id.clone(), rule);
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
