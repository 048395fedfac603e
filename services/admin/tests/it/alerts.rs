//! A person is told, by a real SMTP conversation and a real webhook.

use domain::LocationId;
use eventlog::{Parking, Stage};
use proof::SigningKey;

use crate::receivers::{Mood, Receiver};
use crate::support::AdminFixture;

/// Each condition as its message begins, and what it is about.
const EVERYTHING: [&str; 13] = [
    "a location is not read, location loc,",
    "a scope is missing (tasks), location loc,",
    "the backfill is stuck, location loc,",
    "the sweep is overdue (task), location loc,",
    "work waits for a person, location loc,",
    "changes arrive late, location loc,",
    "the bus lost messages (EVENTS),",
    "the day's calls are nearly spent, location loc,",
    "a disk is nearly full (/),",
    "the log is not proved, location loc,",
    "unusually much vanished, location loc,",
    "changes were missed (note), location loc,",
    "no poller is alive,",
];

/// A poller that looks after both locations, which are read.
const ATTENDED: &str = "INSERT INTO pollers (instance, alive_until) VALUES ('p', now() + interval '1 hour') \
     ON CONFLICT (instance) DO UPDATE SET alive_until = excluded.alive_until; \
     INSERT INTO location_leases (location_id, holder, token, expires_at) VALUES ('loc', 'p', 1, now() + interval '1 hour'), \
     ('other', 'p', 1, now() + interval '1 hour') ON CONFLICT (location_id) DO UPDATE SET expires_at = excluded.expires_at; \
     UPDATE progress SET started_at = now(), finished_at = now()";

/// What is wrong at the source and on the way, as other services leave it in the database.
const TROUBLE: &str = "INSERT INTO credentials (kind, id, expires_at, granted_at, state, problem) \
     VALUES ('location', 'loc', now(), now(), 'dead', 'the refresh token is spent'); \
     UPDATE progress SET started_at = now() - interval '2 hours', finished_at = NULL, seen = 5, total = 10 WHERE location_id = 'loc'; \
     INSERT INTO passes (location_id, net, kind, complete_since) VALUES ('loc', 'sweep', 'task', now() - interval '3 days'); \
     INSERT INTO streams (name, created_at, last_sequence, lost_at) VALUES ('EVENTS', now(), 1, now()); \
     INSERT INTO calls_nearly_spent VALUES ('loc', now(), 500, 200000); \
     INSERT INTO vanishing (location_id, held_since, held) VALUES ('loc', now(), 300); \
     INSERT INTO parity VALUES ('loc', 'note', current_date - 6, 100, 2), ('loc', 'note', current_date, 100, 1), \
     ('loc', 'task', current_date, 1000, 3), ('loc', 'contact', current_date - 7, 10, 10); \
     INSERT INTO source_troubles VALUES ('loc', 'tasks', 'refused', 'locations/tasks.readonly', 'tasks are not mirrored', now())";

const PEACE: &str = "UPDATE credentials SET state = 'active'; UPDATE progress SET finished_at = now(); \
     UPDATE passes SET complete_since = now(); UPDATE parked SET resolved_at = now(); DELETE FROM calls_nearly_spent; \
     UPDATE vanishing SET held_since = NULL; DELETE FROM parity; DELETE FROM source_troubles; \
     UPDATE relay r SET published = h.seq, settled = h.seq FROM log_head h WHERE h.location_id = r.location_id; \
     UPDATE pollers SET alive_until = now() + interval '1 hour'";

struct Receivers {
    mail: Receiver,
    webhook: Receiver,
}

impl Receivers {
    async fn open() -> Self {
        Self { mail: Receiver::of_mail().await, webhook: Receiver::of_posts().await }
    }

    /// Settings by which they are told almost at once.
    fn settings(&self, more: &str) -> String {
        let (smtp, http) = (self.mail.port, self.webhook.port);
        format!(
            "alerts.name = \"test\"\nalerts.interval = \"50ms\"\nalerts.lease = \"6s\"\nalerts.group_wait = \"200ms\"\n\
             alerts.resolved_after = \"200ms\"\nalerts.retry = {{ first = \"50ms\", longest = \"200ms\" }}\n\
             alerts.webhook = {{ url = \"http://127.0.0.1:{http}/hook\", timeout = \"5s\" }}\n\
             alerts.mail = {{ host = \"127.0.0.1\", port = {smtp}, tls = \"none\", from = \"mirror@example.com\", \
             to = [\"Ann <ann@example.com>\", \"bo@example.com\"], timeout = \"5s\" }}\n{more}"
        )
    }

