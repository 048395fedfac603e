//! The bus against a real nats-server.

#![cfg(test)]

use std::collections::BTreeSet;
use std::time::Duration;

use bus::{Bus, Error, Inbox, Lane, Limits, Message, Outgoing, Settings, Stream, Subject, ack_all};
use domain::{ContactId, LocationId};
use embedded::{Nats, NatsSettings, scratch};
use tokio::time::timeout;

/// Longer than `ack_wait`: what was on its way when a server died comes again after it.
const PATIENCE: Duration = Duration::from_secs(60);

async fn server(name: &str) -> Nats {
    Nats::start(NatsSettings { data: scratch(name), ..NatsSettings::default() }).await.expect("nats-server")
}

fn settings(server: &Nats) -> Settings {
    Settings { url: server.url(), ..Settings::default() }
}

async fn bus(server: &Nats) -> Bus {
    let bus = Bus::connect(&settings(server)).await.expect("connect");
    bus.ensure_streams().await.expect("streams");
    bus
}

fn location() -> LocationId {
    LocationId::new("loc").expect("id")
}

fn event(number: usize) -> Outgoing {
    let contact_id = ContactId::new(format!("contact {number}")).expect("id");
    Outgoing {
        subject: Subject::events(&location(), Some(&contact_id)),
        id: Some(format!("loc:1.{number}")),
        traceparent: Some(format!("00-{number:032x}-00f067aa0ba902b7-01")),
        body: number.to_string().into_bytes(),
    }
}

async fn batch(inbox: &mut Inbox, max: usize) -> Vec<Message> {
    timeout(PATIENCE, inbox.batch(max)).await.expect("a message in time").expect("a message")
}

/// Receives and acknowledges until this many different bodies have come; says how many messages it took.
async fn collect(inbox: &mut Inbox, wanted: usize) -> (BTreeSet<String>, usize) {
    let (mut bodies, mut taken) = (BTreeSet::new(), 0);
    while bodies.len() < wanted {
        let messages = batch(inbox, 500).await;
        taken += messages.len();
        bodies.extend(messages.iter().map(|message| String::from_utf8_lossy(message.body()).into_owned()));
        ack_all(messages).await.expect("acks");
    }
    (bodies, taken)
}

async fn settled(bus: &Bus, stream: Stream) {
    until_backlog(bus, stream, 0).await;
}

