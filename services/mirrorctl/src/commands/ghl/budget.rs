//! `budget`, `coverage` and `release`: how GHL is asked, how well it is seen, and what of it is held back.

use proto::source::v1 as api;

use crate::cli::Connection;
use crate::output::table::{Table, printable};
use crate::output::{Output, format};
use crate::problem::Problem;

pub(crate) async fn budget(connection: &Connection, output: &mut Output<'_>) -> Result<(), Problem> {
    let request = api::GetBudgetRequest { location_id: connection.location_id() };
    let budget = connection.source().await?.get_budget(request).await?.into_inner();
    let done_at = budget.backfill_done_at.as_ref();
    if output.json {
        return output.answer(&budget);
    }
    let out = &mut output.out;
    writeln!(out, "{}: {} of {} calls left today", printable(&budget.location_id), budget.left_today, budget.day_calls_max)?;
    write!(out, "{:.1} calls a second, {} at once", budget.calls_per_second, budget.at_once)?;
    if budget.throttled > 0 {
        write!(out, "; GHL asked {} times to slow down, pace {:.0} %", budget.throttled, budget.pace * 100.0)?;
    }
    if budget.held_ms > 0 {
        write!(out, "; nothing is asked for {} ms more", budget.held_ms)?;
    }
    writeln!(out)?;
    if done_at.is_some() {
        writeln!(out, "the backfill will be done about {}", format::second(done_at))?;
    }
    let mut table = Table::new(&["LANE", ">CALLS", ">WAITING"]);
    for lane in &budget.lanes {
        table.row([lane.lane.clone(), lane.calls.to_string(), lane.waiting.to_string()]);
    }
    Ok(table.write(output.out)?)
}

pub(crate) async fn release(connection: &Connection, output: &mut Output<'_>) -> Result<(), Problem> {
    let request = api::ReleaseVanishedRequest { location_id: connection.location_id(), who: connection.who() };
    let released = connection.source().await?.release_vanished(request).await?.into_inner();
    if output.json {
        return output.answer(&released);
    }
    let since = format::second(released.held_since.as_ref());
    Ok(writeln!(output.out, "released: {} conclusions, held back since {since}; the next sweep makes them", released.held)?)
}

pub(crate) async fn coverage(connection: &Connection, output: &mut Output<'_>) -> Result<(), Problem> {
    let request = api::GetCoverageRequest { location_id: connection.location_id() };
    let coverage = connection.source().await?.get_coverage(request).await?.into_inner();
    if output.json {
        return output.answer(&coverage);
    }
    let mut table = Table::new(&[
        "KIND",
        "STATE",
        ">PRESENT",
        "LAST WEBHOOK",
        "WATCHED SINCE",
        "SWEPT SINCE",
        "OLDEST LOOK",
        ">WEBHOOK",
        ">WATCH",
        ">SWEEP",
        ">MISSED",
        ">READ AGAIN",
        ">DIFFERED",
        ">AT MOST",
    ]);
    for kind in &coverage.kinds {
        let found = |net: &str| kind.found.iter().find(|found| found.net == net).map_or(0, |found| found.changes).to_string();
        table.row([
            kind.kind.clone(),
            kind.state.clone(),
            kind.present.to_string(),
            format::second(kind.webhook_at.as_ref()),
            format::second(kind.watched_since.as_ref()),
            format::second(kind.swept_since.as_ref()),
            format::second(kind.unverified_since.as_ref()),
            found("webhook"),
            found("poll"),
            found("sweep"),
            share(kind.missed_rate),
            kind.parity_compared.to_string(),
            kind.parity_differed.to_string(),
            share(kind.drift_max),
        ]);
    }
    table.write(output.out)?;
    writeln!(output.out)?;
    for trouble in &coverage.troubles {
        let since = format::second(trouble.since.as_ref());
        let scope = if trouble.scope.is_empty() { String::new() } else { format!(" (scope {})", trouble.scope) };
        let cost = if trouble.cost.is_empty() { String::new() } else { format!(": {}", trouble.cost) };
        let told = format!("{}{scope} {} since {since}{cost}", trouble.area, trouble.state);
        writeln!(output.out, "{}", output.style.alarm(&told))?;
    }
    if !coverage.troubles.is_empty() {
        writeln!(output.out)?;
    }
    if coverage.vanishing_held_since.is_some() {
        let since = format::second(coverage.vanishing_held_since.as_ref());
        let told = format!(
            "unusually much vanished: {} conclusions are held back since {since}; see `mirrorctl release`",
            coverage.vanishing_held
        );
        writeln!(output.out, "{}\n", output.style.alarm(&told))?;
    }
    Ok(writeln!(
        output.out,
        "WEBHOOK, WATCH and SWEEP count the changes that each found first; MISSED is the part that no webhook announced.\n\
         What changed after OLDEST LOOK without a webhook may not be seen yet; the sweep sees it at the latest.\n\
         READ AGAIN are records of the last seven days of which nothing said that they had changed, DIFFERED those in which every net had \
         missed a change; with 95 % confidence AT MOST that part of all differs."
    )?)
}

fn share(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", share * 100.0))
}
