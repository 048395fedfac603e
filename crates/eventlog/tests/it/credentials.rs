//! The tokens of the app's installations.

use eventlog::{CredentialOwner, CredentialState, Error, EventLog, Settings, Tokens};
use secrecy::{ExposeSecret, SecretString};
use sqlx::Row as _;

use crate::support::{TestDatabase, at, database};

fn key(id: &str, digit: char) -> String {
    format!("{id}:{}", digit.to_string().repeat(64))
}

async fn with_keys(database: &TestDatabase, keys: &[String]) -> EventLog {
    let settings = Settings { kek: SecretString::from(keys.join("\n")), ..database.service.clone() };
    EventLog::connect(&settings).await.expect("connect")
}

fn tokens(access: &str) -> Tokens {
    Tokens { access: access.into(), refresh: Some(format!("refresh-of-{access}").into()) }
}

fn agency() -> CredentialOwner {
    CredentialOwner::Company("agency".to_owned())
}

#[tokio::test]
async fn tokens_are_stored_sealed_and_come_back() {
    let database = database("credentials_sealed").await;
    let log = with_keys(&database, &[key("one", 'a')]).await;
    assert_eq!(log.credentials().store(&agency(), None, &tokens("first"), at(1), at(100)).await.expect("stored"), 1);
    assert_eq!(log.credentials().store(&agency(), Some("agency"), &tokens("second"), at(2), at(200)).await.expect("stored"), 2);
    let (credential, found) = log.credentials().find(&agency()).await.expect("read").expect("there");
    assert_eq!((credential.generation, credential.expires_at, credential.state), (2, at(200), CredentialState::Active));
    let found = found.expect("tokens");
    assert_eq!((found.access.expose_secret(), found.refresh.expect("refresh").expose_secret()), ("second", "refresh-of-second"));
    let row = sqlx::query("SELECT sealed FROM credentials").fetch_one(&mut database.as_service().await).await.expect("row");
    let sealed: Vec<u8> = row.get(0);
    assert!(!sealed.windows(6).any(|bytes| bytes == b"second"), "sealed");
}

#[tokio::test]
async fn without_a_key_no_token_is_stored() {
    let database = database("credentials_open").await;
    let refused = database.log.credentials().store(&agency(), None, &tokens("x"), at(1), at(2)).await;
    assert!(matches!(refused, Err(Error::Misconfigured(_))));
}

#[tokio::test]
async fn tokens_do_not_open_for_another_owner_nor_without_their_key() {
    let database = database("credentials_moved").await;
    let log = with_keys(&database, &[key("one", 'a')]).await;
    log.credentials().store(&agency(), None, &tokens("x"), at(1), at(2)).await.expect("stored");
    let other = with_keys(&database, &[key("two", 'b')]).await;
    assert!(matches!(other.credentials().find(&agency()).await, Err(Error::Locked { .. })));
    sqlx::query("UPDATE credentials SET id = 'elsewhere'").execute(&mut database.as_service().await).await.expect("moved");
    let moved = CredentialOwner::Company("elsewhere".to_owned());
    assert!(matches!(log.credentials().find(&moved).await, Err(Error::Damaged)));
}

#[tokio::test]
async fn a_rotation_seals_everything_under_the_new_key() {
    let database = database("credentials_rotation").await;
    let (old, new) = (key("one", 'a'), key("two", 'b'));
    let log = with_keys(&database, std::slice::from_ref(&old)).await;
    log.credentials().store(&agency(), None, &tokens("x"), at(1), at(2)).await.expect("stored");
    let both = with_keys(&database, &[new.clone(), old]).await;
    assert_eq!(both.credentials().reseal().await.expect("resealed"), 1);
    assert_eq!(both.credentials().reseal().await.expect("resealed"), 0, "once is enough");
    let only_new = with_keys(&database, &[new]).await;
    let (credential, found) = only_new.credentials().find(&agency()).await.expect("read").expect("there");
    assert_eq!((credential.kek_id.as_deref(), credential.generation), (Some("two"), 1), "no new grant");
    assert_eq!(found.expect("tokens").access.expose_secret(), "x");
}

