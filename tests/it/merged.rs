//! What is on several contacts, at once or one after the other.

use proto::replay::v1 as api;
use sandbox::Webhook::{Lost, Sent};
use serde_json::json;
use tests::replays::{acts, against_workspace, apply, done, is_settled, plan};
use tests::system::{System, SystemSettings};
use tests::wait::{PATIENCE, eventually};
use toml::toml;

async fn started(name: &str) -> anyhow::Result<System> {
    // Who was merged away is found by a sweep alone.
    let poller = toml! {
        sweep = { interval = "2s", check_interval = "200ms" }
        watch = { interval = "1s", tasks_interval = "1s" }
    };
    let system = System::start(SystemSettings::new(name).contacts(6).with("poller", poller)).await?;
    system.in_sync().await?;
    Ok(system)
}

/// Waits until the log tells something of a task so often; gives where.
async fn told(system: &System, task: &str, change: &str, times: usize) -> anyhow::Result<Vec<u64>> {
    eventually(change, async || {
        let events = system.log.read(&system.location().map_err(|error| error.to_string())?, 0, 1_000).await;
        let events = events.map_err(|error| error.to_string())?;
        let about_it = events.iter().filter(|event| event.record.as_ref().is_some_and(|(_, id)| id.as_str() == task));
        let found: Vec<u64> = about_it.filter(|event| event.type_name == change).map(|event| event.seq).collect();
        if found.len() == times { Ok(found) } else { Err(format!("{} times", found.len())) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hung_on_a_merged_contact_is_seen_at_the_winner() -> anyhow::Result<()> {
    let system = started("merged").await?;
    let world = system.world();
    let contacts = world.contact_ids();
    let [winner, loser, ..] = contacts.as_slice() else { anyhow::bail!("too few contacts") };
    let task = world.create_task(loser, &json!({"title": "Send the offer", "completed": false}), Sent)?;
    let note = world.create_note(loser, &json!({"body": "Called twice"}), Sent)?;
    system.in_sync().await?;

    world.merge_contacts(winner, loser, Sent)?;
    system.in_sync().await?;
    system.quiet().await?;
    let held = system.workspace().await?;
    for key in [format!("ghl:task/{task}"), format!("ghl:note/{note}")] {
        anyhow::ensure!(held.iter().any(|object| object.key == key), "{key} is missing");
    }
    is_settled(&mut system.replay().await?).await?;
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_of_two_contacts_stays_until_it_is_taken_off_both() -> anyhow::Result<()> {
    let system = started("shared").await?;
    let world = system.world();
    let contacts = world.contact_ids();
    let [a, b, ..] = contacts.as_slice() else { anyhow::bail!("too few contacts") };
    let task = world.create_task(a, &json!({"title": "Call both", "completed": false, "contactIds": [a, b]}), Sent)?;
    let key = format!("ghl:task/{task}");
    told(&system, &task, "task.appeared", 1).await?;
    // Whoever changes is looked at whole.
    world.update_contact(b, &json!({"city": "Turin"}), Sent)?;
    told(&system, &task, "task.appeared", 2).await?;
    system.quiet().await?;
    is_settled(&mut system.replay().await?).await?;

    // Taken off the one where it is in the workspace, so that it comes to the other.
    world.update_any_task(&task, &json!({"contactIds": [a]}), Lost)?;
    world.update_contact(b, &json!({"city": "Milan"}), Sent)?;
    told(&system, &task, "task.remained", 1).await?;
    system.in_sync().await?;
    system.quiet().await?;
    anyhow::ensure!(system.workspace().await?.iter().any(|object| object.key == key), "the task is missing");
    is_settled(&mut system.replay().await?).await?;

    world.delete_any_task(&task, Sent)?;
    system.in_sync().await?;
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_state_has_a_task_of_two_contacts_where_it_was_then() -> anyhow::Result<()> {
    let system = started("shared-then").await?;
    let (world, mut client) = (system.world(), system.replay().await?);
    let contacts = world.contact_ids();
    let [a, b, ..] = contacts.as_slice() else { anyhow::bail!("too few contacts") };
    let task = world.create_task(a, &json!({"title": "Call both", "completed": false, "contactIds": [a, b]}), Sent)?;
    let key = format!("ghl:task/{task}");
    told(&system, &task, "task.appeared", 1).await?;
    world.update_contact(b, &json!({"city": "Turin"}), Sent)?;
    let [first, second] = told(&system, &task, "task.appeared", 2).await?[..] else { anyhow::bail!("two places") };
    // It changes at both, so that neither is known as it was then.
    world.update_any_task(&task, &json!({"title": "Call both again"}), Lost)?;
    world.update_contact(a, &json!({"city": "Milan"}), Sent)?;
    world.update_contact(b, &json!({"city": "Milan"}), Sent)?;
    told(&system, &task, "task.changed", 2).await?;
    system.quiet().await?;
    is_settled(&mut system.replay().await?).await?;

    // What is there is newer than any of it.
    let until = |position| Some(api::selection::Until::Position(position));
    for position in [first, second] {
        for selection in [api::Selection::default(), against_workspace()] {
            let planned = plan(&mut client, api::Selection { until: until(position), ..selection }).await?;
            anyhow::ensure!(acts(&planned) == 0, "up to {position}: {:?}", planned.totals);
        }
    }

    system.drop_workspace(system.sandbox.location_id()).await?;
    let owner = async || -> anyhow::Result<String> {
        let held = system.workspace().await?;
        let task = held.into_iter().find(|object| object.key == key).ok_or_else(|| anyhow::anyhow!("the task is missing"))?;
        Ok(task.contact.trim_start_matches("ghl:contact/").to_owned())
    };
    let mut owners = Vec::new();
    for until in [until(first), until(second), None] {
        let selection = api::Selection { until, ..against_workspace() };
        let planned = plan(&mut client, selection.clone()).await?;
        anyhow::ensure!(acts(&planned) > 0);
        apply(&mut client, &planned).await?;
        done(&mut client, PATIENCE).await?;
        anyhow::ensure!(acts(&plan(&mut client, selection).await?) == 0, "there is more to do");
        owners.push(owner().await?);
    }
    let [one, other, _] = owners.as_slice() else { anyhow::bail!("three moments") };
    anyhow::ensure!(one != other && contacts.contains(one) && contacts.contains(other), "{owners:?}");
    is_settled(&mut system.replay().await?).await?;
    system.stop().await
}
