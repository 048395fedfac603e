//! `access-log`: who asked to see what.

use proto::audit::v1 as api;

use crate::cli::{AccessArgs, Connection};
use crate::commands::pages::page_size;
use crate::output::table::Table;
use crate::output::{Output, format};
use crate::problem::Problem;

pub(crate) async fn list(connection: &Connection, arguments: &AccessArgs, output: &mut Output<'_>) -> Result<(), Problem> {
    let mut audit = connection.audit().await?;
    let mut left = if arguments.all { usize::MAX } else { arguments.limit };
    let (mut token, mut more) = (String::new(), left > 0);
    let mut table = Table::new(&["AT", "WHO", "CALL", "CONTACT", "FROM", "TOKEN", "TRACE"]);
    while more {
        let request = api::ListAccessRequest {
            location_id: connection.location_id(),
            contact_id: arguments.contact.clone(),
            who: arguments.asked_by.clone(),
            from: arguments.since.map(Into::into),
            until: arguments.until.map(Into::into),
            page_size: page_size(left),
            page_token: token,
        };
        let page = audit.list_access(request).await?.into_inner();
        for access in page.accesses.iter().take(left) {
            if output.json {
                output.answer(access)?;
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
        left = left.saturating_sub(page.accesses.len());
        more = left > 0 && !page.next_page_token.is_empty();
        token = page.next_page_token;
    }
    if !output.json {
        table.write(output.out)?;
        if !token.is_empty() {
            writeln!(output.out, "… and more; --all shows them")?;
        }
    }
    Ok(())
}
