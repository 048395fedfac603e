//! What is down is waited for; what is refused waits alone.

use sandbox::Webhook::Sent;
use sandbox::{AnswerChaos, Fault, FaultOrder};
use serde_json::json;
use tests::system::{System, SystemSettings};
use tests::wait::eventually;
use toml::toml;

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_that_is_down_is_waited_for() -> anyhow::Result<()> {
    let mut system = System::start(SystemSettings::new("bridge-down")).await?;
    system.in_sync().await?;
    system.stop_service("bridge").await?;
    for id in system.world().contact_ids() {
        system.world().update_contact(&id, &json!({"city": "Turin"}), Sent)?;
    }
    system.world().webhooks_settled().await;
    system.start_service("bridge")?;
    system.in_sync().await?;
    assert!(system.log.parked().list(None, None, 10).await?.is_empty(), "an outage parks nothing");
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_refused_object_parks_alone_and_can_be_sent_again() -> anyhow::Result<()> {
    let small = toml! { limits = { content_bytes_max = 3000 } };
    let mut system = System::start(SystemSettings::new("refused").contacts(3).with("bridge", small)).await?;
    system.quiet().await?;
    let world = system.world();
    let id = world.create_contact(&json!({"firstName": "Ann"}), Sent)?;
    let long = world.create_note(&id, &json!({"body": "x".repeat(5_000)}), Sent)?;
    world.create_note(&id, &json!({"body": "short"}), Sent)?;
    let parked = eventually("the long note parks", async || {
        let parked = system.log.parked().list(None, None, 10).await.map_err(|error| error.to_string())?;
        parked
            .into_iter()
            .find(|parked| parked.parking.object.as_ref().is_some_and(|object| object.as_str().ends_with(&long)))
            .ok_or_else(|| "nothing".to_owned())
    })
    .await?;
    assert_eq!(parked.parking.status, Some(422));
    eventually("the short note arrives", async || {
        let held = system.workspace().await.map_err(|error| error.to_string())?;
        if held.iter().any(|object| object.content.get("body") == Some(&json!("short"))) { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .await?;

    system.change_settings("bridge", toml! { limits = { content_bytes_max = 1000000 } });
    system.stop_service("bridge").await?;
    system.start_service("bridge")?;
    for parked in system.log.parked().list(None, None, 100).await? {
        let request = proto::admin::v1::RedriveRequest { parked_id: parked.id.to_string(), ..Default::default() };
        system.admin().await?.redrive(request).await?;
    }
    system.in_sync().await?;
    system.quiet().await?;
    assert!(system.log.parked().list(None, None, 10).await?.is_empty(), "what was delivered no longer waits");
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ghl_that_fails_throttles_and_breaks_off_is_asked_again() -> anyhow::Result<()> {
    let settings = SystemSettings::new("ghl-fails").contacts(30).sandbox(|sandbox| {
        sandbox.limits = sandbox::Limits { burst: 40, interval: std::time::Duration::from_millis(500), ..sandbox::Limits::default() };
    });
    let system = System::start(settings).await?;
    system.world().set_answer_chaos(AnswerChaos { failed: 0.1, cut: 0.05, ..AnswerChaos::default() });
    system.world().order_fault(FaultOrder::new(Fault::Garbage, 2, "/notes"));
    for id in system.world().contact_ids().iter().take(10) {
        system.world().update_contact(id, &json!({"city": "Lisbon"}), Sent)?;
    }
    system.world().webhooks_settled().await;
    system.world().set_answer_chaos(AnswerChaos::default());
    system.in_sync().await?;
    assert!(system.log.parked().list(None, None, 10).await?.is_empty(), "what passes parks nothing");
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_on_the_bus_parks_and_the_rest_flows() -> anyhow::Result<()> {
    let system = System::start(SystemSettings::new("undecodable").contacts(3)).await?;
    system.in_sync().await?;
    let location = system.location()?;
    let bus = bus::Bus::connect(&bus::Settings { url: system.nats.url(), ..bus::Settings::default() }).await?;
    let contact = domain::ContactId::new("somebody")?;
    for subject in [
        bus::Subject::events(&location, Some(&contact)),
        bus::Subject::intents(bus::Lane::Live, &location, &contact),
        bus::Subject::hints(&location, Some(&contact), "look"),
    ] {
        bus.publish(bus::Outgoing { subject, id: None, traceparent: None, body: b"{\"not\": \"what it should be\"}".to_vec() }).await?;
    }
    eventually("all three park", async || {
        let mut stages: Vec<&str> = system
            .log
            .parked()
            .list(None, None, 10)
            .await
            .map_err(|error| error.to_string())?
            .iter()
            .map(|parked| parked.parking.stage.as_str())
            .collect();
        stages.sort_unstable();
        if stages == ["mapper", "poller", "writer"] { Ok(()) } else { Err(format!("{stages:?}")) }
    })
    .await?;
    system.world().create_contact(&json!({"firstName": "Ann"}), Sent)?;
    system.in_sync().await?;
    system.stop().await
}
