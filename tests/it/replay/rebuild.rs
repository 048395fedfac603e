//! Rebuilding Pagico from the log: planned, reviewed, applied, beside whatever happens.

use std::collections::BTreeMap;

use proto::audit::v1 as audit;
use proto::audit::v1::audit_client::AuditClient;
use proto::erasure::v1 as erasure;
use proto::erasure::v1::erasure_client::ErasureClient;
use proto::replay::v1 as api;
use reqwest::Method;
use sandbox::Webhook::Sent;
use serde_json::{Value, json};
use tests::replays::{against_workspace, apply, done, ended, meddle, onboarded, plan_with_actions};
use tests::system::{System, SystemSettings};
use tests::wait::{PATIENCE, eventually};
use toml::{Table, toml};

/// The workspace that readers by the location's name see.
async fn seen_by_readers(system: &System) -> anyhow::Result<Option<String>> {
    let url = format!("{}/v1/aliases/{}", system.address("bridge", "http")?, system.sandbox.location_id());
    let answer = system.http.get(url).bearer_auth(tests::system::KEY).send().await?;
    let alias: Value = serde_json::from_slice(&answer.bytes().await?)?;
    Ok(alias.get("workspace").and_then(Value::as_str).map(str::to_owned))
}

async fn started(name: &str) -> anyhow::Result<System> {
    started_with(name, Table::new()).await
}

async fn started_with(name: &str, admin: Table) -> anyhow::Result<System> {
    onboarded(SystemSettings::new(name).contacts(8).sealed().with("admin", admin)).await
}

