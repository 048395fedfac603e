//! Rows of a bulk listing against what is known: what is the same costs no call, what differs is asked for by its id before it counts.
//!
//! GHL's searches lag behind by seconds, so that a row may show what was before. It may say that there is something to look at, and that
//! nothing has changed; only of a record that was never seen it is taken at its word, and only in a backfill.

use std::collections::{BTreeMap, BTreeSet};

use chassis::Shutdown;
use domain::{Change, ContactId, KnownContact, Listing, Moment, Net, Observation, Record, RecordId, RecordKind, Sighting};
use futures::StreamExt;
use ghl::{Client, RecordRow, Row};
use jiff::Timestamp;

use crate::context::Tools;
use crate::look::append::Appended;
use crate::look::connection::Connection;
use crate::look::fetch::{Ask, FoundContact, Parts, Question, look_until_seen, unseen};
use crate::look::names::Mentioned;
use crate::nets::error::Trouble;

/// Contacts of whom everything that is known is in memory at once: a list of appointments may be of thousands.
const CONTACTS_AT_ONCE: usize = 200;

/// On whose behalf a location is gone through.
#[derive(Clone, Copy)]
pub(crate) struct Errand<'a> {
    pub(crate) tools: &'a Tools,
    pub(crate) connection: &'a Connection,
    pub(crate) shutdown: &'a Shutdown,
    pub(crate) net: &'a Net,
    /// Looks at the same time.
    pub(crate) in_flight_max: usize,
}

/// Of which answer rows are.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) at: Timestamp,
    pub(crate) trace_id: Option<String>,
}

/// Records of which a whole location has a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bulk {
    Contacts,
    Tasks,
    Appointments,
}

impl Bulk {
    pub(crate) const ALL: [Self; 3] = [Self::Contacts, Self::Tasks, Self::Appointments];

    pub(crate) fn kind(self) -> RecordKind {
        match self {
            Self::Contacts => RecordKind::Contact,
            Self::Tasks => RecordKind::Task,
            Self::Appointments => RecordKind::Appointment,
        }
    }

    /// What of a contact is asked for to confirm what such a list says.
    fn parts(self) -> Parts {
        match self {
            Self::Contacts => Parts::ALL,
            Self::Tasks => Parts::TASKS,
            Self::Appointments => Parts::APPOINTMENTS,
        }
    }
}

/// What becomes of what a row says.
enum Next {
    /// It is as it is known.
    Same(Observation),
    /// It is taken at its word.
    New(Observation),
    Look(Question),
}

impl Errand<'_> {
    pub(crate) fn client(&self) -> Client {
        self.connection.client_for(self.net)
    }

    pub(crate) fn is_backfill(&self) -> bool {
        matches!(self.net, Net::Backfill)
    }

    fn observation(&self, contact_id: ContactId, asked: &Asked) -> Observation {
        let mut seen = unseen(self.connection, contact_id, asked.at, self.net.clone());
        seen.cause.ghl_trace_id.clone_from(&asked.trace_id);
        seen.traceparent = chassis::trace::traceparent();
        seen
    }

    /// What confirms that a contact's records of a kind are as a list says.
    pub(crate) fn confirm(&self, contact_id: ContactId, bulk: Bulk) -> Question {
        let contact = if bulk == Bulk::Contacts { Ask::Fresh } else { Ask::Nothing };
        Question { contact_id, contact, parts: bulk.parts(), net: self.net.clone(), traceparent: chassis::trace::traceparent() }
    }
}

/// Compares a page of contacts, and waits until what came of it is in the log.
pub(crate) async fn contacts(errand: Errand<'_>, rows: Vec<Row>, asked: &Asked) -> Result<(), Trouble> {
    let ids: Vec<ContactId> = rows.iter().map(|row| row.contact_id.clone()).collect();
    let known = errand.tools.log.known(&errand.connection.location_id, &ids).await?;
    let nexts = rows.into_iter().map(|row| next_of_contact(errand, row, &known, asked)).collect();
    settle(errand, nexts).await
}

