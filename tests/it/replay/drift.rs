//! Somebody else wrote into the workspace: found, shown and repaired by what an operator types.

use domain::{Action, Body, DeliveryOutcome, Event, Intent, ObjectKey, Rules, map};
use eventlog::Settlement;
use proto::admin::v1 as admin;
use reqwest::Method;
use sandbox::Webhook::Sent;
use serde_json::json;
use tests::replays::meddle;
use tests::system::{System, SystemSettings};
use tests::typed::typed;
use tests::wait::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_or_removed_in_the_workspace_is_found_by_verify_and_repaired_by_a_plan() -> anyhow::Result<()> {
    let patience = toml::toml! { verify = { patience = "300ms" } };
    let system = System::start(SystemSettings::new("drift").contacts(6).with("admin", patience)).await?;
    system.in_sync().await?;
    system.quiet().await?;
    let equal = typed(&system, "replay verify").await?.is(0)?;
    assert_eq!(equal.lines("result")[0]["equal"], true);
    assert_eq!(equal.lines("result")[0]["logRoot"], equal.lines("result")[0]["workspaceRoot"]);
    typed(&system, "replay plan --against live --detailed-exitcode").await?.is(0)?;

    // One contact is changed and one removed, each with a revision that the log will not reach for long; one task as if by the log.
    let before = system.workspace().await?;
    let contacts: Vec<&str> = before.iter().filter(|held| held.kind == "contact").map(|held| held.key.as_str()).collect();
    let task = before.iter().find(|held| held.kind == "task").ok_or_else(|| anyhow::anyhow!("a task"))?;
    let put = json!({"revision": {"epoch": 1, "seq": 1_000_000}, "policy": "mirror", "content": {"name": "By hand"}});
    meddle(&system, Method::PUT, &["contacts", contacts[0]], "", Some(put)).await?;
    meddle(&system, Method::DELETE, &["contacts", contacts[1]], "epoch=1&seq=1000000", None).await?;
    meddle(&system, Method::DELETE, &["tasks", &task.key], &format!("epoch=1&seq={}", head(&system).await?), None).await?;

    let differing = typed(&system, "replay verify --contacts 10").await?.is(1)?;
    let mut found: Vec<(String, String)> = differing
        .lines("difference")
        .iter()
        .map(|difference| {
            (difference["object"].as_str().unwrap_or_default().to_owned(), difference["problem"].as_str().unwrap_or_default().to_owned())
        })
        .collect();
    found.sort();
    let mut expected = vec![
        (contacts[0].to_owned(), "differs".to_owned()),
        (contacts[1].to_owned(), "missing".to_owned()),
        (task.key.clone(), "missing".to_owned()),
    ];
    expected.sort();
    assert_eq!(found, expected);
    let name = differing.lines("difference").into_iter().find(|difference| difference["problem"] == "differs").unwrap_or_default();
    let name = name["changes"].as_array().into_iter().flatten().find(|change| change["field"] == "name").cloned().unwrap_or_default();
    assert_eq!(name["beforeJson"], "\"By hand\"");
    let people =
        [contacts[0].to_owned(), contacts[1].to_owned(), task.contact.clone()].into_iter().collect::<std::collections::BTreeSet<_>>();
    assert_eq!(differing.lines("result")[0]["contactsDiffering"], people.len().to_string());
    let one = ObjectKey::from(contacts[0].to_owned()).to_string();
    let one = one.trim_start_matches("ghl:contact/");
    typed(&system, &format!("replay verify --contact {one}")).await?.is(1)?;

    typed(&system, "replay plan --detailed-exitcode").await?.is(0)?;
    let planned = typed(&system, "replay plan --against live --detailed-exitcode").await?.is(2)?;
    assert_eq!(planned.lines("plan")[0]["totals"]["puts"], "3");
    let asked = typed(&system, "replay apply --against live").await?.is(2)?;
    assert!(asked.complaints.contains("--yes"), "{}", asked.complaints);
    let applied = typed(&system, "replay apply --against live --yes").await?.is(0)?;
    assert_eq!(applied.lines("replay").last().map(|replay| replay["phase"].clone()), Some(json!("REPLAY_PHASE_DONE")));

    typed(&system, "replay verify").await?.is(0)?;
    typed(&system, "replay plan --against live --detailed-exitcode").await?.is(0)?;
    system.in_sync().await?;
    let mut after = system.workspace().await?;
    let mut before = before;
    for side in [&mut before, &mut after] {
        side.sort_by(|a, b| a.key.cmp(&b.key));
    }
    assert!(before.iter().map(|held| (&held.key, &held.content)).eq(after.iter().map(|held| (&held.key, &held.content))));
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_that_cannot_be_made_is_told_from_one_that_differs() -> anyhow::Result<()> {
    let mut system = System::start(SystemSettings::new("drift-unknown").contacts(2)).await?;
    system.in_sync().await?;
    typed(&system, "replay verify --workspace nowhere").await?.is(3)?;
    system.stop_service("bridge").await?;
    let away = typed(&system, "replay verify").await?.is(6)?;
    assert!(away.complaints.contains("bridge"), "{}", away.complaints);
    system.start_service("bridge")?;
    system.stop().await
}

/// What the log has come to want since a position.
async fn wanted_since(system: &System, position: u64, events: usize) -> anyhow::Result<Vec<Intent>> {
    let (location, rules) = (system.location()?, Rules::builtin()?);
    eventually("the changes are in the log", async || {
        let stored = system.log.read(&location, position, 1000).await.map_err(|error| error.to_string())?;
        let opened = system.log.keys().open(stored).await.map_err(|error| error.to_string())?;
        let recorded: Vec<_> =
            opened.into_iter().flat_map(Event::transpose).filter(|event| matches!(event.body, Body::Record(_))).collect();
        if recorded.len() < events {
            return Err(format!("{} events", recorded.len()));
        }
        Ok(recorded.iter().flat_map(|event| map(event, &rules)).collect())
    })
    .await
}

/// Writes to the bridge as the writer would.
async fn write(system: &System, intent: &Intent) -> anyhow::Result<()> {
    let (kinds, revision) = (format!("{}s", intent.kind), intent.revision);
    let path = [kinds.as_str(), intent.object.as_str()];
    match &intent.action {
        Action::Put(content) => {
            let body = json!({"revision": revision, "policy": "mirror", "content": content.to_json()?});
            meddle(system, Method::PUT, &path, "", Some(body)).await
        }
        Action::Remove => {
            let query = format!("epoch={}&seq={}", revision.epoch, revision.seq);
            meddle(system, Method::DELETE, &path, &query, None).await
        }
    }
}

fn delivered(intent: &Intent) -> Settlement {
    Settlement {
        contact_id: intent.contact_id.clone(),
        kind: intent.kind,
        object: intent.object.clone(),
        workspace: intent.workspace.clone(),
        revision: intent.revision,
        edition: intent.edition,
        policy: intent.policy,
        rules: intent.rules.clone(),
        removed: intent.action == Action::Remove,
        outcome: DeliveryOutcome::Delivered,
        answer: "updated".to_owned(),
        traceparent: None,
        parked: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_change_that_is_written_but_not_yet_settled_is_not_taken_for_drift() -> anyhow::Result<()> {
    let mut system = System::start(SystemSettings::new("drift-race").contacts(5).sealed()).await?;
    system.in_sync().await?;
    system.quiet().await?;
    let head = head(&system).await?;
    // The writer is played here: without a mapper nothing else writes.
    system.stop_service("mapper").await?;
    let ids = system.world().contact_ids();
    system.world().update_contact(&ids[0], &json!({"city": "Turin"}), Sent)?;
    system.world().delete_contact(&ids[1], Sent)?;
    let wanted = eventually("both changes", async || {
        let wanted = wanted_since(&system, head, 2).await.map_err(|error| error.to_string())?;
        let has = |id: &str| wanted.iter().any(|intent| intent.object.as_str() == format!("ghl:contact/{id}"));
        if has(&ids[0]) && has(&ids[1]) { Ok(wanted) } else { Err("not both".to_owned()) }
    })
    .await?;
    for intent in &wanted {
        write(&system, intent).await?;
    }
    let before = system.workspace().await?;

    let selection = format!("--against live --upto {head}");
    typed(&system, &format!("replay plan {selection} --detailed-exitcode")).await?.is(2)?;
    typed(&system, &format!("replay apply {selection} --yes --detach")).await?.is(0)?;
    eventually("what is older was sent and refused", async || {
        let events = system.log.read(&system.location().map_err(|error| error.to_string())?, head, 1000).await;
        let events = events.map_err(|error| error.to_string())?;
        if events.iter().any(|event| event.type_name == "delivery.refused") { Ok(()) } else { Err(format!("{} events", events.len())) }
    })
    .await?;
    system.log.ledger().settle(&system.location()?, &wanted.iter().map(delivered).collect::<Vec<_>>()).await?;
    let ended = typed(&system, "replay status --watch").await?.is(0)?;
    assert_eq!(ended.lines("replay").last().map(|replay| replay["phase"].clone()), Some(json!("REPLAY_PHASE_DONE")));
    let after = system.workspace().await?;
    assert!(
        before.iter().map(|held| (&held.key, &held.content)).eq(after.iter().map(|held| (&held.key, &held.content))),
        "the newest stays"
    );

    system.start_service("mapper")?;
    system.in_sync().await?;
    system.quiet().await?;
    typed(&system, "replay verify").await?.is(0)?;
    typed(&system, "replay plan --against live --detailed-exitcode").await?.is(0)?;
    system.stop().await
}

/// The last position of the log.
async fn head(system: &System) -> anyhow::Result<u64> {
    let overview = system.admin().await?.get_overview(admin::GetOverviewRequest {}).await?.into_inner();
    overview.locations.first().map(|location| location.head).ok_or_else(|| anyhow::anyhow!("a location"))
}
