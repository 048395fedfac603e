//! What becomes of events.

use std::collections::BTreeSet;

use domain::Policy;
use settings::Check;

use crate::stage::{Stage, TRACE};

const BEFORE: &str = "2026-02-01T00:00:00Z";
const AFTER: &str = "2026-03-02T00:00:00Z";

#[tokio::test(flavor = "multi_thread")]
async fn events_become_intents_under_ids_that_do_not_repeat() {
    let stage = Stage::set("mapper-maps").await;
    let mapper = stage.run();
    let events = stage.see("ann/b.c*", "Call", AFTER).await;
    assert_eq!(events.len(), 2);
    stage.relay(&events).await;
    stage.relay(&events).await;
    stage.until_intents(7).await;
    stage.until_settled().await;
    let intents = stage.intents().await;
    let objects: BTreeSet<String> = intents.iter().map(|(intent, _)| intent.object.to_string()).collect();
    assert_eq!((intents.len(), objects.len()), (7, 7), "a profile, a task, and a project with three tasks and a note: {objects:?}");
    assert_eq!(intents.iter().filter(|(intent, _)| intent.policy == Policy::Once).count(), 5);
    assert!(
        intents.iter().all(|(_, traceparent)| traceparent.as_deref() == Some(TRACE)),
        "without export the trace is passed on as it came"
    );
    mapper.stop().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_mapped_parks_alone() {
    let stage = Stage::set("mapper-parks").await;
    let events = stage.see("ann", "Call", BEFORE).await;
    let long = stage.see("bob", &"long ".repeat(10_000), BEFORE).await;
    let newer = domain::Stored { body: br#"{"v":9}"#.to_vec(), ..events[0].clone() };
    stage.send(None, b"no event".to_vec()).await;
    stage.relay(&[newer]).await;
    stage.relay(&long).await;
    stage.relay(&events).await;
    let mapper = stage.run();
    stage.until_intents(3).await;
    stage.until_settled().await;
    let objects: BTreeSet<String> = stage.intents().await.into_iter().map(|(intent, _)| intent.object.to_string()).collect();
    assert_eq!(objects, ["ghl:contact/ann", "ghl:contact/bob", "ghl:task/t-ann"].map(str::to_owned).into());
    let parked = stage.log.parked().list(None, None, 10).await.unwrap();
    let mut reasons: Vec<&str> = parked.iter().map(|parked| parked.parking.reason.as_str()).collect();
    reasons.sort_unstable();
    assert_eq!(reasons.len(), 3, "{reasons:?}");
    assert!(
        reasons[0].contains("newer") && reasons[1].contains("broken JSON") && reasons[2].contains("more than the 20000 allowed"),
        "{reasons:?}"
    );
    assert!(parked.iter().all(|parked| bus::Subject::parse(&parked.parking.subject).is_some()), "each can be sent again");
    mapper.stop().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_any_time_loses_no_intent() {
    let stage = Stage::set("mapper-crashes").await;
    let mut wanted = BTreeSet::new();
    for n in 0..120 {
        let contact = format!("c{n}");
        stage.relay(&stage.see(&contact, "Call", BEFORE).await).await;
        wanted.extend([format!("ghl:contact/{contact}"), format!("ghl:task/t-{contact}")]);
        if n % 40 == 39 {
            let mapper = stage.run();
            let before = stage.bus.backlog(bus::Stream::Intents).await.unwrap();
            stage.until("an intent was published", async || stage.bus.backlog(bus::Stream::Intents).await.unwrap() > before).await;
            mapper.crash();
        }
    }
    let (one, two) = (stage.run(), stage.run());
    stage.until_intents(wanted.len() as u64).await;
    stage.until_settled().await;
    let intents = stage.intents().await;
    assert_eq!(intents.iter().map(|(intent, _)| intent.object.to_string()).collect::<BTreeSet<_>>(), wanted);
    assert_eq!(intents.len(), wanted.len(), "message ids let each through once");
    one.stop().await;
    two.stop().await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_may_come_from_a_file_and_are_checked_before_anything_connects() {
    let mut stage = Stage::set("mapper-rules").await;
    let file = stage.data.join("rules.toml");
    std::fs::write(&file, "[mirror]\ncontact = [\"name\"]\ntask = []\nnote = []\nappointment = []\n").unwrap();
    stage.config.rules_file = Some(file.clone());
    assert_eq!(stage.config.problems(), Vec::<String>::new());
    let mapper = stage.run();
    stage.relay(&stage.see("ann", "Call", AFTER).await).await;
    stage.until_intents(2).await;
    stage.until_settled().await;
    assert_eq!(stage.intents().await.len(), 2, "these rules start nothing");
    mapper.stop().await;

    std::fs::write(&file, "[mirror]\ncontact = [\"nmae\"]\n").unwrap();
    assert!(stage.config.problems()[0].starts_with("rules_file: the rules file "), "{:?}", stage.config.problems());
    stage.config.rules_file = Some(stage.data.join("none.toml"));
    assert!(stage.config.problems()[0].contains("none.toml"));
    stage.close().await;
}
