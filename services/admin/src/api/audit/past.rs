//! Reading contacts as they were.

use std::collections::BTreeMap;

use domain::{BlameBuilder, BlameQuery, BlamedValue, Body, ContactId, LocationId, Past, Point};
use eventlog::{Answers, EventFilter, Keys, Locations};
use proto::audit::v1 as api;
use tonic::Status;

use crate::api::request;
use crate::config::Limits;
use crate::status::{status_of_log, unknown_contact, unknown_location};

pub(crate) struct Reader<'a> {
    pub(crate) answers: &'a Answers,
    pub(crate) keys: &'a Keys,
    pub(crate) limits: &'a Limits,
}

/// A contact at a moment, and the positions of its events that could not be read.
#[derive(Default)]
pub(crate) struct PastContact {
    pub(crate) past: Past,
    pub(crate) unreadable: Vec<u64>,
    /// The contact was erased since: what was recorded of it is gone.
    pub(crate) erased: bool,
}

/// The given moment; without one `otherwise`, or the end of the log.
pub(crate) async fn point(
    locations: &Locations,
    location_id: &LocationId,
    point: Option<&api::Point>,
    otherwise: Option<Point>,
) -> Result<Point, Status> {
    let head = locations.head(location_id).await.map_err(no_location)?;
    match point.and_then(|point| point.at.as_ref()) {
        None => Ok(otherwise.unwrap_or(Point::Position(head))),
        Some(api::point::At::Position(position)) if *position > head => {
            Err(Status::out_of_range(format!("position {position} is past the end of the log, which is {head}")))
        }
        Some(api::point::At::Position(position)) => Ok(Point::Position(*position)),
        Some(api::point::At::RecordedAt(at)) => Ok(Point::RecordedAt(request::instant(at)?)),
        Some(api::point::At::OccurredAt(at)) => Ok(Point::OccurredAt(request::instant(at)?)),
    }
}

impl Reader<'_> {
    /// A contact at a moment. One that was seen only later has no records.
    pub(crate) async fn contact(&self, location_id: &LocationId, contact_id: &ContactId, point: Point) -> Result<PastContact, Status> {
        let mut contacts = self.contacts(location_id, std::slice::from_ref(contact_id), point).await?;
        if let Some(past) = contacts.remove(contact_id) {
            return Ok(past);
        }
        if self.answers.has_contact(location_id, contact_id).await.map_err(status_of_log)? {
            Ok(PastContact::default())
        } else {
            Err(unknown_contact())
        }
    }

    /// Several contacts at a moment; those not seen by then are left out.
    pub(crate) async fn contacts(
        &self,
        location_id: &LocationId,
        contacts: &[ContactId],
        point: Point,
    ) -> Result<BTreeMap<ContactId, PastContact>, Status> {
        let events = self.answers.records_as_of(location_id, contacts, point).await.map_err(status_of_log)?;
        let mut all: BTreeMap<ContactId, PastContact> = BTreeMap::new();
        for event in self.keys.open(events).await.map_err(status_of_log)? {
            let Some(contact_id) = event.contact_id.clone() else { continue };
            let contact = all.entry(contact_id).or_default();
            let seq = event.seq;
            match event.transpose() {
                Ok(recorded) => {
                    contact.erased |= matches!(recorded.body, Body::Erased);
                    contact.past.take(&recorded);
                }
                Err(_) => contact.unreadable.push(seq),
            }
        }
        Ok(all)
    }

    /// Every value of a field, oldest first, and the positions of events that could not be read.
    pub(crate) async fn blame(
        &self,
        location_id: &LocationId,
        contact_id: &ContactId,
        blame: BlameQuery,
    ) -> Result<(Vec<BlamedValue>, Vec<u64>), Status> {
        let selection = EventFilter { types: vec![blame.kind.to_string(), "delivery".to_owned()], ..EventFilter::default() };
        let (mut blaming, mut unreadable, mut after) = (BlameBuilder::new(blame), Vec::new(), 0);
        loop {
            let rows = self.limits.read_rows.get();
            let stretch =
                self.answers.select(location_id, Some(contact_id), &selection, after, rows, u64::MAX).await.map_err(no_location)?;
            if stretch.through == after {
                return Ok((blaming.values(), unreadable));
            }
            after = stretch.through;
            for event in self.keys.open(stretch.events).await.map_err(status_of_log)? {
                let seq = event.seq;
                match event.transpose() {
                    Ok(recorded) => blaming.take(&recorded),
                    Err(_) => unreadable.push(seq),
                }
            }
        }
    }
}

fn no_location(error: eventlog::Error) -> Status {
    if matches!(error, eventlog::Error::NotFound) {
        return unknown_location();
    }
    status_of_log(error)
}
