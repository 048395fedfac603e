//! What the demo tells people.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::path::PathBuf;

use sandbox::story::{Deed, News, Step};

use super::agency::Agency;
use crate::installation::Installation;
use crate::installation::secrets::CONTROL_TOKEN;
use crate::ports::Ports;

pub(super) fn opening(agency: &Agency) -> String {
    let counts = agency.counts();
    let what =
        format!("{} contacts, {} tasks, {} notes, {} appointments", counts.contacts, counts.tasks, counts.notes, counts.appointments);
    match agency.start() {
        1 => format!("An agency in a simulated GoHighLevel: {what}. Everything is mirrored into Pagico's workspace."),
        start => format!("Continuing after start {}: {what}.", start - 1),
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
pub(super) struct Noticed(BTreeMap<News, u32>);

impl Noticed {
    pub(super) fn count(&mut self, step: &Step) {
        *self.0.entry(step.news).or_default() += 1;
    }
}

impl fmt::Display for Noticed {
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
    listen: IpAddr,
    ports: Ports,
    location: String,
    read_key: String,
    token_file: PathBuf,
}

impl Addresses {
    pub(super) fn of(installation: &Installation) -> Self {
        let location = installation.settings.locations.first().map(|location| location.id.to_string());
        Self {
            listen: installation.settings.listen,
            ports: installation.settings.ports,
            location: location.unwrap_or_default(),
            read_key: installation.secrets.bridge_read_key.clone(),
            token_file: installation.settings.data.join(CONTROL_TOKEN),
        }
    }

    fn at(&self, port: NonZeroU16) -> SocketAddr {
        SocketAddr::new(self.listen, port.get())
    }

    /// The addresses, and commands to try; `contact_id` is of a change whose history is worth a look.
    pub(super) fn text(&self, contact_id: Option<&str>) -> String {
        let Self { ports, location, read_key, .. } = self;
        let token_file = self.token_file.display();
        let mut lines = vec![
            format!("workspace page  http://{}/w/{location}   any user name, password {read_key}", self.at(ports.bridge_http)),
            format!("gRPC admin      {}   bearer token in {token_file}", self.at(ports.admin_grpc)),
            format!("simulated GHL   http://{}/   what can be changed and broken in it", self.at(ports.sandbox)),
            String::new(),
            format!("  export MIRROR_TOKEN_FILE={token_file}{}", self.endpoints()),
        ];
        let program = std::env::current_exe().unwrap_or_default().with_file_name("mirrorctl");
        let history = contact_id.map(|id| format!("history {id}"));
        let commands = ["status", "watch", "contacts --only behind"].into_iter().map(str::to_owned).chain(history);
        lines.extend(commands.map(|command| format!("  {} {command}", program.display())));
        lines.push(String::new());
        lines.push("Running. Ctrl-C stops everything; the next start continues from here.".to_owned());
        lines.join("\n")
    }

    /// The environment that mirrorctl needs when the ports are not the default ones.
    fn endpoints(&self) -> String {
        let ports = &self.ports;
        if *ports == Ports::from_base(7100) {
            return String::new();
        }
        let named = [
            ("ADMIN_ENDPOINT", ports.admin_grpc),
            ("CONTROL_POLLER", ports.poller_grpc),
            ("CONTROL_MAPPER", ports.mapper_grpc),
            ("CONTROL_WRITER", ports.writer_grpc),
            ("CONTROL_BRIDGE", ports.bridge_grpc),
        ];
        named.into_iter().map(|(name, port)| format!(" MIRROR_{name}=http://{}", self.at(port))).collect()
    }
}
