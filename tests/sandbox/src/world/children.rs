//! Tasks, notes and appointments come, change and go.

use std::sync::Arc;

use jiff::ToSpan as _;
use serde_json::Value;

use super::{World, contacts::contact};
use crate::{
    Refusal, Webhook,
    draft::{self, Fields, Writer},
    records::{Appointment, Note, Task},
    state::{State, after, now},
    webhook::payload::News,
};

impl World {
    /// The body is that of `POST /contacts/{id}/tasks`; people may leave out the due date, name an `id`, and with `contactIds` all
    /// contacts it hangs on. Gives the id.
    pub fn create_task(&self, contact_id: &str, body: &Value, fate: Webhook) -> Result<String, Refusal> {
        self.create_task_as(Writer::Person, Some(contact_id), draft::object(body)?, fate).map(|task| task.id.clone())
    }

    /// One that hangs on no contact, which only the location's task search shows.
    pub fn create_loose_task(&self, body: &Value, fate: Webhook) -> Result<String, Refusal> {
        self.create_task_as(Writer::Person, None, draft::object(body)?, fate).map(|task| task.id.clone())
    }

    /// Edits a task whatever it hangs on.
    pub fn update_any_task(&self, id: &str, body: &Value, fate: Webhook) -> Result<(), Refusal> {
        self.update_task_as(Writer::Person, None, id, draft::object(body)?, fate).map(drop)
    }

    /// Deletes a task whatever it hangs on.
    pub fn delete_any_task(&self, id: &str, fate: Webhook) -> Result<(), Refusal> {
        let mut state = self.state();
        let task = state.drop_task(id).ok_or_else(|| Refusal::not_found("Task", id))?;
        self.task_gone(&mut state, &task, fate);
        Ok(())
    }

    /// A person gets back a task that was deleted on its own; GHL tells nobody. Refused when its contact is gone.
    pub fn restore_task(&self, id: &str) -> Result<(), Refusal> {
        let mut state = self.state();
        let task = state.restore_task(id).ok_or_else(|| Refusal::not_found("Task", id))?;
        self.task_changed(&mut state, &task);
        Ok(())
    }

    /// GHL has no webhook for it, except when `completed` becomes true.
    pub fn update_task(&self, contact_id: &str, id: &str, body: &Value, fate: Webhook) -> Result<(), Refusal> {
        self.update_task_as(Writer::Person, Some(contact_id), id, draft::object(body)?, fate).map(drop)
    }

    pub fn complete_task(&self, contact_id: &str, id: &str, completed: bool, fate: Webhook) -> Result<(), Refusal> {
        self.update_task(contact_id, id, &serde_json::json!({ "completed": completed }), fate)
    }

    pub fn delete_task(&self, contact_id: &str, id: &str, fate: Webhook) -> Result<(), Refusal> {
        let mut state = self.state();
        contact(&state, contact_id)?;
        task_of(&state, Some(contact_id), id)?;
        if let Some(task) = state.drop_task(id) {
            self.task_gone(&mut state, &task, fate);
        }
        Ok(())
    }

    fn task_gone(&self, state: &mut State, task: &Task, fate: Webhook) {
        self.task_changed(state, task);
        self.tell(state, fate, &News::Task { event: "TaskDelete", task });
    }

    pub(super) fn task_changed(&self, state: &mut State, task: &Task) {
        for contact_id in task.contact_ids() {
            self.children_changed(state, contact_id);
        }
    }

    /// The body is that of `POST /contacts/{id}/notes`. Gives the id.
    pub fn create_note(&self, contact_id: &str, body: &Value, fate: Webhook) -> Result<String, Refusal> {
        self.create_note_as(Writer::Person, contact_id, draft::object(body)?, fate).map(|note| note.id.clone())
    }

    pub fn update_note(&self, contact_id: &str, id: &str, body: &Value, fate: Webhook) -> Result<(), Refusal> {
        self.update_note_as(Writer::Person, contact_id, id, draft::object(body)?, fate).map(drop)
    }

