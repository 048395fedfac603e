//! What polling finds without any webhook, and that the events of the log reach the bus.

use bus::{Bus, Stream};
use domain::RecordKind;
use eventlog::Pass;
use serde_json::json;

use crate::agency::Agency;
use crate::fixture::{PollerFixture, eventually, here};

const FAST: &str = "watch.interval = \"50ms\"\nwatch.overlap = \"100000h\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_looks_at_every_contact_whatever_the_page_size() {
    let agency = Agency::default();
    for number in 0..25 {
        agency.put(&format!("c-{number}"), number);
    }
    agency.world().rows_max = Some(4);
    let fixture = PollerFixture::start("backfill", agency.clone(), "backfill.page_rows = 10").await;
    fixture.until_backfilled().await;
    let head = fixture.log.locations().list().await.unwrap()[0].head;
    assert_eq!(head, 75);
    let progress = fixture.log.passes().progress(&here()).await.unwrap().backfill;
    assert_eq!((progress.seen, progress.total), (25, Some(25)));
    assert_eq!(agency.asked("/contacts/c-7"), 1, "only its notes are asked for: the others are in lists");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_calendar_too_full_for_one_answer_is_read_in_shorter_spans() {
    let agency = Agency::default();
    agency.put("c-1", 1);
    agency.world().calendars = vec!["cal-1".to_owned(), "cal-2".to_owned()];
    let meetings = (0..40).map(|number| {
        let at = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(number)).to_string();
        json!({"id": format!("a-{number}"), "calendarId": "cal-1", "title": "Lunch", "startTime": at, "endTime": at})
    });
    agency.world().parts.insert(("c-1".to_owned(), "events"), meetings.collect());
    let fixture = PollerFixture::start("dense", agency.clone(), "ghl.events_bytes_max = 1000").await;
    fixture.until_backfilled().await;
    assert_eq!(fixture.log.locations().list().await.unwrap()[0].head, 43, "the contact, its task, its note and every meeting");
    assert_eq!(agency.asked("/contacts/c-1/appointments"), 0, "the lists of the calendar are enough");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn appointments_of_any_year_are_read_with_few_calls() {
    for (name, longest_span, calls) in
        [("years", None, 3..=6), ("years-refused", Some(jiff::SignedDuration::from_hours(24 * 3_660)), 20..=60)]
    {
        let agency = Agency::default();
        agency.put("c-1", 1);
        agency.world().longest_span = longest_span;
        agency.world().calendars = vec!["cal-1".to_owned(), "cal-2".to_owned(), "cal-3".to_owned()];
        let meetings = ["2003-05-01T10:00:00Z", "2024-12-31T23:59:00Z", "2031-01-01T00:00:00Z", "2077-07-07T07:07:00Z"];
        let meeting = |at: &&str| json!({"id": format!("a-{at}"), "calendarId": "cal-2", "title": "Lunch", "startTime": at, "endTime": at});
        agency.world().parts.insert(("c-1".to_owned(), "events"), meetings.iter().map(meeting).collect());
        let fixture = PollerFixture::start(name, agency.clone(), "watch.appointments_interval = \"1h\"").await;
        fixture.until_backfilled().await;
        let appeared = ["appointment.appeared"; 4].into_iter().chain(["contact.appeared", "note.appeared", "task.appeared"]);
        assert_eq!(fixture.history("c-1").await, appeared.collect::<Vec<_>>());
        let asked = agency.asked("/calendars/events") - agency.asked("/calendars/events/appointments");
        assert!(calls.contains(&asked), "{asked} calls");
        fixture.stop().await;
    }
}

/// A list that breaks off is tried again at once.
const IMPATIENT: &str = "backfill.page_rows = 5\nbackfill.check_interval = \"20ms\"\nbackfill.broken_off_pause = \"20ms\"\n\
    backfill.broken_off_pause_max = \"50ms\"\nsweep.empty_page_pause = \"1ms\"\n";