async fn drop_workspace(system: &System) -> anyhow::Result<()> {
    system.drop_workspace(system.sandbox.location_id()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_workspace_is_rebuilt_from_the_log_and_then_there_is_nothing_to_do() -> anyhow::Result<()> {
    let system = started("replay-dropped").await?;
    let mut client = system.replay().await?;
    let before = system.objects().await?;

    // Into a world that is up to date nothing is planned, and nothing written.
    let writes = system.feed_position().await?;
    let nothing = plan_with_actions(&mut client, api::Selection::default()).await?;
    assert_eq!((nothing.acts(), nothing.actions.len()), (0, 0));
    apply(&mut client, &nothing.plan).await?;
    done(&mut client, PATIENCE).await?;
    assert_eq!(plan_with_actions(&mut client, against_workspace()).await?.acts(), 0);
    assert_eq!(system.feed_position().await?, writes);

    drop_workspace(&system).await?;
    let planned = plan_with_actions(&mut client, against_workspace()).await?;
    assert_eq!(planned.acts(), u64::try_from(before.len())?);
    assert!(planned.actions.iter().all(|action| action.reason == "missing" && action.calls == 1 && !action.changes.is_empty()));
    assert_eq!(planned.plan.hash, plan_with_actions(&mut client, against_workspace()).await?.plan.hash, "the same plan has the same hash");
    apply(&mut client, &planned.plan).await?;
    let replay = done(&mut client, PATIENCE).await?;
    assert_eq!((replay.done, replay.total), (planned.acts(), planned.acts()));
    assert_eq!(system.objects().await?, before, "object by object");
    assert_eq!(plan_with_actions(&mut client, against_workspace()).await?.acts(), 0);
    assert_eq!(plan_with_actions(&mut client, api::Selection::default()).await?.acts(), 0);
    system.in_sync().await?;
    assert!(system.log.parked().list(None, None, 10).await?.is_empty());
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_the_log_can_be_replayed_and_who_asked_is_written_down() -> anyhow::Result<()> {
    let system = started("replay-part").await?;
    let mut client = system.replay().await?;
    let before = system.objects().await?;
    let then = plan_with_actions(&mut client, api::Selection::default()).await?.plan;
    let position = then.target.unwrap_or_default().head_seq;
    let id = system.world().contact_ids().pop().unwrap_or_default();
    system.world().update_contact(&id, &json!({"city": "Turin"}), Sent)?;
    system.in_sync().await?;
    system.quiet().await?;
    drop_workspace(&system).await?;

    let one = plan_with_actions(&mut client, api::Selection { contact_id: id.clone(), ..against_workspace() }).await?;
    assert!(one.acts() > 0 && one.actions.iter().all(|action| action.contact_id == id));
    let until = Some(api::selection::Until::Position(position));
    let by_position = plan_with_actions(&mut client, api::Selection { until, ..against_workspace() }).await?;
    let until = then.made_at.map(api::selection::Until::RecordedAt);
    let by_time = plan_with_actions(&mut client, api::Selection { until, ..against_workspace() }).await?;
    assert_eq!(by_time.plan.hash, by_position.plan.hash, "the time is that of the position");
    apply(&mut client, &by_time.plan).await?;
    done(&mut client, PATIENCE).await?;
    assert!(system.objects().await? == before, "as it was before the change");
    let rest = plan_with_actions(&mut client, against_workspace()).await?;
    assert_eq!(
        rest.actions.iter().map(|action| (action.reason.as_str(), action.contact_id.as_str())).collect::<Vec<_>>(),
        [("behind", &*id)]
    );
    apply(&mut client, &rest.plan).await?;
    done(&mut client, PATIENCE).await?;
    system.in_sync().await?;

    let mut audit = AuditClient::with_interceptor(system.channel("admin").await?, system.token()?);
    let request = audit::ListAccessRequest { contact_id: id.clone(), ..Default::default() };
    let asked = audit.list_access(request).await?.into_inner().accesses;
    let about_it = asked.iter().filter(|access| access.contact_id == id);
    assert_eq!(about_it.map(|access| access.call.as_str()).collect::<Vec<_>>(), ["PlanReplay"]);
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_plan_is_refused_and_names_what_moved() -> anyhow::Result<()> {
    let system = started("replay-stale").await?;
    let mut client = system.replay().await?;
    drop_workspace(&system).await?;
    let planned = plan_with_actions(&mut client, against_workspace()).await?;

    let id = system.world().contact_ids().first().cloned().unwrap_or_default();
    system.world().update_contact(&id, &json!({"city": "Turin"}), Sent)?;
    eventually("the change is delivered", async || {
        let there = system.objects().await.map_err(|error| error.to_string())?.contains_key(&format!("ghl:contact/{id}"));
        if there { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .await?;
    system.quiet().await?;
    let strict = api::ApplyReplayRequest { plan_hash: planned.plan.hash.clone(), ..Default::default() };
    let refused = client.apply_replay(strict.clone()).await.err().ok_or_else(|| anyhow::anyhow!("it was taken"))?;
    assert_eq!(refused.code(), tonic::Code::FailedPrecondition);
    assert!(refused.message().contains(&id) && refused.message().contains("the log has moved"), "{}", refused.message());

    // Other rules are never accepted in the place of those that were reviewed.
    let text = domain::Rules::BUILTIN.replace("\"email\", ", "");
    let rules = Some(api::selection::Rules::RulesText(text));
    let other = plan_with_actions(&mut client, api::Selection { rules, ..Default::default() }).await?;
    apply(&mut client, &other.plan).await?;
    done(&mut client, PATIENCE).await?;
    let refused = apply(&mut client, &planned.plan).await.err().ok_or_else(|| anyhow::anyhow!("it was taken"))?;
    assert!(refused.message().contains("the rules of workspace"), "{}", refused.message());

    let again = plan_with_actions(&mut client, against_workspace()).await?;
    apply(&mut client, &again.plan).await?;
    done(&mut client, PATIENCE).await?;
    assert_eq!(plan_with_actions(&mut client, against_workspace()).await?.acts(), 0);
    let emails = system.objects().await?.into_iter().filter(|(key, content)| key.starts_with("ghl:") && content.get("email").is_some());
    assert_eq!(emails.count(), 0, "by the new rules");
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_replay_leaves_a_state_from_which_a_new_plan_reaches_the_end() -> anyhow::Result<()> {
    let mut system = started("replay-cancelled").await?;
    let before = system.objects().await?;
    drop_workspace(&system).await?;
    let mut client = system.replay().await?;
    let planned = plan_with_actions(&mut client, against_workspace()).await?;
    // Without a writer it cannot come to an end.
    system.stop_service("writer").await?;
    apply(&mut client, &planned.plan).await?;
    let second = apply(&mut client, &planned.plan).await.err().ok_or_else(|| anyhow::anyhow!("two at a time"))?;
    assert!(matches!(second.code(), tonic::Code::AlreadyExists | tonic::Code::FailedPrecondition), "{second:?}");
    client.pause_replay(api::PauseReplayRequest::default()).await?;
    client.resume_replay(api::ResumeReplayRequest::default()).await?;
    client.cancel_replay(api::CancelReplayRequest::default()).await?;
    assert_eq!(ended(&mut client, PATIENCE).await?.phase(), api::ReplayPhase::Cancelled);
    assert!(client.resume_replay(api::ResumeReplayRequest::default()).await.is_err(), "what has ended stays so");
    system.start_service("writer")?;
    let planned = plan_with_actions(&mut client, against_workspace()).await?;
    apply(&mut client, &planned.plan).await?;
    done(&mut client, PATIENCE).await?;
    assert_eq!(system.objects().await?, before);
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_holds_while_it_is_paused_and_goes_on_after_the_loss_of_executor_and_bus() -> anyhow::Result<()> {
    let mut system = started_with("replay-paused", toml! { replay = { batch_intents = 1, backlog_max = 1, interval = "50ms" } }).await?;
    let before = system.objects().await?;
    drop_workspace(&system).await?;
    let mut client = system.replay().await?;
    let planned = plan_with_actions(&mut client, against_workspace()).await?;
    system.stop_service("writer").await?;
    apply(&mut client, &planned.plan).await?;
    let bus = bus::Bus::connect(&bus::Settings { url: system.nats.url(), ..bus::Settings::default() }).await?;
    eventually("something is sent", async || match bus.backlog(bus::Stream::Replays).await {
        Ok(waiting) if waiting > 0 => Ok(()),
        waiting => Err(format!("{waiting:?}")),
    })
    .await?;
    client.pause_replay(api::PauseReplayRequest::default()).await?;
    system.start_service("writer")?;
    system.quiet().await?;
    let paused = client.get_replay(api::GetReplayRequest::default()).await?.into_inner().replay.unwrap_or_default();
    assert_eq!((paused.phase(), paused.ended_at), (api::ReplayPhase::Paused, None));
    let some = system.objects().await?.len();
    assert!(some > 0 && some < before.len(), "{some} of {} objects", before.len());

    system.kill_service("admin").await;
    system.kill_nats().await;
    system.revive_nats(true).await?;
    system.start_service("admin")?;
    let mut client = system.replay().await?;
    client.resume_replay(api::ResumeReplayRequest::default()).await?;
    done(&mut client, PATIENCE).await?;
    assert_eq!(system.objects().await?, before);
    assert_eq!(plan_with_actions(&mut client, against_workspace()).await?.acts(), 0);
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_changed_is_put_right_and_what_the_user_owns_is_left() -> anyhow::Result<()> {
    let system = started("replay-drift").await?;
    let mut client = system.replay().await?;
    let before = system.objects().await?;
    let key = before.keys().find(|key| key.starts_with("ghl:contact/")).cloned().unwrap_or_default();
    // With a revision that the log will not reach for long.
    let body = json!({"revision": {"epoch": 1, "seq": 1_000_000}, "policy": "mirror", "content": {"name": "Somebody else"}});
    meddle(&system, Method::PUT, &["contacts", &key], "", Some(body)).await?;
    assert_eq!(plan_with_actions(&mut client, api::Selection::default()).await?.acts(), 0, "the ledger does not know");
    let planned = plan_with_actions(&mut client, against_workspace()).await?;
    let acting: Vec<(&str, &str)> = planned.actions.iter().map(|action| (action.object.as_str(), action.reason.as_str())).collect();
    assert_eq!(acting, [(key.as_str(), "drift")]);
    assert!(planned.actions.iter().flat_map(|action| &action.changes).any(|change| change.before_json == "\"Somebody else\""));
    apply(&mut client, &planned.plan).await?;
    done(&mut client, PATIENCE).await?;
    assert_eq!(system.objects().await?, before);
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_by_other_rules_is_built_beside_the_live_workspace_promoted_and_rolled_back() -> anyhow::Result<()> {
    let system = started("replay-shadow").await?;
    let mut client = system.replay().await?;
    let text = domain::Rules::BUILTIN.replace("\"email\", ", "");
    let rules = Some(api::create_workspace_request::Rules::RulesText(text));
    client.create_workspace(api::CreateWorkspaceRequest { workspace: "shadow".to_owned(), rules, ..Default::default() }).await?;
    let world = system.world();
    let change = |n: usize, city: &str| -> anyhow::Result<()> {
        let id = world.contact_ids().get(n).cloned().unwrap_or_default();
        world.update_contact(&id, &json!({"city": city}), Sent)?;
        Ok(())
    };
    change(0, "Turin")?;
    let into_shadow = || api::Selection { workspace: "shadow".to_owned(), ..Default::default() };
    let planned = plan_with_actions(&mut client, into_shadow()).await?;
    assert!(planned.acts() > 0);
    apply(&mut client, &planned.plan).await?;
    change(1, "Lisbon")?;
    done(&mut client, PATIENCE).await?;
    system.in_sync().await?;
    system.quiet().await?;
    assert_eq!(plan_with_actions(&mut client, into_shadow()).await?.acts(), 0, "replay and live changes together are the whole");

    let live = system.objects().await?;
    let promote = || api::PromoteWorkspaceRequest { workspace: "shadow".to_owned(), ..Default::default() };
    client.promote_workspace(promote()).await?;
    client.promote_workspace(promote()).await?;
    assert_eq!(seen_by_readers(&system).await?.as_deref(), Some("shadow"));
    let shadow = system.objects_of("shadow").await?;
    assert!(live.keys().eq(shadow.keys()), "the same objects");
    let emails = |all: &BTreeMap<String, Value>| all.values().filter(|content| content.get("email").is_some()).count();
    assert!(emails(&live) > 0 && emails(&shadow) == 0);
    change(2, "Porto")?;
    let city = |all: &BTreeMap<String, Value>| all.values().filter(|content| content.to_string().contains("Porto")).count();
    eventually("a change reaches the promoted workspace", async || {
        if city(&system.objects_of("shadow").await.map_err(|error| error.to_string())?) == 1 { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .await?;
    client.roll_back_workspace(api::RollBackWorkspaceRequest::default()).await?;
    assert_eq!(seen_by_readers(&system).await?, None);
    system.in_sync().await?;
    assert_eq!(city(&system.objects().await?), 1, "what changed meanwhile reached the former one too");
    client.retire_workspace(api::RetireWorkspaceRequest { workspace: "shadow".to_owned(), ..Default::default() }).await?;
    let left = client.list_workspaces(api::ListWorkspacesRequest::default()).await?.into_inner().workspaces;
    let roles: Vec<api::WorkspaceRole> = left.iter().map(api::Workspace::role).collect();
    assert_eq!(roles, [api::WorkspaceRole::Live, api::WorkspaceRole::Retired]);
    system.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_brings_back_nothing_of_an_erased_contact() -> anyhow::Result<()> {
    let system = started("replay-erased").await?;
    let mut client = system.replay().await?;
    let gone = system.world().contact_ids().pop().unwrap_or_default();
    let of_contact = api::Selection { contact_id: gone.clone(), ..against_workspace() };
    let planned = plan_with_actions(&mut client, of_contact).await?;
    let mut erasures = ErasureClient::with_interceptor(system.channel("admin").await?, system.token()?);
    let request = erasure::EraseContactRequest { contact_id: gone.clone(), reason: "asked by letter".to_owned(), ..Default::default() };
    erasures.erase_contact(request).await?;
    eventually("the erasure is finished", async || {
        let request = erasure::GetErasureRequest { contact_id: gone.clone(), ..Default::default() };
        let erasure = erasures.clone().get_erasure(request).await.map_err(|error| error.to_string())?.into_inner().erasure;
        erasure.filter(|erasure| erasure.finished_at.is_some()).map(drop).ok_or_else(|| "not yet".to_owned())
    })
    .await?;
    let refused = apply(&mut client, &planned.plan).await.err().ok_or_else(|| anyhow::anyhow!("it was taken"))?;
    assert_eq!(refused.code(), tonic::Code::NotFound, "what was planned for the contact alone is purged: {refused}");

    let before = system.objects().await?;
    drop_workspace(&system).await?;
    let planned = plan_with_actions(&mut client, against_workspace()).await?;
    assert!(planned.actions.iter().all(|action| action.contact_id != gone));
    apply(&mut client, &planned.plan).await?;
    done(&mut client, PATIENCE).await?;
    assert_eq!(system.objects().await?, before);
    assert_eq!(plan_with_actions(&mut client, against_workspace()).await?.acts(), 0);
    system.stop().await
}
