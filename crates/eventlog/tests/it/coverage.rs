//! What each net found, and since when nobody has looked.

use std::collections::BTreeSet;

use domain::{Cause, Net, Observation, RecordKind};
use eventlog::{Coverage, Parity, Pass};

use crate::support::{TestDatabase, at, database, seen, seen_with_notes};

async fn of(db: &TestDatabase, kind: RecordKind) -> Coverage {
    let all = db.log.known().coverage(&db.location).await.unwrap();
    all.into_iter().find(|coverage| coverage.kind == kind).unwrap()
}

fn by(net: Net, observation: Observation) -> Observation {
    Observation { cause: Cause { net, ..observation.cause.clone() }, ..observation }
}

#[tokio::test]
async fn what_each_net_found_first_is_counted_by_kind() {
    let db = database("coverage_found").await;
    let webhook = || Net::Webhook { webhook_id: None, kind: "ContactUpdate".to_owned() };
    db.observe(by(Net::Backfill, seen_with_notes("c1", "Ann", 1, &[("n1", "hello")]))).await;
    assert_eq!(of(&db, RecordKind::Contact).await.missed_rate(), None, "what was there before was not missed");
    for (asked, name) in [(2, "Bo"), (3, "Cy"), (4, "Di")] {
        db.observe(by(webhook(), seen("c1", name, asked))).await;
    }
    db.observe(by(Net::Sweep, seen_with_notes("c1", "Eve", 5, &[("n1", "bye")]))).await;
    db.observe(by(Net::Sweep, seen("c1", "Eve", 6))).await;
    let contacts = of(&db, RecordKind::Contact).await;
    assert_eq!((contacts.found["webhook"].changes, contacts.found["sweep"].changes, contacts.found["backfill"].changes), (3, 1, 1));
    assert_eq!((contacts.unannounced(), contacts.missed_rate()), (1, Some(0.25)));
    assert_eq!(of(&db, RecordKind::Note).await.missed_rate(), Some(1.0));
}

#[tokio::test]
async fn it_tells_when_each_net_last_looked_and_who_waits_longest() {
    let db = database("coverage_looks").await;
    assert_eq!(of(&db, RecordKind::Note).await.swept_since, None);
    for (contact, asked) in [("c1", 30), ("c2", 10), ("c3", 20)] {
        db.observe(seen_with_notes(contact, "Ann", asked, &[("n", "hello")])).await;
    }
    let kinds = BTreeSet::from([RecordKind::Contact, RecordKind::Note]);
    db.log.known().note_webhooks(&db.location, &kinds, at(50)).await.unwrap();
    db.log.known().note_webhooks(&db.location, &kinds, at(40)).await.unwrap();
    let pass = Pass { complete_since: Some(at(60)), ..Pass::default() };
    db.log.passes().save(&db.location, "sweep", RecordKind::Contact, &pass).await.unwrap();
    let (contacts, notes) = (of(&db, RecordKind::Contact).await, of(&db, RecordKind::Note).await);
    assert_eq!((contacts.webhook_at, contacts.swept_since, contacts.present), (Some(at(50)), Some(at(60)), 3));
    assert_eq!(contacts.unverified_since, Some(at(10)));
    assert_eq!((notes.webhook_at, notes.swept_since, notes.unverified_since), (Some(at(50)), Some(at(10)), Some(at(10))));
    db.observe(seen("c2", "Ann", 70)).await;
    assert_eq!(of(&db, RecordKind::Contact).await.unverified_since, Some(at(20)));
}

#[tokio::test]
async fn what_was_read_again_counts_for_seven_days() {
    let db = database("coverage_parity").await;
    for (contact, asked) in [("c1", 30), ("c2", 10), ("c3", 20)] {
        db.observe(seen(contact, "Ann", asked)).await;
    }
    let chosen = async |chance: &str, limit: u32| {
        let contacts = db.log.known().contacts_by_chance(&db.location, chance, limit).await.unwrap();
        contacts.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(chosen("c1", 2).await, ["c2", "c3"]);
    assert_eq!(chosen("c2", 2).await, ["c3", "c1"]);
    assert_eq!(chosen("zz", 5).await, ["c1", "c2", "c3"]);
    let counts = [(RecordKind::Contact, Parity { compared: 2, differed: 1 })].into();
    for _ in 0..2 {
        db.log.known().note_parity(&db.location, &counts).await.unwrap();
    }
    assert_eq!(of(&db, RecordKind::Contact).await.parity, Parity { compared: 4, differed: 2 });
    assert_eq!(of(&db, RecordKind::Note).await.parity, Parity::default());
}