    /// How often each receiver was told a line that begins like this. The webhook's body is JSON, its lines are within one text.
    fn told(&self, beginning: &str) -> [usize; 2] {
        let texts = self.webhook.messages();
        let texts = texts.iter().map(|body| serde_json::from_str::<serde_json::Value>(body).expect("JSON"));
        let by_webhook = texts.map(|body| {
            let text = body["text"].as_str().expect("text").to_owned();
            text.lines().filter(|line| line.starts_with(beginning)).count()
        });
        [self.mail.lines(beginning), by_webhook.sum()]
    }

    async fn until_told(&self, admin: &AdminFixture, beginning: &str) {
        admin.eventually(beginning, async || self.told(beginning).iter().all(|told| *told > 0).then_some(())).await;
    }
}

async fn park(admin: &AdminFixture, location: &LocationId) {
    let parking = Parking {
        stage: Stage::Poller,
        location_id: location.clone(),
        contact_id: None,
        object: None,
        revision: None,
        subject: String::new(),
        message: Vec::new(),
        reason: "nobody can read it".to_owned(),
        status: None,
        attempts: 1,
        traceparent: None,
    };
    admin.log.parked().park(parking).await.unwrap();
}

async fn other(admin: &AdminFixture) -> LocationId {
    let other = LocationId::new("other").unwrap();
    admin.log.locations().connect(&other, jiff::Timestamp::now()).await.unwrap();
    admin.tamper("UPDATE progress SET started_at = now(), finished_at = now() WHERE location_id = 'other'").await;
    other
}

