//! What goes, comes back, or moves to another contact.

use std::{collections::VecDeque, sync::Arc};

use super::State;
use crate::{
    history::RecordKind,
    journal::Entry,
    records::{Appointment, Business, Contact, Note, RecurringTask, Task},
};

impl State {
    /// With everything that hangs on it alone; a task that hangs on others too stays with them. One that was merged into another
    /// cannot be restored.
    pub(crate) fn drop_contact(&mut self, id: &str, merged: bool) -> Option<Arc<Contact>> {
        let mut folder = self.folders.remove(id)?;
        for task in std::mem::take(&mut folder.tasks) {
            let mut left: VecDeque<String> = task.contact_ids().filter(|held| *held != id).cloned().collect();
            if let Some(first) = left.pop_front() {
                let also = left.into();
                self.put_task(Arc::new(Task { contact_id: Some(first), also, ..Task::clone(&task) }));
            } else {
                self.unlink_task(&task);
                self.tasks.remove(&task.id);
                self.remember_gone(RecordKind::Task, &task.id);
                folder.tasks.push(task);
            }
        }
        for appointment in &folder.appointments {
            self.agenda.remove(&(appointment.start.as_millisecond(), appointment.id.clone()));
            self.whereabouts.remove(&appointment.id);
            self.remember_gone(RecordKind::Appointment, &appointment.id);
        }
        for note in &folder.notes {
            self.remember_gone(RecordKind::Note, &note.id);
        }
        self.index.drop_row(id);
        self.journal(&Entry::ContactGone { id: id.to_owned(), merged });
        self.remember_gone(RecordKind::Contact, id);
        let contact = Arc::clone(&folder.contact);
        if !merged {
            self.bin.insert(id.to_owned(), folder);
        }
        Some(contact)
    }

    /// As it was, under the same ids.
    pub(crate) fn restore_contact(&mut self, id: &str) -> Option<Arc<Contact>> {
        let folder = self.bin.remove(id)?;
        let contact = Arc::clone(&folder.contact);
        // The parts are written behind it as well, which does no harm when the file is read.
        self.journal(&Entry::ContactBack { id: id.to_owned() });
        self.put_contact(folder.contact);
        folder.tasks.into_iter().for_each(|task| self.put_task(task));
        folder.notes.into_iter().for_each(|note| self.put_note(note));
        folder.appointments.into_iter().for_each(|appointment| self.put_appointment(appointment));
        Some(contact)
    }

    pub(crate) fn drop_task(&mut self, id: &str) -> Option<Arc<Task>> {
        let task = self.tasks.remove(id)?;
        self.unlink_task(&task);
        self.task_bin.insert(id.to_owned(), Arc::clone(&task));
        self.journal(&Entry::TaskGone { id: id.to_owned() });
        self.remember_gone(RecordKind::Task, id);
        Some(task)
    }

    /// None also when the contact it hung on is gone.
    pub(crate) fn restore_task(&mut self, id: &str) -> Option<Arc<Task>> {
        let task = Arc::clone(self.task_bin.get(id)?);
        if !task.contact_ids().all(|contact_id| self.folders.contains_key(contact_id)) {
            return None;
        }
        self.task_bin.remove(id);
        self.journal(&Entry::TaskBack { id: id.to_owned() });
        self.put_task(Arc::clone(&task));
        Some(task)
    }

    pub(crate) fn drop_note(&mut self, contact_id: &str, id: &str) -> Option<Arc<Note>> {
        let note = take(&mut self.folders.get_mut(contact_id)?.notes, |row| row.id == id)?;
        self.journal(&Entry::NoteGone { contact_id: contact_id.to_owned(), id: id.to_owned() });
        self.remember_gone(RecordKind::Note, id);
        Some(note)
    }

    pub(crate) fn drop_appointment(&mut self, id: &str) -> Option<Arc<Appointment>> {
        let contact_id = self.whereabouts.remove(id)?;
        let appointment = take(&mut self.folders.get_mut(&contact_id)?.appointments, |row| row.id == id)?;
        self.agenda.remove(&(appointment.start.as_millisecond(), appointment.id.clone()));
        self.journal(&Entry::AppointmentGone { id: id.to_owned() });
        self.remember_gone(RecordKind::Appointment, id);
        Some(appointment)
    }

    pub(crate) fn drop_business(&mut self, id: &str) -> Option<Arc<Business>> {
        let business = self.businesses.remove(id)?;
        self.journal(&Entry::BusinessGone { id: id.to_owned() });
        Some(business)
    }

    pub(crate) fn drop_recurring_task(&mut self, id: &str) -> Option<Arc<RecurringTask>> {
        let rule = self.recurring_tasks.remove(id)?;
        self.journal(&Entry::RecurringTaskGone { id: id.to_owned() });
        Some(rule)
    }

    /// All that hangs on one contact hangs on another from now on, under the same ids.
    pub(crate) fn move_children(&mut self, from: &str, to: &str) {
        let Some(folder) = self.folders.get_mut(from) else { return };
        let (notes, appointments) = (std::mem::take(&mut folder.notes), std::mem::take(&mut folder.appointments));
        for task in folder.tasks.clone() {
            let mut contact_ids: Vec<String> = Vec::new();
            for held in task.contact_ids() {
                let held = if held == from { to } else { held };
                if !contact_ids.iter().any(|known| known == held) {
                    contact_ids.push(held.to_owned());
                }
            }
            let mut contact_ids = contact_ids.into_iter();
            let (contact_id, also) = (contact_ids.next(), contact_ids.collect());
            self.put_task(Arc::new(Task { contact_id, also, ..Task::clone(&task) }));
        }
        for note in notes {
            self.journal(&Entry::NoteGone { contact_id: from.to_owned(), id: note.id.clone() });
            self.put_note(Arc::new(Note { contact_id: to.to_owned(), ..Note::clone(&note) }));
        }
        for appointment in appointments {
            self.agenda.remove(&(appointment.start.as_millisecond(), appointment.id.clone()));
            self.journal(&Entry::AppointmentGone { id: appointment.id.clone() });
            self.put_appointment(Arc::new(Appointment { contact_id: to.to_owned(), ..Appointment::clone(&appointment) }));
        }
    }
}

fn take<T>(rows: &mut Vec<Arc<T>>, is_it: impl Fn(&T) -> bool) -> Option<Arc<T>> {
    let place = rows.iter().position(|row| is_it(row))?;
    Some(rows.remove(place))
}
