//! The simulated GHL and the agency in it, kept in the data directory between starts.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use domain::LocationId;
use sandbox::story::{Step, Story, StorySettings};
use sandbox::{Limits, Sandbox, Snapshot};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use toml::toml;

use crate::cli::DemoArgs;
use crate::compare::{Names, Truth};
use crate::failure::Failure;
use crate::installation::Infrastructure;
use crate::installation::configs::{CHECKPOINTS, merged};
use crate::installation::secrets::CONTROL_TOKEN;

/// The time between two live changes.
pub(super) const PACE: Duration = Duration::from_millis(100);
/// How far GHL's search lags behind, as observed.
const SEARCH_LAG: Duration = Duration::from_millis(500);

const WORLD: &str = "world.jsonl";
const CHRONICLE: &str = "demo.json";

/// What is kept between starts besides the world itself.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Chronicle {
    seed: u64,
    /// Whether the agency's first contacts were all created.
    populated: bool,
    starts: u64,
}

pub(super) struct Agency {
    sandbox: Sandbox,
    story: Story,
    start: u64,
    location_id: LocationId,
}

/// How many records of each kind there are.
pub(super) struct Counts {
    pub(super) contacts: u64,
    pub(super) tasks: u64,
    pub(super) notes: u64,
    pub(super) appointments: u64,
}

impl Counts {
    pub(super) fn records(&self) -> u64 {
        self.contacts + self.tasks + self.notes + self.appointments
    }
}

/// Removes what earlier demos left, and nothing else.
pub(super) fn wipe(data: &Path) -> anyhow::Result<()> {
    for directory in ["postgres", "nats", CHECKPOINTS] {
        embedded::wipe(&data.join(directory))?;
    }
    for file in [WORLD, CHRONICLE, "secrets.json", CONTROL_TOKEN] {
        match fs::remove_file(data.join(file)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error).with_context(|| format!("removing {file}")),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

impl Agency {
    /// Opens the agency as the last start left it; the first start creates it.
    pub(super) async fn open(args: &DemoArgs, infrastructure: &Infrastructure) -> Result<Self, Failure> {
        let data = &infrastructure.settings.data;
        let mut chronicle = Chronicle::of(data, args.seed)?;
        if !chronicle.populated {
            // A process was killed while it created the agency: begin again.
            drop(fs::remove_file(data.join(WORLD)));
        }
        let sandbox = Sandbox::start(sandbox_settings(args, infrastructure)?).await.map_err(anyhow::Error::from)?;
        if !chronicle.populated {
            sandbox.world().populate(args.seed, args.contacts as usize);
            chronicle.populated = true;
        }
        chronicle.starts += 1;
        chronicle.keep(data)?;
        let location_id = LocationId::new(sandbox.location_id()).map_err(anyhow::Error::from)?;
        // Each start plays another part of the story.
        let seed = args.seed.wrapping_mul(1_000_003).wrapping_add(chronicle.starts);
        let story = Story::new(StorySettings { seed, changes: args.changes as usize, pace: PACE, ..StorySettings::default() });
        Ok(Self { sandbox, story, start: chronicle.starts, location_id })
    }

    /// Points the services at this GHL and its webhook key, and lets them call it faster than the real one allows.
    pub(super) fn introduce(&self, infrastructure: &mut Infrastructure) -> anyhow::Result<()> {
        let settings = &mut infrastructure.settings;
        settings.ghl.base_url = self.sandbox.base_url().parse().context("the address of the sandbox")?;
        let token = SecretString::from(infrastructure.secrets.sandbox_token.clone());
        settings.locations = vec![poller::LocationSettings { id: self.location_id.clone(), token: Some(token), token_file: None }];
        let mut poller = toml! {
            [ghl.rate]
            calls_per_second = 100.0
            window_calls_max = 1000
            [hints]
            debounce = "300ms"
            [watch]
            interval = "3s"
            [backfill]
            contacts_in_flight_max = 8
        };
        let mut webhooks = toml::Table::new();
        webhooks.insert("ed25519_pems".to_owned(), vec![self.sandbox.ed25519_public_pem()?].into());
        poller.insert("webhooks".to_owned(), webhooks.into());
        settings.services.poller = merged(poller, &settings.services.poller);
        Ok(())
    }

    pub(super) fn location_id(&self) -> &LocationId {
        &self.location_id
    }

    /// The number of this start, from 1.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// How many calls were answered since this start.
    pub(super) fn calls(&self) -> u64 {
        self.sandbox.world().stats().calls_total
    }

    pub(super) fn counts(&self) -> Counts {
        let [contacts, tasks, notes, appointments] = self.sandbox.world().snapshot().counts().map(|count| count as u64);
        Counts { contacts, tasks, notes, appointments }
    }

    /// Makes the next change. None when the story is over.
    pub(super) fn next_change(&mut self) -> anyhow::Result<Option<Step>> {
        self.story.step(&self.sandbox.world()).transpose().map_err(|refusal| anyhow::anyhow!("the sandbox refused a change: {refusal:?}"))
    }

    pub(super) fn truth(&self) -> Truth {
        truth(self.sandbox.world().snapshot())
    }

    pub(super) async fn close(self) {
        self.sandbox.stop().await;
    }
}

impl Chronicle {
    fn of(data: &Path, seed: u64) -> Result<Self, Failure> {
        let path = data.join(CHRONICLE);
        let chronicle: Self = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| format!("reading {}", path.display()))?,
            Err(error) if error.kind() == ErrorKind::NotFound => Self { seed, populated: false, starts: 0 },
            Err(error) => return Err(anyhow::Error::new(error).context(format!("reading {}", path.display())).into()),
        };
        if chronicle.seed != seed {
            let kept = chronicle.seed;
            let data = data.display();
            return Err(Failure::Config(format!("{data} holds the story of seed {kept}: give --seed {kept}, another --data, or --fresh")));
        }
        Ok(chronicle)
    }

    fn keep(&self, data: &Path) -> anyhow::Result<()> {
        let (path, new) = (data.join(CHRONICLE), data.join(format!("{CHRONICLE}.new")));
        fs::write(&new, serde_json::to_vec(self)?)
            .and_then(|()| fs::rename(&new, &path))
            .with_context(|| format!("writing {}", path.display()))
    }
}