    pub fn delete_note(&self, contact_id: &str, id: &str, fate: Webhook) -> Result<(), Refusal> {
        let mut state = self.state();
        contact(&state, contact_id)?;
        let note = state.drop_note(contact_id, id).ok_or_else(|| Refusal::not_found("Note", id))?;
        self.children_changed(&mut state, contact_id);
        self.tell(&mut state, fate, &News::Note { event: "NoteDelete", note: &note });
        Ok(())
    }

    /// The body is that of `POST /calendars/events/appointments`, with `calendarId`, `contactId`, `startTime`. Gives the id.
    pub fn create_appointment(&self, body: &Value, fate: Webhook) -> Result<String, Refusal> {
        self.create_appointment_as(Writer::Person, draft::object(body)?, fate).map(|appointment| appointment.id.clone())
    }

    pub fn update_appointment(&self, id: &str, body: &Value, fate: Webhook) -> Result<(), Refusal> {
        self.update_appointment_as(Writer::Person, id, draft::object(body)?, fate).map(drop)
    }

    pub fn delete_appointment(&self, id: &str, fate: Webhook) -> Result<(), Refusal> {
        let mut state = self.state();
        let appointment = state.drop_appointment(id).ok_or_else(|| no_event(id))?;
        self.children_changed(&mut state, &appointment.contact_id);
        self.tell(&mut state, fate, &News::Appointment { event: "AppointmentDelete", appointment: &appointment });
        Ok(())
    }

    pub(crate) fn create_task_as(
        &self,
        writer: Writer,
        contact_id: Option<&str>,
        body: &Fields,
        fate: Webhook,
    ) -> Result<Arc<Task>, Refusal> {
        let mut task = Task { contact_id: contact_id.map(str::to_owned), date_added: now(), ..Task::default() };
        let mut state = self.state();
        draft::task(&mut task, body, writer)?;
        for contact_id in contact_id.into_iter().chain(task.contact_ids().map(String::as_str)) {
            contact(&state, contact_id)?;
        }
        task.id = self.id_for(&mut state, writer, body);
        let task = Arc::new(task);
        state.put_task(Arc::clone(&task));
        self.task_changed(&mut state, &task);
        self.tell(&mut state, fate, &News::Task { event: "TaskCreate", task: &task });
        Ok(task)
    }

    pub(crate) fn update_task_as(
        &self,
        writer: Writer,
        contact_id: Option<&str>,
        id: &str,
        body: &Fields,
        fate: Webhook,
    ) -> Result<Arc<Task>, Refusal> {
        let mut state = self.state();
        let held = task_of(&state, contact_id, id)?;
        let mut task = Task::clone(&held);
        draft::task(&mut task, body, writer)?;
        for contact_id in task.contact_ids() {
            contact(&state, contact_id)?;
        }
        let task = Arc::new(task);
        state.put_task(Arc::clone(&task));
        self.task_changed(&mut state, &task);
        if task.completed && !held.completed {
            self.tell(&mut state, fate, &News::Task { event: "TaskComplete", task: &task });
        }
        Ok(task)
    }

    pub(crate) fn create_note_as(&self, writer: Writer, contact_id: &str, body: &Fields, fate: Webhook) -> Result<Arc<Note>, Refusal> {
        let mut note = Note { contact_id: contact_id.to_owned(), date_added: now(), ..Note::default() };
        let mut state = self.state();
        contact(&state, contact_id)?;
        draft::note(&mut note, body, writer)?;
        note.id = self.id_for(&mut state, writer, body);
        let note = Arc::new(note);
        state.put_note(Arc::clone(&note));
        self.children_changed(&mut state, contact_id);
        self.tell(&mut state, fate, &News::Note { event: "NoteCreate", note: &note });
        Ok(note)
    }

    pub(crate) fn update_note_as(
        &self,
        writer: Writer,
        contact_id: &str,
        id: &str,
        body: &Fields,
        fate: Webhook,
    ) -> Result<Arc<Note>, Refusal> {
        let mut state = self.state();
        contact(&state, contact_id)?;
        let held = state.note(contact_id, id).ok_or_else(|| Refusal::not_found("Note", id))?;
        let mut note = Note::clone(held);
        draft::note(&mut note, body, writer)?;
        let note = Arc::new(note);
        state.put_note(Arc::clone(&note));
        self.children_changed(&mut state, contact_id);
        self.tell(&mut state, fate, &News::Note { event: "NoteUpdate", note: &note });
        Ok(note)
    }

