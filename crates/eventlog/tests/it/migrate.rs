//! The schema and the roles.

use eventlog::{Error, EventLog, Settings};
use secrecy::SecretString;
use serde_json::json;
use settings::{Check, Period};
use tokio::task::JoinSet;

use crate::support::{at, database, empty_database};

#[tokio::test(flavor = "multi_thread")]
async fn many_migrators_at_once_migrate_once() {
    let owner = empty_database("migrate_many").await;
    let mut migrators = JoinSet::new();
    for _ in 0..6 {
        let owner = owner.clone();
        migrators.spawn(async move { eventlog::migrate(&owner).await });
    }
    for migrated in migrators.join_all().await {
        migrated.expect("migrated");
    }
    let log = EventLog::connect(&owner).await.unwrap();
    assert_eq!(log.locations().list().await.unwrap(), []);
}

#[tokio::test]
async fn a_database_that_is_not_migrated_is_named_so() {
    let owner = empty_database("migrate_none").await;
    let log = EventLog::connect(&owner).await.unwrap();
    log.ping().await.unwrap();
    let location = domain::LocationId::new("loc").unwrap();
    let error = log.locations().connect(&location, at(0)).await.expect_err("no schema");
    assert!(matches!(&error, Error::Misconfigured(problem) if problem.contains("not migrated")), "{error}");
}

#[tokio::test]
async fn a_database_that_is_away_may_come_back() {
    let url = format!("postgres://a:b@127.0.0.1:{}/none", embedded::free_port().unwrap());
    let settings = Settings { url: SecretString::from(url), acquire_timeout: Period::from_secs(1), ..Settings::default() };
    let log = EventLog::connect(&settings).await.unwrap();
    let error = log.ping().await.expect_err("nobody there");
    assert!(error.is_transient(), "{error}");
}

#[tokio::test]
async fn a_wrong_password_is_no_reason_to_try_again() {
    let db = database("migrate_password").await;
    eventlog::ensure_service_role(&db.owner, "service_migrate_password", &SecretString::from("another")).await.unwrap();
    let log = EventLog::connect(&db.service).await.unwrap();
    let error = log.ping().await.expect_err("refused");
    assert!(matches!(error, Error::Misconfigured(_)), "{error:?}");
}

#[test]
fn settings_name_every_mistake_and_hide_the_password() {
    let mut settings = Settings { url: SecretString::from("postgres://ann:secret@db/log"), ..Settings::default() };
    assert_eq!(settings.problems(), [] as [&str; 0]);
    let printed = serde_json::to_string(&settings).unwrap() + &format!("{settings:?}");
    assert!(printed.contains("ann:hidden@db") && !printed.contains("secret@"), "{printed}");
    settings = Settings { url: SecretString::from("mysql://x"), kek: SecretString::from("x"), ..settings };
    let problems = settings.problems();
    assert!(matches!(problems.as_slice(), [url, kek] if url.starts_with("url must be ") && kek.starts_with("kek: ")), "{problems:?}");
    for zero in [json!({"connections_max": 0}), json!({"transaction_records_max": 0}), json!({"acquire_timeout": "0s"})] {
        assert!(serde_json::from_value::<Settings>(zero.clone()).is_err(), "{zero}");
    }
}
