//! An operator decides which locations are mirrored, while everything runs.

use anyhow::Context as _;
use sandbox::Webhook::{Lost, Sent};
use serde_json::json;
use tests::system::{System, SystemSettings};
use tests::typed::{shown, typed};
use tests::wait::eventually;

async fn until_there(system: &System, id: &str, text: &str) -> anyhow::Result<()> {
    eventually("a change arrives in the workspace", async || {
        let held = system.workspace().await.map_err(|error| error.to_string())?;
        let there = held.iter().any(|object| object.key == format!("ghl:contact/{id}") && object.content.to_string().contains(text));
        if there { Ok(()) } else { Err("not there".to_owned()) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_location_is_paused_resumed_and_retired_by_what_an_operator_types() -> anyhow::Result<()> {
    let system = System::start(SystemSettings::new("locations").contacts(4).sealed()).await?;
    system.in_sync().await?;
    let (world, here) = (system.world(), system.location()?);
    let [told, untold] = <[String; 2]>::try_from(world.contact_ids().into_iter().take(2).collect::<Vec<_>>())
        .map_err(|_| anyhow::anyhow!("two contacts"))?;
    typed(&system, "location pause").await?.is(2)?;
    let refused = typed(&system, "location pause --location nobody").await?.is(3)?;
    assert!(refused.complaints.contains("location list"), "{}", refused.complaints);

    let paused = shown(&system, &format!("--who Zoë location pause --location {here} --reason moving")).await?.is(0)?;
    assert!(paused.out.contains("is paused since") && paused.out.contains("location resume"), "{}", paused.out);
    let state = typed(&system, "status").await?.is(0)?.lines("location");
    assert_eq!((state[0]["state"].as_str(), state[0]["stateSince"].is_string()), (Some("paused"), true), "{state:?}");
    let list = shown(&system, "location list").await?.is(0)?;
    assert!(list.out.contains("paused") && list.out.contains("Zoë") && list.out.contains("moving"), "{}", list.out);
    world.update_contact(&told, &json!({ "city": "Toldham" }), Sent)?;
    world.update_contact(&untold, &json!({ "city": "Untoldham" }), Lost)?;
    world.settle_search();

    let resumed = typed(&system, &format!("location resume --location {here}")).await?.is(0)?;
    assert_eq!(resumed.lines("location").first().context("a location")?["state"], "active");
    until_there(&system, &told, "Toldham").await?;
    until_there(&system, &untold, "Untoldham").await?;

    // Another token: GHL is asked before it is kept.
    let file = embedded::scratch("locations-token").join("token");
    std::fs::write(&file, "pit-of-nobody")?;
    let add = format!("location add --location {here} --ghl-token-file {}", file.display());
    let refused = shown(&system, &add).await?.is(5)?;
    assert!(refused.complaints.contains("GHL refuses the token") && !refused.complaints.contains("pit-of"), "{}", refused.complaints);
    std::fs::write(&file, system.sandbox.token())?;
    let added = shown(&system, &add).await?.is(0)?;
    assert!(added.out.contains("GHL accepts the token"), "{}", added.out);

    shown(&system, &format!("location retire --location {here}")).await?.is(0)?;
    world.update_contact(&told, &json!({ "city": "Latham" }), Sent)?;
    let refused = typed(&system, &format!("location resume --location {here}")).await?.is(5)?;
    assert!(refused.complaints.contains("location add"), "{}", refused.complaints);
    typed(&system, &format!("location add --location {here}")).await?.is(0)?;
    until_there(&system, &told, "Latham").await?;
    system.stop().await
}
