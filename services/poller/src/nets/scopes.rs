//! Which scopes the token has: once after the start what was not asked by then is asked for, and from time to time what GHL refuses or
//! fails to answer. When it is allowed again, what looks could not read meanwhile is read.

use std::collections::BTreeSet;

use chassis::tasks::sleep;
use domain::{Net, RecordKind};
use ghl::{Area, Client, Zone};

use crate::app::access::{NEEDED, Need, area_of};
use crate::context::Context;
use crate::look::connection::Connection;
use crate::look::little::{events_of_a_day, list_of, one_contact, one_task};
use crate::look::refused::another_contact;
use crate::look::request::{ContactPart, RecordParts};
use crate::nets::compare::look_at;
use crate::nets::error::Result;
use crate::nets::scope::{Rounds, Scope};

/// How many contacts are looked at in one go.
const CONTACTS_AT_ONCE: usize = 100;

/// Asks and catches up until it is time to stop.
pub(crate) async fn run(context: &Context, connection: &Connection) -> anyhow::Result<()> {
    let scope =
        Scope { context, connection, net: &Net::Poll, in_flight_max: context.config.watch.contacts_in_flight_max.get(), found: None };
    if !sleep(scope.stop(), context.config.scopes.asked_after).await || !connection.wait_until_askable(scope.stop()).await {
        return Ok(());
    }
    ask(scope, &unasked(scope).collect()).await;
    let mut rounds = Rounds::new(scope, "the catching up of what was refused", None);
    let mut in_vain = 0;
    while rounds.begin().await {
        let before = context.access.unanswered(&connection.location_id);
        // The lists of contacts can be asked for only once a contact is known.
        let lists = unasked(scope).filter(|(area, _)| matches!(area, Area::Tasks | Area::Notes | Area::Appointments));
        ask(scope, &lists.chain(before.iter().copied()).collect()).await;
        let still = context.access.unanswered(&connection.location_id);
        if before.iter().any(|need| !still.contains(need)) {
            in_vain = 0;
            connection.allowed.notify_waiters();
        }
        let round = catch_up(scope, &still).await;
        in_vain = if still.is_empty() { 0 } else { in_vain + 1 };
        rounds.end(round.map(|()| context.config.retry.scope_delay(in_vain))).await;
    }
    Ok(())
}

fn unasked(scope: Scope<'_>) -> impl Iterator<Item = Need> {
    let known = scope.context.access.of(&scope.connection.location_id);
    NEEDED.into_iter().filter(move |need| !known.contains_key(need))
}

/// Asks for little of each. What GHL answers is noted with every call.
async fn ask(scope: Scope<'_>, needs: &BTreeSet<Need>) {
    let (client, names) = (scope.client(), &scope.connection.names);
    if needs.iter().any(|(area, _)| matches!(area, Area::Location | Area::Users | Area::CustomFields | Area::Calendars)) {
        drop(names.refreshed(&client).await);
    }
    for (area, needed) in needs {
        match (area, *needed) {
            (Area::Contacts, _) => {
                drop(client.search(&one_contact(), &Zone::UNKNOWN).await);
            }
            (Area::Tasks, "locations/tasks.readonly") => {
                drop(client.search_tasks(&one_task(), &Zone::UNKNOWN).await);
            }
            (Area::Appointments, "calendars/events.readonly") => ask_for_events(scope, &client).await,
            (Area::Tasks, _) => ask_for_list(scope, &client, RecordKind::Task).await,
            (Area::Notes, _) => ask_for_list(scope, &client, RecordKind::Note).await,
            (Area::Appointments, _) => ask_for_list(scope, &client, RecordKind::Appointment).await,
            (Area::Location | Area::Users | Area::CustomFields | Area::Calendars | Area::Tags | Area::Businesses, _) => {}
        }
    }
}

/// The appointments of one calendar on one day.
async fn ask_for_events(scope: Scope<'_>, client: &Client) {
    let Ok(calendars) = scope.connection.names.calendars(client).await else { return };
    let Some(calendar) = calendars.first() else { return };
    drop(events_of_a_day(client, calendar).await);
}

/// One list of any contact, and of another one where the first may be refused alone.
async fn ask_for_list(scope: Scope<'_>, client: &Client, kind: RecordKind) {
    let mut before = None;
    for _ in 0..2 {
        let Some(contact_id) = another_contact(scope.context, scope.connection, before.as_ref()).await else { return };
        let answer = list_of(client, kind, &contact_id).await;
        if !matches!(answer, Err(ghl::Error::Forbidden { .. })) {
            return;
        }
        before = Some(contact_id);
    }
}

/// Looks at what is owed of the kinds that are answered.
async fn catch_up(scope: Scope<'_>, unanswered: &BTreeSet<Need>) -> Result<()> {
    let owed = &scope.connection.owed;
    for (kind, parts) in [
        (RecordKind::Task, RecordParts::TASKS),
        (RecordKind::Note, RecordParts::NOTES),
        (RecordKind::Appointment, RecordParts::APPOINTMENTS),
    ] {
        if unanswered.contains(&(area_of(kind), "contacts.readonly")) {
            continue;
        }
        loop {
            let contacts = owed.some(kind, CONTACTS_AT_ONCE);
            if contacts.is_empty() {
                break;
            }
            let requests = contacts.iter().map(|contact_id| scope.request(contact_id.clone(), ContactPart::Skip, parts)).collect();
            look_at(scope, requests).await?;
            // Those that are parked are settled, too.
            contacts.iter().for_each(|contact_id| owed.settle(kind, contact_id));
        }
    }
    Ok(())
}
