//! Sealing, opening, erasing.

use std::time::Duration;

use domain::{Body, Decode, Observation, Recorded, Stored};
use eventlog::{ContactMessage, ErasureRequest, Error, EventFilter, EventLog, Opened, PurgedPart, Settings};
use secrecy::SecretString;
use settings::Period;
use sqlx::Row;

use crate::support::{self, TestDatabase, contact_id, database, delivered, parked, seen, seen_with_notes, types, verify};

const OLD: &str = "old:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const NEW: &str = "new:ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

async fn sealed_log(db: &TestDatabase, kek: &str) -> EventLog {
    let settings =
        Settings { kek: SecretString::from(kek.to_owned()), erasures_checked_every: Period::from_millis(20), ..db.service.clone() };
    EventLog::connect(&settings).await.unwrap()
}

async fn observe(db: &TestDatabase, log: &EventLog, observation: Observation) -> Vec<Recorded> {
    support::observe(log, &db.location, &[observation]).await.unwrap()
}

async fn all(db: &TestDatabase, log: &EventLog) -> Vec<Stored> {
    log.read(&db.location, 0, 10_000).await.unwrap()
}

async fn opened(db: &TestDatabase, log: &EventLog) -> Vec<Recorded> {
    log.keys().open(all(db, log).await).await.unwrap().into_iter().map(|event| event.transpose().expect("opens")).collect()
}

fn erase(leave_plain_events: bool) -> ErasureRequest {
    ErasureRequest { reason: "asked by letter".to_owned(), who: "ann".to_owned(), leave_plain_events }
}

fn message(db: &TestDatabase, contact: &str, bytes: &[u8]) -> ContactMessage {
    ContactMessage { location_id: db.location.clone(), contact_id: contact_id(contact), bytes: bytes.to_vec() }
}

async fn rows(db: &TestDatabase, query: &'static str) -> i64 {
    sqlx::query(query).fetch_one(&mut db.as_owner().await).await.unwrap().get(0)
}

#[tokio::test]
async fn what_is_sealed_is_read_as_it_was_seen_and_by_nobody_without_the_key() {
    let db = database("seal_read").await;
    let log = sealed_log(&db, OLD).await;
    let mut seen_first = observe(&db, &log, seen_with_notes("c1", "Ann Secret", 1, &[("n1", "a secret note")])).await;
    seen_first.extend(observe(&db, &log, seen_with_notes("c1", "Ann B. Secret", 2, &[])).await);
    for event in all(&db, &log).await {
        assert!(event.key_id.is_some());
        assert!(!event.body.windows(6).any(|window| window.eq_ignore_ascii_case(b"secret")), "{}", event.type_name);
    }
    assert_eq!(opened(&db, &log).await, seen_first);
    assert_eq!(opened(&db, &sealed_log(&db, OLD).await).await, seen_first, "another process reads the same");
    assert_eq!(verify(&log, &db.location).await.unwrap().head, 4);
    assert_eq!(rows(&db, "SELECT count(*) FROM contact_keys").await, 1);
    let locked = |outcome: Error| matches!(outcome, Error::Locked { kek_id } if kek_id == "old");
    assert!(locked(db.log.keys().open(all(&db, &log).await).await.unwrap_err()));
    assert!(locked(sealed_log(&db, NEW).await.keys().open(all(&db, &log).await).await.unwrap_err()));
    assert!(locked(support::observe(&db.log, &db.location, &[seen("c2", "Bob", 3)]).await.unwrap_err()), "nothing goes on in plain");
}

#[tokio::test]
async fn a_large_batch_makes_one_key_for_each_contact() {
    let db = database("seal_batch").await;
    let log = sealed_log(&db, OLD).await;
    let look =
        |second: i64| (0..300).map(move |number| seen(&format!("c{}", number % 150), &format!("Name {number} {second}"), second + number));
    let first = support::observe(&log, &db.location, &look(1).collect::<Vec<_>>()).await.unwrap();
    let second = support::observe(&sealed_log(&db, OLD).await, &db.location, &look(1_000).collect::<Vec<_>>()).await.unwrap();
    assert_eq!((first.len(), second.len()), (300, 300));
    assert_eq!(rows(&db, "SELECT count(*) FROM contact_keys").await, 150);
    assert_eq!(opened(&db, &log).await, first.into_iter().chain(second).collect::<Vec<_>>());
    assert_eq!(verify(&log, &db.location).await.unwrap().head, 600);
}

