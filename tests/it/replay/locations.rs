//! A replay of every location: each for itself, whatever becomes of the others.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sqlx::Connection as _;
use tests::system::{System, SystemSettings};
use tests::typed::{Answer, shown, typed};
use tests::wait::eventually;
use toml::{Table, toml};

/// What each location's workspace holds.
type Held = BTreeMap<String, BTreeMap<String, Value>>;

/// A system of two locations with some contacts each.
async fn started(name: &str, admin: Table) -> anyhow::Result<System> {
    let settings = SystemSettings::new(name).contacts(4).sandbox(|settings| settings.locations = 2).with("admin", admin);
    let mut system = System::start(settings).await?;
    let agency = system.sandbox.agency();
    let mut locations = Vec::new();
    for (n, world) in agency.worlds().iter().enumerate() {
        if n > 0 {
            world.populate(8, 3);
            world.settle_search();
        }
        let (id, token) = (world.location_id(), world.token());
        locations.push(toml::Value::Table(toml! { id = id
        token = token }));
    }
    system.stop_service("poller").await?;
    system.change_settings("poller", Table::from_iter([("locations".to_owned(), locations.into())]));
    system.start_service("poller")?;
    system.in_sync().await?;
    eventually("the second location is there", async || {
        for world in agency.worlds() {
            let held = system.workspace_called(world.location_id()).await.map_err(|error| error.to_string())?;
            let [contacts, tasks, notes, appointments] = world.snapshot().counts();
            let wanted = contacts + tasks + notes + appointments;
            if held.len() != wanted {
                return Err(format!("{} of {wanted} objects", held.len()));
            }
        }
        Ok(())
    })
    .await?;
    system.quiet().await?;
    Ok(system)
}

async fn held(system: &System) -> anyhow::Result<Held> {
    let mut held = Held::new();
    for world in system.sandbox.agency().worlds() {
        held.insert(world.location_id().to_owned(), system.objects_of(world.location_id()).await?);
    }
    Ok(held)
}

async fn drop_workspaces(system: &System) -> anyhow::Result<()> {
    for world in system.sandbox.agency().worlds() {
        system.drop_workspace(world.location_id()).await?;
    }
    Ok(())
}

/// How many objects each plan writes, by location.
fn puts(answer: &Answer) -> BTreeMap<String, u64> {
    let text = |plan: &Value, path: &str| Some(plan.pointer(path)?.as_str()?.to_owned());
    let of = |plan: Value| Some((text(&plan, "/target/locationId")?, text(&plan, "/totals/puts")?.parse().ok()?));
    answer.lines("plan").into_iter().filter_map(of).collect()
}

/// What the last word of each replay was, by location.
fn ended(answer: &Answer) -> BTreeMap<String, String> {
    let text = |replay: &Value, path: &str| Some(replay.pointer(path)?.as_str()?.to_owned());
    let of = |replay: Value| Some((text(&replay, "/plan/target/locationId")?, text(&replay, "/phase")?));
    answer.lines("replay").into_iter().filter_map(of).collect()
}

