//! Changes at GHL, each sent once, and the reads that follow when it is not known whether one was made.
//!
//! GHL has no idempotency keys. After [`Error::UnknownOutcome`] what was created is looked for by `find_created_…`; what was changed or
//! deleted is read again. Either read may still come too early: GHL may be working on a change whose answer was lost.

use std::collections::BTreeSet;

use domain::{ContactId, Record, RecordId, RecordKind};
use serde::Serialize;
use serde_json::{Value, json};

use super::Client;
use crate::operations::{self as op, Operation};
use crate::wire::{self, WrittenContact, WrittenRecord};
use crate::write::{ContactFields, NewContact, NewNote, NewTask, NoteChange, Spelling, TaskChange};
use crate::{Answer, Error, Zone};

impl Client {
    /// # Errors
    /// `Duplicate` where the location allows no second contact like it; otherwise see [`Error`], as for every change here.
    pub async fn create_contact(&self, contact: &NewContact, zone: &Zone) -> Result<Answer<WrittenContact>, Error> {
        let answer = self.send(op::CREATE_CONTACT, &[], Value::Object(contact.body(self.spelling()))).await?;
        answer.try_map_written(|body| wire::written_contact(body, &self.location_id, zone))
    }

    /// The contact that [`Self::create_contact`] may have made: one with the same e-mail address or number. It may also have been there
    /// before.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn find_created_contact(&self, contact: &NewContact, zone: &Zone) -> Result<Answer<Option<WrittenContact>>, Error> {
        self.contact_with(&contact.reach, zone).await
    }

    /// # Errors
    /// `Refused` without a status when there is nothing to change; otherwise see [`Error`].
    pub async fn update_contact(&self, id: &ContactId, change: &ContactFields, zone: &Zone) -> Result<Answer<WrittenContact>, Error> {
        let body = change.body(self.spelling()).ok_or(Error::UNSENT)?;
        let answer = self.send(op::UPDATE_CONTACT, &[id.as_str()], Value::Object(body)).await?;
        done(answer)?.try_map_written(|body| wire::written_contact(body, &self.location_id, zone))
    }

    /// Deletes a contact with all that belongs to it. People can bring it back for about 60 days.
    ///
    /// # Errors
    /// `NotFound` when it is not there; otherwise see [`Error`].
    pub async fn delete_contact(&self, id: &ContactId) -> Result<Answer<()>, Error> {
        self.delete(op::DELETE_CONTACT, &[id.as_str()]).await
    }

    /// Adds tags; gives all tags that the contact then has.
    ///
    /// # Errors
    /// `Refused` without a status when there are none to add; otherwise see [`Error`].
    pub async fn add_tags(&self, to: &ContactId, tags: &[String]) -> Result<Answer<BTreeSet<String>>, Error> {
        self.change_tags(op::ADD_TAGS, to, tags).await
    }

    /// Removes tags; gives those that are left, as GHL answers.
    ///
    /// # Errors
    /// `Refused` without a status when there are none to remove; otherwise see [`Error`].
    pub async fn remove_tags(&self, from: &ContactId, tags: &[String]) -> Result<Answer<BTreeSet<String>>, Error> {
        self.change_tags(op::REMOVE_TAGS, from, tags).await
    }

    /// # Errors
    /// See [`Error`].
    pub async fn create_task(&self, of: &ContactId, task: &NewTask, zone: &Zone) -> Result<Answer<WrittenRecord>, Error> {
        self.write_record(op::CREATE_TASK, &[of.as_str()], task, RecordKind::Task, zone).await
    }

    /// The tasks that [`Self::create_task`] may have made: those of the contact with its title and due time. Bodies are not compared,
    /// since GHL may write HTML in its own way.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn find_created_task(&self, of: &ContactId, task: &NewTask, zone: &Zone) -> Result<Answer<Vec<WrittenRecord>>, Error> {
        let sent = wire::as_task(&json!(task), zone);
        let listed = self.tasks(of, zone).await?;
        Ok(listed.map(|listed| {
            same(
                listed,
                |record| matches!((record, &sent), (Record::Task(here), Some(sent)) if here.title == sent.title && here.due_at == sent.due_at),
            )
        }))
    }

    /// # Errors
    /// `Refused` without a status when there is nothing to change; otherwise see [`Error`].
    pub async fn update_task(
        &self,
        of: &ContactId,
        id: &RecordId,
        change: &TaskChange,
        zone: &Zone,
    ) -> Result<Answer<WrittenRecord>, Error> {
        self.write_record(op::UPDATE_TASK, &[of.as_str(), id.as_str()], change, RecordKind::Task, zone).await
    }

    /// Says whether a task is done.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn complete_task(&self, of: &ContactId, id: &RecordId, done: bool, zone: &Zone) -> Result<Answer<WrittenRecord>, Error> {
        let body = json!({ "completed": done });
        self.write_record(op::COMPLETE_TASK, &[of.as_str(), id.as_str()], &body, RecordKind::Task, zone).await
    }

    /// # Errors
    /// `NotFound` when it is not there; otherwise see [`Error`].
    pub async fn delete_task(&self, of: &ContactId, id: &RecordId) -> Result<Answer<()>, Error> {
        self.delete(op::DELETE_TASK, &[of.as_str(), id.as_str()]).await
    }

    /// # Errors
    /// See [`Error`].
    pub async fn create_note(&self, of: &ContactId, note: &NewNote, zone: &Zone) -> Result<Answer<WrittenRecord>, Error> {
        self.write_record(op::CREATE_NOTE, &[of.as_str()], note, RecordKind::Note, zone).await
    }

    /// The notes that [`Self::create_note`] may have made: those of the contact with its text.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn find_created_note(&self, of: &ContactId, note: &NewNote, zone: &Zone) -> Result<Answer<Vec<WrittenRecord>>, Error> {
        let listed = self.notes(of, zone).await?;
        let text = Some(note.body.as_str());
        Ok(listed.map(|listed| same(listed, |record| matches!(record, Record::Note(here) if here.body.as_deref() == text))))
    }

    /// # Errors
    /// `Refused` without a status when there is nothing to change; otherwise see [`Error`].
    pub async fn update_note(
        &self,
        of: &ContactId,
        id: &RecordId,
        change: &NoteChange,
        zone: &Zone,
    ) -> Result<Answer<WrittenRecord>, Error> {
        self.write_record(op::UPDATE_NOTE, &[of.as_str(), id.as_str()], change, RecordKind::Note, zone).await
    }

    /// # Errors
    /// `NotFound` when it is not there; otherwise see [`Error`].
    pub async fn delete_note(&self, of: &ContactId, id: &RecordId) -> Result<Answer<()>, Error> {
        self.delete(op::DELETE_NOTE, &[of.as_str(), id.as_str()]).await
    }

    fn spelling(&self) -> Spelling {
        Spelling::of(&self.transport.settings().versions.contacts)
    }

    async fn write_record(
        &self,
        operation: &'static Operation,
        path: &[&str],
        record: &impl Serialize,
        kind: RecordKind,
        zone: &Zone,
    ) -> Result<Answer<WrittenRecord>, Error> {
        let body = json!(record);
        if body.as_object().is_none_or(serde_json::Map::is_empty) {
            return Err(Error::UNSENT);
        }
        let answer = self.send(operation, path, body).await?;
        done(answer)?.try_map_written(|body| wire::written_record(body, kind, zone))
    }

    async fn change_tags(&self, operation: &'static Operation, of: &ContactId, tags: &[String]) -> Result<Answer<BTreeSet<String>>, Error> {
        if tags.is_empty() {
            return Err(Error::UNSENT);
        }
        let answer = self.send(operation, &[of.as_str()], json!({ "tags": tags })).await?;
        done(answer)?.try_map_written(|body| wire::tags_left(&body))
    }

    async fn delete(&self, operation: &'static Operation, path: &[&str]) -> Result<Answer<()>, Error> {
        Ok(done(self.get(operation, path).await?)?.map(|_| ()))
    }
}

/// Of what is listed, those that are the same.
fn same(listed: wire::Listed, is_same: impl Fn(&Record) -> bool) -> Vec<WrittenRecord> {
    let records = listed.records.into_iter().filter(|(_, shown)| is_same(&shown.record));
    records.map(|(record_id, shown)| WrittenRecord { record_id, record: shown.record }).collect()
}

/// An answer that says in either spelling that it was not done, is a refusal.
fn done(answer: Answer<Value>) -> Result<Answer<Value>, Error> {
    if wire::failed(&answer.value) {
        return Err(Error::Refused { status: Some(200), trace_id: answer.trace_id });
    }
    Ok(answer)
}