async fn backfill_of(fixture: &PollerFixture, kind: RecordKind) -> Pass {
    fixture.log.passes().get(&here(), "backfill", kind).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn case_27_a_backfill_whose_list_loops_stays_open_until_it_does_not() {
    let agency = Agency::default();
    for number in 0..12 {
        agency.put(&format!("c-{number:02}"), number);
    }
    agency.world().stuck_cursor = true;
    let fixture = PollerFixture::start("circle", agency.clone(), IMPATIENT).await;
    let told = || fixture.metric("passes_broken_off", "location=\"loc-1\",kind=\"contact\",net=\"backfill\"");
    eventually("broken off more than once", || async { told().await.filter(|times| *times > 1.0) }).await;
    let tasks = eventually("tasks do not wait for contacts", || async { backfill_of(&fixture, RecordKind::Task).await.complete_at }).await;
    let progress = fixture.log.passes().progress(&here()).await.unwrap().backfill;
    assert_eq!(progress.finished_at, None, "it is not done");
    agency.world().stuck_cursor = false;
    fixture.until_backfilled().await;
    assert_eq!(fixture.history("c-11").await, ["contact.appeared", "note.appeared", "task.appeared"]);
    assert_eq!(fixture.log.passes().progress(&here()).await.unwrap().backfill.started_at, progress.started_at, "one backfill");
    assert_eq!(backfill_of(&fixture, RecordKind::Task).await.complete_at, Some(tasks), "what is done is not done again");
    assert_eq!(told().await, Some(0.0));
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_that_meets_six_empty_pages_goes_on_where_they_were() {
    let agency = Agency::default();
    for number in 0..25 {
        agency.put(&format!("c-{number:02}"), number);
    }
    agency.world().empty_pages = [(10, 6), (25, 6)].into();
    let fixture = PollerFixture::start("empty-pages", agency.clone(), IMPATIENT).await;
    fixture.until_backfilled().await;
    assert_eq!(fixture.log.locations().list().await.unwrap()[0].head, 75);
    assert_eq!(agency.asked("/contacts/c-05"), 1, "what was seen is not looked at again");
    let progress = fixture.log.passes().progress(&here()).await.unwrap().backfill;
    assert_eq!((progress.seen, progress.total), (25, Some(25)));
    let broken_off = fixture.metric("passes_total", "net=\"backfill\",kind=\"contact\",outcome=\"broken_off\"").await;
    assert_eq!(broken_off, Some(1.0), "and at the end an empty page is what is expected");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_for_changes_that_shows_fewer_than_it_counts_is_made_again() {
    let agency = Agency::default();
    agency.put("c-1", 1);
    let fixture = PollerFixture::start("watch-total", agency.clone(), "watch.interval = \"50ms\"\nwatch.overlap = \"0s\"\n").await;
    fixture.until_backfilled().await;
    {
        let mut world = agency.world();
        world.empty_updates = 2;
        let contact = world.contacts.get_mut("c-1").unwrap();
        contact["firstName"] = json!("New");
        contact["dateUpdated"] = json!(jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string());
    }
    eventually("the empty page", || async { (agency.world().empty_updates == 0).then_some(()) }).await;
    let searches = agency.asked("/contacts/search");
    fixture.until_history("c-1", &["contact.appeared", "task.appeared", "note.appeared", "contact.changed"]).await;
    assert!(agency.asked("/contacts/search") > searches);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_resumes_where_it_was_stopped() {
    let agency = Agency::default();
    for number in 0..30 {
        agency.put(&format!("c-{number:02}"), number);
    }
    agency.fail("/contacts/c-20", 503);
    let mut fixture = PollerFixture::start("resume", agency.clone(), "backfill.page_rows = 10").await;
    eventually("two pages", || async { (fixture.log.passes().progress(&here()).await.unwrap().backfill.seen == 20).then_some(()) }).await;
    let before = agency.asked("/contacts/c-05");
    fixture.restart().await;
    agency.world().failing.clear();
    fixture.until_backfilled().await;
    assert_eq!(agency.asked("/contacts/c-05"), before, "what was done is not done again");
    assert_eq!(fixture.log.locations().list().await.unwrap()[0].head, 90);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_without_a_webhook_is_found_by_the_watch() {
    let agency = Agency::default();
    agency.put("c-1", 1);
    let fixture = PollerFixture::start("watch", agency.clone(), FAST).await;
    fixture.until_backfilled().await;
    agency.rename("c-1", "New", "2031-01-01T00:00:00.000Z");
    fixture.until_history("c-1", &["contact.appeared", "task.appeared", "note.appeared", "contact.changed"]).await;
    let looks = agency.asked("/contacts/c-1/notes");
    let searches = agency.asked("/contacts/search");
    eventually("more searches", || async { (agency.asked("/contacts/search") > searches + 3).then_some(()) }).await;
    assert_eq!(agency.asked("/contacts/c-1/notes"), looks, "what was seen is not looked at again");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_reaches_the_bus_in_order() {
    let agency = Agency::default();
    for number in 0..20 {
        agency.put(&format!("c-{number}"), number);
    }
    let fixture = PollerFixture::start("relay", agency, "relay.batch_max = 7").await;
    fixture.until_backfilled().await;
    let bus = Bus::connect(&bus::Settings { url: fixture.nats.url(), ..bus::Settings::default() }).await.unwrap();
    let mut inbox = bus.consume(Stream::Events).await.unwrap();
    let mut seqs = Vec::new();
    while seqs.len() < 60 {
        for message in inbox.batch(100).await.unwrap() {
            seqs.push(domain::Stored::received(message.body()).unwrap().seq);
            message.ack().await.unwrap();
        }
    }
    assert_eq!(seqs, (1..=60).collect::<Vec<u64>>());
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_user_reaches_what_shows_it_without_a_look() {
    let agency = Agency::default();
    for number in 0..7 {
        agency.put(&format!("c-{number}"), 1);
    }
    {
        let mut world = agency.world();
        world.users.insert("u-1".to_owned(), "Ann".to_owned());
        world.users.insert("u-2".to_owned(), "Bo".to_owned());
        for id in ["c-1", "c-2", "c-5"] {
            world.contacts.get_mut(id).unwrap()["assignedTo"] = json!("u-1");
        }
        world.contacts.get_mut("c-3").unwrap()["assignedTo"] = json!("u-2");
    }
    let more = "watch.interval = \"50ms\"\nnames.lifetime = \"100ms\"\nnames.renames_batch = 2\n";
    let mut fixture = PollerFixture::start("renames", agency.clone(), more).await;
    fixture.until_backfilled().await;
    let refreshed = async |fixture: &PollerFixture| {
        let asked = agency.asked("/users/search");
        eventually("names are read again", || async { (agency.asked("/users/search") > asked + 6).then_some(()) }).await;
        fixture.log.read(&here(), 0, 100).await.unwrap()
    };
    let before = refreshed(&fixture).await.len();
    let looks = agency.asked("/contacts/c-");
    agency.world().users.insert("u-1".to_owned(), "Anna".to_owned());
    let shown = || async {
        let events = fixture.log.read(&here(), before as u64, 100).await.unwrap();
        (events.len() >= 4).then_some(events)
    };
    let events = eventually("renamed", shown).await;
    let types: Vec<&str> = events.iter().map(|event| event.type_name.as_str()).collect();
    assert_eq!(types, ["operator.renamed", "contact.changed", "contact.changed", "contact.changed"]);
    let told = String::from_utf8(events[0].body.clone()).unwrap();
    assert!(told.contains("u-1") && !told.contains("Ann"), "ids alone: {told}");
    for (event, id) in events[1..].iter().zip(["c-1", "c-2", "c-5"]) {
        assert_eq!(event.contact_id.as_ref().unwrap().as_str(), id);
        let domain::Body::Record(fact) = event.read().unwrap() else { panic!("a record") };
        assert_eq!((fact.names.users["u-1"].as_str(), fact.changes.len(), fact.new_in_ghl), ("Anna", 0, false));
    }
    assert_eq!(agency.asked("/contacts/c-"), looks, "without a call for any contact");
    assert_eq!(refreshed(&fixture).await.len(), before + 4, "once");
    fixture.restart().await;
    assert_eq!(refreshed(&fixture).await.len(), before + 4, "nor after a restart");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_name_is_asked_for() {
    let agency = Agency::default();
    agency.put("c-1", 1);
    agency.world().users.insert("u-1".to_owned(), "Ann".to_owned());
    let fixture = PollerFixture::start("names", agency.clone(), "names.refresh_pause = \"0s\"").await;
    fixture.until_backfilled().await;
    {
        let mut world = agency.world();
        world.users.insert("u-2".to_owned(), "Bo".to_owned());
        world.contacts.get_mut("c-1").unwrap()["assignedTo"] = json!("u-2");
    }
    assert_eq!(fixture.send("ContactUpdate", json!({"id": "c-1"})).await, 200);
    fixture.until_history("c-1", &["contact.appeared", "task.appeared", "note.appeared", "contact.changed"]).await;
    let last = fixture.log.read(&here(), 3, 10).await.unwrap().pop().unwrap();
    assert!(String::from_utf8(last.body).unwrap().contains("\"users\":{\"u-2\":\"Bo\"}"));
    fixture.stop().await;
}

/// No net but the comparison looks at what is known.
const STILL: &str = "watch.interval = \"1h\"\nwatch.tasks_interval = \"1h\"\nwatch.appointments_interval = \"1h\"\nsweep.check_interval = \"1h\"\n\
    sweep.notes_interval = \"1h\"\nvanishing.again_after = \"20ms\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn what_every_net_missed_is_found_by_reading_again_and_counted() {
    let agency = Agency::default();
    for id in ["c-1", "c-2", "c-3"] {
        agency.put(id, 1);
    }
    let parity = "parity.interval = \"50ms\"\nparity.recheck_pause = \"100ms\"\nparity.by_age = 2\nparity.by_chance = 1\n";
    let fixture = PollerFixture::start("parity", agency.clone(), &format!("{STILL}{parity}")).await;
    let counted = async |kind: RecordKind| {
        let coverage = fixture.log.known().coverage(&here()).await.unwrap();
        coverage.into_iter().find(|coverage| coverage.kind == kind).unwrap().parity
    };
    let read_again = async |more: u64| {
        let before = counted(RecordKind::Contact).await.compared;
        eventually("read again", || async { (counted(RecordKind::Contact).await.compared >= before + more).then_some(()) }).await;
    };
    read_again(6).await;
    for kind in [RecordKind::Contact, RecordKind::Task, RecordKind::Note] {
        assert_eq!(counted(kind).await.differed, 0, "{kind}");
    }
    let appeared = ["contact.appeared", "note.appeared", "task.appeared"];
    // Nothing but the records themselves says so: no webhook, no update time.
    agency.world().parts.insert(("c-1".to_owned(), "notes"), vec![json!({"id": "n-c-1", "body": "Bye"})]);
    agency.world().parts.insert(("c-2".to_owned(), "tasks"), Vec::new());
    fixture.until_history("c-1", &[&appeared[..], &["note.changed"]].concat()).await;
    fixture.until_history("c-2", &[&appeared[..], &["task.vanished"]].concat()).await;
    read_again(6).await;
    let differed =
        [counted(RecordKind::Contact).await.differed, counted(RecordKind::Task).await.differed, counted(RecordKind::Note).await.differed];
    assert_eq!(differed, [0, 1, 1]);
    assert_eq!(fixture.metric("parity_differed_total", "location=\"loc-1\",kind=\"note\"").await, Some(1.0));
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_on_its_way_is_not_counted_as_missed() {
    let agency = Agency::default();
    agency.put("c-1", 1);
    let parity = "parity.interval = \"50ms\"\nparity.recheck_pause = \"2s\"\n";
    let fixture = PollerFixture::start("parity-late", agency.clone(), &format!("{STILL}{parity}")).await;
    let looks = || agency.asked("/contacts/c-1/notes");
    eventually("read again", || async { (looks() > 1).then_some(()) }).await;
    agency.rename("c-1", "Ada", "2020-01-01T00:00:59.000Z");
    let before = looks();
    eventually("it differs", || async { (looks() > before).then_some(()) }).await;
    assert_eq!(fixture.send("ContactUpdate", json!({"id": "c-1"})).await, 200);
    fixture.until_history("c-1", &["contact.appeared", "note.appeared", "task.appeared", "contact.changed"]).await;
    let compared = async || {
        let coverage = fixture.log.known().coverage(&here()).await.unwrap();
        coverage.into_iter().find(|coverage| coverage.kind == RecordKind::Contact).unwrap().parity
    };
    let until = compared().await.compared + 3;
    eventually("compared again", || async { (compared().await.compared >= until).then_some(()) }).await;
    assert_eq!(compared().await.differed, 0);
    fixture.stop().await;
}