fn next_of_contact(errand: Errand<'_>, row: Row, known: &BTreeMap<ContactId, KnownContact>, asked: &Asked) -> Next {
    let whole = |contact_id| Next::Look(Question::whole(contact_id, errand.net.clone(), chassis::trace::traceparent()));
    let known = known.get(&row.contact_id);
    let moved = known.is_none_or(|known| has_moved(row.updated_at(), known.looks.updated_at.as_ref()));
    let Row { contact_id, contact, mut silent } = row;
    let Some(known) = known else {
        if !errand.is_backfill() || errand.tools.config.backfill.contact_by_id {
            return whole(contact_id);
        }
        return Next::Look(with_notes(
            errand,
            contact_id,
            FoundContact { contact, silent, asked_at: asked.at, trace_id: asked.trace_id.clone() },
        ));
    };
    // The update time says when the contact was last looked at with everything that belongs to it; this row is no such look.
    silent.insert("updated_at".to_owned());
    let mut seen = errand.observation(contact_id.clone(), asked);
    seen.contact = Sighting::Present { contact: Box::new(contact.clone()), silent: silent.clone() };
    if moved || !domain::observe(known, &seen).drafts.is_empty() {
        whole(contact_id)
    } else if errand.is_backfill() {
        let found = FoundContact { contact, silent, asked_at: asked.at, trace_id: asked.trace_id.clone() };
        Next::Look(with_notes(errand, contact_id, found))
    } else {
        Next::Same(seen)
    }
}

/// A backfill sees the notes with the contact: there is no list of them over a location.
fn with_notes(errand: Errand<'_>, contact_id: ContactId, found: FoundContact) -> Question {
    let contact = Ask::Found(Box::new(found));
    Question { contact_id, contact, parts: Parts::NOTES, net: errand.net.clone(), traceparent: chassis::trace::traceparent() }
}

/// Search lags behind: a row older than what was already seen is no news.
pub(crate) fn has_moved(row: Option<&Moment>, known: Option<&Moment>) -> bool {
    match (row, known) {
        (Some(Moment::At(now)), Some(Moment::At(known))) => now > known,
        (now, known) => now != known,
    }
}

/// Compares a page of tasks or appointments, and waits until what came of it is in the log. A task of several contacts is one of each.
pub(crate) async fn records(errand: Errand<'_>, bulk: Bulk, rows: Vec<RecordRow>, asked: &Asked) -> Result<(), Trouble> {
    let mut by_contact: BTreeMap<ContactId, Vec<Listed>> = BTreeMap::new();
    for RecordRow { record_id, contacts, record, silent } in rows {
        if contacts.is_empty() {
            errand.tools.metrics.of_nobody(bulk.kind());
        }
        for contact_id in contacts {
            by_contact.entry(contact_id).or_default().push((record_id.clone(), record.clone(), silent.clone()));
        }
    }
    let mut by_contact = by_contact.into_iter();
    loop {
        let some: Vec<_> = by_contact.by_ref().take(CONTACTS_AT_ONCE).collect();
        if some.is_empty() {
            return Ok(());
        }
        records_of(errand, bulk, some, asked).await?;
    }
}

async fn records_of(errand: Errand<'_>, bulk: Bulk, by_contact: Vec<(ContactId, Vec<Listed>)>, asked: &Asked) -> Result<(), Trouble> {
    let ids: Vec<ContactId> = by_contact.iter().map(|(contact_id, _)| contact_id.clone()).collect();
    let known = errand.tools.log.known(&errand.connection.location_id, &ids).await?;
    let mut nexts = Vec::with_capacity(by_contact.len());
    for (contact_id, listed) in by_contact {
        let mut next = next_of_records(errand, bulk, contact_id, listed, &known, asked);
        if let Next::New(seen) = &mut next {
            seen.names = errand.connection.names.names(&errand.client(), &Mentioned::by(seen)).await?;
        }
        nexts.push(next);
    }
    settle(errand, nexts).await
}