fn when(disk_free_min: &str) -> String {
    let pem = SigningKey::from_seed(&[9; 32]).to_pem().unwrap();
    format!(
        "alerts.when = {{ lag_after = \"0s\", no_poller_after = \"1s\", stream_lost_for = \"0s\", disks = [\"/\"], \
         disk_free_min = {disk_free_min} }}\nseal = {{ directory = \"DIRECTORY/seal\", key = '''{pem}''', interval = \"20ms\" }}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn each_condition_is_told_once_when_raised_and_once_when_resolved_across_restarts() {
    let receivers = Receivers::open().await;
    let admin = AdminFixture::start("alerts_all", Some("loc"), &receivers.settings(&when("0.999999"))).await;
    let elsewhere = other(&admin).await;
    admin.observe("c1", "Ann", 1).await;
    admin.tamper(ATTENDED).await;
    admin.tamper(TROUBLE).await;
    park(&admin, &admin.location).await;
    // Whoever changes a signed event is found out when everything is verified again.
    let checkpoints = admin.directory.join("seal/checkpoints.jsonl");
    admin.eventually("a seal", async || std::fs::read(&checkpoints).ok().filter(|file| !file.is_empty())).await;
    admin.tamper("UPDATE events SET payload = payload || '\\x20' WHERE seq = 1").await;
    std::fs::write(&checkpoints, "").unwrap();
    for condition in &EVERYTHING[..12] {
        receivers.until_told(&admin, &format!("RAISED: {condition}")).await;
    }
    admin.tamper("UPDATE pollers SET alive_until = now() - interval '1 day'").await;
    receivers.until_told(&admin, "RAISED: no poller is alive,").await;

    // After a restart nothing is told again, and what is new is.
    let admin = admin.restarted(&receivers.settings(&when("0.999999"))).await;
    park(&admin, &elsewhere).await;
    receivers.until_told(&admin, "RAISED: work waits for a person, location other,").await;
    for condition in EVERYTHING {
        assert_eq!(receivers.told(&format!("RAISED: {condition}")), [1, 1], "{condition}");
    }
    let metrics = admin.eventually("metrics", async || admin.metrics().await.filter(|page| page.contains("alert_since_seconds{"))).await;
    assert!(metrics.contains("condition=\"sweep_overdue\",location=\"loc\",subject=\"task\""), "{metrics}");

    // Between the end of the trouble and the message about it, too.
    admin.tamper("UPDATE events SET payload = substring(payload for octet_length(payload) - 1) WHERE seq = 1").await;
    admin.tamper(PEACE).await;
    let admin = admin.restarted(&receivers.settings(&when("0.0"))).await;
    for condition in EVERYTHING {
        receivers.until_told(&admin, &format!("RESOLVED: {condition}")).await;
    }
    receivers.until_told(&admin, "RESOLVED: work waits for a person, location other,").await;
    let admin = admin.restarted(&receivers.settings(&when("0.0"))).await;
    admin.eventually("nothing is open", async || (admin.mirrorctl(&["alerts"]).await.1 == "nothing needs a person\n").then_some(())).await;
    for condition in EVERYTHING {
        for what in ["RAISED", "RESOLVED"] {
            assert_eq!(receivers.told(&format!("{what}: {condition}")), [1, 1], "{what} {condition}");
        }
    }
    let [mail, webhook] = ["RAISED", "RESOLVED"].map(|what| receivers.told(what));
    // Lag of the other location came and went with its parked work, or not, by how long it took.
    assert_eq!(mail, webhook);
    let page = admin.eventually("metrics", async || admin.metrics().await.filter(|page| page.contains("alerts_found_at"))).await;
    assert!(!page.contains("alert_since_seconds{"), "{page}");
    admin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_raised_together_is_one_message_and_two_replicas_tell_it_once() {
    let receivers = Receivers::open().await;
    let settings = receivers.settings("alerts.group_wait = \"1s\"");
    let settings = settings.replace("alerts.group_wait = \"200ms\"\n", "");
    let admin = AdminFixture::start("alerts_two", Some("loc"), &settings).await;
    let second = admin.another(&settings);
    admin.tamper(ATTENDED).await;
    admin.tamper("INSERT INTO calls_nearly_spent VALUES ('loc', now(), 500, 200000), ('other', now(), 400, 200000)").await;
    receivers.until_told(&admin, "RAISED: the day's calls are nearly spent, location other,").await;
    admin.tamper("DELETE FROM calls_nearly_spent WHERE location_id = 'loc'").await;
    receivers.until_told(&admin, "RESOLVED: the day's calls are nearly spent, location loc,").await;
    for receiver in [&receivers.mail, &receivers.webhook] {
        assert_eq!((receiver.messages().len(), receiver.attempts()), (2, 2));
    }
    let mail = receivers.mail.messages().concat();
    assert!(
        mail.contains("Subject: test: 2 conditions need a person\r\n")
            && mail.contains("ann@example.com")
            && mail.contains("bo@example.com"),
        "{mail}"
    );
    // The one that has the turn leaves; the other goes on and shows what is open.
    let (first_has_it, _) = (admin.metrics().await.unwrap().contains("location=\"other\""), ());
    let (leaving, staying) = if first_has_it { (admin, second) } else { (second, admin) };
    leaving.stop().await;
    staying.eventually("metrics", async || staying.metrics().await.filter(|page| page.contains("location=\"other\""))).await;
    assert_eq!(receivers.told("RAISED"), [2, 2]);
    staying.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_arrive_is_told_again_and_a_lost_answer_repeats_the_same_message() {
    let receivers = Receivers::open().await;
    receivers.mail.next_is(Mood::LosesItsAnswer);
    receivers.webhook.next_is(Mood::Refuses);
    let admin = AdminFixture::start("alerts_again", Some("loc"), &receivers.settings("")).await;
    park(&admin, &admin.location).await;
    let twice = || (receivers.mail.attempts() == 2 && receivers.webhook.attempts() == 2).then_some(());
    admin.eventually("two attempts each", async || twice()).await;
    let mails = receivers.mail.messages();
    let id = |mail: &String| mail.lines().find(|line| line.starts_with("Message-ID: <")).map(str::to_owned).unwrap();
    assert_eq!((mails.len(), id(&mails[0]) == id(&mails[1])), (2, true), "{mails:?}");
    assert_eq!(receivers.webhook.messages().len(), 1);
    let (code, said, _) = admin.mirrorctl(&["alerts"]).await;
    assert!(code == 0 && said.contains("parked") && said.contains("mail") && said.contains("webhook"), "{said}");
    admin.tamper("UPDATE parked SET resolved_at = now()").await;
    receivers.until_told(&admin, "RESOLVED: work waits for a person, location loc,").await;
    assert_eq!((receivers.mail.attempts(), receivers.webhook.attempts()), (3, 3));
    admin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_silenced_or_happens_in_quiet_hours_waits() {
    let receivers = Receivers::open().await;
    // Quiet all day, but for the one minute that is far from now in one of the two zones.
    let minute = jiff::Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::UTC).time();
    let zone = if minute.hour() == 23 { "Asia/Kolkata" } else { "UTC" };
    let quiet = format!("alerts.quiet = {{ from = \"00:00\", until = \"23:59\", time_zone = \"{zone}\", except = [\"parked\"] }}");
    let admin = AdminFixture::start("alerts_quiet", Some("loc"), &receivers.settings(&quiet)).await;
    admin.tamper(ATTENDED).await;
    admin.tamper("INSERT INTO calls_nearly_spent VALUES ('loc', now(), 500, 200000)").await;
    let elsewhere = other(&admin).await;
    let (code, said, complaint) = admin.mirrorctl(&["--location", "loc", "alerts", "silence", "parked", "--for", "1h"]).await;
    assert!(code == 0 && said.starts_with("parked of location loc is silent until "), "{said}{complaint}");
    park(&admin, &admin.location).await;
    park(&admin, &elsewhere).await;
    receivers.until_told(&admin, "RAISED: work waits for a person, location other,").await;
    assert_eq!(receivers.told("RAISED"), [1, 1], "the silenced one and the quiet one wait");
    let (_, said, _) = admin.mirrorctl(&["alerts"]).await;
    assert!(said.contains("calls_nearly_spent") && said.contains("silent: parked of location loc until"), "{said}");
    let (code, ..) = admin.mirrorctl(&["--location", "loc", "alerts", "unsilence", "parked"]).await;
    assert_eq!(code, 0);
    receivers.until_told(&admin, "RAISED: work waits for a person, location loc,").await;
    let admin = admin.restarted(&receivers.settings("")).await;
    receivers.until_told(&admin, "RAISED: the day's calls are nearly spent, location loc,").await;
    assert_eq!(receivers.told("RAISED"), [3, 3]);
    for (arguments, exit) in [
        (["alerts", "silence", "weather", "--for", "1h"], 5),
        (["alerts", "silence", "parked", "--for", "60d"], 5),
        (["alerts", "silence", "parked", "--for", "soon"], 2),
    ] {
        assert_eq!(admin.mirrorctl(&arguments).await.0, exit, "{arguments:?}");
    }
    assert_eq!(admin.mirrorctl(&["alerts", "unsilence", "all"]).await.0, 3, "there is none");
    admin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_location_that_nobody_looks_after_any_more_has_no_trouble_at_its_source() {
    let receivers = Receivers::open().await;
    let admin = AdminFixture::start("alerts_left", Some("loc"), &receivers.settings("")).await;
    admin.tamper(ATTENDED).await;
    admin.tamper("INSERT INTO calls_nearly_spent VALUES ('loc', now(), 500, 200000)").await;
    receivers.until_told(&admin, "RAISED: the day's calls are nearly spent, location loc,").await;
    // Without a poller nobody knows, and what was told stays.
    admin.tamper("UPDATE pollers SET alive_until = now() - interval '1 day'; UPDATE location_leases SET expires_at = '-infinity'").await;
    receivers.until_told(&admin, "RAISED: no poller is alive,").await;
    assert_eq!(receivers.told("RESOLVED"), [0, 0]);
    admin.tamper("UPDATE pollers SET alive_until = now() + interval '1 hour'").await;
    receivers.until_told(&admin, "RESOLVED: the day's calls are nearly spent, location loc,").await;
    admin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_token_that_is_refused_is_told_once_for_its_location() {
    let receivers = Receivers::open().await;
    let admin = AdminFixture::start("alerts_paused", Some("loc"), &receivers.settings("")).await;
    other(&admin).await;
    admin.tamper(ATTENDED).await;
    let paused = "INSERT INTO source_troubles SELECT 'loc', area, 'paused', '', 'GHL refuses the token', now() \
         FROM unnest(ARRAY['contacts', 'tasks', 'notes', 'appointments']) AS a (area)";
    admin.tamper(paused).await;
    receivers.until_told(&admin, "RAISED: a location is not read, location loc,").await;
    admin.tamper("DELETE FROM source_troubles").await;
    receivers.until_told(&admin, "RESOLVED: a location is not read, location loc,").await;
    assert_eq!(receivers.told("RAISED:"), [1, 1]);
    admin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_of_a_location_is_resolved_when_a_person_retires_it() {
    let receivers = Receivers::open().await;
    let admin = AdminFixture::start("alerts_retired", Some("loc"), &receivers.settings(&when("0.0"))).await;
    other(&admin).await;
    admin.observe("c1", "Ann", 1).await;
    admin.tamper(ATTENDED).await;
    admin.tamper(TROUBLE).await;
    park(&admin, &admin.location).await;
    let concerned = [0, 2, 3, 4, 5, 7, 10, 11].map(|number| EVERYTHING[number]);
    for condition in concerned {
        receivers.until_told(&admin, &format!("RAISED: {condition}")).await;
    }
    let by = eventlog::Decision { who: "ann", reason: "" };
    admin.log.mirrored().seed(&[&admin.location]).await.unwrap();
    admin.log.mirrored().retire(&admin.location, by).await.unwrap();
    // Whoever looked after it gives its lease back.
    admin.tamper("UPDATE location_leases SET expires_at = '-infinity' WHERE location_id = 'loc'").await;
    for condition in concerned {
        receivers.until_told(&admin, &format!("RESOLVED: {condition}")).await;
    }
    admin.stop().await;
}
