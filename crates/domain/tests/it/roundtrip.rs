//! What is written can be read back: `decode(encode(x)) = x` for everything that is stored or travels.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    Action, Appointment, AppointmentContent, Body, Cause, Change, Contact, ContactContent, ContactId, Content, CustomField, Delivery,
    DeliveryFact, DeliveryOutcome, FieldChange, Intent, LocationId, Moment, Names, Net, Note, NoteContent, ObjectKey, ObjectKind,
    OperatorFact, Policy, ProjectContent, Record, RecordFact, RecordId, RecordKind, Revision, Rules, Stored, Task, TaskContent, Workspace,
    event_id,
};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Map, Value};

fn text() -> BoxedStrategy<String> {
    prop_oneof![any::<String>(), Just("<p>quotes \" and \\ and \u{0} and 🙂 and مرحبا</p>".to_owned()), Just(String::new())].boxed()
}

fn id() -> impl Strategy<Value = String> {
    prop_oneof!["[A-Za-z0-9]{20}", "[ -~]{1,40}", "\\PC{1,40}"]
}

fn timestamp() -> impl Strategy<Value = Timestamp> {
    (-62_135_596_800_000_000_i64..253_402_300_799_000_000).prop_map(|micros| Timestamp::from_microsecond(micros).unwrap())
}

fn moment() -> BoxedStrategy<Moment> {
    prop_oneof![timestamp().prop_map(Moment::At), text().prop_map(Moment::read), Just(Moment::read("2021-07-16 11:00:00"))].boxed()
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON knows only finite numbers", |number| number.is_finite()).prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(text(), inner, 0..4).prop_map(|fields| Value::Object(Map::from_iter(fields))),
        ]
    })
}

fn maybe<T: std::fmt::Debug>(strategy: impl Strategy<Value = T> + 'static) -> BoxedStrategy<Option<T>> {
    prop::option::of(strategy).boxed()
}

fn contact() -> impl Strategy<Value = Contact> {
    let names = (maybe(text()), maybe(text()), maybe(text()), maybe(text()), maybe(text()), maybe(text()));
    let place = (maybe(text()), maybe(text()), maybe(text()), maybe(text()), maybe(text()), maybe(text()));
    let rest = (maybe(text()), maybe(text()), maybe(moment()), maybe(any::<bool>()), maybe(text()), maybe(text()));
    let named = || prop::collection::btree_map(text(), text(), 0..3);
    let texts = || prop::collection::btree_set(text(), 0..4);
    let sets = (texts(), prop::collection::btree_map(text(), value(), 0..4), texts(), (named(), named()));
    (names, place, rest, sets, maybe(moment()), maybe(moment())).prop_map(|(names, place, rest, sets, added_at, updated_at)| {
        let (name, first_name, last_name, email, phone, company) = names;
        let (street, city, state, postal_code, country, website) = place;
        let (time_zone, source, date_of_birth, do_not_disturb, assigned_to, business_id) = rest;
        let (tags, custom_fields, additional_emails, named): (BTreeSet<String>, BTreeMap<String, Value>, BTreeSet<String>, _) = sets;
        let (additional_phones, do_not_disturb_channels): (BTreeMap<String, String>, BTreeMap<String, String>) = named;
        let attachments = additional_emails.clone();
        #[rustfmt::skip]
        let contact = Contact {
            name, first_name, last_name, email, phone, company, street, city, state, postal_code, country, website, time_zone, source,
            date_of_birth, do_not_disturb, do_not_disturb_channels, additional_emails, additional_phones, attachments, assigned_to,
            business_id, tags, custom_fields, added_at, updated_at,
        };
        contact
    })
}

