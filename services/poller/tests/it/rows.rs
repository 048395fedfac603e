//! Rows of lists that are no records: each is parked alone and hides nothing.

use serde_json::json;

use crate::agency::Agency;
use crate::fixture::{PollerFixture, eventually};

const APPEARED: [&str; 3] = ["contact.appeared", "note.appeared", "task.appeared"];

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_no_contact_parks_alone_and_the_others_are_found_gone() {
    let agency = Agency::default();
    for id in ["c-1", "c-2"] {
        agency.put(id, 1);
    }
    let nameless =
        json!({"id": "", "email": "ann@example.com", "dateAdded": "2020-01-01T00:00:00.000Z", "dateUpdated": "2020-01-01T00:00:00.000Z"});
    agency.world().contacts.insert("nameless".to_owned(), nameless);
    let fixture = PollerFixture::start("rows", agency.clone(), "sweep.interval = \"100ms\"\nsweep.check_interval = \"50ms\"").await;
    fixture.until_backfilled().await;
    fixture.until_history("c-2", &APPEARED).await;
    agency.remove("c-2");
    fixture.until_history("c-2", &[&APPEARED[..], &["contact.vanished", "note.vanished", "task.vanished"]].concat()).await;
    assert_eq!(fixture.history("c-1").await, APPEARED);
    let parked = fixture.log.parked().list(None, None, 10).await.unwrap();
    assert_eq!(parked.len(), 1, "once, whichever net met it");
    let reason = &parked[0].parking.reason;
    assert!(reason.contains("it has no id") && !reason.contains("ann@"), "{reason}");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_a_row_that_is_no_note_a_deleted_note_is_found_gone() {
    let agency = Agency::default();
    agency.put("c-1", 1);
    let note = |id: &str| json!({"id": id, "body": "Hello"});
    let odd = json!({"body": "of nobody"});
    let notes = |rows: &[serde_json::Value]| agency.world().parts.insert(("c-1".to_owned(), "notes"), rows.to_vec());
    notes(&[note("n-1"), odd.clone(), note("n-2")]);
    let fixture = PollerFixture::start("odd-note", agency.clone(), "watch.interval = \"1h\"").await;
    fixture.until_backfilled().await;
    // The log tells of what is parked, too.
    let appeared = ["contact.appeared", "delivery.parked", "note.appeared", "note.appeared", "task.appeared"];
    fixture.until_history("c-1", &appeared).await;
    notes(&[note("n-1"), odd]);
    let gone = json!({"method": "GET", "path": "/contacts/c-1/notes/n-2", "status": 404,
        "body": {"statusCode": 404, "message": "Note with id n-2 not found"}});
    agency.script(vec![serde_json::from_value(gone).unwrap()]);
    assert_eq!(fixture.send("NoteDelete", json!({"id": "n-2", "contactId": "c-1"})).await, 200);
    fixture.until_history("c-1", &[&appeared[..], &["note.vanished"]].concat()).await;
    assert!(fixture.records("c-1").await.contains_key("n-1"));
    eventually("parked", || async { (fixture.log.parked().list(None, None, 10).await.unwrap().len() == 1).then_some(()) }).await;
    fixture.stop().await;
}