#[tokio::test]
async fn a_payload_that_was_changed_or_moved_does_not_open() {
    let db = database("seal_swap").await;
    let log = sealed_log(&db, OLD).await;
    observe(&db, &log, seen_with_notes("c1", "Ann", 1, &[("n1", "one"), ("n2", "two")])).await;
    observe(&db, &log, seen("c2", "Bob", 1)).await;
    let mut events = all(&db, &log).await;
    let moved = std::mem::take(&mut events[1].body);
    events[1].body = std::mem::replace(&mut events[2].body, moved);
    events[3].body[20] ^= 1;
    let outcomes = log.keys().open(events).await.unwrap();
    assert!(outcomes[0].body.is_ok());
    assert!(outcomes[1..].iter().all(|outcome| matches!(outcome.body, Err(Decode::Unopened))), "{outcomes:?}");
}

#[tokio::test]
async fn an_erased_contact_leaves_its_places_and_nothing_else() {
    let db = database("seal_erase").await;
    let (log, other) = (sealed_log(&db, OLD).await, sealed_log(&db, OLD).await);
    observe(&db, &log, seen_with_notes("c1", "Ann", 1, &[("n1", "one")])).await;
    observe(&db, &log, seen_with_notes("c2", "Bob", 1, &[("n3", "three")])).await;
    log.ledger().settle(&db.location, &[delivered("c1", 1), delivered("c2", 3), parked("c1", 9)]).await.unwrap();
    let before = opened(&db, &other).await;
    let erasure = log.erasures().erase(&db.location, &contact_id("c1"), &erase(false)).await.unwrap();
    assert_eq!(log.erasures().erase(&db.location, &contact_id("c1"), &erase(false)).await.unwrap(), erasure, "erasing twice is once");
    assert_eq!((erasure.plain_events, erasure.workspaces.len()), (0, 1));

    let after = opened(&db, &log).await;
    assert_eq!(types(&after)[..before.len()], types(&before), "the types stay");
    assert_eq!(after.last().unwrap().body.type_name(), "operator.subject_erased");
    for (now, then) in after.iter().zip(&before) {
        let gone = then.contact_id == Some(contact_id("c1")) && then.record.is_some();
        assert_eq!(matches!(now.body, Body::Erased), gone);
        assert_eq!((now.occurred_at, now.recorded_at, &now.cause), (then.occurred_at, then.recorded_at, &then.cause));
        assert!(gone || now == then);
    }
    tokio::time::timeout(Duration::from_secs(5), async {
        while opened(&db, &other).await != after {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("another process notices");
    assert_eq!(opened(&db, &sealed_log(&db, OLD).await).await, after);
    verify(&log, &db.location).await.unwrap();
    for table in ["known_contacts", "known_records", "ledger", "parked"] {
        let query = format!("SELECT count(*) FROM {table} WHERE contact_id = 'c1'");
        assert_eq!(rows(&db, Box::leak(query.into_boxed_str())).await, 0, "{table}");
    }
    assert_eq!(rows(&db, "SELECT count(*) FROM contact_keys WHERE wrapped IS NULL").await, 1);
    assert_eq!(rows(&db, "SELECT count(*) FROM known_records WHERE contact_id = 'c2'").await, 2);
}

#[tokio::test]
async fn an_erased_contact_is_not_observed_again_until_that_is_lifted() {
    let db = database("seal_lift").await;
    let (log, other) = (sealed_log(&db, OLD).await, sealed_log(&db, OLD).await);
    observe(&db, &log, seen("c1", "Ann", 1)).await;
    observe(&db, &other, seen("c1", "Ann B.", 2)).await;
    log.erasures().erase(&db.location, &contact_id("c1"), &erase(false)).await.unwrap();
    let head = db.head().await;
    for log in [&log, &other] {
        assert_eq!(
            support::observe(log, &db.location, &[seen("c1", "Ann", 5), seen("c2", "Bob", 5)])
                .await
                .unwrap()
                .iter()
                .filter(|event| event.contact_id == Some(contact_id("c1")))
                .count(),
            0
        );
        log.ledger().settle(&db.location, &[delivered("c1", 1)]).await.unwrap();
    }
    assert_eq!(db.head().await, head + 1, "only the other contact");
    assert_eq!(rows(&db, "SELECT count(*) FROM ledger").await, 0);
    log.erasures().lift(&db.location, &contact_id("c1"), "ann").await.unwrap();
    assert!(matches!(log.erasures().lift(&db.location, &contact_id("c1"), "ann").await, Err(Error::NotFound)));
    assert_eq!(types(&observe(&db, &other, seen("c1", "Ann", 9)).await), ["contact.appeared"]);
    let events = opened(&db, &log).await;
    assert_eq!(types(&events).iter().filter(|name| *name == "contact.appeared").count(), 3);
    assert_eq!(events.iter().filter(|event| matches!(event.body, Body::Erased)).count(), 2);
    let again = log.erasures().erase(&db.location, &contact_id("c1"), &erase(false)).await.unwrap();
    assert!(again.lifted_at.is_none());
    // Another process notices when it next checks.
    tokio::time::timeout(Duration::from_secs(5), async {
        while opened(&db, &other).await.iter().filter(|event| matches!(event.body, Body::Erased)).count() != 3 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("noticed");
}

#[tokio::test]
async fn what_would_stay_readable_is_not_called_erased() {
    let db = database("seal_plain").await;
    db.observe(seen_with_notes("c1", "Ann", 1, &[("n1", "one")])).await;
    let log = sealed_log(&db, OLD).await;
    observe(&db, &log, seen("c1", "Ann B.", 2)).await;
    assert!(matches!(log.erasures().erase(&db.location, &contact_id("c1"), &erase(false)).await, Err(Error::PlainEvents { count: 2 })));
    assert!(matches!(log.erasures().erase(&db.location, &contact_id("nobody"), &erase(false)).await, Err(Error::NotFound)));
    assert_eq!(opened(&db, &log).await.iter().filter(|event| matches!(event.body, Body::Erased)).count(), 0);
    assert_eq!(log.erasures().erase(&db.location, &contact_id("c1"), &erase(true)).await.unwrap().plain_events, 2);
    assert_eq!(opened(&db, &log).await.iter().filter(|event| matches!(event.body, Body::Erased)).count(), 3);
}

#[tokio::test]
async fn an_erasure_is_finished_when_every_part_is() {
    let db = database("seal_parts").await;
    let log = sealed_log(&db, OLD).await;
    observe(&db, &log, seen("c1", "Ann", 1)).await;
    let erasure = log.erasures().erase(&db.location, &contact_id("c1"), &erase(false)).await.unwrap();
    assert_eq!(log.erasures().unfinished(10).await.unwrap(), std::slice::from_ref(&erasure));
    log.erasures().record_purged(&erasure, PurgedPart::Bus).await.unwrap();
    assert_eq!(log.erasures().unfinished(10).await.unwrap().len(), 1);
    for workspace in &erasure.workspaces {
        log.erasures().record_purged(&erasure, PurgedPart::Workspace(workspace)).await.unwrap();
    }
    assert_eq!(log.erasures().unfinished(10).await.unwrap(), []);
    let finished = log.erasures().find(&db.location, &contact_id("c1")).await.unwrap().unwrap();
    assert!(finished.finished_at.is_some() && finished.workspaces.is_empty());
}

#[tokio::test]
async fn a_new_key_encryption_key_takes_over_without_touching_events() {
    let db = database("seal_rotate").await;
    let old = sealed_log(&db, OLD).await;
    let looks: Vec<_> = (0..25).map(|number| seen(&format!("c{number}"), "Ann", number)).collect();
    let seen = support::observe(&old, &db.location, &looks).await.unwrap();
    old.erasures().erase(&db.location, &contact_id("c0"), &erase(false)).await.unwrap();
    let hash = verify(&old, &db.location).await.unwrap().hash;
    let both = sealed_log(&db, &format!("{NEW}\n{OLD}")).await;
    assert_eq!(both.keys().count().await.unwrap(), (24, 24));
    let (mut after, mut rewrapped) = (None, 0);
    loop {
        let done = both.keys().rewrap(after.as_ref(), 10).await.unwrap();
        rewrapped += done.rewrapped;
        after = done.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((rewrapped, both.keys().count().await.unwrap()), (24, (24, 0)));
    assert_eq!(both.keys().rewrap(None, 100).await.unwrap().rewrapped, 0);
    let new = sealed_log(&db, NEW).await;
    assert_eq!(opened(&db, &new).await[1..25], seen[1..]);
    assert_eq!(verify(&new, &db.location).await.unwrap().hash, hash);
    assert!(matches!(sealed_log(&db, OLD).await.keys().open(all(&db, &new).await).await, Err(Error::Locked { kek_id }) if kek_id == "new"));
    assert!(matches!(db.log.keys().rewrap(None, 10).await, Err(Error::Misconfigured(_))));
}

#[tokio::test]
async fn letters_open_for_their_contact_alone_and_not_after_it_is_erased() {
    let db = database("seal_letters").await;
    let (log, other) = (sealed_log(&db, OLD).await, sealed_log(&db, OLD).await);
    db.observe(seen("plain", "Pia", 1)).await;
    observe(&db, &log, seen("c1", "Ann", 1)).await;
    observe(&db, &log, seen("c2", "Bob", 1)).await;
    let messages = ["c1", "c2", "plain"].map(|contact| message(&db, contact, b"{\"secret\":1}"));
    let sent: Vec<Vec<u8>> = log.keys().seal(messages.to_vec()).await.unwrap().into_iter().flatten().collect();
    assert!(!sent[0].windows(6).any(|window| window == b"secret"));
    assert_eq!(sent[2], b"{\"secret\":1}", "a contact without a key has nothing that is sealed");
    let received = |bytes: &[Vec<u8>]| vec![message(&db, "c1", &bytes[0]), message(&db, "c2", &bytes[1]), message(&db, "plain", &bytes[2])];
    let content = || Opened::Content(b"{\"secret\":1}".to_vec());
    assert_eq!(other.keys().unseal(received(&sent)).await.unwrap(), [content(), content(), content()]);
    assert_eq!(other.keys().unseal(vec![message(&db, "c2", &sent[0])]).await.unwrap(), [Opened::Unopened]);
    let mut changed = sent.clone();
    changed[0][40] ^= 1;
    changed[1].truncate(10);
    assert_eq!(other.keys().unseal(received(&changed)).await.unwrap(), [Opened::Unopened, Opened::Unopened, content()]);
    log.erasures().erase(&db.location, &contact_id("c1"), &erase(false)).await.unwrap();
    assert_eq!(log.keys().seal(vec![messages[0].clone()]).await.unwrap(), [None]);
    tokio::time::timeout(Duration::from_secs(5), async {
        while other.keys().unseal(received(&sent)).await.unwrap() != [Opened::Erased, content(), content()] {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("another process notices");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_observed_while_contacts_are_erased_opens_or_is_erased() {
    let db = database("seal_race").await;
    let logs = [sealed_log(&db, OLD).await, sealed_log(&db, OLD).await];
    let location = &db.location;
    let observing = logs.iter().enumerate().map(|(turn, log)| async move {
        for second in 0..40 {
            let looks: Vec<_> =
                (0..8).map(|number| seen(&format!("c{number}"), &format!("Ann {turn} {second}"), second * 2 + turn as i64)).collect();
            support::observe(log, location, &looks).await.unwrap();
            for event in log.keys().open(log.read(location, 0, 10_000).await.unwrap()).await.unwrap() {
                event.body.unwrap();
            }
        }
    });
    let erasing = async {
        for number in 0..8 {
            let contact = contact_id(&format!("c{number}"));
            while matches!(logs[0].erasures().erase(location, &contact, &erase(false)).await, Err(Error::NotFound)) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            if number % 2 == 0 {
                logs[1].erasures().lift(location, &contact, "ann").await.unwrap();
            }
        }
    };
    futures::future::join(futures::future::join_all(observing), erasing).await;
    for number in (1..8).step_by(2) {
        let events =
            logs[1].answers().history(location, &contact_id(&format!("c{number}")), &EventFilter::default(), None, 1_000).await.unwrap();
        assert_eq!(events[0].type_name, "operator.subject_erased", "nothing comes after it");
    }
    verify(&logs[0], location).await.unwrap();
}
