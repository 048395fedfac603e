//! Changes that no webhook tells of: how long until each net has found them.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use domain::RecordKind;
use sandbox::{Settings, Webhook, World};
use serde_json::json;
use tests::pollers::Pollers;
use toml::toml;

use super::limits;
use crate::report::{Figure, Report, percentile};

const SAMPLES: usize = 15;
const PATIENCE: Duration = Duration::from_secs(120);

/// One kind of change, and who may find it.
struct Silence {
    metric: &'static str,
    kind: RecordKind,
    event: &'static str,
    /// Gives the record that changed.
    make: fn(&World, usize) -> anyhow::Result<String>,
}

const SILENCES: [Silence; 5] = [
    Silence { metric: "silent edit of a contact", kind: RecordKind::Contact, event: "contact.changed", make: edit_contact },
    Silence { metric: "silent edit of a task", kind: RecordKind::Task, event: "task.changed", make: edit_task },
    Silence {
        metric: "silent edit of an appointment",
        kind: RecordKind::Appointment,
        event: "appointment.changed",
        make: edit_appointment,
    },
    Silence { metric: "silent edit of a note", kind: RecordKind::Note, event: "note.changed", make: edit_note },
    Silence { metric: "silent deletion of a contact", kind: RecordKind::Contact, event: "contact.vanished", make: delete_contact },
];

fn nth<T: Clone>(rows: &[T], number: usize) -> anyhow::Result<T> {
    rows.get(number % rows.len().max(1)).cloned().context("there is none")
}

fn edit_contact(world: &World, number: usize) -> anyhow::Result<String> {
    let id = nth(&world.contact_ids(), number)?;
    world.update_contact(&id, &json!({"city": format!("City {number}")}), Webhook::Lost)?;
    Ok(id)
}

fn edit_task(world: &World, number: usize) -> anyhow::Result<String> {
    let contact = nth(&world.contact_ids(), number)?;
    let id = nth(&world.task_ids(&contact), number)?;
    world.update_any_task(&id, &json!({"title": format!("Title {number}")}), Webhook::Lost)?;
    Ok(id)
}

fn edit_appointment(world: &World, number: usize) -> anyhow::Result<String> {
    let contact = nth(&world.contact_ids(), number)?;
    let id = nth(&world.appointment_ids(&contact), 0)?;
    world.update_appointment(&id, &json!({"title": format!("Title {number}")}), Webhook::Lost)?;
    Ok(id)
}

fn edit_note(world: &World, number: usize) -> anyhow::Result<String> {
    let contact = nth(&world.contact_ids(), number)?;
    let id = nth(&world.note_ids(&contact), number)?;
    world.update_note(&contact, &id, &json!({"body": format!("Body {number}")}), Webhook::Lost)?;
    Ok(id)
}

fn delete_contact(world: &World, number: usize) -> anyhow::Result<String> {
    let id = nth(&world.contact_ids(), number)?;
    world.delete_contact(&id, Webhook::Lost)?;
    Ok(id)
}

pub(crate) async fn silent(report: &mut Report) -> anyhow::Result<()> {
    let every_second = toml! {
        ghl = { rate = { calls_per_second = 900.0, window_calls_max = 900, window = "1s", day_calls_max = 10000000 } }
        watch = { interval = "1s", overlap = "5s", tasks_interval = "1s", tasks_calls_per_day_max = 2000000000, appointments_interval = "1s" }
        sweep = { interval = "1s", check_interval = "100ms", notes_within = "1s", notes_interval = "200ms" }
        backfill = { check_interval = "100ms" }
    };
    let settings = Settings { limits: limits(), ..Settings::default() };
    let load = sandbox::Load::Each { tasks: 2, notes: 3, appointments: 1 };
    let pollers = Pollers::start_with("bench-silent", settings, 100, load, 1, &every_second).await?;
    pollers.backfilled().await?;
    let world = pollers.world();
    for silence in SILENCES {
        let mut samples = Vec::new();
        for number in 0..SAMPLES {
            let after = head(&pollers).await?;
            let begin = Instant::now();
            let id = (silence.make)(&world, number)?;
            found(&pollers, after, &silence, &id, begin).await?;
            samples.push(begin.elapsed().as_secs_f64() * 1_000.0);
        }
        let conditions = format!("p50 of {SAMPLES}; 100 contacts, every net every second: what the time is beyond its interval");
        report.add(Figure::new("source", silence.metric, percentile(&mut samples, 0.5), "ms", conditions))?;
    }
    pollers.stop().await
}

async fn head(pollers: &Pollers) -> anyhow::Result<u64> {
    let location_id = pollers.location()?;
    let locations = pollers.log.locations().list().await?;
    Ok(locations.iter().find(|known| known.location_id == location_id).map_or(0, |known| known.head))
}

async fn found(pollers: &Pollers, mut after: u64, silence: &Silence, id: &str, begin: Instant) -> anyhow::Result<()> {
    let location_id = pollers.location()?;
    loop {
        let events = pollers.log.read(&location_id, after, 1_000).await?;
        for event in events {
            after = event.seq;
            let is_it = event.record.as_ref().is_some_and(|(kind, record)| *kind == silence.kind && record.as_str() == id);
            if is_it && event.type_name == silence.event {
                return Ok(());
            }
        }
        anyhow::ensure!(begin.elapsed() < PATIENCE, "{} was not found", silence.metric);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
