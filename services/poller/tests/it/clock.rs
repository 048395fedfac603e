//! Times that a clock shows twice.

use serde_json::{Value, json};

use crate::agency::Agency;
use crate::fixture::{PollerFixture, eventually};

const VISIT: &str = "a-1";
/// Half past one in New York, for the second time: the first time is 05:30 in UTC.
const SECOND: &str = "2026-11-01T06:30:00Z";

/// An answer of the fake GHL's.
fn answer(path: &str, body: Value) -> crate::script::Scripted {
    serde_json::from_value(json!({"method": "GET", "path": path, "status": 200, "body": body})).unwrap()
}

fn visit(starts: &str, ends: &str) -> Value {
    json!({"id": VISIT, "contactId": "c-1", "calendarId": "cal-1", "title": "Visit", "startTime": starts, "endTime": ends})
}

fn of_contact() -> crate::script::Scripted {
    answer("/contacts/c-1/appointments", json!({"events": [visit("2026-11-01 01:30:00", "2026-11-01 02:00:00")]}))
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_hour_that_autumn_repeats_a_known_offset_stays() {
    let agency = Agency::northlight();
    agency.put("c-1", 1);
    agency.world().calendars = vec!["cal-1".to_owned()];
    let of_calendar = visit("2026-11-01T01:30:00-05:00", "2026-11-01T02:00:00-05:00");
    agency.script(vec![of_contact(), answer("/calendars/events", json!({"events": [of_calendar]}))]);
    let fixture = PollerFixture::start("autumn", agency.clone(), "watch.interval = \"1h\"").await;
    fixture.until_backfilled().await;
    assert_eq!(fixture.records("c-1").await[VISIT]["starts_at"], SECOND);
    assert_eq!(fixture.send("ContactUpdate", json!({"id": "c-1"})).await, 200);
    eventually("looked at", || async { (agency.asked("/contacts/c-1/appointments") > 0).then_some(()) }).await;
    agency.rename("c-1", "Ada", "2031-01-01T00:00:00.000Z");
    assert_eq!(fixture.send("ContactUpdate", json!({"id": "c-1"})).await, 200);
    fixture.until_history("c-1", &["contact.appeared", "note.appeared", "task.appeared", "appointment.appeared", "contact.changed"]).await;
    assert_eq!(fixture.records("c-1").await[VISIT]["starts_at"], SECOND);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_appointment_in_that_hour_is_asked_for_by_its_id_where_nothing_is_known() {
    let agency = Agency::northlight();
    let fixture = PollerFixture::start("autumn-new", agency.clone(), "watch.interval = \"1h\"").await;
    fixture.until_backfilled().await;
    agency.put("c-1", 1);
    let by_id = visit("2026-11-01T01:30:00-05:00", "2026-11-01T02:00:00-05:00");
    agency.script(vec![of_contact(), answer("/calendars/events/appointments/a-1", json!({"event": by_id}))]);
    assert_eq!(fixture.send("ContactCreate", json!({"id": "c-1"})).await, 200);
    let known = eventually("the visit", || async { fixture.records("c-1").await.remove(VISIT) }).await;
    assert_eq!(known["starts_at"], SECOND);
    fixture.stop().await;
}
