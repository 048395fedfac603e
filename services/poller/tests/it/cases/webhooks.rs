//! Deliveries that differ from what is documented.

use serde_json::json;

use super::case::Case;
use crate::agency::Agency;
use crate::fixture::{PollerFixture, eventually};

const ADA: &str = "CtAdaMarlow000000001";
/// What was recorded may be of any age.
const RECORDED: &str = "webhooks.age_max = \"36500days\"\n";
const APPEARED: [&str; 3] = ["contact.appeared", "note.appeared", "task.appeared"];

#[tokio::test(flavor = "multi_thread")]
async fn case_05_half_an_emoji_in_a_webhook_costs_no_hint() {
    let (case, agency) = (Case::load(5), Agency::northlight());
    let fixture = PollerFixture::start("case-05", agency.clone(), RECORDED).await;
    fixture.until_backfilled().await;
    agency.put(ADA, 1);
    assert_eq!(fixture.send_raw(case.deliveries().remove(0)).await, 200);
    fixture.until_history(ADA, &APPEARED).await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_28_repeated_and_unordered_webhooks_make_one_task_that_is_done() {
    let (case, agency) = (Case::load(28), Agency::northlight());
    agency.script(case.answers());
    let fixture = PollerFixture::start("case-28", agency.clone(), RECORDED).await;
    fixture.until_backfilled().await;
    agency.put(ADA, 1);
    for body in case.deliveries() {
        assert_eq!(fixture.send_raw(body).await, 200);
    }
    fixture.until_history(ADA, &APPEARED).await;
    // What comes after them has been looked at, too.
    agency.put("last", 1);
    assert_eq!(fixture.send("ContactCreate", json!({"id": "last"})).await, 200);
    fixture.until_history("last", &APPEARED).await;
    assert_eq!(fixture.history(ADA).await, APPEARED, "one task, and it never changes");
    let tasks = fixture.records(ADA).await;
    assert_eq!(tasks["TskCallBack000000001"]["done"], json!(true));
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_33_the_signature_covers_the_bytes_as_sent() {
    let case = Case::load(33);
    let fixture = PollerFixture::start("case-33", Agency::northlight(), RECORDED).await;
    let body = case.deliveries().remove(0);
    assert_eq!(fixture.send_raw(body.clone()).await, 200, "spaces, escapes and the last line break are signed as they are");
    let rewritten = serde_json::from_slice::<serde_json::Value>(&body).unwrap().to_string().into_bytes();
    assert_eq!(fixture.post(rewritten, Some(("X-GHL-Signature", &fixture.signature_of(&body)))).await, 401, "no other spelling of it is");
    assert_eq!(fixture.post(body, None).await, 401);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_36_unknown_channels_make_a_look_and_nothing_of_them_is_believed() {
    let (case, agency) = (Case::load(36), Agency::northlight());
    agency.put(ADA, 1);
    agency.world().contacts.get_mut(ADA).unwrap()["tags"] = json!(["spring list"]);
    let fixture = PollerFixture::start("case-36", agency.clone(), RECORDED).await;
    fixture.until_backfilled().await;
    let looks = agency.asked(&format!("/contacts/{ADA}/tasks"));
    assert_eq!(fixture.send_raw(case.deliveries().remove(0)).await, 200);
    eventually("looked at", || async { (agency.asked(&format!("/contacts/{ADA}/tasks")) > looks).then_some(()) }).await;
    agency.rename(ADA, "Ada", "2031-01-01T00:00:00.000Z");
    assert_eq!(fixture.send("ContactUpdate", json!({"id": ADA})).await, 200);
    fixture.until_history(ADA, &[&APPEARED[..], &["contact.changed"]].concat()).await;
    assert_eq!(fixture.records(ADA).await[ADA]["tags"], json!(["spring list"]));
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_37_types_that_nobody_asked_for_are_answered_and_looked_at_by_nobody() {
    let (case, agency) = (Case::load(37), Agency::northlight());
    agency.put(ADA, 1);
    let fixture = PollerFixture::start("case-37", agency.clone(), RECORDED).await;
    fixture.until_backfilled().await;
    let looks = agency.asked(&format!("/contacts/{ADA}"));
    let [app, message, workflow]: [Vec<u8>; 3] = case.deliveries().try_into().unwrap();
    assert_eq!((fixture.send_raw(app).await, fixture.send_raw(message).await), (200, 200));
    assert_eq!(fixture.post(workflow, None).await, 401, "a workflow signs nothing");
    agency.put("last", 1);
    assert_eq!(fixture.send("ContactCreate", json!({"id": "last"})).await, 200);
    fixture.until_history("last", &APPEARED).await;
    assert_eq!(agency.asked(&format!("/contacts/{ADA}")), looks);
    fixture.stop().await;
}
