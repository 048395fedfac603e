//! Reads contacts again although nothing says that they have changed, and counts what differs: whether the other nets hold is known only by
//! asking. What differs is appended like whatever else is seen.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chassis::tasks::sleep;
use domain::{ContactId, Net, Observation, RecordId, RecordKind, Sighting};
use eventlog::Parity;
use jiff::Timestamp;

use crate::app::access::area_of;
use crate::context::Context;
use crate::look::absence::Keys;
use crate::look::append::Appended;
use crate::look::connection::Connection;
use crate::look::request::Missing;
use crate::look::retry::look_until_seen;
use crate::nets::compare::look_at;
use crate::nets::conclude::conclude;
use crate::nets::error::{Error, Result};
use crate::nets::scope::{ListKind, Rounds, Scope};

/// Reads some contacts again every while, those that were seen longest ago and some by chance.
pub(crate) async fn run(context: &Context, connection: &Connection) -> anyhow::Result<()> {
    let scope = Scope { context, connection, net: &Net::Sweep, in_flight_max: 1, found: None };
    // Locations that were taken over together do not all begin now.
    if !sleep(scope.stop(), context.config.parity.interval.mul_f64(rand::random())).await {
        return Ok(());
    }
    let mut rounds = Rounds::new(scope, "the comparison of some contacts", None);
    while rounds.begin().await {
        let round = compare_some(scope).await;
        rounds.end(round).await;
    }
    Ok(())
}

async fn compare_some(scope: Scope<'_>) -> Result<Duration> {
    let Scope { context, connection, .. } = scope;
    let settings = &context.config.parity;
    if !scope.is_backfilled(ListKind::Contacts).await? {
        return Ok(*settings.interval);
    }
    let (mut counts, mut doubtful) = (BTreeMap::new(), Vec::new());
    for contact_id in sample(scope).await? {
        let Some(seen) = look(scope, &contact_id).await? else { continue };
        let differing = differing(scope, &seen).await?;
        if !differing.is_empty() {
            doubtful.push((contact_id, differing));
            continue;
        }
        count(&mut counts, &seen, &BTreeSet::new());
        if conclude(context, connection, seen, Missing::Unconfirmed, &Keys::new()).await.appended == Appended::Later {
            return Err(Error::NotAppended);
        }
    }
    // A change may be on its way: only what still differs after a while was missed.
    if !doubtful.is_empty() && !sleep(scope.stop(), settings.recheck_pause).await {
        return Err(Error::Stopped);
    }
    for (contact_id, first) in doubtful {
        let Some(seen) = look(scope, &contact_id).await? else { continue };
        let missed: BTreeSet<_> = differing(scope, &seen).await?.intersection(&first).cloned().collect();
        count(&mut counts, &seen, &missed);
        for (kind, record_id) in &missed {
            tracing::warn!(location.id = %connection.location_id, contact.id = %contact_id, record.kind = %kind, record.id = %record_id,
                "a change was missed by every other net; it is made up for");
        }
        look_at(scope, vec![scope.whole(contact_id)]).await?;
    }
    for (kind, parity) in &counts {
        context.metrics.parity(&connection.location_id, *kind, parity);
    }
    context.log.known().note_parity(&connection.location_id, &counts).await?;
    Ok(*settings.interval)
}

async fn sample(scope: Scope<'_>) -> Result<BTreeSet<ContactId>> {
    let Scope { context, connection, .. } = scope;
    let (known, settings) = (context.log.known(), &context.config.parity);
    // Age goes by the last look at notes. While GHL refuses them it stands still, and the same contacts would be read every time.
    let unanswered = context.access.unanswered(&connection.location_id);
    let is_aging = !unanswered.iter().any(|(area, _)| *area == area_of(RecordKind::Note));
    let (by_age, by_chance) =
        if is_aging { (settings.by_age, settings.by_chance) } else { (0, settings.by_chance.saturating_add(settings.by_age)) };
    let by_age = known.notes_due(&connection.location_id, Timestamp::MAX, None, by_age).await?;
    let chance = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 15]>());
    let by_chance = known.contacts_by_chance(&connection.location_id, &chance, by_chance).await?;
    Ok(by_age.into_iter().map(|due| due.contact_id).chain(by_chance).collect())
}

/// None where the look was parked, and for an erased contact: the log is meant to know nothing of it.
async fn look(scope: Scope<'_>, contact_id: &ContactId) -> Result<Option<Observation>> {
    let Scope { context, connection, .. } = scope;
    let erasure = context.log.erasures().find(&connection.location_id, contact_id).await?;
    if erasure.is_some_and(|erasure| erasure.lifted_at.is_none()) {
        return Ok(None);
    }
    Ok(look_until_seen(context, connection, scope.whole(contact_id.clone()), scope.stop()).await?)
}

/// The records in which what was seen is not what the log knows. The log is read after GHL, so that it has what was appended meanwhile.
async fn differing(scope: Scope<'_>, seen: &Observation) -> Result<BTreeSet<(RecordKind, RecordId)>> {
    let Scope { context, connection, .. } = scope;
    let known = context.log.known().of(&connection.location_id, std::slice::from_ref(&seen.contact_id), &RecordKind::ALL).await?;
    let observed = domain::observe(&known.get(&seen.contact_id).cloned().unwrap_or_default(), seen);
    // What this program reads first was not missed.
    let differing = observed.drafts.into_iter().filter(|draft| draft.fact.is_news());
    Ok(differing.map(|draft| (draft.fact.record.kind(), draft.record_id)).collect())
}

fn count(counts: &mut BTreeMap<RecordKind, Parity>, seen: &Observation, missed: &BTreeSet<(RecordKind, RecordId)>) {
    let mut compared = missed.clone();
    if matches!(seen.contact, Sighting::Present { .. }) {
        compared.insert((RecordKind::Contact, RecordId::from(&seen.contact_id)));
    }
    for (kind, listing) in &seen.listings {
        compared.extend(listing.ids().map(|id| (*kind, id.clone())));
    }
    for (kind, _) in compared {
        counts.entry(kind).or_default().compared += 1;
    }
    for (kind, _) in missed {
        counts.entry(*kind).or_default().differed += 1;
    }
}
