//! What a rule started once belongs to the user, as long as the workspace knows it.

use std::collections::BTreeMap;

use domain::{LocationId, ObjectKey, Workspace};
use proto::replay::v1 as api;
use reqwest::Method;
use sandbox::Webhook::Sent;
use serde_json::{Value, json};
use tests::replays::{Client, acts, against_workspace, apply, done, is_settled, meddle, onboarded, plan};
use tests::system::{System, SystemSettings};
use tests::wait::{PATIENCE, eventually};

/// What the user did to two tasks that were started for a new contact.
struct Touched {
    finished: String,
    removed: String,
}

async fn started(name: &str) -> anyhow::Result<System> {
    onboarded(SystemSettings::new(name).contacts(4).sealed()).await
}

/// In Pagico the user finishes one of the started tasks and removes another.
async fn touch(system: &System) -> anyhow::Result<Touched> {
    let tasks: Vec<_> = system.workspace().await?.into_iter().filter(|held| held.kind == "task" && held.key.starts_with("rule:")).collect();
    let [finished, removed, ..] = tasks.as_slice() else { anyhow::bail!("too few tasks were started") };
    let mut content = finished.content.as_object().cloned().unwrap_or_default();
    content.insert("done".to_owned(), true.into());
    let revision = json!({"epoch": 1, "seq": 1_000_000});
    let put = json!({"contact": finished.contact, "revision": revision, "policy": "mirror", "content": content});
    meddle(system, Method::PUT, &["tasks", &finished.key], "", Some(put)).await?;
    meddle(system, Method::DELETE, &["tasks", &removed.key], "epoch=1&seq=1000000", None).await?;
    Ok(Touched { finished: finished.key.clone(), removed: removed.key.clone() })
}

async fn replayed(client: &mut Client, selection: api::Selection) -> anyhow::Result<u64> {
    let planned = plan(client, selection).await?;
    apply(client, &planned).await?;
    done(client, PATIENCE).await?;
    Ok(acts(&planned))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_user_finished_or_removed_stays_so_and_nothing_is_started_again() -> anyhow::Result<()> {
    let system = started("once-touched").await?;
    let mut client = system.replay().await?;
    let touched = touch(&system).await?;
    let before = system.objects().await?;
    assert_eq!(before.get(&touched.finished).map(|content| &content["done"]), Some(&json!(true)));
    assert!(!before.contains_key(&touched.removed));
    is_settled(&mut client).await?;

    // A replay that has something to do leaves the user's alone beside it.
    let contact = before.keys().find(|key| key.starts_with("ghl:contact/")).cloned().unwrap_or_default();
    let put = json!({"revision": {"epoch": 1, "seq": 1_000_000}, "policy": "mirror", "content": {"name": "Somebody else"}});
    meddle(&system, Method::PUT, &["contacts", &contact], "", Some(put)).await?;
    assert_eq!(replayed(&mut client, against_workspace()).await?, 1, "what drifted");
    assert_eq!(system.objects().await?, before);
    is_settled(&mut client).await?;

    // Nor does a change of the contact start anything again.
    for id in system.world().contact_ids() {
        system.world().update_contact(&id, &json!({"city": "Turin"}), Sent)?;
    }
    eventually("every contact has changed", async || {
        let held = system.objects().await.map_err(|error| error.to_string())?;
        let contacts = held.iter().filter(|(key, _)| key.starts_with("ghl:contact/"));
        let waiting = contacts.filter(|(_, content)| !content.to_string().contains("Turin")).count();
        if waiting == 0 { Ok(()) } else { Err(format!("{waiting} have not")) }
    })
    .await?;
    system.quiet().await?;
    let of_rules =
        |all: BTreeMap<String, Value>| -> BTreeMap<String, Value> { all.into_iter().filter(|(key, _)| key.starts_with("rule:")).collect() };
    assert_eq!(of_rules(system.objects().await?), of_rules(before));
    is_settled(&mut client).await?;
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_lost_with_the_workspace_is_started_again_though_the_user_had_touched_it() -> anyhow::Result<()> {
    let system = started("once-lost").await?;
    let mut client = system.replay().await?;
    let as_started = system.objects().await?;
    let touched = touch(&system).await?;
    let before = system.objects().await?;
    // The ledger loses what it knew of both, as it does when the log is brought back from a backup.
    let (location_id, workspace) = (system.location()?, Workspace::live_of(&system.location()?));
    forget(&system, &location_id, &workspace, &[&touched.finished, &touched.removed]).await?;
    assert_eq!(replayed(&mut client, api::Selection::default()).await?, 2, "what the ledger does not know");
    assert_eq!(system.objects().await?, before, "the workspace has kept what is the user's");
    is_settled(&mut client).await?;

    // A new workspace knows nothing of it.
    client.create_workspace(api::CreateWorkspaceRequest { workspace: "beside".to_owned(), ..Default::default() }).await?;
    let beside = || api::Selection { workspace: "beside".to_owned(), ..against_workspace() };
    assert_eq!(replayed(&mut client, beside()).await?, u64::try_from(as_started.len())?);
    assert_eq!(system.objects_of("beside").await?, as_started);
    assert_eq!(acts(&plan(&mut client, beside()).await?), 0);
    assert_eq!(system.objects().await?, before);

    // With the workspace goes what it knew of the user.
    system.drop_workspace(workspace.as_str()).await?;
    assert_eq!(replayed(&mut client, against_workspace()).await?, u64::try_from(as_started.len())?);
    assert_eq!(system.objects().await?, as_started);
    is_settled(&mut client).await?;
    system.stop().await
}

async fn forget(system: &System, location_id: &LocationId, workspace: &Workspace, keys: &[&String]) -> anyhow::Result<()> {
    let objects: Vec<ObjectKey> = keys.iter().map(|key| ObjectKey::from((*key).clone())).collect();
    let applied = system.log.ledger().applied(location_id, workspace, &objects).await?;
    let known: Vec<_> = applied.into_iter().map(|(object, applied)| (object, applied.revision)).collect();
    anyhow::ensure!(known.len() == keys.len(), "the ledger knows {} of them", known.len());
    system.log.ledger().forget(location_id, workspace, u64::MAX, &known).await?;
    Ok(())
}
