//! Tasks, notes and appointments: of one contact, and of the whole location.

use domain::{ContactId, Record, RecordId, RecordKind, Shown};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Client;
use crate::operations::{self as op, Operation};
use crate::wire::{self, Listed, RecordPage};
use crate::{Answer, Error, Zone};

/// A search over the tasks of the location.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskSearch {
    /// Rows per page; GHL's default is 25, and it may always give fewer.
    pub rows_max: u32,
    /// Rows to skip: those of the pages before.
    pub skip: u64,
    /// Only tasks of these contacts; empty means all tasks.
    pub contacts: Vec<ContactId>,
    /// Only those that are done, or only those that are not.
    pub done: Option<bool>,
}

/// Whose calendar events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventsOf<'a> {
    Calendar(&'a str),
    User(&'a str),
    Group(&'a str),
}

impl Client {
    /// All tasks of a contact.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn tasks(&self, of: &ContactId, zone: &Zone) -> Result<Answer<Listed>, Error> {
        self.list(op::LIST_TASKS, of, RecordKind::Task, zone).await
    }

    /// All notes of a contact.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn notes(&self, of: &ContactId, zone: &Zone) -> Result<Answer<Listed>, Error> {
        self.list(op::LIST_NOTES, of, RecordKind::Note, zone).await
    }

    /// All appointments of a contact. GHL gives their times as local strings of the location.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn appointments(&self, of: &ContactId, zone: &Zone) -> Result<Answer<Listed>, Error> {
        self.list(op::LIST_APPOINTMENTS, of, RecordKind::Appointment, zone).await
    }

    /// # Errors
    /// See [`Error`].
    pub async fn task(&self, of: &ContactId, id: &RecordId, zone: &Zone) -> Result<Answer<Record>, Error> {
        self.single(op::GET_TASK, of, id, RecordKind::Task, zone).await
    }

    /// # Errors
    /// See [`Error`].
    pub async fn note(&self, of: &ContactId, id: &RecordId, zone: &Zone) -> Result<Answer<Record>, Error> {
        self.single(op::GET_NOTE, of, id, RecordKind::Note, zone).await
    }

    /// One page of the location's tasks, including those without a contact and those of several. Only documented parameters are sent;
    /// the shape of the rows is not published, so fields that a row does not mention are listed in `silent`.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn search_tasks(&self, search: &TaskSearch, zone: &Zone) -> Result<Answer<RecordPage>, Error> {
        let contacts = (!search.contacts.is_empty()).then_some(&search.contacts);
        let asked = [("limit", json!(search.rows_max)), ("skip", json!(search.skip))];
        let only = [("contactId", contacts.map(|ids| json!(ids))), ("completed", search.done.map(Value::from))];
        let only = only.into_iter().filter_map(|(key, value)| Some((key, value?)));
        let body = asked.into_iter().chain(only).map(|(key, value)| (key.to_owned(), value)).collect();
        let answer = self.send(op::SEARCH_TASKS, &[], Value::Object(body)).await?;
        answer.try_map(|body| wire::records(body, RecordKind::Task, &self.location_id, zone))
    }

    /// The contact of a task, found by the search over the location's tasks: for webhooks that do not name it. A row counts only when it
    /// names this very task and a contact.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn contact_of_task(&self, task: &RecordId, rows_max: u32) -> Result<Option<ContactId>, Error> {
        let page = self.search_tasks(&TaskSearch { rows_max, ..TaskSearch::default() }, &Zone::UNKNOWN).await?.value;
        let row = page.rows.into_iter().find(|row| row.record_id == *task);
        Ok(row.and_then(|row| row.contacts.into_iter().next()))
    }

    /// The contact of an appointment, which is asked for by its id: for webhooks that do not name it. None when GHL does not have the
    /// appointment, or names no contact.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn contact_of_appointment(&self, id: &RecordId) -> Result<Option<ContactId>, Error> {
        match self.get(op::GET_APPOINTMENT, &[id.as_str()]).await {
            Ok(answer) => answer.try_map(wire::contact_of).map(|answer| answer.value),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The appointments of a calendar, a user or a group that start in a time span, both ends included; there is no paging. Unlike
    /// the appointments of a contact they come with an offset, so they do not depend on the zone.
    ///
    /// # Errors
    /// [`Error::TooLong`] when the span holds more than is read at once: ask for shorter ones. See [`Error`].
    pub async fn calendar_events(
        &self,
        of: EventsOf<'_>,
        from: Timestamp,
        to: Timestamp,
        zone: &Zone,
    ) -> Result<Answer<RecordPage>, Error> {
        let (key, id) = match of {
            EventsOf::Calendar(id) => ("calendarId", id),
            EventsOf::User(id) => ("userId", id),
            EventsOf::Group(id) => ("groupId", id),
        };
        let query =
            vec![(key, id.to_owned()), ("startTime", from.as_millisecond().to_string()), ("endTime", to.as_millisecond().to_string())];
        let answer = self.query(op::LIST_EVENTS, &[], query).await?;
        answer.try_map(|body| wire::records(body, RecordKind::Appointment, &self.location_id, zone))
    }

    /// An appointment by its id. Unlike the list of its contact's it comes with an offset.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn appointment(&self, id: &RecordId, zone: &Zone) -> Result<Answer<Shown>, Error> {
        self.get(op::GET_APPOINTMENT, &[id.as_str()]).await?.try_map(|body| wire::appointment_by_id(body, id, zone))
    }

    async fn list(&self, operation: &'static Operation, of: &ContactId, kind: RecordKind, zone: &Zone) -> Result<Answer<Listed>, Error> {
        self.get(operation, &[of.as_str()]).await?.try_map(|body| wire::list(body, kind, zone))
    }

    async fn single(
        &self,
        operation: &'static Operation,
        of: &ContactId,
        id: &RecordId,
        kind: RecordKind,
        zone: &Zone,
    ) -> Result<Answer<Record>, Error> {
        self.get(operation, &[of.as_str(), id.as_str()]).await?.try_map(|body| wire::single(body, kind, zone))
    }
}
