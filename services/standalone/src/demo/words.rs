//! What the demo says to people.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use sandbox::story::{Deed, News, Step};

use super::agency::Agency;
use crate::stand::Stand;

pub(super) fn opening(agency: &Agency) -> String {
    let counts = agency.counts();
    let what =
        format!("{} contacts, {} tasks, {} notes, {} appointments", counts.contacts, counts.tasks, counts.notes, counts.appointments);
    match agency.start() {
        1 => format!("An agency in a simulated GoHighLevel: {what}. Everything is mirrored into Pagico's workspace."),
        start => format!("Going on from what start {} left: {what}.", start - 1),
    }
}

pub(super) fn change(step: &Step) -> String {
    format!("{} ({})", deed(step.deed), news(step.news))
}

fn deed(deed: Deed) -> &'static str {
    match deed {
        Deed::AddContact => "a contact is added",
        Deed::EditContact => "a contact is edited",
        Deed::ChangeTags => "tags change",
        Deed::AddTask => "a task is added",
        Deed::EditTask => "a task is edited",
        Deed::CompleteTask => "a task is done",
        Deed::DeleteTask => "a task is deleted",
        Deed::WriteNote => "a note is written",
        Deed::EditNote => "a note is edited",
        Deed::DeleteNote => "a note is deleted",
        Deed::Book => "an appointment is booked",
        Deed::Reschedule => "an appointment is moved",
        Deed::CancelBooking => "an appointment is cancelled",
        Deed::DeleteBooking => "an appointment is deleted",
        Deed::DeleteContact => "a contact is deleted",
    }
}

fn news(news: News) -> &'static str {
    match news {
        News::Webhook => "signed webhook",
        News::RepeatedWebhook => "webhook sent twice",
        News::LateWebhook => "webhook late",
        News::Lost => "webhook lost",
        News::Silent => "only polling sees it",
    }
}

/// How many changes could be noticed in which way.
#[derive(Default)]
pub(super) struct Told(BTreeMap<News, u32>);

impl Told {
    pub(super) fn count(&mut self, step: &Step) {
        *self.0.entry(step.news).or_default() += 1;
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} changes made", self.0.values().sum::<u32>())?;
        for (index, (kind, count)) in self.0.iter().enumerate() {
            write!(f, "{} {count} {}", if index == 0 { ":" } else { "," }, news(*kind))?;
        }
        Ok(())
    }
}

/// Where a person can look.
pub(super) struct Addresses {
    bridge: SocketAddr,
    admin: SocketAddr,
    sandbox: SocketAddr,
    location: String,
    read_key: String,
    token: String,
}

impl Addresses {
    pub(super) fn of(stand: &Stand) -> Self {
        let (address, ports) = (|port| stand.settings.address(port), stand.settings.ports);
        let location = stand.settings.locations.first().map(|location| location.id.to_string());
        Self {
            bridge: address(ports.bridge_http),
            admin: address(ports.admin_grpc),
            sandbox: address(ports.sandbox),
            location: location.unwrap_or_default(),
            read_key: stand.secrets.bridge_read_key.clone(),
            token: stand.secrets.control_token.clone(),
        }
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bridge, admin, sandbox, location, read_key, token } = self;
        writeln!(f, "workspace page  http://{bridge}/w/{location}   (any user name, password {read_key})")?;
        writeln!(f, "gRPC admin      {admin}   (bearer token {token})")?;
        writeln!(f, "sandbox         http://{sandbox}/sandbox   (change things in the simulated GHL)")?;
        writeln!(f)?;
        writeln!(f, "  export MIRRORCTL_ADDRESS=http://{admin} MIRRORCTL_TOKEN={token}")?;
        writeln!(f, "  target/debug/mirrorctl status")?;
        writeln!(f, "  target/debug/mirrorctl watch")?;
        writeln!(f)?;
        write!(f, "Running. Ctrl-C stops everything; the next start goes on from here.")
    }
}
