//! `access-log`: who asked to see what.

use proto::audit::v1 as api;

use crate::cli::{AccessArgs, Connection};
use crate::commands::pages::Pages;
use crate::output::table::Table;
use crate::output::{Output, format};
use crate::problem::Problem;

pub(crate) async fn list(connection: &Connection, arguments: &AccessArgs, output: &mut Output<'_>) -> Result<(), Problem> {
    let mut audit = connection.audit().await?;
    let mut pages = Pages::new(arguments.limit, arguments.all);
    let mut table = Table::new(&["AT", "WHO", "CALL", "CONTACT", "FROM", "TOKEN", "TRACE"]);
    while let Some((page_size, page_token)) = pages.next() {
        let request = api::ListAccessRequest {
            location_id: connection.location_id(),
            contact_id: arguments.contact.clone(),
            who: arguments.asked_by.clone(),
            from: arguments.since.map(Into::into),
            until: arguments.until.map(Into::into),
            page_size,
            page_token,
        };
        let page = audit.list_access(request).await?.into_inner();
        for access in pages.take(page.accesses, page.next_page_token) {
            if output.json {
                output.answer(&access)?;
            } else {
                let contact = if access.contact_id.is_empty() { "(all)" } else { &access.contact_id };
                table.row([
                    format::second(access.at.as_ref()),
                    access.who.clone(),
                    access.call.clone(),
                    contact.to_owned(),
                    format::or_dash(&access.peer),
                    format::or_dash(&access.token),
                    format::or_dash(&access.trace_id),
                ]);
            }
        }
    }
    if !output.json {
        table.write(output.out)?;
        if pages.has_more() {
            writeln!(output.out, "… and more; --all shows them")?;
        }
    }
    Ok(())
}