#[tokio::test]
async fn a_refresh_that_was_begun_is_seen_until_it_ended() {
    let database = database("credentials_begun").await;
    let log = with_keys(&database, &[key("one", 'a')]).await;
    log.credentials().store(&agency(), None, &tokens("x"), at(1), at(2)).await.expect("stored");
    let permit = log.credentials().renewal_permit(&agency()).await.expect("permit");
    log.credentials().begin_refresh(&permit, at(3)).await.expect("begun");
    // The process dies here: its permit goes back to the others, what it noted stays.
    drop(permit);
    let permit = log.credentials().renewal_permit(&agency()).await.expect("permit");
    let (credential, _) = log.credentials().find(&agency()).await.expect("read").expect("there");
    assert_eq!(credential.refresh_begun_at, Some(at(3)));
    log.credentials().refresh_failed(&credential, CredentialState::Inactive, Some("wait"), false).await.expect("noted");
    permit.end().await.expect("ended");
    let (credential, found) = log.credentials().find(&agency()).await.expect("read").expect("there");
    assert_eq!((credential.refresh_begun_at, credential.state), (None, CredentialState::Inactive));
    assert!(found.is_some(), "the tokens are kept");
}

#[tokio::test]
async fn a_renewal_that_failed_says_nothing_about_newer_tokens() {
    let database = database("credentials_overtaken").await;
    let log = with_keys(&database, &[key("one", 'a')]).await;
    log.credentials().store(&agency(), None, &tokens("x"), at(1), at(2)).await.expect("stored");
    let (old, _) = log.credentials().find(&agency()).await.expect("read").expect("there");
    assert_eq!(log.credentials().renew(&agency(), &tokens("y"), at(3), at(4)).await.expect("renewed"), Some(2));
    log.credentials().refresh_failed(&old, CredentialState::Dead, Some("install it again"), true).await.expect("noted");
    let (credential, _) = log.credentials().find(&agency()).await.expect("read").expect("there");
    assert_eq!((credential.state, credential.problem), (CredentialState::Active, None));
}

#[tokio::test]
async fn a_retired_installation_has_no_tokens_and_only_a_new_one_brings_some() {
    let database = database("credentials_retired").await;
    let log = with_keys(&database, &[key("one", 'a')]).await;
    log.credentials().store(&agency(), None, &tokens("x"), at(10), at(20)).await.expect("stored");
    assert!(!log.credentials().retire(&agency(), Some(at(9))).await.expect("told late"), "it was made anew since");
    assert!(log.credentials().retire(&agency(), Some(at(11))).await.expect("retired"));
    assert!(!log.credentials().retire(&agency(), None).await.expect("retired"), "once");
    let (credential, found) = log.credentials().find(&agency()).await.expect("read").expect("there");
    assert!(credential.state == CredentialState::Retired && found.is_none());
    assert_eq!(log.credentials().renew(&agency(), &tokens("late"), at(12), at(22)).await.expect("not renewed"), None);
    assert_eq!(log.credentials().store(&agency(), None, &tokens("y"), at(13), at(23)).await.expect("stored"), 2);
    assert_eq!(log.credentials().find(&agency()).await.expect("read").expect("there").0.state, CredentialState::Active);
}

#[tokio::test]
async fn a_state_is_good_once_and_forgotten_when_it_is_old() {
    let database = database("credentials_state").await;
    let later = jiff::Timestamp::now() + std::time::Duration::from_secs(60);
    assert!(database.log.credentials().spend_state("one", later).await.expect("spent"));
    assert!(!database.log.credentials().spend_state("one", later).await.expect("spent before"));
    assert!(database.log.credentials().spend_state("two", at(1)).await.expect("spent"));
    assert!(database.log.credentials().spend_state("three", later).await.expect("spent"));
    let row = sqlx::query("SELECT count(*) FROM oauth_states_spent").fetch_one(&mut database.as_service().await).await.expect("row");
    assert_eq!(row.get::<i64, _>(0), 2);
}
