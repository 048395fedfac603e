//! The content of the object that mirrors a record, with the fields that the rules select.

use super::custom::custom_fields;
use super::reach::{channels, further_emails, further_phones, links};
use super::words::{address, day, display_name, headline, line, name, prose, tags, user};
use crate::rules::{AppointmentField, ContactField, NoteField, TaskField};
use crate::{
    Appointment, AppointmentContent, Contact, ContactContent, ContactId, Content, Names, Note, NoteContent, ObjectKey, Record, RecordFact,
    Rules, Task, TaskContent,
};

pub(super) fn mirrored(fact: &RecordFact, contact_id: &ContactId, container: ObjectKey, rules: &Rules) -> Content {
    let names = &fact.names;
    match &fact.record {
        Record::Contact(contact) => Content::Contact(contact_content(contact, contact_id, names, rules)),
        Record::Task(task) => Content::Task(task_content(task, container, names, rules)),
        Record::Note(note) => Content::Note(note_content(note, container, names, rules)),
        Record::Appointment(appointment) => Content::Appointment(appointment_content(appointment, container, names, rules)),
    }
}

fn contact_content(contact: &Contact, id: &ContactId, names: &Names, rules: &Rules) -> ContactContent {
    let mut content = ContactContent { name: id.to_string(), ..ContactContent::default() };
    for field in &rules.text.mirror.contact {
        match field {
            ContactField::Name => content.name = display_name(contact, id),
            ContactField::Email => {
                content.email = line(contact.email.as_deref());
                content.further_emails = further_emails(contact);
            }
            ContactField::Phone => {
                content.phone = line(contact.phone.as_deref());
                content.further_phones = further_phones(contact);
            }
            ContactField::Company => content.company = line(contact.company.as_deref()),
            ContactField::Address => content.address = address(contact),
            ContactField::Website => content.website = line(contact.website.as_deref()),
            ContactField::Owner => content.owner = user(contact.assigned_to.as_deref(), names),
            ContactField::Birthday => content.birthday = contact.date_of_birth.as_ref().map(day),
            ContactField::Source => content.source = line(contact.source.as_deref()),
            ContactField::TimeZone => content.time_zone = line(contact.time_zone.as_deref()),
            ContactField::DoNotDisturb => {
                content.do_not_disturb = contact.do_not_disturb;
                content.do_not_disturb_on = channels(contact);
            }
            ContactField::Tags => content.tags = tags(contact),
            ContactField::CustomFields => content.custom_fields = custom_fields(contact, names),
            ContactField::Attachments => content.attachments = links(&contact.attachments),
        }
    }
    content
}

fn task_content(task: &Task, container: ObjectKey, names: &Names, rules: &Rules) -> TaskContent {
    let mut content = TaskContent { title: "Task".to_owned(), container: Some(container), ..TaskContent::default() };
    for field in &rules.text.mirror.task {
        match field {
            TaskField::Title => content.title = line(task.title.as_deref()).unwrap_or_else(|| "Task without a title".to_owned()),
            TaskField::Notes => content.notes = prose(task.body.as_deref()),
            TaskField::Due => {
                content.due.clone_from(&task.due_at);
                content.time_zone = line(task.time_zone.as_deref()).filter(|_| content.due.is_some());
            }
            TaskField::Done => content.done = task.done,
            TaskField::Assignee => content.assignee = user(task.assigned_to.as_deref(), names),
        }
    }
    content
}

fn note_content(note: &Note, container: ObjectKey, names: &Names, rules: &Rules) -> NoteContent {
    let mut content = NoteContent { title: "Note".to_owned(), container: Some(container), ..NoteContent::default() };
    let body = prose(note.body.as_deref()).unwrap_or_default();
    for field in &rules.text.mirror.note {
        match field {
            NoteField::Title => content.title = line(note.title.as_deref()).unwrap_or_else(|| headline(&body)),
            NoteField::Body => content.body.clone_from(&body),
            NoteField::WrittenAt => content.written_at.clone_from(&note.added_at),
            NoteField::Author => content.author = user(note.user_id.as_deref(), names),
            NoteField::Pinned => content.pinned = note.pinned,
            NoteField::Attachments => content.attachments = links(&note.attachments),
        }
    }
    content
}

fn appointment_content(appointment: &Appointment, container: ObjectKey, names: &Names, rules: &Rules) -> AppointmentContent {
    let mut content = AppointmentContent { title: "Appointment".to_owned(), container: Some(container), ..AppointmentContent::default() };
    for field in &rules.text.mirror.appointment {
        match field {
            AppointmentField::Title => {
                content.title = line(appointment.title.as_deref()).unwrap_or_else(|| "Appointment without a title".to_owned());
            }
            AppointmentField::Start => content.starts_at.clone_from(&appointment.starts_at),
            AppointmentField::End => content.ends_at.clone_from(&appointment.ends_at),
            AppointmentField::TimeZone => content.time_zone = line(appointment.time_zone.as_deref()),
            AppointmentField::Status => content.status = line(appointment.status.as_deref()),
            AppointmentField::Place => content.place = prose(appointment.place.as_deref()),
            AppointmentField::Notes => content.notes = prose(appointment.notes.as_deref()),
            AppointmentField::Calendar => {
                content.calendar = appointment.calendar_id.as_deref().map(|id| name(id, &names.calendars));
            }
            AppointmentField::Assignee => content.assignee = user(appointment.assigned_to.as_deref(), names),
        }
    }
    content
}
