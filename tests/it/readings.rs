//! A newer program reads more of what GHL gives than the one before it.

use sandbox::Webhook::Lost;
use serde_json::json;
use sqlx::Connection as _;
use tests::system::{System, SystemSettings};
use tests::typed::typed;
use tests::wait::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_first_reaches_pagico_and_is_no_change() -> anyhow::Result<()> {
    let sweeps = toml::toml! { sweep = { interval = "300ms", check_interval = "50ms" }
    watch = { interval = "300ms" } };
    let mut system = System::start(SystemSettings::new("readings").contacts(6).with("poller", sweeps)).await?;
    system.in_sync().await?;
    system.quiet().await?;
    let contacts = system.world().contact_ids();
    let [reached, others @ ..] = contacts.as_slice() else { anyhow::bail!("no contacts") };

    // The program before: it read no further addresses, and no time zones of tasks.
    system.stop_service("poller").await?;
    let mut owner = sqlx::PgConnection::connect(&system.postgres.url("log")).await?;
    let forgotten = "UPDATE known_records SET reading = 1, content = CASE WHEN kind = 'task' \
                     THEN convert_to((convert_from(content, 'UTF8')::jsonb - 'time_zone')::text, 'UTF8') ELSE content END";
    sqlx::query(forgotten).execute(&mut owner).await?;
    let before = head(&system).await?;
    system.world().update_contact(reached, &json!({"additionalEmails": [{"email": "second@example.com"}]}), Lost)?;
    let looks = |system: &System| system.world().stats().calls.get("GET /contacts/{contactId}/tasks").copied().unwrap_or_default();
    let looked = looks(&system);
    system.start_service("poller")?;

    let object = format!("ghl:contact/{reached}");
    eventually("the further address is shown", async || {
        let objects = system.objects().await.map_err(|error| error.to_string())?;
        let shown = objects.get(&object).and_then(|content| content.get("further_emails")).cloned();
        if shown == Some(json!(["second@example.com"])) { Ok(()) } else { Err(format!("{shown:?}")) }
    })
    .await?;
    let due = "SELECT count(*) FROM known_records WHERE kind = 'task' AND present AND convert_from(content, 'UTF8') LIKE '%due_at%' \
               AND convert_from(content, 'UTF8') NOT LIKE '%time_zone%'";
    eventually("the sweep has filled in the zones", async || {
        let (left,) = sqlx::query_as::<_, (i64,)>(due).fetch_one(&mut owner).await.map_err(|error| error.to_string())?;
        if left == 0 { Ok(()) } else { Err(format!("{left} tasks")) }
    })
    .await?;
    system.in_sync().await?;
    system.quiet().await?;
    assert!(looks(&system) < looked + others.len() as u64, "rows of lists that show more are no reason to look at everybody");

    let events = system.log.read(&system.location()?, before, 1_000).await?;
    let mut told = 0;
    for stored in events.into_iter().filter(|event| event.record.is_some()) {
        let domain::Body::Record(fact) = stored.read()? else { continue };
        assert!(!fact.is_news(), "{}: {:?}", stored.type_name, fact.changes);
        told += 1;
    }
    assert!(told > 1, "they are in the log");
    typed(&system, "replay verify").await?.is(0)?;
    typed(&system, "replay plan --against live --detailed-exitcode").await?.is(0)?;
    system.stop().await
}

async fn head(system: &System) -> anyhow::Result<u64> {
    Ok(system.log.locations().list().await?.first().map_or(0, |location| location.head))
}
