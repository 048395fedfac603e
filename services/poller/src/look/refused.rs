//! Whether GHL refuses a scope or one contact alone. Both look alike, so somebody else is asked for.

use domain::ContactId;
use ghl::{Area, Operation, Search, Window, Zone};
use jiff::Timestamp;

use crate::context::Context;
use crate::look::connection::Connection;

/// How often a look is refused before it is found out what is refused.
pub(crate) const REFUSALS_MIN: u32 = 3;

/// Whether others are answered what is refused for this contact. False where that cannot be found out.
pub(crate) async fn is_contact_alone(context: &Context, connection: &Connection, contact_id: &ContactId, operation: &Operation) -> bool {
    let client = &connection.client;
    if operation.area == Area::Contacts {
        let search = Search { window: Window::Everyone, rows_max: 1, after: None };
        return client.search(&search, &Zone::UNKNOWN).await.is_ok();
    }
    let Some(other) = another_contact(context, connection, Some(contact_id)).await else { return false };
    match operation.area {
        Area::Tasks => client.tasks(&other, &Zone::UNKNOWN).await.is_ok(),
        Area::Notes => client.notes(&other, &Zone::UNKNOWN).await.is_ok(),
        Area::Appointments => client.appointments(&other, &Zone::UNKNOWN).await.is_ok(),
        Area::Contacts | Area::Calendars | Area::Users | Area::CustomFields | Area::Location | Area::Tags | Area::Businesses => false,
    }
}

/// Any contact that is known, but this one.
pub(crate) async fn another_contact(context: &Context, connection: &Connection, than: Option<&ContactId>) -> Option<ContactId> {
    // Nobody was seen later than `Timestamp::MAX`, so these are all contacts.
    let known = context.log.known().unseen_contacts(&connection.location_id, Timestamp::MAX, None, 2).await;
    let known = known.inspect_err(|error| tracing::debug!(%error, "no known contact could be read")).ok()?;
    known.into_iter().find(|contact_id| Some(contact_id) != than)
}
