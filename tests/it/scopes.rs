//! A scope that is taken away and given back while everything runs.

use sandbox::Webhook::{Lost, Sent};
use serde_json::json;
use tests::system::{System, SystemSettings};
use tests::typed::shown;
use tests::wait::eventually;
use toml::toml;

async fn until_shown(system: &System, words: &str, wanted: &[&str]) -> anyhow::Result<String> {
    eventually(words, async || {
        let out = shown(system, words).await.map_err(|error| error.to_string())?.out;
        if wanted.iter().all(|wanted| out.contains(wanted)) { Ok(out) } else { Err(out) }
    })
    .await
}

/// Waits until the workspace holds an object with this value in a field of its content.
async fn until_held(system: &System, kind: &str, value: &str) -> anyhow::Result<()> {
    eventually(value, async || {
        let held = system.workspace().await.map_err(|error| error.to_string())?;
        let is_there = held.iter().any(|object| object.kind == kind && object.content.to_string().contains(value));
        if is_there { Ok(()) } else { Err(format!("no {kind} with {value}")) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_without_their_scope_pause_nothing_else_and_catch_up() -> anyhow::Result<()> {
    let often = toml! {
        watch = { interval = "300ms", tasks_interval = "300ms", tasks_calls_per_day_max = 100000000 }
        retry = { scope_pause = "100ms", scope_pause_max = "500ms" }
        sweep = { interval = "1s", check_interval = "200ms" }
    };
    let system = System::start(SystemSettings::new("scopes").with("poller", often)).await?;
    system.in_sync().await?;
    system.backfilled().await?;
    let (world, contacts) = (system.world(), system.world().contact_ids());
    let [first, second, third, ..] = contacts.as_slice() else { anyhow::bail!("too few contacts") };
    let old = world.create_task(first, &json!({"title": "Before", "completed": false}), Sent)?;
    system.in_sync().await?;

    world.withhold("/tasks", 401);
    let told = until_shown(&system, "status", &["locations/tasks.readonly"]).await?;
    assert!(!told.contains("refuses its"), "the token is not refused: {told}");
    until_shown(&system, "coverage", &["refused", "locations/tasks.readonly"]).await?;
    world.update_contact(second, &json!({"city": "Cityville"}), Sent)?;
    world.update_contact(third, &json!({"city": "Lostville"}), Lost)?;
    world.create_note(first, &json!({"body": "a note meanwhile"}), Sent)?;
    let calendar = world.snapshot().calendars.into_keys().next();
    let visit = json!({"calendarId": calendar, "contactId": second, "title": "Visit meanwhile", "startTime": "2030-05-01T10:00:00-04:00", "endTime": "2030-05-01T11:00:00-04:00"});
    world.create_appointment(&visit, Sent)?;
    // What happens to tasks is not seen yet, whether a webhook tells of it or not.
    world.create_task(second, &json!({"title": "Meanwhile told", "completed": false}), Sent)?;
    world.create_task(third, &json!({"title": "Meanwhile untold", "completed": false}), Lost)?;
    world.complete_task(first, &old, true, Sent)?;
    until_held(&system, "contact", "Cityville").await?;
    until_held(&system, "contact", "Lostville").await?;
    until_held(&system, "note", "a note meanwhile").await?;
    until_held(&system, "appointment", "Visit meanwhile").await?;
    let held = system.workspace().await?;
    assert!(held.iter().any(|object| object.content.to_string().contains("Before")), "what is refused is not gone");
    assert!(!held.iter().any(|object| object.content.to_string().contains("Meanwhile")), "tasks cannot be seen");
    assert!(system.log.parked().list(None, None, 10).await?.is_empty());

    world.give_back();
    system.in_sync().await?;
    eventually("nothing to mend", async || {
        let out = shown(&system, "status").await.map_err(|error| error.to_string())?.out;
        if out.contains("tasks.readonly") { Err(out) } else { Ok(()) }
    })
    .await?;
    assert!(system.log.parked().list(None, None, 10).await?.is_empty());
    system.stop().await
}
