//! The state in its file, and out of it.

use std::{path::Path, sync::Arc};

use super::State;
use crate::{
    Error,
    journal::{Entry, Journal},
    search::Lag,
};

impl State {
    /// The world as the file has it, and written to that file from now on.
    pub(crate) fn kept_in(path: &Path, seed: u64, lag: Lag, history: bool) -> Result<Self, Error> {
        let mut state = Self::new(seed, lag, history);
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
            Entry::Business { row } => self.put_business(row),
            Entry::RecurringTask { row } => self.put_recurring_task(row),
            Entry::ContactGone { id, merged } => drop(self.drop_contact(&id, merged)),
            Entry::ContactBack { id } => drop(self.restore_contact(&id)),
            Entry::TaskGone { id } => drop(self.drop_task(&id)),
            Entry::TaskBack { id } => drop(self.restore_task(&id)),
            Entry::NoteGone { contact_id, id } => drop(self.drop_note(&contact_id, &id)),
            Entry::AppointmentGone { id } => drop(self.drop_appointment(&id)),
            Entry::BusinessGone { id } => drop(self.drop_business(&id)),
            Entry::RecurringTaskGone { id } => drop(self.drop_recurring_task(&id)),
        }
    }

    fn entries(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = self.tags.iter().map(|(name, id)| Entry::Tag { name: name.clone(), id: id.clone() }).collect();
        entries.extend(self.businesses.values().map(|row| Entry::Business { row: Arc::clone(row) }));
        entries.extend(self.recurring_tasks.values().map(|row| Entry::RecurringTask { row: Arc::clone(row) }));
        for folder in self.bin.values().chain(self.folders.values()) {
            entries.push(Entry::Contact { row: Arc::clone(&folder.contact) });
            entries.extend(folder.notes.iter().map(|row| Entry::Note { row: Arc::clone(row) }));
            entries.extend(folder.appointments.iter().map(|row| Entry::Appointment { row: Arc::clone(row) }));
        }
        let binned = self.bin.values().flat_map(|folder| &folder.tasks);
        entries.extend(binned.chain(self.task_bin.values()).chain(self.tasks.values()).map(|row| Entry::Task { row: Arc::clone(row) }));
        entries.extend(self.bin.keys().map(|id| Entry::ContactGone { id: id.clone(), merged: false }));
        entries.extend(self.task_bin.keys().map(|id| Entry::TaskGone { id: id.clone() }));
        entries
    }
}