fn each<T: Clone>(held: &Held, value: &T) -> BTreeMap<String, T> {
    held.keys().map(|location| (location.clone(), value.clone())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_location_is_planned_applied_and_verified_for_itself() -> anyhow::Result<()> {
    let system = started("locations-all", Table::new()).await?;
    let before = held(&system).await?;
    assert_eq!(before.len(), 2);
    let unnamed = typed(&system, "replay plan").await?.is(5)?;
    assert!(unnamed.complaints.contains("2 locations are connected"), "{}", unnamed.complaints);
    let nothing = typed(&system, "replay plan --all-locations --detailed-exitcode").await?.is(0)?;
    assert_eq!(puts(&nothing), each(&before, &0));
    assert_eq!(typed(&system, "replay verify --all-locations").await?.is(0)?.lines("result").len(), 2);

    // One is lost: it alone is planned anew, and what repairs it can be typed as it is said.
    let lost = before.keys().next().cloned().unwrap_or_default();
    system.drop_workspace(&lost).await?;
    let told = shown(&system, "replay verify --all-locations").await?.is(1)?;
    let (_, repair) = told.out.split_once("Repair it: mirrorctl ").unwrap_or_default();
    let repair = repair.lines().next().unwrap_or_default();
    let planned = typed(&system, "replay plan --against live --all-locations --detailed-exitcode").await?.is(2)?;
    let lost_objects = u64::try_from(before.get(&lost).map_or(0, BTreeMap::len))?;
    assert_eq!(
        puts(&planned),
        before.keys().map(|location| (location.clone(), if *location == lost { lost_objects } else { 0 })).collect()
    );
    let repaired = typed(&system, &format!("{repair} --yes")).await?.is(0)?;
    assert_eq!(ended(&repaired), BTreeMap::from([(lost, "REPLAY_PHASE_DONE".to_owned())]));
    assert_eq!(held(&system).await?, before);

    drop_workspaces(&system).await?;
    let applied = typed(&system, "replay apply --against live --all-locations --yes").await?.is(0)?;
    assert_eq!(ended(&applied), each(&before, &"REPLAY_PHASE_DONE".to_owned()));
    assert_eq!(held(&system).await?, before, "object by object");
    typed(&system, "replay plan --against live --all-locations --detailed-exitcode").await?.is(0)?;
    typed(&system, "replay verify --all-locations").await?.is(0)?;
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_location_that_is_refused_keeps_no_other_from_being_replayed() -> anyhow::Result<()> {
    let mut system = started("locations-refused", Table::new()).await?;
    let before = held(&system).await?;
    let held_up: Vec<String> = before.keys().cloned().collect();
    for location in held_up {
        drop_workspaces(&system).await?;
        system.stop_service("writer").await?;
        typed(&system, &format!("--location {location} replay apply --against live --yes --detach")).await?.is(0)?;
        typed(&system, "replay pause").await?.is(0)?;
        system.start_service("writer")?;
        let applied = typed(&system, "replay apply --against live --all-locations --yes").await?.is(5)?;
        assert!(applied.complaints.contains("1 of 2"), "{}", applied.complaints);
        let refused = applied.lines("refused");
        assert_eq!(refused.iter().map(|one| one["locationId"].clone()).collect::<Vec<_>>(), [json!(location)]);
        let mut others = before.clone();
        others.remove(&location);
        assert_eq!(ended(&applied), each(&others, &"REPLAY_PHASE_DONE".to_owned()));
        typed(&system, "replay list").await?.is(0)?;

        let paused = typed(&system, &format!("--location {location} replay list")).await?.is(0)?;
        let id = paused.lines("replay").first().and_then(|replay| replay["replayId"].as_str().map(str::to_owned)).unwrap_or_default();
        typed(&system, &format!("replay resume {id}")).await?.is(0)?;
        typed(&system, &format!("replay status --watch {id}")).await?.is(0)?;
        assert_eq!(held(&system).await?, before);
    }
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_cannot_go_on_holds_up_no_other_location() -> anyhow::Result<()> {
    let system = started("locations-stuck", toml! { replay = { interval = "100ms" } }).await?;
    let before = held(&system).await?;
    let [stuck, other] = &before.keys().cloned().collect::<Vec<_>>()[..] else { anyhow::bail!("two locations") };
    let mut owner = sqlx::PgConnection::connect(&system.postgres.url("log")).await?;
    let planned = typed(&system, &format!("--location {stuck} replay plan")).await?.is(0)?;
    let hash = planned.lines("plan").first().and_then(|plan| plan["hash"].as_str().map(str::to_owned)).unwrap_or_default();
    // Its rules are none that this program knows.
    let start = "INSERT INTO replays (location_id, replay_id, plan_hash, phase, through_seq, edition, forgets, total, who, started_at) \
                 SELECT location_id, gen_random_uuid(), hash, 'running', head_seq, edition, true, 1, 'ann', made_at FROM plans \
                 WHERE encode(hash, 'hex') = $1";
    let rules = "UPDATE plans SET rules = CASE rules WHEN 'unknown' THEN rules_then ELSE 'unknown' END WHERE encode(hash, 'hex') = $1";
    for statement in [rules, start] {
        assert_eq!(sqlx::query(statement).bind(&hash).execute(&mut owner).await?.rows_affected(), 1);
    }

    drop_workspaces(&system).await?;
    typed(&system, &format!("--location {other} replay apply --against live --yes --detach")).await?.is(0)?;
    eventually("the other one is rebuilt", async || {
        let held = held(&system).await.map_err(|error| error.to_string())?;
        if held.get(other) == before.get(other) { Ok(()) } else { Err(format!("{} objects", held.get(other).map_or(0, BTreeMap::len))) }
    })
    .await?;
    assert_eq!(held(&system).await?.get(stuck), Some(&BTreeMap::new()));
    assert_eq!(sqlx::query(rules).bind(&hash).execute(&mut owner).await?.rows_affected(), 1);
    eventually("the first one goes on", async || {
        let held = held(&system).await.map_err(|error| error.to_string())?;
        if held == before { Ok(()) } else { Err(format!("{} objects", held.get(stuck).map_or(0, BTreeMap::len))) }
    })
    .await?;
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn old_plans_of_every_location_go_by_themselves() -> anyhow::Result<()> {
    let system = started("locations-retention", toml! { replay = { retention = "2days", retention_interval = "100ms" } }).await?;
    let planned = typed(&system, "replay plan --all-locations").await?.is(0)?;
    let hashes: Vec<String> = planned.lines("plan").iter().filter_map(|plan| plan["hash"].as_str().map(str::to_owned)).collect();
    let [kept, old @ ..] = hashes.as_slice() else { anyhow::bail!("no plan") };
    let mut owner = sqlx::PgConnection::connect(&system.postgres.url("log")).await?;
    let age = "UPDATE plans SET made_at = now() - interval '50 hours' WHERE encode(hash, 'hex') <> $1";
    assert_eq!(sqlx::query(age).bind(kept).execute(&mut owner).await?.rows_affected(), 1);
    eventually("the old one is gone", async || {
        let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM plans").fetch_one(&mut owner).await;
        if count.as_ref().is_ok_and(|count| *count == 1) { Ok(()) } else { Err(format!("{count:?}")) }
    })
    .await?;
    for hash in old {
        typed(&system, &format!("replay apply {hash} --yes")).await?.is(3)?;
    }
    typed(&system, &format!("replay apply {kept} --yes")).await?.is(0)?;
    system.stop().await
}
