//! A location is purged from everything that runs, and another one goes on.

use anyhow::Context as _;
use domain::LocationId;
use proto::erasure::v1 as api;
use proto::erasure::v1::erasure_client::ErasureClient;
use sandbox::Webhook::Sent;
use serde_json::json;
use tests::system::{System, SystemSettings};
use tests::typed::{shown, typed};
use tests::wait::eventually;
use tonic::Code;

use crate::erase::{dump, files};

/// Parts of a name, an e-mail, a phone, a task and a note of the location, in lower case.
const MARKS: [&str; 5] = ["zephyrine", "quillfeather", "zq-mail", "zq-task-text", "zq-note-text"];
/// Of the other location.
const OTHER: &str = "overthere";

fn marks_in(bytes: &[u8]) -> Vec<&'static str> {
    let bytes = bytes.to_ascii_lowercase();
    let marks = MARKS.into_iter().chain([OTHER]);
    marks.filter(|mark| bytes.windows(mark.len()).any(|window| window == mark.as_bytes())).collect()
}

/// Where marks are found: the log's database, the bridge's, the bus's files.
async fn found(system: &System) -> anyhow::Result<[Vec<&'static str>; 3]> {
    let mut bus = Vec::new();
    files(system.nats_data(), &mut bus)?;
    Ok([marks_in(&dump(&system.postgres.url("log")).await?), marks_in(&dump(&system.postgres.url("bridge")).await?), marks_in(&bus)])
}

async fn until_there(system: &System, workspace: &str, text: &str) -> anyhow::Result<()> {
    eventually(text, async || {
        let held = system.workspace_called(workspace).await.map_err(|error| error.to_string())?;
        if held.iter().any(|object| object.content.to_string().contains(text)) { Ok(()) } else { Err("not there".to_owned()) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_personal_of_a_purged_location_is_left_and_another_goes_on() -> anyhow::Result<()> {
    let system = System::start(SystemSettings::new("purge").contacts(6).sandbox(|sandbox| sandbox.locations = 2).sealed()).await?;
    system.in_sync().await?;
    let (world, here) = (system.world(), system.location()?);
    let there = system.sandbox.agency().worlds().get(1).cloned().context("another location")?;
    there.populate(8, 3);
    there.settle_search();
    let file = embedded::scratch("purge-token").join("token");
    std::fs::write(&file, there.token())?;
    let elsewhere = there.location_id().to_owned();
    let kept = there.create_contact(&json!({"firstName": "Kept", "lastName": "Overthere"}), Sent)?;
    there.settle_search();
    shown(&system, &format!("location add --location {elsewhere} --ghl-token-file {}", file.display())).await?.is(0)?;
    until_there(&system, &elsewhere, "Overthere").await?;

    let person = json!({"firstName": "Zephyrine", "lastName": "Quillfeather", "email": "zq-mail@example.com"});
    let id = world.create_contact(&person, Sent)?;
    world.create_task(&id, &json!({"title": "zq-task-text", "completed": false}), Sent)?;
    world.create_note(&id, &json!({"body": "zq-note-text one"}), Sent)?;
    until_there(&system, here.as_str(), "zq-note-text").await?;
    until_there(&system, here.as_str(), "zq-task-text").await?;
    let [log, bridge, bus] = found(&system).await?;
    assert!(MARKS.iter().all(|mark| log.contains(mark) && bridge.contains(mark)), "before, the search finds all of it: {log:?} {bridge:?}");
    assert!(bus.is_empty(), "on the bus everything is sealed: {bus:?}");

    let purge = format!("location purge --location {here} --confirm {here} --reason over");
    let early = typed(&system, &purge).await?.is(5)?;
    assert!(early.complaints.contains("location retire"), "{}", early.complaints);
    typed(&system, &format!("location retire --location {here}")).await?.is(0)?;
    typed(&system, &format!("location purge --location {here} --confirm {elsewhere} --reason over")).await?.is(2)?;
    let mut erasures = ErasureClient::with_interceptor(system.channel("admin").await?, system.token()?);
    let unconfirmed = api::PurgeLocationRequest { location_id: here.to_string(), reason: "over".to_owned(), ..Default::default() };
    assert_eq!(erasures.purge_location(unconfirmed).await.expect_err("unconfirmed").code(), Code::InvalidArgument);

    // While everything runs, and something is still on its way.
    world.update_contact(&id, &json!({"city": "zq-task-text"}), Sent)?;
    let purged = shown(&system, &purge).await?.is(0)?;
    assert!(purged.out.contains("nothing is left to do"), "{}", purged.out);
    let again = typed(&system, &purge).await?.is(0)?;
    assert!(again.out.contains("finishedAt"), "repeating it says how far it is: {}", again.out);
    let nothing = |found: [Vec<&'static str>; 3]| found.iter().flatten().all(|mark| *mark == OTHER);
    assert!(nothing(found(&system).await?), "{:?}", found(&system).await?);

    // The log proves, and ends with what was done; the location does not come back.
    typed(&system, &format!("log verify --location {here}")).await?.is(0)?;
    let head = system.log.locations().head(&here).await?;
    let last = system.log.read(&here, head - 1, 1).await?;
    assert_eq!(last.first().map(|event| event.type_name.as_str()), Some("operator.location_purged"));
    let refused = typed(&system, &format!("location add --location {here}")).await?.is(5)?;
    assert!(refused.complaints.contains("was purged"), "{}", refused.complaints);
    world.update_contact(&id, &json!({"city": "zq-note-text"}), Sent)?;

    there.update_contact(&kept, &json!({"city": "Bergen-Overthere"}), Sent)?;
    there.settle_search();
    until_there(&system, &elsewhere, "Bergen-Overthere").await?;
    let there = LocationId::new(elsewhere)?;
    system.log.chain().verify(&there, &eventlog::Verification::default(), |_, _| ()).await?;
    assert_eq!(system.log.locations().head(&here).await?, head, "nothing was appended since");
    assert!(nothing(found(&system).await?), "nor has anything come back: {:?}", found(&system).await?);
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_goes_on_by_itself_when_the_bridge_and_the_admin_service_were_away() -> anyhow::Result<()> {
    let admin = toml::toml! { erasure = { purge_batch = 2, answer_within = "300ms" } };
    let mut system = System::start(SystemSettings::new("purge-later").contacts(3).sealed().with("admin", admin)).await?;
    system.in_sync().await?;
    let here = system.location()?;
    typed(&system, &format!("location retire --location {here}")).await?.is(0)?;
    system.kill_service("bridge").await;
    let purge = format!("location purge --location {here} --confirm {here} --reason over");
    let unfinished = shown(&system, &purge).await?.is(6)?;
    assert!(unfinished.out.contains("still to do: workspace"), "{}", unfinished.out);
    system.kill_service("admin").await;
    system.start_service("bridge")?;
    system.start_service("admin")?;
    eventually("the purge is finished", async || {
        let purge = system.log.purges().find(&here).await.map_err(|error| error.to_string())?.ok_or("none")?;
        purge.finished_at.map(drop).ok_or_else(|| format!("{purge:?}"))
    })
    .await?;
    assert!(system.workspace().await?.is_empty());
    system.stop().await
}
