//! The state of every area of a location: whether GHL answers, refuses or fails to answer it, or nothing is asked at all. It is shown in
//! status and metrics, and left in the log's database for coverage and alerts.

use std::collections::BTreeMap;

use domain::{LocationId, RecordKind};
use eventlog::{SourceState, SourceTrouble};
use ghl::Area;

use crate::app::access::{Need, Pause, Standing, area_of, cost};
use crate::context::Context;
use crate::look::connection::{Connection, Connections};

/// What is not as it should be, of each location.
pub(crate) type Noted = BTreeMap<LocationId, Vec<SourceTrouble>>;

/// Shows what has changed since `noted`, and leaves it in the database.
pub(crate) async fn show(context: &Context, connections: &Connections, noted: &mut Noted) -> eventlog::Result<()> {
    let (mut now, mut changed) = (Noted::new(), Vec::new());
    for connection in connections.all() {
        let troubles = troubles(context, &connection);
        let before = noted.get(&connection.location_id);
        if before != Some(&troubles) {
            tell(context, &connection.location_id, before.map_or(&[], Vec::as_slice), &troubles);
            changed.push((connection.location_id.clone(), troubles.clone()));
        }
        now.insert(connection.location_id.clone(), troubles);
    }
    for (location_id, troubles) in noted.iter().filter(|(location_id, _)| !now.contains_key(*location_id)) {
        troubles.iter().for_each(|trouble| context.metrics.trouble_over(location_id, trouble));
    }
    if !changed.is_empty() {
        // What could not be left there is tried again.
        context.log.known().note_source(&changed).await?;
    }
    *noted = now;
    Ok(())
}

fn tell(context: &Context, location_id: &LocationId, before: &[SourceTrouble], now: &[SourceTrouble]) {
    before.iter().for_each(|trouble| context.metrics.trouble_over(location_id, trouble));
    now.iter().for_each(|trouble| context.metrics.trouble(location_id, trouble));
    let refused: Vec<&SourceTrouble> = now.iter().filter(|trouble| trouble.state == SourceState::Refused).collect();
    for trouble in refused.iter().filter(|trouble| !before.contains(trouble)) {
        tracing::warn!(location.id = %location_id, area = trouble.area, scope = trouble.scope, cost = trouble.cost, "GHL refuses for want of a scope");
    }
    let in_words = |trouble: &&SourceTrouble| format!("{} (scope {}): {}", trouble.area, trouble.scope, trouble.cost);
    let words: Vec<String> = refused.iter().map(in_words).collect();
    context.problems.refused(location_id, (!words.is_empty()).then(|| format!("GHL refuses {}", words.join("; "))));
}

fn troubles(context: &Context, connection: &Connection) -> Vec<SourceTrouble> {
    if let Some(paused) = connection.paused() {
        let cost = match paused.why {
            Pause::Token => "GHL refuses the token",
            Pause::Inactive => "the location is not active at GHL",
        };
        let paused = |kind| SourceTrouble { cost: cost.to_owned(), ..trouble((area_of(kind), ""), SourceState::Paused, paused.since) };
        return RecordKind::ALL.into_iter().map(paused).collect();
    }
    let mut of_area: BTreeMap<Area, SourceTrouble> = BTreeMap::new();
    for (need, standing) in context.access.of(&connection.location_id) {
        let found = match standing {
            Standing::Answered => continue,
            Standing::Refused { since } => trouble(need, SourceState::Refused, since),
            Standing::Failing { since } => trouble(need, SourceState::Failing, since),
        };
        let known = of_area.entry(need.0).or_insert_with(|| found.clone());
        // A scope of its own says more than that of contacts, which is shared.
        let says_more = found.state == SourceState::Refused && (known.state != SourceState::Refused || known.scope == "contacts.readonly");
        if says_more {
            *known = found;
        }
    }
    of_area.into_values().collect()
}

fn trouble(need: Need, state: SourceState, since: jiff::Timestamp) -> SourceTrouble {
    let (scope, cost) = if state == SourceState::Refused { (need.1, cost(need)) } else { ("", "") };
    SourceTrouble { area: need.0.as_str().to_owned(), state, scope: scope.to_owned(), cost: cost.to_owned(), since }
}
