//! A log that goes out of one database and into another is the same log.

use domain::{DeliveryOutcome, LocationId, ObjectKey, Observation};
use eventlog::{Error, EventLog, ImportBuffer, Settlement};
use proof::{Limits, Link, Proved, Reader, Record, Writer, prove};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use sqlx::AssertSqlSafe;

use crate::support::{TestDatabase, at, contact_id, database, delivered, note_key, observe, seen, seen_with_notes, settlement, verify};

/// How many logs go through, each of another location.
const LOGS: usize = 24;

async fn exported(log: &EventLog, location: &LocationId) -> Vec<u8> {
    let header = log.chain().header(location).await.unwrap();
    let mut writer = Writer::begin(Vec::new(), &header).unwrap();
    let pack = |link: &Link<'_>, hash: &[u8; 32]| {
        writer.event(link, hash).unwrap();
        Ok::<_, Error>(())
    };
    log.chain().export(location, (0, header.head), pack).await.unwrap();
    writer.finish().unwrap()
}

/// Stores `at_once` events at a time, and the whole only if it has `events` of them.
async fn imported(log: &EventLog, file: &[u8], at_once: usize, events: usize) -> Result<u64, Error> {
    let mut reader = Reader::open(file, Limits::default()).unwrap();
    let mut buffer = ImportBuffer::of(reader.header().location_id.clone());
    let mut import = log.chain().import(reader.header()).await?;
    let mut read = 0;
    while let Some(record) = reader.record().unwrap() {
        let Record::Event(link, hash) = record else { continue };
        if read < events {
            buffer.push(&link, &hash).unwrap();
            read += 1;
        }
        if read.is_multiple_of(at_once) {
            import = import.store(buffer.take()).await?;
        }
    }
    import.store(buffer.take()).await?.finish().await
}

/// Rows as text, in order.
async fn rows(db: &TestDatabase, columns: &str, table: &str, location: &LocationId) -> Vec<String> {
    let rows = format!("SELECT ({columns})::text FROM {table} WHERE location_id = '{location}' ORDER BY 1");
    sqlx::query_scalar(AssertSqlSafe(rows)).fetch_all(&mut db.as_owner().await).await.unwrap()
}

#[derive(Clone, Debug)]
enum Act {
    Look { contact: u8, name: u8, notes: Vec<u8> },
    Deliver { contact: u8, note: bool, removed: bool },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let look =
        (0_u8..4, 0_u8..3, prop::collection::vec(0_u8..4, 0..3)).prop_map(|(contact, name, notes)| Act::Look { contact, name, notes });
    let deliver = (0_u8..4, any::<bool>(), any::<bool>()).prop_map(|(contact, note, removed)| Act::Deliver { contact, note, removed });
    prop::collection::vec(prop_oneof![2 => look, 1 => deliver], 0..25)
}

async fn live(db: &TestDatabase, location: &LocationId, acts: &[Act]) -> Vec<Observation> {
    let mut looks = Vec::new();
    for (second, act) in (1..).zip(acts) {
        match act {
            Act::Look { contact, name, notes } => {
                let notes: Vec<(String, String)> = notes.iter().map(|note| (format!("n{contact}{note}"), format!("text {name}"))).collect();
                let notes: Vec<(&str, &str)> = notes.iter().map(|(id, text)| (id.as_str(), text.as_str())).collect();
                let look = seen_with_notes(&format!("c{contact}"), &format!("Ann {name}"), second, &notes);
                let look = Observation { location_id: location.clone(), ..look };
                observe(&db.log, location, std::slice::from_ref(&look)).await.unwrap();
                looks.retain(|earlier: &Observation| earlier.contact_id != look.contact_id);
                looks.push(look);
            }
            Act::Deliver { contact, note, removed } => {
                let contact = format!("c{contact}");
                let object = if *note { note_key("n1") } else { ObjectKey::of_contact(&contact_id(&contact)) };
                let answer = if *removed { "removed" } else { "updated" }.to_owned();
                let seq = u64::try_from(second).unwrap();
                let delivered = Settlement { removed: *removed, answer, ..settlement(&contact, object, seq, DeliveryOutcome::Delivered) };
                db.log.ledger().settle(location, &[delivered]).await.unwrap();
            }
        }
    }
    looks
}

#[tokio::test(flavor = "multi_thread")]
async fn importing_what_was_exported_gives_the_same_log_and_the_same_knowledge() {
    let (from, to) = (database("transfer_from").await, database("transfer_to").await);
    let mut runner = TestRunner::deterministic();
    for number in 0..LOGS {
        let acts = acts().new_tree(&mut runner).unwrap().current();
        let location = LocationId::new(format!("loc-{number}")).unwrap();
        from.log.locations().connect(&location, at(0)).await.unwrap();
        let looks = live(&from, &location, &acts).await;
        let file = exported(&from.log, &location).await;
        let Proved { header, .. } = prove(&mut Reader::open(file.as_slice(), Limits::default()).unwrap(), &[], None, |_| ()).unwrap();
        assert_eq!(imported(&to.log, &file, number % 7 + 1, usize::MAX).await.unwrap(), header.head);
        let same = [
            ("t", "events t"),
            ("t", "log_head t"),
            ("t", "locations t"),
            ("contact_id, kind, record_id, present, epoch, seq, content", "known_records"),
            ("contact_id, last_seq", "known_contacts"),
            ("workspace, object, kind, contact_id, epoch, seq, policy, removed, answer", "ledger"),
        ];
        for (columns, table) in same {
            let (left, right) = (rows(&from, columns, table, &location).await, rows(&to, columns, table, &location).await);
            assert_eq!(left, right, "{table} after {acts:?}");
        }
        assert_eq!(verify(&to.log, &location).await.unwrap(), verify(&from.log, &location).await.unwrap());
        // Both go on alike: what is known is no news.
        assert_eq!(observe(&to.log, &location, &looks).await.unwrap(), []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_is_refused_where_there_is_a_log_and_leaves_nothing_when_it_is_cut() {
    let (from, to) = (database("transfer_refused").await, database("transfer_cut").await);
    for second in 1..=5 {
        from.observe(seen("c1", &format!("Ann {second}"), second)).await;
    }
    from.log.ledger().settle(&from.location, &[delivered("c1", 5)]).await.unwrap();
    let file = exported(&from.log, &from.location).await;
    assert!(matches!(imported(&from.log, &file, 2, usize::MAX).await, Err(Error::NotEmpty)));
    assert!(matches!(imported(&to.log, &file, 2, 4).await, Err(Error::Corrupt { seq: 5, .. })));
    assert_eq!(to.head().await, 0);
    assert_eq!(rows(&to, "t", "events t", &to.location).await, Vec::<String>::new());
    assert_eq!(imported(&to.log, &file, 2, usize::MAX).await.unwrap(), 6);
    assert!(matches!(imported(&to.log, &file, 2, usize::MAX).await, Err(Error::NotEmpty)));
    let observed = observe(&to.log, &to.location, &[seen("c1", "Ann 6", 6)]).await.unwrap();
    assert_eq!(observed.iter().map(|recorded| recorded.seq).collect::<Vec<_>>(), [7]);
    verify(&to.log, &to.location).await.unwrap();
}