fn record() -> impl Strategy<Value = Record> {
    let task = (maybe(text()), maybe(text()), maybe(moment()), any::<bool>(), maybe(text()), maybe(text())).prop_map(
        |(title, body, due_at, done, assigned_to, time_zone)| Record::Task(Task { title, body, due_at, done, assigned_to, time_zone }),
    );
    let attachments = prop::collection::btree_set(text(), 0..3);
    let note = (maybe(text()), maybe(text()), maybe(text()), maybe(text()), any::<bool>(), maybe(moment()), attachments).prop_map(
        |(title, body, user_id, color, pinned, added_at, attachments)| {
            Record::Note(Note { title, body, user_id, color, pinned, attachments, added_at })
        },
    );
    let times = (maybe(moment()), maybe(moment()), maybe(moment()), maybe(moment()));
    let words = (maybe(text()), maybe(text()), maybe(text()), maybe(text()), maybe(text()), maybe(text()), maybe(text()));
    let appointment = (times, words).prop_map(|((starts_at, ends_at, added_at, updated_at), words)| {
        let (title, time_zone, status, place, notes, calendar_id, assigned_to) = words;
        #[rustfmt::skip]
        let appointment = Appointment {
            title, starts_at, ends_at, time_zone, status, place, notes, calendar_id, assigned_to, added_at, updated_at,
        };
        Record::Appointment(appointment)
    });
    prop_oneof![contact().prop_map(|contact| Record::Contact(Box::new(contact))), task, note, appointment]
}

fn names() -> impl Strategy<Value = Names> {
    let some = || prop::collection::btree_map(text(), text(), 0..3);
    let labels = prop::collection::btree_map(text(), some(), 0..3);
    (some(), some(), some(), some(), labels).prop_map(|(users, fields, calendars, field_types, field_labels)| Names {
        users,
        fields,
        calendars,
        field_types,
        field_labels,
    })
}

fn revision() -> impl Strategy<Value = Revision> {
    (any::<u32>(), any::<u64>()).prop_map(|(epoch, seq)| Revision { epoch, seq })
}

fn body() -> impl Strategy<Value = Body> {
    let change = prop::sample::select(Change::ALL.to_vec());
    let changes = prop::collection::vec((text(), value(), value()), 0..4)
        .prop_map(|changes| changes.into_iter().map(|(field, before, after)| FieldChange { field, before, after }).collect());
    let fact = (change, record(), changes, names(), any::<bool>()).prop_map(|(change, record, changes, names, new_in_ghl)| {
        Body::Record(Box::new(RecordFact { change, record, changes, names, new_in_ghl }))
    });
    let outcome = prop::sample::select(vec![
        DeliveryOutcome::Delivered,
        DeliveryOutcome::Refused,
        DeliveryOutcome::Parked,
        DeliveryOutcome::Redriven,
    ]);
    let delivery = (id(), prop::sample::select(ObjectKind::ALL.to_vec()), id(), revision(), text()).prop_map(
        |(workspace, kind, object, revision, answer)| Delivery {
            workspace: Workspace::new(workspace).unwrap(),
            kind,
            object: ObjectKey::from(object),
            revision,
            answer,
        },
    );
    let delivered = (outcome, prop::collection::vec(delivery, 0..4))
        .prop_map(|(outcome, deliveries)| Body::Delivery(DeliveryFact { outcome, deliveries }));
    let operator = (text(), value()).prop_map(|(verb, detail)| Body::Operator(OperatorFact { verb, detail }));
    prop_oneof![3 => fact, 1 => delivered, 1 => operator]
}

fn cause() -> impl Strategy<Value = Cause> {
    let net = prop_oneof![
        (maybe(text()), text()).prop_map(|(webhook_id, kind)| Net::Webhook { webhook_id, kind }),
        Just(Net::Poll),
        Just(Net::Sweep),
        Just(Net::Backfill),
        text().prop_map(|who| Net::Operator { who }),
        Just(Net::Writer),
    ];
    (net, maybe(timestamp()), maybe(text())).prop_map(|(net, asked_at, ghl_trace_id)| Cause { net, asked_at, ghl_trace_id })
}

fn stored() -> impl Strategy<Value = Stored> {
    let place = (id(), any::<u32>(), any::<u64>());
    let whom = (maybe(id()), maybe((prop::sample::select(RecordKind::ALL.to_vec()), id())));
    (place, whom, timestamp(), timestamp(), cause(), maybe(text()), body()).prop_map(
        |((location, epoch, seq), (contact, record), occurred_at, recorded_at, cause, traceparent, body)| {
            let location_id = LocationId::new(location).unwrap();
            Stored {
                event_id: event_id(&location_id, epoch, seq),
                location_id,
                epoch,
                seq,
                contact_id: contact.map(|id| ContactId::new(id).unwrap()),
                record: record.map(|(kind, id)| (kind, RecordId::new(id).unwrap())),
                type_name: body.type_name(),
                occurred_at,
                recorded_at,
                cause,
                traceparent,
                key_id: None,
                body: body.encode().unwrap(),
            }
        },
    )
}

