//! The events that a plan needs, opened: the only place of a plan that looks into them.

use domain::replay::Planned;
use domain::{ContactId, RecordId, Recorded, Stored};
use eventlog::{Answers, ContactRange, Keys, RawEvent, SharedRecords};

use super::request::{Error, Request};

/// The events of one contact.
pub(super) struct Events {
    pub(super) deciding: Vec<RawEvent>,
    /// Those that only show what was there before.
    pub(super) earlier: Vec<Stored>,
}

/// Opens the events of several contacts at once, so that their keys are asked for once. Gives nothing for a contact of whose deciding
/// events one cannot be read.
pub(super) async fn open(keys: &Keys, contacts: Vec<Events>) -> Result<Vec<Option<Vec<Recorded>>>, Error> {
    let mut read: Vec<Option<Vec<Recorded>>> = Vec::with_capacity(contacts.len());
    let (mut stored, mut whose) = (Vec::new(), Vec::new());
    for (index, Events { deciding, earlier }) in contacts.into_iter().enumerate() {
        let mut readable = Some(Vec::with_capacity(deciding.len() + earlier.len()));
        for event in deciding {
            match event.stored() {
                Ok(event) => {
                    stored.push(event);
                    whose.push((index, true));
                }
                Err(eventlog::Error::Unreadable(_)) => readable = None,
                Err(error) => return Err(error.into()),
            }
        }
        whose.extend(earlier.iter().map(|_| (index, false)));
        stored.extend(earlier);
        read.push(readable);
    }
    for (opened, (index, decides)) in keys.open(stored).await?.into_iter().zip(whose) {
        let Some(of_contact) = read.get_mut(index) else { continue };
        match (opened.transpose(), of_contact.as_mut()) {
            (Ok(event), Some(recorded)) => recorded.push(event),
            (Err(_), _) if decides => *of_contact = None,
            (Ok(_), None) | (Err(_), _) => {}
        }
    }
    Ok(read)
}

/// Every event of a contact that can be read, and what is left as it is because of those that cannot.
pub(super) async fn all_readable(
    answers: &Answers,
    keys: &Keys,
    request: &Request,
    shared: &SharedRecords,
    contact_id: &ContactId,
) -> Result<(Vec<Recorded>, Vec<Planned>), Error> {
    let Request { location_id, through, page_events, .. } = request;
    let contacts = ContactRange::Only(contact_id.clone());
    let (mut recorded, mut skipped, mut position) = (Vec::new(), Vec::new(), 0);
    loop {
        let after = Some((contact_id.as_str(), position));
        let page = answers.records_by_contact(location_id, &contacts, after, *through, *page_events).await?;
        let is_last = page.len() < usize::try_from(*page_events).unwrap_or(usize::MAX);
        for event in page {
            let revision = event.revision()?;
            position = revision.seq;
            if let Some((kind, id, _)) = event.record()?
                && shared.is_elsewhere(kind, id, contact_id.as_str())
            {
                continue;
            }
            let opened = match event.stored() {
                Ok(stored) => keys.open(vec![stored]).await?.pop().and_then(|event| event.transpose().ok()),
                Err(eventlog::Error::Unreadable(_)) => None,
                Err(error) => return Err(error.into()),
            };
            if let Some(event) = opened {
                recorded.push(event);
            } else if let Some((kind, id, _)) = event.record()?
                && let Ok(id) = RecordId::new(id)
            {
                skipped.push(Planned::unreadable(kind, &id, revision));
            }
        }
        if is_last {
            return Ok((recorded, skipped));
        }
    }
}