    pub(crate) fn create_appointment_as(&self, writer: Writer, body: &Fields, fate: Webhook) -> Result<Arc<Appointment>, Refusal> {
        let text = |key: &str| body.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let required = |key: &str| text(key).ok_or_else(|| Refusal::calendar(&format!("{key} should not be empty")));
        let (calendar_id, contact_id, _) = (required("calendarId")?, required("contactId")?, required("startTime")?);
        let calendar = self.premises().calendars.get(calendar_id).ok_or_else(|| Refusal::calendar("Calendar not found"))?;
        let mut state = self.state();
        let person =
            contact(&state, contact_id).map_err(|_common| Refusal::calendar(&format!("Contact with id {contact_id} not found")))?;
        let at = now();
        let mut appointment = Appointment {
            contact_id: contact_id.to_owned(),
            calendar_id: calendar_id.to_owned(),
            group_id: Some(calendar.group_id.clone()),
            title: person.name(),
            status: "confirmed".to_owned(),
            assigned_user_id: calendar.user_ids.first().cloned(),
            source: Some(if writer == Writer::Person { "calendar_page" } else { "third_party" }.to_owned()),
            date_added: at,
            date_updated: at,
            start: at,
            end: at.checked_add(i64::from(calendar.slot_minutes).minutes()).unwrap_or(at),
            ..Appointment::default()
        };
        draft::appointment(&mut appointment, body, writer, &self.premises().zone)?;
        appointment.id = self.id_for(&mut state, writer, body);
        let appointment = Arc::new(appointment);
        state.put_appointment(Arc::clone(&appointment));
        self.children_changed(&mut state, contact_id);
        self.tell(&mut state, fate, &News::Appointment { event: "AppointmentCreate", appointment: &appointment });
        Ok(appointment)
    }

    pub(crate) fn update_appointment_as(
        &self,
        writer: Writer,
        id: &str,
        body: &Fields,
        fate: Webhook,
    ) -> Result<Arc<Appointment>, Refusal> {
        let mut state = self.state();
        let mut appointment = Appointment::clone(state.appointment(id).ok_or_else(|| no_event(id))?);
        draft::appointment(&mut appointment, body, writer, &self.premises().zone)?;
        appointment.date_updated = after(appointment.date_updated);
        let appointment = Arc::new(appointment);
        state.put_appointment(Arc::clone(&appointment));
        self.children_changed(&mut state, &appointment.contact_id);
        self.tell(&mut state, fate, &News::Appointment { event: "AppointmentUpdate", appointment: &appointment });
        Ok(appointment)
    }

    /// Whether such a change moves the contact's `dateUpdated` is not documented, so it is a setting.
    fn children_changed(&self, state: &mut State, contact_id: &str) {
        if self.touch().children {
            drop(state.touch(contact_id));
        }
    }

    pub(super) fn id_for(&self, state: &mut State, writer: Writer, body: &Fields) -> String {
        match body.get("id").and_then(Value::as_str) {
            Some(id) if writer == Writer::Person => id.to_owned(),
            _ => state.new_id(),
        }
    }
}

/// The task, if it hangs on that contact; on any when none is asked for.
pub(crate) fn task_of(state: &State, contact_id: Option<&str>, id: &str) -> Result<Arc<Task>, Refusal> {
    if let Some(contact_id) = contact_id {
        contact(state, contact_id)?;
    }
    let task = state.task(id).filter(|task| contact_id.is_none_or(|wanted| task.contact_ids().any(|held| held == wanted)));
    task.cloned().ok_or_else(|| Refusal::not_found("Task", id))
}

pub(crate) fn no_event(id: &str) -> Refusal {
    Refusal::calendar(&format!("Event with id {id} not found"))
}
