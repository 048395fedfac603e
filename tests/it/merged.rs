//! What is on several contacts, at once or one after the other.

use proto::replay::v1 as api;
use sandbox::Webhook::{Lost, Sent};
use serde_json::json;
use tests::mirror::{Mirror, Plan, eventually};
use tests::replays::{acts, against_workspace, plan, verify};
use toml::toml;

async fn started(name: &str) -> anyhow::Result<Mirror> {
    // Who was merged away is found by a sweep alone.
    let poller = toml! {
        sweep = { interval = "2s", check_interval = "200ms" }
        watch = { interval = "1s", tasks_interval = "1s" }
    };
    let mirror = Mirror::start(Plan::new(name).contacts(6).with("poller", poller)).await?;
    mirror.in_sync().await?;
    Ok(mirror)
}

/// A replay would write nothing, by the ledger and by what the workspace holds, and nothing differs from the log.
async fn is_settled(mirror: &Mirror) -> anyhow::Result<()> {
    let mut client = mirror.replay().await?;
    for selection in [api::Selection::default(), against_workspace()] {
        let planned = plan(&mut client, selection).await?;
        anyhow::ensure!(acts(&planned) == 0, "to be written: {:?}", planned.totals);
    }
    let (result, differences) = verify(&mut client).await?;
    anyhow::ensure!(result.equal, "{differences:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hung_on_a_merged_contact_is_seen_at_the_winner() -> anyhow::Result<()> {
    let mirror = started("merged").await?;
    let world = mirror.world();
    let contacts = world.contact_ids();
    let [winner, loser, ..] = contacts.as_slice() else { anyhow::bail!("too few contacts") };
    let task = world.create_task(loser, &json!({"title": "Send the offer", "completed": false}), Sent)?;
    let note = world.create_note(loser, &json!({"body": "Called twice"}), Sent)?;
    mirror.in_sync().await?;

    world.merge_contacts(winner, loser, Sent)?;
    mirror.in_sync().await?;
    mirror.quiet().await?;
    let held = mirror.workspace().await?;
    for key in [format!("ghl:task/{task}"), format!("ghl:note/{note}")] {
        anyhow::ensure!(held.iter().any(|object| object.key == key), "{key} is missing");
    }
    is_settled(&mirror).await?;
    mirror.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_of_two_contacts_stays_until_it_is_taken_off_both() -> anyhow::Result<()> {
    let mirror = started("shared").await?;
    let world = mirror.world();
    let contacts = world.contact_ids();
    let [a, b, ..] = contacts.as_slice() else { anyhow::bail!("too few contacts") };
    let task = world.create_task(a, &json!({"title": "Call both", "completed": false, "contactIds": [a, b]}), Sent)?;
    let key = format!("ghl:task/{task}");
    let told = async |change: &str, times: usize| {
        eventually(change, async || {
            let events = mirror.log.read(&mirror.location().map_err(|error| error.to_string())?, 0, 1_000).await;
            let events = events.map_err(|error| error.to_string())?;
            let about_it = events.iter().filter(|event| event.record.as_ref().is_some_and(|(_, id)| id.as_str() == task));
            let found = about_it.filter(|event| event.type_name == change).count();
            if found == times { Ok(()) } else { Err(format!("{found} times")) }
        })
        .await
    };
    told("task.appeared", 1).await?;
    // Whoever changes is looked at whole.
    world.update_contact(b, &json!({"city": "Turin"}), Sent)?;
    told("task.appeared", 2).await?;
    mirror.quiet().await?;
    is_settled(&mirror).await?;

    // Taken off the one where it is in the workspace, so that it comes to the other.
    world.update_any_task(&task, &json!({"contactIds": [a]}), Lost)?;
    world.update_contact(b, &json!({"city": "Milan"}), Sent)?;
    told("task.remained", 1).await?;
    mirror.in_sync().await?;
    mirror.quiet().await?;
    anyhow::ensure!(mirror.workspace().await?.iter().any(|object| object.key == key), "the task is missing");
    is_settled(&mirror).await?;

    world.delete_any_task(&task, Sent)?;
    mirror.in_sync().await?;
    mirror.stop().await
}
