//! `alerts`: what a person has to know, and what is not told for a while.

use std::time::Duration;

use proto::alerts::v1 as api;

use crate::cli::{AlertsArgs, AlertsCommand, Connection};
use crate::commands::pages::Pages;
use crate::output::table::{Table, printable};
use crate::output::{Output, format};
use crate::problem::Problem;

/// What stands for every condition on the command line.
const ALL: &str = "all";

pub(crate) async fn execute(connection: &Connection, arguments: AlertsArgs, output: &mut Output<'_>) -> Result<(), Problem> {
    match arguments.command.unwrap_or(AlertsCommand::List { limit: 100 }) {
        AlertsCommand::List { limit } => list(connection, limit, output).await,
        AlertsCommand::Silence { condition, duration } => silence(connection, &condition, duration, output).await,
        AlertsCommand::Unsilence { condition } => unsilence(connection, &condition, output).await,
    }
}

async fn list(connection: &Connection, limit: usize, output: &mut Output<'_>) -> Result<(), Problem> {
    let mut client = connection.alerts().await?;
    let (mut alerts, mut silences, mut pages) = (Vec::new(), Vec::new(), Pages::new(limit, false));
    while let Some((page_size, page_token)) = pages.next() {
        let request = api::ListAlertsRequest { location_id: connection.location_id(), page_size, page_token };
        let page = client.list_alerts(request).await?.into_inner();
        silences = page.silences;
        alerts.extend(pages.take(page.alerts, page.next_page_token));
    }
    if output.json {
        alerts.iter().try_for_each(|alert| output.answer(alert))?;
        return silences.iter().try_for_each(|silence| output.answer(silence));
    }
    if alerts.is_empty() {
        writeln!(output.out, "nothing needs a person")?;
    } else {
        show(&alerts, output)?;
    }
    if pages.has_more() {
        writeln!(output.out, "… and more; --limit shows them")?;
    }
    for silence in &silences {
        writeln!(output.out, "silent: {} until {}, by {}", what(silence), format::second(silence.until.as_ref()), printable(&silence.who))?;
    }
    Ok(())
}

/// A table, then what to do about each condition, once.
fn show(alerts: &[api::Alert], output: &mut Output<'_>) -> Result<(), Problem> {
    let mut table = Table::new(&["CONDITION", "LOCATION", "OF", "SINCE", "TOLD", "CAUSE"]);
    for alert in alerts {
        table.row([
            alert.condition.clone(),
            format::or_dash(&alert.location_id),
            format::or_dash(&alert.subject),
            format::second(alert.since.as_ref()),
            told(alert),
            alert.cause.clone(),
        ]);
    }
    table.write(output.out)?;
    let mut shown = Vec::new();
    for alert in alerts.iter().filter(|alert| !alert.cure.is_empty()) {
        if !shown.contains(&&alert.condition) {
            shown.push(&alert.condition);
            writeln!(output.out, "{}: {}", printable(&alert.condition), printable(&alert.cure))?;
        }
    }
    Ok(())
}

/// Over which channels it was told and when; otherwise why not.
fn told(alert: &api::Alert) -> String {
    if alert.told.is_empty() {
        return match (&alert.silenced_until, &alert.gone_at) {
            (Some(until), _) => format!("silent until {}", format::second(Some(until))),
            (None, Some(_)) => "no, it is gone just now".to_owned(),
            (None, None) => "not yet".to_owned(),
        };
    }
    let told = alert.told.iter().map(|told| format!("{} {}", told.channel, format::second(told.told_at.as_ref())));
    told.collect::<Vec<_>>().join(", ")
}

async fn silence(connection: &Connection, condition: &str, duration: Duration, output: &mut Output<'_>) -> Result<(), Problem> {
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    let request = api::SilenceRequest {
        condition: named(condition),
        location_id: connection.location_id(),
        duration: Some(prost_types::Duration { seconds, nanos: 0 }),
        who: connection.who(),
    };
    let silence = connection.alerts().await?.silence(request).await?.into_inner().silence.unwrap_or_default();
    if output.json {
        return output.answer(&silence);
    }
    Ok(writeln!(output.out, "{} is silent until {}", what(&silence), format::second(silence.until.as_ref()))?)
}

async fn unsilence(connection: &Connection, condition: &str, output: &mut Output<'_>) -> Result<(), Problem> {
    let request = api::UnsilenceRequest { condition: named(condition), location_id: connection.location_id() };
    let answer = connection.alerts().await?.unsilence(request).await?.into_inner();
    if output.json {
        return output.answer(&answer);
    }
    Ok(writeln!(output.out, "{} is told again", printable(condition))?)
}

fn named(condition: &str) -> String {
    if condition == ALL { String::new() } else { condition.to_owned() }
}

fn what(silence: &api::ActiveSilence) -> String {
    let condition = if silence.condition.is_empty() { "everything" } else { &silence.condition };
    let of = if silence.location_id.is_empty() { String::new() } else { format!(" of location {}", silence.location_id) };
    printable(&format!("{condition}{of}"))
}