/// An acknowledgement is on its way for a moment.
async fn until_backlog(bus: &Bus, stream: Stream, wanted: u64) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while bus.backlog(stream).await.expect("backlog") != wanted {
        assert!(tokio::time::Instant::now() < deadline, "the backlog of {stream:?} does not become {wanted} in time");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_arrives_with_its_subject_id_and_trace() {
    let server = server("bus-arrives").await;
    let bus = bus(&server).await;
    let mut inbox = bus.consume(Stream::Events).await.expect("inbox");
    bus.publish(event(7)).await.expect("publish");
    let messages = batch(&mut inbox, 10).await;
    let [message] = messages.as_slice() else { panic!("{} messages", messages.len()) };
    assert_eq!(message.subject(), "events.v1.loc.contact%207");
    assert_eq!(message.location_id(), Some(location()));
    assert_eq!(message.contact_id(), Some(ContactId::new("contact 7").expect("id")));
    assert_eq!(message.traceparent(), Some("00-00000000000000000000000000000007-00f067aa0ba902b7-01"));
    assert_eq!((message.body(), message.attempt(), message.stream_sequence()), (&b"7"[..], 1, 1));
    assert_eq!(bus.ack_floor(Stream::Events).await.expect("floor"), 0);
    ack_all(messages).await.expect("ack");
    settled(&bus, Stream::Events).await;
    assert_eq!(bus.ack_floor(Stream::Events).await.expect("floor"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_ids_travel_as_one_token_each() {
    let server = server("bus-hostile").await;
    let bus = bus(&server).await;
    let mut inbox = bus.consume(Stream::Intents).await.expect("inbox");
    let ids = ["_", "*", ">", "a.b", "a b", "a/b\"'", "%2E", "é🙂", "مرحبا", &"x".repeat(255), &"🙂".repeat(63)];
    for id in ids {
        let (location_id, contact_id) = (LocationId::new(id).expect("id"), ContactId::new(id).expect("id"));
        let subject = Subject::intents(Lane::Live, &location_id, &contact_id);
        bus.publish(Outgoing { subject, id: Some(format!("1/{id}")), traceparent: None, body: id.as_bytes().to_vec() })
            .await
            .expect("publish");
    }
    let mut seen = BTreeSet::new();
    while seen.len() < ids.len() {
        for message in batch(&mut inbox, 100).await {
            let body = String::from_utf8_lossy(message.body()).into_owned();
            assert_eq!(message.location_id().map(|id| id.to_string()), Some(body.clone()));
            assert_eq!(message.contact_id().map(|id| id.to_string()), Some(body.clone()));
            seen.insert(body);
            message.ack().await.expect("ack");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_published_twice_under_one_id_arrives_once() {
    let server = server("bus-duplicate").await;
    let bus = bus(&server).await;
    bus.publish_all(vec![event(1), event(1), event(2)]).await.expect("publish");
    bus.publish(event(1)).await.expect("publish");
    let mut inbox = bus.consume(Stream::Events).await.expect("inbox");
    let (bodies, taken) = collect(&mut inbox, 2).await;
    assert_eq!((bodies.len(), taken), (2, 2));
    assert_eq!(bus.stream_seen(Stream::Events).await.expect("seen").last_sequence, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_takes_what_is_there_and_no_more_than_asked() {
    let server = server("bus-batch").await;
    let bus = bus(&server).await;
    bus.publish_all((0..1_000).map(event).collect()).await.expect("publish");
    let mut inbox = bus.consume(Stream::Events).await.expect("inbox");
    let first = batch(&mut inbox, 10).await;
    assert!(first.len() <= 10, "{}", first.len());
    ack_all(first).await.expect("acks");
    let mut taken = 0;
    while taken < 900 {
        let messages = batch(&mut inbox, 1_000).await;
        taken += messages.len();
        ack_all(messages).await.expect("acks");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_dropped_unsettled_comes_again() {
    let server = server("bus-dropped").await;
    let bus = bus(&server).await;
    let mut inbox = bus.consume(Stream::Events).await.expect("inbox");
    bus.publish(event(1)).await.expect("publish");
    drop(batch(&mut inbox, 1).await);
    let again = batch(&mut inbox, 1).await.pop().expect("message");
    assert_eq!((again.body(), again.attempt()), (&b"1"[..], 2));
    again.nak(Duration::from_millis(50)).await.expect("nak");
    let third = batch(&mut inbox, 1).await.pop().expect("message");
    assert_eq!(third.attempt(), 3);
    third.ack().await.expect("ack");
    settled(&bus, Stream::Events).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_closed_inbox_had_asked_for_ahead_comes_to_the_next_one() {
    let server = server("bus-closed").await;
    // What the server is sending while the inbox closes reaches nobody: it comes after this time, the rest at once.
    let bus = Bus::connect(&Settings { ack_wait: Duration::from_secs(5), ..settings(&server) }).await.expect("connect");
    bus.ensure_streams().await.expect("streams");
    bus.publish_all((0..200).map(event).collect()).await.expect("publish");
    let mut first = bus.consume(Stream::Events).await.expect("inbox");
    let taken = batch(&mut first, 5).await;
    let wanted = 200 - taken.len();
    drop(first);
    ack_all(taken).await.expect("acks");
    let mut second = bus.consume(Stream::Events).await.expect("inbox");
    assert_eq!(collect(&mut second, wanted).await.0.len(), wanted);
    settled(&bus, Stream::Events).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_stream_says_so_and_loses_nothing() {
    let server = server("bus-full").await;
    let limits = Limits { bytes_max: 1024 * 1024, age_max: None };
    let bus = Bus::connect(&Settings { events: limits, ..settings(&server) }).await.expect("connect");
    bus.ensure_streams().await.expect("streams");
    let large = |number| Outgoing { body: vec![b'x'; 100_000], ..event(number) };
    let mut held = 0;
    let error = loop {
        match bus.publish(large(held)).await {
            Ok(()) => held += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Full), "{error:?}");
    assert!(error.is_transient());
    assert_eq!(bus.backlog(Stream::Events).await.expect("backlog"), held as u64);
    let too_large = Outgoing { body: vec![b'x'; 9 * 1024 * 1024], ..event(1) };
    assert!(matches!(bus.publish(too_large).await, Err(Error::TooLarge)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_restarts_loses_no_message_and_no_consumer() {
    let data = scratch("bus-restart");
    let mut server = Nats::start(NatsSettings { data: data.clone(), ..NatsSettings::default() }).await.expect("nats-server");
    let bus = bus(&server).await;
    let mut inbox = bus.consume(Stream::Events).await.expect("inbox");
    bus.publish_all((0..50).map(event).collect()).await.expect("publish");
    let before = bus.stream_seen(Stream::Events).await.expect("seen");
    let port = server.port();
    server.kill().await;
    drop(server);
    let _server = Nats::start(NatsSettings { data, port: Some(port), ..NatsSettings::default() }).await.expect("nats-server");
    let (bodies, _) = collect(&mut inbox, 50).await;
    assert_eq!(bodies.len(), 50);
    assert_eq!(bus.stream_seen(Stream::Events).await.expect("seen"), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_wipe_publishing_and_receiving_go_on_and_the_stream_is_seen_to_be_young() {
    let data = scratch("bus-wipe");
    let mut server = Nats::start(NatsSettings { data: data.clone(), ..NatsSettings::default() }).await.expect("nats-server");
    let bus = bus(&server).await;
    let mut inbox = bus.consume(Stream::Events).await.expect("inbox");
    bus.publish_all((0..20).map(event).collect()).await.expect("publish");
    let before = bus.stream_seen(Stream::Events).await.expect("seen");
    ack_all(batch(&mut inbox, 5).await).await.expect("acks");
    let port = server.port();
    let receiving = tokio::spawn(async move {
        let mut later: BTreeSet<String> = (100..130).map(|number| number.to_string()).collect();
        while !later.is_empty() {
            let messages = batch(&mut inbox, 500).await;
            for message in &messages {
                later.remove(String::from_utf8_lossy(message.body()).as_ref());
            }
            // Those of before the wipe cannot be acknowledged any more.
            drop(ack_all(messages).await);
        }
    });
    server.kill().await;
    drop(server);
    embedded::wipe(&data).expect("wipe");
    let down = timeout(PATIENCE, async {
        while bus.connected() {
            tokio::task::yield_now().await;
        }
        bus.publish(event(100)).await
    });
    assert!(matches!(down.await.expect("in time"), Err(Error::Unavailable { .. })));
    let _server = Nats::start(NatsSettings { data, port: Some(port), ..NatsSettings::default() }).await.expect("nats-server");
    let publish = timeout(PATIENCE, async {
        while let Err(error) = bus.publish_all((100..130).map(event).collect()).await {
            assert!(error.is_transient(), "{error}");
            tokio::task::yield_now().await;
        }
    });
    publish.await.expect("in time");
    timeout(PATIENCE, receiving).await.expect("all of the later ones in time").expect("receiver");
    settled(&bus, Stream::Events).await;
    let after = bus.stream_seen(Stream::Events).await.expect("seen");
    assert!(after.created_at > before.created_at, "{after:?} {before:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_at_the_start_is_waited_for() {
    let port = embedded::free_port().expect("port");
    let settings = Settings { url: format!("nats://127.0.0.1:{port}"), ..Settings::default() };
    let bus = Bus::connect(&settings).await.expect("connect");
    assert!(!bus.connected());
    assert!(matches!(bus.ensure_streams().await, Err(Error::Unavailable { .. })));
    let mut inbox = bus.consume_hints(&location()).await.expect("inbox");
    let waiting = tokio::spawn(async move { batch(&mut inbox, 1).await.pop().map(|message| message.body().to_vec()) });
    let data = scratch("bus-late");
    let _server = Nats::start(NatsSettings { data, port: Some(port), ..NatsSettings::default() }).await.expect("nats-server");
    let hint = Outgoing { subject: Subject::hints(&location(), None, "look"), id: None, traceparent: None, body: b"hint".to_vec() };
    let publish = timeout(PATIENCE, async {
        while bus.publish(hint.clone()).await.is_err() {
            tokio::task::yield_now().await;
        }
    });
    publish.await.expect("in time");
    let body = timeout(PATIENCE, waiting).await.expect("in time").expect("receiver");
    assert_eq!(body.as_deref(), Some(&b"hint"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn hints_are_taken_location_by_location() {
    let server = server("bus-hints").await;
    let bus = bus(&server).await;
    let ids = ["loc", "another one/é"].map(|id| LocationId::new(id).expect("id"));
    let hint =
        |id: &LocationId| Outgoing { subject: Subject::hints(id, None, "look"), id: None, traceparent: None, body: id.as_str().into() };
    bus.publish_all(ids.iter().map(hint).collect()).await.expect("publish");
    for (taken, id) in ids.iter().enumerate() {
        until_backlog(&bus, Stream::Hints, 2 - taken as u64).await;
        let mut inbox = bus.consume_hints(id).await.expect("inbox");
        let messages = batch(&mut inbox, 10).await;
        assert_eq!(messages.iter().map(Message::body).collect::<Vec<_>>(), [id.as_str().as_bytes()]);
        ack_all(messages).await.expect("ack");
    }
    settled(&bus, Stream::Hints).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_hints_that_say_the_same_the_last_one_waits_also_behind_one_in_hand() {
    let server = server("bus-hints-same").await;
    let bus = bus(&server).await;
    let [ann, bob] = ["ann", "bob"].map(|id| ContactId::new(id).expect("id"));
    let hint = |contact_id: &ContactId, said: &str, body: &str| Outgoing {
        subject: Subject::hints(&location(), Some(contact_id), said),
        id: None,
        traceparent: None,
        body: body.into(),
    };
    let mut inbox = bus.consume_hints(&location()).await.expect("inbox");
    bus.publish(hint(&ann, "look", "first")).await.expect("publish");
    let in_hand = batch(&mut inbox, 10).await;
    for body in ["second", "third"] {
        bus.publish(hint(&ann, "look", body)).await.expect("publish");
    }
    bus.publish(hint(&ann, "gone", "deleted")).await.expect("publish");
    bus.publish(hint(&bob, "look", "other")).await.expect("publish");
    assert_eq!(bus.hints_waiting(&location()).await.expect("counted").of_location, 3);
    ack_all(in_hand).await.expect("ack of one that was replaced");
    let mut rest = Vec::new();
    while rest.len() < 3 {
        rest.extend(batch(&mut inbox, 10).await);
    }
    let bodies: Vec<_> = rest.iter().map(Message::body).collect();
    assert!(["third", "deleted", "other"].iter().all(|body| bodies.contains(&body.as_bytes())), "{bodies:?}");
    ack_all(rest).await.expect("ack");
    settled(&bus, Stream::Hints).await;
    assert_eq!(bus.hints_waiting(&location()).await.expect("counted").of_location, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn hints_of_a_location_that_nobody_looks_after_are_removed_and_no_others() {
    let server = server("bus-hints-removed").await;
    let bus = bus(&server).await;
    let ids = ["gone", "here"].map(|id| LocationId::new(id).expect("id"));
    for id in &ids {
        for said in ["a", "b", "c"] {
            bus.publish(Outgoing { subject: Subject::hints(id, None, said), id: None, traceparent: None, body: Vec::new() })
                .await
                .expect("publish");
        }
        assert_eq!(bus.hints_waiting(id).await.expect("counted").of_location, 3);
    }
    assert_eq!(bus.locations_with_hints().await.expect("listed").len(), 2);
    assert_eq!(bus.remove_hints(&ids[0]).await.expect("removed"), 3);
    assert_eq!(bus.remove_hints(&ids[0]).await.expect("again"), 0, "repeating it is harmless");
    assert_eq!(bus.locations_with_hints().await.expect("listed"), ids[1..]);
    assert_eq!(bus.backlog(Stream::Hints).await.expect("backlog"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_hints_of_before_is_replaced_by_a_younger_one_only_where_hints_waited() {
    use async_nats::jetstream::stream::{Config, RetentionPolicy};
    let server = server("bus-hints-earlier").await;
    let client = async_nats::connect(server.url()).await.expect("connect");
    let jetstream = async_nats::jetstream::new(client);
    let earlier = || Config {
        name: "HINTS".to_owned(),
        subjects: vec!["hints.v1.*".to_owned()],
        retention: RetentionPolicy::WorkQueue,
        discard: async_nats::jetstream::stream::DiscardPolicy::New,
        ..Config::default()
    };
    for waiting in [false, true] {
        jetstream.delete_stream("HINTS").await.ok();
        let before = jetstream.create_stream(earlier()).await.expect("stream").cached_info().created;
        if waiting {
            jetstream.publish("hints.v1.loc", "x".into()).await.expect("publish").await.expect("ack");
        }
        bus(&server).await.ensure_streams().await.expect("streams");
        let now = jetstream.get_stream("HINTS").await.expect("stream").cached_info().clone();
        assert_eq!((now.created > before, now.state.messages), (waiting, 0));
        assert_eq!(now.config.max_messages_per_subject, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_replay_lane_does_not_reach_the_live_writer() {
    let server = server("bus-lanes").await;
    let bus = bus(&server).await;
    let contact_id = ContactId::new("c").expect("id");
    let intent = |lane: Lane| Outgoing {
        subject: Subject::intents(lane, &location(), &contact_id),
        id: None,
        traceparent: None,
        body: lane.as_str().as_bytes().to_vec(),
    };
    bus.publish_all(vec![intent(Lane::Live), intent(Lane::Replay)]).await.expect("publish");
    let mut inbox = bus.consume(Stream::Intents).await.expect("inbox");
    let messages = batch(&mut inbox, 10).await;
    assert_eq!(messages.iter().map(Message::body).collect::<Vec<_>>(), [b"live"]);
    ack_all(messages).await.expect("ack");
    settled(&bus, Stream::Intents).await;
    // The replay lane has a stream of its own, and does not hold the live lane's floor back.
    assert_eq!(bus.ack_floor(Stream::Intents).await.expect("floor"), 1);
    assert_eq!(bus.backlog(Stream::Replays).await.expect("backlog"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_about_one_contact_is_purged_from_every_lane() {
    let server = server("bus-purge").await;
    let bus = bus(&server).await;
    let [ann, bob] = ["ann", "bob"].map(|id| ContactId::new(id).expect("id"));
    for contact_id in [&ann, &bob] {
        let subjects = [
            Subject::events(&location(), Some(contact_id)),
            Subject::intents(Lane::Live, &location(), contact_id),
            Subject::intents(Lane::Replay, &location(), contact_id),
        ];
        let message = |subject| Outgoing { subject, id: None, traceparent: None, body: contact_id.as_str().into() };
        bus.publish_all(subjects.map(message).into()).await.expect("publish");
    }
    assert_eq!(bus.purge_contact(&location(), &ann).await.expect("purge"), 3);
    for stream in [Stream::Events, Stream::Intents, Stream::Replays] {
        assert_eq!(bus.backlog(stream).await.expect("backlog"), 1, "{stream:?} holds what is about the other contact alone");
    }
    assert_eq!(bus.purge_contact(&location(), &ann).await.expect("purge"), 0, "repeating it is harmless");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_cannot_be_made_as_it_should_be_is_named() {
    let server = server("bus-misfit").await;
    let client = async_nats::connect(server.url()).await.expect("connect");
    let config = async_nats::jetstream::stream::Config {
        name: "EVENTS".to_owned(),
        subjects: vec!["events.v1.*.*".to_owned()],
        storage: async_nats::jetstream::stream::StorageType::Memory,
        ..Default::default()
    };
    async_nats::jetstream::new(client).create_stream(config).await.expect("stream");
    let bus = Bus::connect(&settings(&server)).await.expect("connect");
    let error = bus.ensure_streams().await.expect_err("misfit");
    assert!(matches!(&error, Error::Misconfigured(problem) if problem.contains("EVENTS")), "{error}");
}