fn content() -> impl Strategy<Value = Content> {
    let key = || maybe(id().prop_map(ObjectKey::from));
    let field = (text(), text(), maybe(text())).prop_map(|(name, value, link)| CustomField { name, value, link });
    let contact = (text(), maybe(text()), maybe(any::<bool>()), prop::collection::vec(text(), 0..3), prop::collection::vec(field, 0..3))
        .prop_map(|(name, email, do_not_disturb, tags, custom_fields)| {
            let (rest, further) = (email.clone(), tags.clone());
            #[rustfmt::skip]
            let contact = ContactContent {
                name, email, do_not_disturb, tags, custom_fields, phone: rest.clone(), company: rest.clone(), address: rest.clone(),
                website: rest.clone(), owner: rest.clone(), birthday: rest.clone(), source: rest.clone(), time_zone: rest,
                do_not_disturb_on: further.clone(), further_emails: further.clone(), further_phones: further.clone(), attachments: further,
            };
            Content::Contact(contact)
        });
    let project = (text(), key(), maybe(text())).prop_map(|(title, container, notes)| ProjectContent { title, container, notes });
    let task = (text(), key(), maybe(text()), maybe(moment()), any::<bool>(), maybe(text())).prop_map(
        |(title, container, notes, due, done, assignee)| {
            let time_zone = assignee.clone();
            Content::Task(TaskContent { title, container, notes, due, time_zone, done, assignee })
        },
    );
    let note = (text(), key(), text(), maybe(moment()), maybe(text()), any::<bool>()).prop_map(
        |(title, container, body, written_at, author, pinned)| {
            let attachments = author.iter().cloned().collect();
            Content::Note(NoteContent { title, container, body, written_at, author, pinned, attachments })
        },
    );
    let appointment =
        (text(), key(), maybe(moment()), maybe(moment()), maybe(text())).prop_map(|(title, container, starts_at, ends_at, rest)| {
            #[rustfmt::skip]
        let appointment = AppointmentContent {
            title, container, starts_at, ends_at, time_zone: rest.clone(), status: rest.clone(), place: rest.clone(),
            notes: rest.clone(), calendar: rest.clone(), assignee: rest,
        };
            Content::Appointment(appointment)
        });
    prop_oneof![contact, project.prop_map(Content::Project), task, note, appointment]
}

fn intent() -> impl Strategy<Value = Intent> {
    let action = prop_oneof![4 => content().prop_map(|content| Action::Put(Box::new(content))), 1 => Just(Action::Remove)];
    let policy = prop::sample::select(vec![Policy::Mirror, Policy::Once]);
    let place = (id(), id(), 0_u32..3);
    (place, id(), prop::sample::select(ObjectKind::ALL.to_vec()), id(), revision(), policy, action).prop_map(
        |((location, workspace, edition), contact, kind, object, revision, policy, action)| {
            let location_id = LocationId::new(location).unwrap();
            Intent {
                event_id: event_id(&location_id, revision.epoch, revision.seq),
                location_id,
                workspace: Workspace::new(workspace).unwrap(),
                edition,
                contact_id: ContactId::new(contact).unwrap(),
                kind: if let Action::Put(content) = &action { content.kind() } else { kind },
                object: ObjectKey::from(object),
                revision,
                policy,
                rules: Rules::builtin().unwrap().revision().clone(),
                action,
            }
        },
    )
}

