//! Which locations are mirrored, and what was decided about each.

use domain::LocationId;
use eventlog::{CredentialOwner, CredentialState, Decision, Error, EventLog, MirrorState, Settings, Tokens};
use secrecy::{ExposeSecret, SecretString};
use sqlx::Row as _;

use crate::support::{TestDatabase, at, database};

const BY: Decision<'_> = Decision { who: "ann", reason: "moves" };

fn key(id: &str, digit: char) -> String {
    format!("{id}:{}", digit.to_string().repeat(64))
}

async fn with_keys(database: &TestDatabase, keys: &[String]) -> EventLog {
    let settings = Settings { kek: SecretString::from(keys.join("\n")), ..database.service.clone() };
    EventLog::connect(&settings).await.expect("connect")
}

async fn state(log: &EventLog, location_id: &LocationId) -> MirrorState {
    log.mirrored().find(location_id).await.expect("read").expect("there").state
}

#[tokio::test]
async fn what_was_decided_counts_before_what_is_seeded() {
    let database = database("mirrored_seed").await;
    let (log, location) = (&database.log, &database.location);
    let before = log.mirrored().changes().await.expect("changes");
    log.mirrored().seed(&[location]).await.expect("seeded");
    let seeded = log.mirrored().find(location).await.expect("read").expect("there");
    assert_eq!((seeded.state, seeded.who.as_str(), seeded.token), (MirrorState::Active, "", None));
    let after = log.mirrored().changes().await.expect("changes");
    log.mirrored().seed(&[location]).await.expect("seeded again");
    assert!(after > before && log.mirrored().changes().await.expect("changes") == after, "seeding again changes nothing");

    let paused = log.mirrored().pause(location, BY).await.expect("paused");
    assert_eq!((paused.state, paused.who.as_str(), paused.reason.as_str()), (MirrorState::Paused, "ann", "moves"));
    let again = log.mirrored().pause(location, Decision { who: "bo", reason: "" }).await.expect("paused again");
    assert_eq!(again, paused, "it is paused since it was first");
    log.mirrored().seed(&[location]).await.expect("seeded");
    assert_eq!(state(log, location).await, MirrorState::Paused);
    assert_eq!(log.mirrored().resume(location, BY).await.expect("resumed").state, MirrorState::Active);

    log.mirrored().retire(location, BY).await.expect("retired");
    log.mirrored().seed(&[location]).await.expect("seeded");
    for refused in [log.mirrored().pause(location, BY).await, log.mirrored().resume(location, BY).await] {
        assert!(matches!(refused, Err(Error::InState { state: MirrorState::Retired })));
    }
    assert_eq!(log.mirrored().add(location, None, BY).await.expect("added").state, MirrorState::Active);
    let nobody = LocationId::new("nobody").expect("id");
    assert!(matches!(log.mirrored().pause(&nobody, BY).await, Err(Error::NotFound)));
}

#[tokio::test]
async fn a_token_is_kept_sealed_and_gone_when_the_location_is_retired() {
    let database = database("mirrored_token").await;
    let (old, new) = (key("one", 'a'), key("two", 'b'));
    let log = with_keys(&database, std::slice::from_ref(&old)).await;
    let (location, token) = (&database.location, SecretString::from("pit-secret"));
    assert_eq!(log.mirrored().add(location, Some(&token), BY).await.expect("added").token, Some(1));
    assert_eq!(log.mirrored().add(location, Some(&token), BY).await.expect("added").token, Some(2), "a newer one");
    let row = sqlx::query("SELECT sealed FROM mirrored_locations").fetch_one(&mut database.as_service().await).await.expect("row");
    assert!(!row.get::<Vec<u8>, _>(0).windows(6).any(|bytes| bytes == b"secret"), "sealed");
    let (_, opened) = log.mirrored().token(location).await.expect("read").expect("there");
    assert_eq!(opened.expose_secret(), "pit-secret");

    // A rotation reaches it, and without its key it is locked.
    let both = with_keys(&database, &[new.clone(), old.clone()]).await;
    assert_eq!((both.mirrored().reseal().await.expect("sealed"), both.mirrored().reseal().await.expect("sealed")), (1, 0));
    assert!(with_keys(&database, &[new]).await.mirrored().token(location).await.expect("read").is_some());
    assert!(matches!(log.mirrored().token(location).await, Err(Error::Locked { .. })));
    assert!(matches!(database.log.mirrored().add(location, Some(&token), BY).await, Err(Error::Misconfigured(_))));

    let (owner, tokens) = (CredentialOwner::Location(location.clone()), Tokens { access: "a".into(), refresh: None });
    both.credentials().store(&owner, None, &tokens, at(1), at(2)).await.expect("stored");
    both.mirrored().retire(location, BY).await.expect("retired");
    assert!(both.mirrored().token(location).await.expect("read").is_none());
    let (credential, tokens_left) = both.credentials().find(&owner).await.expect("read").expect("there");
    assert!(credential.state == CredentialState::Retired && tokens_left.is_none());
    let again = both.credentials().store(&owner, None, &tokens, at(3), at(4)).await;
    assert!(matches!(again, Err(Error::InState { .. })), "an installation of the app does not bring it back");
    assert!(both.credentials().retired_by_hand().await.expect("read").contains(location));
}

#[tokio::test]
async fn after_a_pause_the_sweep_is_due_and_after_a_retirement_everything_is_looked_at() {
    use domain::RecordKind;
    use eventlog::{Backfill, Pass, Progress};

    let database = database("mirrored_due").await;
    let (log, location) = (&database.log, &database.location);
    log.mirrored().seed(&[location]).await.expect("seeded");
    let done = Pass { ended_at: Some(at(50)), complete_at: Some(at(50)), complete_since: Some(at(40)), ..Pass::default() };
    log.passes().save(location, "backfill", RecordKind::Contact, &done).await.expect("saved");
    log.passes()
        .save(location, "sweep", RecordKind::Task, &Pass { started_at: Some(at(60)), seen: 5, ..done.clone() })
        .await
        .expect("saved");
    log.passes().save(location, "backfill", RecordKind::Task, &done).await.expect("saved");
    let backfill = Backfill { started_at: Some(at(1)), finished_at: Some(at(50)), seen: 7, ..Backfill::default() };
    log.passes().save_progress(location, &Progress { watermark: Some(at(55)), backfill }).await.expect("saved");

    log.mirrored().pause(location, BY).await.expect("paused");
    log.mirrored().resume(location, BY).await.expect("resumed");
    for kind in [RecordKind::Contact, RecordKind::Task] {
        let sweep = log.passes().get(location, "sweep", kind).await.expect("read");
        assert_eq!((sweep.started_at, sweep.ended_at), (None, Some(jiff::Timestamp::UNIX_EPOCH)), "{kind}");
    }
    assert_eq!(log.passes().progress(location).await.expect("read").backfill.finished_at, Some(at(50)), "no backfill");

    log.mirrored().retire(location, BY).await.expect("retired");
    log.mirrored().add(location, None, BY).await.expect("added");
    let progress = log.passes().progress(location).await.expect("read");
    assert_eq!((progress.backfill, progress.watermark), (Backfill::default(), Some(at(55))));
}