fn sandbox_settings(args: &DemoArgs, infrastructure: &Infrastructure) -> anyhow::Result<sandbox::Settings> {
    let settings = &infrastructure.settings;
    let webhook_url = format!("http://{}/webhooks/ghl", settings.address(settings.ports.poller_http));
    Ok(sandbox::Settings {
        listen: settings.address(settings.ports.sandbox),
        token: infrastructure.secrets.sandbox_token.clone(),
        seed: args.seed,
        webhook_url: Some(webhook_url.parse().context("the address for webhooks")?),
        // Ten times what GHL allows, so that the backfill does not take minutes.
        limits: Limits { burst: 1_000, ..Limits::default() },
        search_lag: SEARCH_LAG,
        data: Some(settings.data.join(WORLD)),
        ..sandbox::Settings::default()
    })
}

fn truth(snapshot: Snapshot) -> Truth {
    let mut truth = Truth {
        names: Names { users: snapshot.users, custom_fields: snapshot.custom_fields, calendars: snapshot.calendars },
        time_zone: snapshot.time_zone,
        ..Truth::default()
    };
    for (contact_id, mut held) in snapshot.contacts {
        let of_this_contact = |records: &mut Vec<Value>| {
            for record in records.iter_mut() {
                if let Some(fields) = record.as_object_mut() {
                    fields.entry("contactId").or_insert_with(|| Value::from(contact_id.as_str()));
                }
            }
            std::mem::take(records)
        };
        truth.tasks.extend(of_this_contact(&mut held.tasks));
        truth.notes.extend(of_this_contact(&mut held.notes));
        truth.appointments.extend(of_this_contact(&mut held.appointments));
        truth.contacts.push(held.contact);
    }
    truth
}