proptest! {
    #[test]
    fn bodies_are_read_as_they_were_written(body in body()) {
        let read = Body::decode(&body.type_name(), &body.encode().unwrap()).unwrap();
        prop_assert_eq!(&read, &body);
        prop_assert_eq!(read.encode().unwrap(), body.encode().unwrap(), "the same fact is the same bytes");
    }

    #[test]
    fn a_record_is_read_in_whatever_order_its_fields_come(record in record()) {
        let by_name = serde_json::to_value(&record).unwrap();
        prop_assert_eq!(serde_json::from_value::<Record>(by_name).unwrap(), record);
    }

    #[test]
    fn events_arrive_as_they_were_sent(stored in stored()) {
        let received = Stored::received(&stored.carry().unwrap()).unwrap();
        prop_assert_eq!(&received, &stored);
        prop_assert_eq!(received.read().unwrap().encode().unwrap(), stored.body);
    }

    #[test]
    fn sealed_events_arrive_as_they_were_sent_and_do_not_open_here(
        stored in stored(), key_id in text(), payload in prop::collection::vec(any::<u8>(), 0..64)
    ) {
        let sealed = Stored { key_id: Some(key_id), body: payload, ..stored };
        prop_assert_eq!(&Stored::received(&sealed.carry().unwrap()).unwrap(), &sealed);
        prop_assert!(matches!(sealed.read(), Err(domain::Decode::Sealed)));
        let (seq, type_name) = (sealed.seq, sealed.type_name.clone());
        let erased = sealed.with(Body::Erased);
        prop_assert_eq!((erased.seq, &erased.type_name), (seq, &type_name));
        prop_assert!(erased.body.encode().is_err());
        prop_assert!(domain::map(&erased, &Rules::builtin().unwrap()).is_empty());
    }

    #[test]
    fn intents_arrive_as_they_were_sent(intent in intent()) {
        prop_assert_eq!(&Intent::decode(&intent.encode().unwrap()).unwrap(), &intent);
        if let Action::Put(content) = &intent.action {
            let inner = serde_json::to_value(content).unwrap();
            prop_assert_eq!(&inner[intent.kind.as_str()], &content.to_json().unwrap());
        }
    }

    #[test]
    fn bytes_that_are_nothing_are_refused_and_never_quoted(bytes in prop::collection::vec(any::<u8>(), 0..64), word in "[a-z]{12}") {
        prop_assert!(Intent::decode(&bytes).is_err());
        prop_assert!(Stored::received(&bytes).is_err());
        let foreign = format!("{{\"v\":1,\"change\":\"{word}\"}}");
        prop_assert!(!Body::decode("task.changed", foreign.as_bytes()).unwrap_err().to_string().contains(&word));
    }
}

#[test]
fn what_is_newer_or_unknown_is_told_apart_from_what_is_broken() {
    let error = |type_name: &str, payload: &str| Body::decode(type_name, payload.as_bytes()).unwrap_err().to_string();
    assert_eq!(error("task.changed", r#"{"v":2,"anything":{}}"#), "event payload has version 2, newer than this program understands");
    assert_eq!(error("task.changed", r#"{"v":0}"#), "event payload has version 0, which was never written");
    assert_eq!(error("weather.changed", r#"{"v":1}"#), r#"unknown event type "weather.changed""#);
    assert_eq!(error("task.changed", r#"{"v":1,"#), "not an event: cut short at line 1 column 7");
    assert_eq!(error("task.changed", r#"{"v":1}"#), "not an event: unexpected content at line 1 column 7");
}

#[test]
fn what_this_program_cannot_read_still_travels() {
    let body = Body::Operator(OperatorFact { verb: "x".to_owned(), detail: Value::Null });
    let location_id = LocationId::new("loc").unwrap();
    let stored = Stored {
        event_id: event_id(&location_id, 1, 1),
        location_id,
        epoch: 1,
        seq: 1,
        contact_id: None,
        record: None,
        type_name: "weather.changed".to_owned(),
        occurred_at: Timestamp::UNIX_EPOCH,
        recorded_at: Timestamp::UNIX_EPOCH,
        cause: Cause::from(Net::Poll),
        traceparent: None,
        key_id: None,
        body: br#"{"v":9, "deep":[[[]]], "n":1.50}"#.to_vec(),
    };
    assert_eq!(Stored::received(&stored.carry().unwrap()).unwrap(), stored);
    assert!(stored.read().is_err());
    assert!(body.encode().is_ok());
}
