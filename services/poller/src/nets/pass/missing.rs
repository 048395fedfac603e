//! Looks at what a complete pass did not show.

use domain::{ContactId, Record, RecordId};
use jiff::Timestamp;

use crate::config::AppointmentRange;
use crate::look::request::Missing;
use crate::nets::compare::look_at;
use crate::nets::error::Result;
use crate::nets::pass::walk::Complete;
use crate::nets::scope::{ListKind, Scope};

/// How many missing records are read from the log at once.
const UNSEEN_PER_READ: u32 = 500;

/// Looks at what is present in the log but was missing from a complete list. Being missing is only a reason to look: the look shows
/// whether it is gone.
pub(crate) async fn look_at_missing(scope: Scope<'_>, kind: ListKind, complete: &Complete, range: AppointmentRange) -> Result<()> {
    match kind {
        ListKind::Contacts => look_at_missing_contacts(scope, complete).await,
        ListKind::Tasks | ListKind::Appointments => look_at_missing_records(scope, kind, complete, range).await,
    }
}

async fn look_at_missing_contacts(scope: Scope<'_>, complete: &Complete) -> Result<()> {
    let (known, location_id) = (scope.context.log.known(), &scope.connection.location_id);
    let mut after: Option<ContactId> = None;
    loop {
        let missing = known.unseen_contacts(location_id, complete.since, after.as_ref(), UNSEEN_PER_READ).await?;
        let Some(last) = missing.last() else { return Ok(()) };
        after = Some(last.clone());
        let requests = missing.into_iter().map(|contact_id| scope.confirmation(contact_id, ListKind::Contacts)).collect();
        look_at(scope, requests).await?;
    }
}

async fn look_at_missing_records(scope: Scope<'_>, kind: ListKind, complete: &Complete, range: AppointmentRange) -> Result<()> {
    let (known, location_id) = (scope.context.log.known(), &scope.connection.location_id);
    let mut after: Option<(ContactId, RecordId)> = None;
    let mut looked_at: Option<ContactId> = None;
    loop {
        let from = after.as_ref().map(|(contact_id, record_id)| (contact_id, record_id));
        let missing = known.unseen_records(location_id, kind.record_kind(), complete.since, from, UNSEEN_PER_READ).await?;
        let Some((contact_id, record_id, _)) = missing.last() else { return Ok(()) };
        after = Some((contact_id.clone(), record_id.clone()));
        let mut contacts: Vec<ContactId> = missing
            .into_iter()
            .filter(|(_, _, record)| should_be_listed(record.as_ref(), complete.since, range))
            .map(|(contact_id, _, _)| contact_id)
            .filter(|contact_id| looked_at.as_ref() != Some(contact_id))
            .collect();
        contacts.dedup();
        looked_at = contacts.last().cloned().or(looked_at);
        let requests = contacts.into_iter().map(|contact_id| scope.confirmation(contact_id, kind).with(Missing::Confirmed)).collect();
        look_at(scope, requests).await?;
    }
}

/// An appointment outside of the range is not listed.
fn should_be_listed(record: Option<&Record>, since: Timestamp, range: AppointmentRange) -> bool {
    let Some(Record::Appointment(appointment)) = record else { return true };
    let Some(starts_at) = appointment.starts_at.as_ref().and_then(domain::Moment::instant) else { return true };
    (-range.past..=range.future).contains(&starts_at.duration_since(since))
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn appointments_outside_of_the_range_are_not_missing() {
        let since: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let range = AppointmentRange { past: SignedDuration::from_hours(1), future: SignedDuration::from_hours(1) };
        let listed = |at: &str| {
            let appointment = domain::Appointment { starts_at: Some(domain::Moment::read(at)), ..domain::Appointment::default() };
            should_be_listed(Some(&Record::Appointment(appointment)), since, range)
        };
        assert!(listed("2026-01-01T00:30:00Z") && listed("2025-12-31T23:30:00Z") && listed("some day"));
        assert!(!listed("2026-01-01T01:30:00Z") && !listed("2025-12-31T22:30:00Z"));
    }
}
