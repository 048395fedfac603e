//! `contacts` and `contact`.

use proto::admin::v1 as api;

use crate::cli::{Connection, ContactsArgs, Only};
use crate::commands::pages::Pages;
use crate::output::table::{Table, printable};
use crate::output::{Output, format};
use crate::problem::Problem;

pub(crate) async fn list(connection: &Connection, arguments: &ContactsArgs, output: &mut Output<'_>) -> Result<(), Problem> {
    let mut admin = connection.admin().await?;
    let filter = match arguments.only {
        None => api::ContactFilter::Unspecified,
        Some(Only::InSync) => api::ContactFilter::InSync,
        Some(Only::Behind) => api::ContactFilter::Behind,
        Some(Only::Parked) => api::ContactFilter::Parked,
    };
    let mut pages = Pages::new(arguments.limit, arguments.all);
    let mut table = Table::new(&["CONTACT", "STATE", ">GHL", ">APPLIED", ">RECORDS", ">BEHIND", ">PARKED"]);
    while let Some((page_size, page_token)) = pages.next() {
        let location_id = connection.location_id();
        let request = api::ListContactsRequest { location_id, filter: filter.into(), page_size, page_token };
        let page = admin.list_contacts(request).await?.into_inner();
        for contact in pages.take(page.contacts, page.next_page_token) {
            if output.json {
                output.answer(&contact)?;
            } else {
                table.row(row(&contact));
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

fn row(contact: &api::Contact) -> [String; 7] {
    [
        contact.contact_id.clone(),
        format::contact_state(contact).to_owned(),
        contact.ghl_seq.to_string(),
        contact.applied_seq.to_string(),
        contact.records.to_string(),
        contact.behind.to_string(),
        contact.parked.to_string(),
    ]
}

pub(crate) async fn one(connection: &Connection, contact_id: String, output: &mut Output<'_>) -> Result<(), Problem> {
    let mut admin = connection.admin().await?;
    let request = api::GetContactRequest { location_id: connection.location_id(), contact_id };
    let answer = admin.get_contact(request).await?.into_inner();
    if output.json {
        return output.answer(&answer);
    }
    if let Some(contact) = &answer.contact {
        let lag = if answer.lag_seconds > 0.0 { format!(", waiting for {:.1}s", answer.lag_seconds) } else { String::new() };
        let (id, state) = (printable(&contact.contact_id), format::contact_state(contact));
        writeln!(output.out, "{id}: {state}, GHL at {}, Pagico at {}{lag}", contact.ghl_seq, contact.applied_seq)?;
    }
    let mut table = Table::new(&["OBJECT", "KIND", "STATE", "IN GHL", ">GHL", ">APPLIED", "DELIVERED"]);
    for object in &answer.objects {
        table.row([
            object.key.clone(),
            object.kind.clone(),
            format::enumerated(object.state().as_str_name(), "OBJECT_STATE_"),
            if object.present_in_ghl { "yes" } else { "no" }.to_owned(),
            object.ghl_seq.to_string(),
            object.applied_revision.clone(),
            format::second(object.delivered_at.as_ref()),
        ]);
    }
    Ok(table.write(output.out)?)
}
