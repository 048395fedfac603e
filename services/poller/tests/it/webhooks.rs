//! How webhooks are answered, and what they lead to.

use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::agency::{Agency, LOCATION};
use crate::fixture::{PollerFixture, eventually, here};

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_webhook_gets_its_answer() {
    let fixture = PollerFixture::start("answers", Agency::default(), "webhooks.body_bytes_max = 1000").await;
    assert_eq!(fixture.post(b"{}".to_vec(), None).await, 401, "unsigned");
    assert_eq!(fixture.post(b"{}".to_vec(), Some(("X-GHL-Signature", "N/A"))).await, 401);
    assert_eq!(fixture.post(b"{}".to_vec(), Some(("X-GHL-Signature", "bm9wZQ=="))).await, 401, "wrong");
    assert_eq!(fixture.post(b"{}".to_vec(), Some(("x-wh-signature", "bm9wZQ=="))).await, 401, "the older signature is not enabled");
    assert_eq!(fixture.send_raw(vec![b'x'; 1_001]).await, 413);
    assert_eq!(fixture.send_raw(b"not json".to_vec()).await, 200, "GHL signed it, so another answer would not make it better");
    assert_eq!(fixture.send_raw(b"{\"type\": \"\xff\"}".to_vec()).await, 200);
    assert_eq!(fixture.send_raw([b"[".repeat(400), b"]".repeat(400)].concat()).await, 200, "too deep");
    assert_eq!(fixture.send("InvoicePaid", json!({"id": "i-1"})).await, 200, "none of ours");
    assert_eq!(fixture.send("ContactUpdate", json!({"id": "c-1", "locationId": "elsewhere"})).await, 200);
    assert_eq!(fixture.send("ContactUpdate", json!({"id": "c-1"})).await, 200);
    for outcome in ["unsigned", "wrong_signature", "too_large", "not_json", "other", "unknown_location", "accepted"] {
        let label = format!("outcome=\"{outcome}\"");
        assert!(fixture.metric("webhooks_total", &label).await.unwrap_or_default() >= 1.0, "{outcome} is counted");
    }
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_of_a_mebibyte_or_of_ten_thousand_levels_is_answered() {
    let agency = Agency::default();
    let fixture = PollerFixture::start("monsters", agency.clone(), "").await;
    fixture.until_backfilled().await;
    let mebibyte = |more: usize| {
        let start = format!("{{\"type\": \"InvoicePaid\", \"locationId\": \"{LOCATION}\", \"note\": \"");
        let padding = "x".repeat(1024 * 1024 - start.len() - 2 + more);
        format!("{start}{padding}\"}}").into_bytes()
    };
    assert_eq!(fixture.send_raw(mebibyte(0)).await, 200, "as large as may be");
    assert_eq!(fixture.send_raw(mebibyte(1)).await, 413, "one byte more");
    let levels = 10_000;
    let deep = format!("{{\"type\": \"ContactUpdate\", \"data\": {}{}}}", "[".repeat(levels), "]".repeat(levels));
    assert_eq!(fixture.send_raw(deep.into_bytes()).await, 200);
    let strange = "a'b\"c/d.e f*g>h";
    agency.put(strange, 1);
    assert_eq!(fixture.send("ContactUpdate", json!({"id": strange})).await, 200, "and goes on");
    fixture.until_history(strange, &["contact.appeared", "task.appeared", "note.appeared"]).await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_leads_to_a_look_and_is_not_trusted() {
    let agency = Agency::default();
    let fixture = PollerFixture::start("look", agency.clone(), "").await;
    // It would see him, too.
    fixture.until_backfilled().await;
    agency.put("c/1 é", 1);
    agency.remove("c/1 é");
    agency.put("c-1", 1);
    let lie = json!({"id": "c-1", "firstName": "Not this"});
    assert_eq!(fixture.send("ContactCreate", lie).await, 200);
    fixture.until_history("c-1", &["contact.appeared", "task.appeared", "note.appeared"]).await;
    let events = fixture.log.read(&here(), 0, 10).await.unwrap();
    let payload = String::from_utf8(events[0].body.clone()).unwrap();
    assert!(payload.contains("Name c-1") && !payload.contains("Not this"));
    assert_eq!(events[0].cause.net.as_str(), "webhook");
    assert_eq!(events[0].cause.ghl_trace_id.as_deref(), Some("trace-1"));
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_webhook_leads_to_no_second_look() {
    let agency = Agency::default();
    let fixture = PollerFixture::start("repeated", agency.clone(), "").await;
    fixture.until_backfilled().await;
    agency.put("c-1", 1);
    let body = json!({"type": "ContactUpdate", "locationId": LOCATION, "id": "c-1", "webhookId": "w-1"}).to_string().into_bytes();
    assert_eq!(fixture.send_raw(body.clone()).await, 200);
    fixture.until_history("c-1", &["contact.appeared", "task.appeared", "note.appeared"]).await;
    let looks = agency.asked("/contacts/c-1");
    assert_eq!(fixture.send_raw(body).await, 200);
    assert_eq!(fixture.send("ContactUpdate", json!({"id": "c-2"})).await, 200);
    eventually("the other look", || async { (agency.asked("/contacts/c-2/notes") > 0).then_some(()) }).await;
    assert_eq!(agency.asked("/contacts/c-1"), looks);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_is_confirmed_by_a_look() {
    let agency = Agency::default();
    agency.put("c-1", 1);
    let fixture = PollerFixture::start("deletion", agency.clone(), "").await;
    fixture.until_backfilled().await;
    let appeared = ["contact.appeared", "note.appeared", "task.appeared"];
    fixture.until_history("c-1", &appeared).await;

    assert_eq!(fixture.send("ContactDelete", json!({"id": "c-1"})).await, 200);
    assert_eq!(fixture.send("TaskDelete", json!({"id": "t-c-1", "contactId": "c-1"})).await, 200);
    eventually("looked", || async { (agency.asked("/contacts/c-1/notes") >= 2).then_some(()) }).await;
    assert_eq!(fixture.history("c-1").await, appeared, "both are still there");

    agency.world().parts.remove(&("c-1".to_owned(), "tasks"));
    assert_eq!(fixture.send("TaskDelete", json!({"id": "t-c-1", "contactId": "c-1"})).await, 200);
    fixture.until_history("c-1", &[&appeared[..], &["task.vanished"]].concat()).await;
    agency.remove("c-1");
    assert_eq!(fixture.send("ContactDelete", json!({"id": "c-1"})).await, 200);
    fixture.until_history("c-1", &[&appeared[..], &["task.vanished", "contact.vanished", "note.vanished"]].concat()).await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_webhook_without_its_contact_finds_it() {
    let agency = Agency::default();
    let fixture = PollerFixture::start("owner", agency.clone(), "hints.again_within = \"0s\"").await;
    agency.put("c-1", 1);
    assert_eq!(fixture.send("TaskCreate", json!({"id": "t-c-1"})).await, 200);
    fixture.until_history("c-1", &["contact.appeared", "task.appeared", "note.appeared"]).await;
    assert_eq!(fixture.send("TaskCreate", json!({"id": "nobody's"})).await, 200);
    eventually("counted", || async { fixture.metric("hints_total", "outcome=\"unplaced\"").await }).await;
    fixture.stop().await;
}

fn ago(duration: SignedDuration) -> String {
    (Timestamp::now() - duration).to_string()
}

async fn outcomes(fixture: &PollerFixture, outcome: &str) -> f64 {
    fixture.metric("webhooks_total", &format!("outcome=\"{outcome}\"")).await.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_was_repeated_for_days_is_taken_and_one_from_before_is_not() {
    let agency = Agency::default();
    agency.put("c-1", 1);
    let fixture = PollerFixture::start("old-webhooks", agency.clone(), "").await;
    let sent = |at: SignedDuration| json!({"id": "c-1", "timestamp": ago(at)});
    assert_eq!(fixture.send("ContactUpdate", sent(SignedDuration::from_hours(71))).await, 200);
    assert_eq!((outcomes(&fixture, "accepted").await, outcomes(&fixture, "too_old").await), (1.0, 0.0));
    assert_eq!(fixture.send("ContactUpdate", sent(SignedDuration::from_hours(73))).await, 200);
    assert_eq!((outcomes(&fixture, "accepted").await, outcomes(&fixture, "too_old").await), (1.0, 1.0));
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_another_replica_took_is_not_taken_again() {
    let fixture = PollerFixture::start("taken-elsewhere", Agency::default(), "").await;
    let other = fixture.another().await;
    // GHL's first repetition comes after ten minutes: by then the bus has forgotten.
    let sent_at = ago(SignedDuration::from_mins(10));
    let webhook = json!({"id": "c-1", "webhookId": "w-1", "timestamp": sent_at});
    assert_eq!(fixture.send("ContactUpdate", webhook.clone()).await, 200);
    let digest = eventlog::WebhookDigest::of("w-1");
    eventually("written down", || async { fixture.log.webhooks().was_taken(digest).await.unwrap().then_some(()) }).await;
    let mut other = other;
    assert_eq!(other.send(&fixture, "ContactUpdate", webhook).await, 200);
    assert_eq!(other.metric("webhooks_total", "outcome=\"repeated\"").await, Some(1.0));
    other.stop().await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_one_location_is_asked_to_come_again() {
    let more = "webhooks.location_per_second = 1\nwebhooks.location_burst = 3\n";
    let fixture = PollerFixture::start("flood", Agency::default(), more).await;
    let mut answers = Vec::new();
    for number in 0..10 {
        answers.push(fixture.send("ContactUpdate", json!({"id": format!("c-{number}")})).await);
    }
    assert_eq!(answers[..3], [200, 200, 200]);
    assert!(answers.contains(&429), "{answers:?}");
    assert!(outcomes(&fixture, "too_many").await >= 1.0);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hints_of_a_location_whose_token_is_dead_are_few_and_nothing_is_lost() {
    let agency = Agency::default();
    let ids: Vec<String> = (0..30).map(|number| format!("c-{number}")).collect();
    ids.iter().for_each(|id| agency.put(id, 1));
    let more = "webhooks.location_waiting_max = 20\nwatch.interval = \"50ms\"\nwatch.overlap = \"100000h\"\n";
    let fixture = PollerFixture::start("dead-hints", agency.clone(), more).await;
    fixture.until_backfilled().await;
    let bus = bus::Bus::connect(&bus::Settings { url: fixture.nats.url(), ..bus::Settings::default() }).await.unwrap();
    let backlog = async || bus.backlog(bus::Stream::Hints).await.unwrap();
    agency.fail("/", 401);
    for _ in 0..50 {
        assert_eq!(fixture.send("ContactUpdate", json!({"id": "c-0"})).await, 200);
    }
    assert_eq!(backlog().await, 1, "each is one look at the same contact");
    for id in &ids {
        assert_eq!(fixture.send("ContactUpdate", json!({"id": id})).await, 200);
        agency.rename(id, "New", "2020-01-01T00:00:09.000Z");
    }
    assert!((10..=12).contains(&backlog().await), "half of the share: {}", backlog().await);
    assert!(outcomes(&fixture, "left_to_search").await >= 15.0);
    let mut answers = Vec::new();
    for number in 0..20 {
        answers.push(fixture.send("NoteCreate", json!({"id": format!("n-{number}"), "contactId": "c-1"})).await);
    }
    assert_eq!((answers[0], answers[19]), (200, 429), "what no search finds has room for longer, and is asked for again beyond that");
    assert!((16..=22).contains(&backlog().await), "the whole share: {}", backlog().await);

    agency.world().failing.clear();
    for id in &ids {
        eventually("every change arrives", || async { fixture.history(id).await.contains(&"contact.changed".to_owned()).then_some(()) })
            .await;
    }
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_for_another_app_hints_at_nothing() {
    let app = format!(
        "log.kek = \"one:{}\"\noauth.app.client_id = \"client\"\noauth.app.client_secret = \"secret\"\noauth.app.app_id = \"ours\"\n\
         oauth.app.redirect_uri = \"http://127.0.0.1/oauth/callback\"\n",
        "a".repeat(64)
    );
    let fixture = PollerFixture::start("other-app", Agency::default(), &app).await;
    assert_eq!(fixture.send("ContactUpdate", json!({"id": "c-1", "appId": "theirs"})).await, 200);
    assert_eq!(fixture.send("ContactUpdate", json!({"id": "c-1", "appId": "ours"})).await, 200);
    assert_eq!(fixture.send("ContactUpdate", json!({"id": "c-1"})).await, 200, "not every webhook says it");
    assert_eq!((outcomes(&fixture, "other_app").await, outcomes(&fixture, "accepted").await), (1.0, 2.0));
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_hints_at_a_contact_by_a_secret_that_can_be_revoked() {
    let agency = Agency::default();
    let more = "webhooks.secrets_interval = \"50ms\"\nwatch.interval = \"1h\"\n";
    let fixture = PollerFixture::start("workflow", agency.clone(), more).await;
    fixture.until_backfilled().await;
    agency.put("c-1", 1);
    let (kept, secret) = fixture.log.webhooks().create_secret(&here()).await.unwrap();
    let path = format!("/webhooks/workflow/{}", secret.expose_secret());
    let body = json!({"contact_id": "c-1", "first_name": "Not this", "location": {"id": LOCATION}, "customData": {}}).to_string();
    let post = async |path: &str, body: &str| {
        let request = reqwest::Client::new().post(format!("{}{path}", fixture.http)).header("content-type", "application/json");
        request.body(body.to_owned()).send().await.unwrap().status().as_u16()
    };
    eventually("the secret is known", || async { (post(&path, &body).await == 200).then_some(()) }).await;
    fixture.until_history("c-1", &["contact.appeared", "task.appeared", "note.appeared"]).await;
    let elsewhere = json!({"contact_id": "c-1", "location": {"id": "elsewhere"}}).to_string();
    let accepted = outcomes(&fixture, "accepted").await;
    assert_eq!((post(&path, &elsewhere).await, post(&path, "contact_id=c-1").await), (200, 200));
    assert_eq!(outcomes(&fixture, "accepted").await, accepted, "neither is a hint");
    assert_eq!(post("/webhooks/workflow/guessed", &body).await, 404);
    let metrics = reqwest::get(format!("{}/metrics", fixture.http)).await.unwrap().text().await.unwrap();
    assert!(!metrics.contains(secret.expose_secret()), "the path is no label");
    assert!(fixture.log.webhooks().revoke_secret(&here(), &kept.secret_id).await.unwrap());
    eventually("the secret is revoked", || async { (post(&path, &body).await == 404).then_some(()) }).await;
    fixture.stop().await;
}
