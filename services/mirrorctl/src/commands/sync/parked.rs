//! `parked` and `redrive`.

use proto::admin::v1 as api;

use crate::cli::{Connection, RedriveArgs};
use crate::commands::pages::Pages;
use crate::connection::Admin;
use crate::output::table::{Table, printable};
use crate::output::{Output, format};
use crate::problem::{Problem, ok_if_all};

/// Parked work, up to `limit`, and whether there is more.
async fn listed(admin: &mut Admin, location_id: &str, limit: usize) -> Result<(Vec<api::Parked>, bool), Problem> {
    let (mut all, mut pages) = (Vec::new(), Pages::new(limit, false));
    while let Some((page_size, page_token)) = pages.next() {
        let request = api::ListParkedRequest { location_id: location_id.to_owned(), page_size, page_token };
        let page = admin.list_parked(request).await?.into_inner();
        all.extend(pages.take(page.parked, page.next_page_token));
    }
    Ok((all, pages.has_more()))
}

pub(crate) async fn list(connection: &Connection, limit: usize, output: &mut Output<'_>) -> Result<(), Problem> {
    let mut admin = connection.admin().await?;
    let (parked, more) = listed(&mut admin, &connection.location_id(), limit).await?;
    if output.json {
        return parked.iter().try_for_each(|parked| output.answer(parked));
    }
    if parked.is_empty() {
        writeln!(output.out, "nothing waits for a person")?;
        return Ok(());
    }
    let mut table = Table::new(&["PARKED", "SINCE", "STAGE", "LOCATION", "CONTACT", "OBJECT", ">REVISION", ">STATUS", ">TRIES", "REASON"]);
    for parked in &parked {
        table.row([
            parked.parked_id.clone(),
            format::second(parked.parked_at.as_ref()),
            parked.stage.clone(),
            parked.location_id.clone(),
            format::or_dash(&parked.contact_id),
            format::or_dash(&parked.object),
            format::or_dash(&parked.revision),
            if parked.status == 0 { "-".to_owned() } else { parked.status.to_string() },
            parked.attempts.to_string(),
            parked.reason.clone(),
        ]);
    }
    table.write(output.out)?;
    if more {
        writeln!(output.out, "… and more; --limit shows them")?;
    }
    Ok(())
}

/// Redrives one after the other; one that is refused does not stop the others.
pub(crate) async fn redrive(connection: &Connection, arguments: RedriveArgs, output: &mut Output<'_>) -> Result<(), Problem> {
    let mut admin = connection.admin().await?;
    let location_id = connection.location_id();
    // What is listed names its own location.
    let chosen: Vec<(String, String)> = if arguments.all {
        let (parked, _) = listed(&mut admin, &location_id, usize::MAX).await?;
        parked.into_iter().map(|parked| (parked.location_id, parked.parked_id)).collect()
    } else {
        arguments.parked_ids.into_iter().map(|parked_id| (location_id.clone(), parked_id)).collect()
    };
    let (count, mut failures) = (chosen.len(), Vec::new());
    for (location_id, parked_id) in chosen {
        let request = api::RedriveRequest { location_id, parked_id: parked_id.clone(), who: connection.who() };
        match admin.redrive(request).await {
            Ok(answer) => {
                let parked = answer.into_inner().parked.unwrap_or_default();
                if output.json {
                    output.answer(&parked)?;
                } else {
                    let what = if parked.object.is_empty() { &parked.stage } else { &parked.object };
                    writeln!(output.out, "{parked_id}: {} is on its way again", printable(what))?;
                }
            }
            Err(status) if count == 1 => return Err(status.into()),
            Err(status) => {
                let problem = Problem::from(status);
                if output.json {
                    output.line(&serde_json::json!({ "parkedId": parked_id, "problem": problem.to_string() }))?;
                } else {
                    writeln!(output.out, "{parked_id}: {}", printable(&problem.to_string()))?;
                }
                failures.push(problem);
            }
        }
    }
    if count == 0 && !output.json {
        writeln!(output.out, "nothing waits for a person")?;
    }
    ok_if_all(count, &failures)
}