/// A record, and the fields that its row does not mention.
type Listed = (RecordId, Record, BTreeSet<String>);

fn next_of_records(
    errand: Errand<'_>,
    bulk: Bulk,
    contact_id: ContactId,
    listed: Vec<Listed>,
    known: &BTreeMap<ContactId, KnownContact>,
    asked: &Asked,
) -> Next {
    let Some(known) = known.get(&contact_id).filter(|known| known.is_present(&contact_id)) else {
        return Next::Look(Question::whole(contact_id, errand.net.clone(), chassis::trace::traceparent()));
    };
    let filled = listed.into_iter().map(|(id, record, silent)| {
        let last = known.records.get(&(bulk.kind(), id.clone())).map(|last| &last.record);
        (id, Some(domain::fill_silent(last, record, &silent)))
    });
    let listing = Listing::Partial(filled.collect());
    let mut seen = errand.observation(contact_id.clone(), asked);
    match bulk {
        Bulk::Contacts => {}
        Bulk::Tasks => seen.tasks = listing,
        Bulk::Appointments => seen.appointments = listing,
    }
    let observed = domain::observe(known, &seen);
    if observed.drafts.is_empty() {
        Next::Same(seen)
    } else if errand.is_backfill() && observed.drafts.iter().all(|draft| draft.fact.change == Change::Appeared) {
        Next::New(seen)
    } else {
        Next::Look(errand.confirm(contact_id, bulk))
    }
}

async fn settle(errand: Errand<'_>, nexts: Vec<Next>) -> Result<(), Trouble> {
    let (mut same, mut new, mut questions) = (Vec::new(), Vec::new(), Vec::new());
    for next in nexts {
        match next {
            Next::Same(seen) => same.push(seen),
            Next::New(seen) => new.push(seen),
            Next::Look(question) => questions.push(question),
        }
    }
    if !same.is_empty() {
        errand.tools.log.confirm(&errand.connection.lease, &same).await?;
        errand.tools.metrics.unchanged(errand.net.as_str(), same.iter().map(crate::look::append::looked_at).sum());
    }
    let appended = futures::future::join_all(new.into_iter().map(|seen| errand.connection.appender.append(seen))).await;
    if appended.contains(&Appended::Later) {
        return Err(Trouble::NotAppended);
    }
    look_at(errand, questions).await
}

/// Looks, and waits until what was seen is in the log.
pub(crate) async fn look_at(errand: Errand<'_>, questions: Vec<Question>) -> Result<(), Trouble> {
    let looks = questions.into_iter().map(|question| async move {
        let looked = look_until_seen(errand.tools, errand.connection, question, errand.shutdown).await?;
        let Some(observation) = looked else { return Ok(()) };
        match errand.connection.appender.append(observation).await {
            Appended::Done { .. } => Ok(()),
            Appended::Later => Err(Trouble::NotAppended),
        }
    });
    let mut looks = futures::stream::iter(looks).buffer_unordered(errand.in_flight_max);
    while let Some(looked) = looks.next().await {
        looked?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(row: Option<&str>, known: Option<&str>, moved: bool) {
        assert_eq!(has_moved(row.map(Moment::read).as_ref(), known.map(Moment::read).as_ref()), moved);
    }

    #[test]
    fn only_a_later_update_time_is_news() {
        check(Some("2026-01-01T00:00:01Z"), Some("2026-01-01T00:00:00Z"), true);
        check(Some("2026-01-01T00:00:00.000Z"), Some("2026-01-01T00:00:00Z"), false);
        check(Some("2026-01-01T00:00:00Z"), Some("2026-01-01T00:00:01Z"), false);
        check(Some("2026-01-01T00:00:00Z"), None, true);
        check(Some("yesterday"), Some("today"), true);
        check(None, Some("2026-01-01T00:00:00Z"), true);
        check(None, None, false);
    }
}
