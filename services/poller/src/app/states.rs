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
        let paused = |kind| SourceTrouble {
            area: area_of(kind).as_str().to_owned(),
            state: SourceState::Paused,
            scope: String::new(),
            cost: cost.to_owned(),
            since: paused.since,
        };
        return RecordKind::ALL.into_iter().map(paused).collect();
    }
    let mut of_area: BTreeMap<Area, BTreeMap<Need, Standing>> = BTreeMap::new();
    for (need, standing) in context.access.of(&connection.location_id) {
        of_area.entry(need.0).or_default().insert(need, standing);
    }
    of_area.into_iter().filter_map(|(area, standings)| trouble_of(area, &standings)).collect()
}

/// What is not as it should be in an area: what is refused in it, or else what fails.
fn trouble_of(area: Area, standings: &BTreeMap<Need, Standing>) -> Option<SourceTrouble> {
    let (mut refused, mut refused_since, mut failing_since) = (Vec::new(), None, None);
    for (need, standing) in standings {
        match standing {
            Standing::Answered => {}
            Standing::Refused { since } => {
                refused.push(*need);
                refused_since = refused_since.into_iter().chain([*since]).min();
            }
            Standing::Failing { since } => failing_since = failing_since.into_iter().chain([*since]).min(),
        }
    }
    let (state, since) =
        refused_since.map(|since| (SourceState::Refused, since)).or_else(|| failing_since.map(|since| (SourceState::Failing, since)))?;
    let scopes: Vec<&str> = refused.iter().map(|need| need.1).collect();
    Some(SourceTrouble { area: area.as_str().to_owned(), state, scope: scopes.join(", "), cost: cost(&refused).to_owned(), since })
}
