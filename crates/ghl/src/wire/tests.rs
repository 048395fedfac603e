use std::collections::BTreeMap;

use domain::{Contact, ContactId, LocationId, Moment, Record, RecordKind, Shown, Task};
use serde_json::{Map, Value, json};

use super::record::{of_contact, of_location};
use super::shape::Shape;
use super::*;
use crate::Zone;

fn id(id: &str) -> ContactId {
    ContactId::new(id).unwrap()
}

fn here() -> LocationId {
    LocationId::new("loc-1").unwrap()
}

fn berlin() -> Zone {
    Zone::named("Europe/Berlin")
}

fn read(fields: Value) -> Contact {
    of(&shown(fields))
}

fn shown(fields: Value) -> Shown {
    contact(json!({ "contact": fields }), &id("c-1"), &here(), &berlin()).unwrap().unwrap()
}

fn of(shown: &Shown) -> Contact {
    let Record::Contact(contact) = &shown.record else { panic!("not a contact") };
    (**contact).clone()
}

#[test]
fn a_contact_is_read_whole() {
    let read = read(json!({
        "id": "c-1", "locationId": "loc-1", "name": "Ann Smith", "firstName": "Ann", "lastName": "Smith", "email": "ann@example.com",
        "phone": "+4930123", "companyName": "Smith & Co", "address1": "Main St 1", "city": "Berlin", "state": "BE", "postalCode": 10115,
        "country": "DE", "website": "https://example.com", "timezone": "Europe/Berlin", "source": "form", "dnd": true,
        "dateOfBirth": "2000-01-05T00:00:00.000Z", "assignedTo": "u-1", "businessId": "b-1", "tags": ["vip", "", "new", "vip"],
        "customFields": [{"id": "f-1", "value": "x"}, {"id": "f-2", "field_value": 3}, {"id": "f-3", "fieldValue": ["a"]}],
        "dateAdded": "2024-01-01T10:00:00.000Z", "dateUpdated": "2024-01-02T10:00:00.000Z", "unknown": {"deep": [1, 2]}
    }));
    assert_eq!(read.postal_code.as_deref(), Some("10115"));
    assert_eq!(read.date_of_birth, Some(Moment::Text("2000-01-05".to_owned())));
    assert_eq!(read.tags, ["new", "vip"].into_iter().map(str::to_owned).collect());
    assert_eq!(read.custom_fields.get("f-2"), Some(&json!(3)));
    assert_eq!(read.custom_fields.len(), 3);
    assert_eq!(read.updated_at, Some(Moment::read("2024-01-02T10:00:00Z")));
}

#[test]
fn custom_field_values_keep_their_type_and_empty_ones_are_none() {
    let values = [json!("x"), json!(1.5), json!(["a", "b"]), json!({"f": {"url": "u"}}), json!(true), json!([]), json!(""), Value::Null];
    let rows: Vec<Value> = values.iter().enumerate().map(|(index, value)| json!({"id": format!("f-{index}"), "value": value})).collect();
    let read = read(json!({"id": "c-1", "customFields": rows}));
    assert_eq!(read.custom_fields.values().collect::<Vec<_>>(), values[..6].iter().collect::<Vec<_>>());
}

#[test]
fn missing_null_empty_and_strange_fields_cost_only_themselves() {
    let strange =
        json!({"id": "c-1", "name": null, "email": "", "phone": {"number": 1}, "tags": null, "customFields": {"a": 1}, "dnd": "true"});
    let shown = shown(strange);
    assert_eq!(of(&shown), Contact { do_not_disturb: Some(true), ..Contact::default() });
    assert_eq!(shown.unread, ["phone", "custom_fields"].into());
}

#[test]
fn what_is_there_in_an_unknown_form_is_not_empty() {
    for unreadable in [
        json!({"tags": {"0": "vip"}}),
        json!({"tags": [3]}),
        json!({"customFields": {"f-1": 500}}),
        json!({"customFields": [{"value": "of no field"}]}),
        json!({"customFields": "none"}),
        json!({"phone": ["1"]}),
        json!({"dnd": "perhaps"}),
        json!({"assignedTo": {"name": "Ann"}}),
        json!({"dateOfBirth": [1990]}),
    ] {
        let mut fields = unreadable.clone();
        fields["id"] = json!("c-1");
        let shown = shown(fields);
        assert_eq!(shown.unread.len(), 1, "{unreadable}");
        assert!(shown.unread.is_subset(&shown.silent), "{unreadable}");
    }
}

#[test]
fn a_name_is_as_typed_whichever_answer_gives_it() {
    #[track_caller]
    fn check(fields: Value, name: Option<&str>) {
        let mut fields = fields;
        fields["id"] = json!("c-1");
        assert_eq!(read(fields.clone()).name.as_deref(), name);
        let rows = page(json!({ "contacts": [fields] }), &berlin()).unwrap().rows;
        assert_eq!(of(&rows[0].shown).name.as_deref(), name, "in a row");
    }
    check(json!({"contactName": "cyd mclaren", "firstName": "cyd", "firstNameRaw": "Cyd", "lastNameRaw": "McLaren"}), Some("Cyd McLaren"));
    check(json!({"firstName": "Cyd", "lastName": "McLaren"}), Some("Cyd McLaren"));
    check(json!({"name": "The Larsens", "firstName": "Cyd", "lastName": null}), Some("The Larsens"));
    check(json!({"contactName": "the larsens"}), Some("the larsens"));
    check(json!({"contactName": "cyd@example.org", "email": "cyd@example.org"}), None);
    let row = json!({"contacts": [{"id": "c-1", "firstName": "Cyd"}]});
    assert!(page(row, &berlin()).unwrap().rows[0].shown.silent.contains("name"), "a row that does not mention all parts");
}

#[test]
fn a_contact_that_is_marked_as_deleted_is_not_there() {
    let body = json!({"contact": {"id": "c-1", "deleted": true}});
    assert_eq!(contact(body, &id("c-1"), &here(), &berlin()), Ok(None));
    let row = json!({"contacts": [{"id": "c-1", "deleted": true}, {"id": "c-2", "deleted": false}]});
    assert_eq!(page(row, &berlin()).unwrap().rows.iter().map(|row| row.deleted).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn a_note_is_read_from_its_plain_text_where_its_body_is_missing() {
    let rows = json!([{"id": "n-1", "body": null, "bodyText": "plain"}, {"id": "n-2", "body": "<p>x</p>", "bodyText": "x"}]);
    let notes = list(json!({ "notes": rows }), RecordKind::Note, &berlin()).unwrap();
    let body = |at: usize| {
        let Record::Note(note) = &notes.records[at].1.record else { panic!("not a note") };
        note.body.clone()
    };
    assert_eq!((body(0).as_deref(), body(1).as_deref()), (Some("plain"), Some("<p>x</p>")));
}

#[test]
fn the_answer_must_be_about_the_contact_that_was_asked_for() {
    for body in
        [json!({"contact": null}), json!({"contact": {"id": "c-2"}}), json!({"contact": {"id": "c-1", "locationId": "loc-2"}}), json!([])]
    {
        assert!(contact(body, &id("c-1"), &here(), &berlin()).is_err());
    }
    assert!(contact(json!({"_id": "c-1"}), &id("c-1"), &here(), &berlin()).is_ok(), "without an envelope, with the other spelling");
}

#[test]
fn a_search_row_tells_what_it_is_silent_about() {
    let body = json!({
        "contacts": [
            {"id": "c-1", "firstNameRaw": "Ann", "firstName": "ann", "email": null, "tags": [], "dateUpdated": "2024-01-02T10:00:00.000Z", "searchAfter": [1, "c-1"]},
            {"email": "nobody"},
            {"_id": "c-2", "searchAfter": [2, "c-2"]}
        ],
        "total": 7, "traceId": "t"
    });
    let page = page(body, &berlin()).unwrap();
    assert_eq!((page.rows.len(), page.unreadable.len(), page.total), (2, 1, Some(7)));
    assert_eq!(page.next, Some(json!([2, "c-2"])));
    let first = &page.rows[0];
    assert_eq!(of(&first.shown).first_name.as_deref(), Some("Ann"));
    let silent = &first.shown.silent;
    assert!(silent.contains("phone") && silent.contains("last_name"));
    assert!(!silent.contains("email") && !silent.contains("tags"), "null and empty are said");
}

#[test]
fn every_name_of_a_field_is_one_of_its_record() {
    let fields = |kind: RecordKind| match kind {
        RecordKind::Contact => serde_json::to_value(full_contact()).unwrap(),
        RecordKind::Task => json!({"title": 1, "body": 1, "due_at": 1, "done": 1, "assigned_to": 1, "time_zone": 1}),
        RecordKind::Note => json!({"title": 1, "body": 1, "user_id": 1, "color": 1, "pinned": 1, "added_at": 1, "attachments": 1}),
        RecordKind::Appointment => json!({"title": 1, "starts_at": 1, "ends_at": 1, "time_zone": 1, "status": 1, "place": 1, "notes": 1,
            "calendar_id": 1, "assigned_to": 1, "added_at": 1, "updated_at": 1}),
    };
    for kind in RecordKind::ALL {
        for shape in [of_contact(kind), of_location(kind)] {
            let mut row = Map::new();
            row.insert("id".to_owned(), json!("c-1"));
            let silent = record::shown(&row, shape, &Zone::UNKNOWN).silent;
            for name in silent.iter().chain(shape.speaks_of()) {
                assert!(fields(kind).get(*name).is_some(), "{kind}: {name}");
            }
            assert!(shape.speaks_of().iter().all(|name| !silent.contains(name)), "{kind}");
        }
    }
}

fn full_contact() -> Contact {
    let one = || Some("1".to_owned());
    let moment = || Some(Moment::read("2026-01-01T00:00:00Z"));
    Contact {
        name: one(),
        first_name: one(),
        last_name: one(),
        email: one(),
        phone: one(),
        company: one(),
        street: one(),
        city: one(),
        state: one(),
        postal_code: one(),
        country: one(),
        website: one(),
        time_zone: one(),
        source: one(),
        date_of_birth: moment(),
        do_not_disturb: Some(true),
        do_not_disturb_channels: [("sms".to_owned(), "active".to_owned())].into(),
        additional_emails: ["1".to_owned()].into(),
        additional_phones: [("1".to_owned(), "1".to_owned())].into(),
        attachments: ["1".to_owned()].into(),
        assigned_to: one(),
        business_id: one(),
        tags: ["1".to_owned()].into(),
        custom_fields: [("1".to_owned(), json!(1))].into(),
        added_at: moment(),
        updated_at: moment(),
    }
}

#[test]
fn what_a_contact_has_beside_its_fields_is_read_and_never_taken_for_gone() {
    let by_id = |more: Value| {
        let mut body = json!({"contact": {"id": "c-1", "locationId": "loc", "firstName": "Ann"}});
        body["contact"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let id = ContactId::new("c-1").unwrap();
        contact(body, &id, &LocationId::new("loc").unwrap(), &berlin()).unwrap().unwrap()
    };
    let further = ["additional_emails", "additional_phones", "attachments", "do_not_disturb_channels"];
    let documented = by_id(json!({}));
    assert!(further.iter().all(|name| documented.silent.contains(name)), "answers without them say nothing of them");
    let seen = by_id(json!({"additionalEmails": [{"email": "b@example.com", "validEmail": null}], "additionalPhones": [],
        "dndSettings": {"SMS": {"status": "active"}, "Call": {"status": "inactive"}}, "attachments": "", "businessName": "Example"}));
    assert!(further.iter().all(|name| !seen.silent.contains(name)));
    let Record::Contact(ann) = &seen.record else { panic!("a contact") };
    assert_eq!((ann.additional_emails.len(), ann.additional_phones.len(), ann.attachments.len()), (1, 0, 0));
    assert_eq!(ann.do_not_disturb_channels, [("sms".to_owned(), "active".to_owned())].into());
    assert_eq!(ann.company.as_deref(), Some("Example"));
    let mut row = Map::new();
    row.insert("businessName".to_owned(), Value::Null);
    assert!(record::shown(&row, Shape::ContactRow, &berlin()).silent.contains("company"), "a business of null says nothing");
    let odd = by_id(json!({"additionalPhones": 7, "dndSettings": ["SMS"]}));
    assert!(odd.unread.contains("additional_phones") && odd.silent.contains("do_not_disturb_channels"));
}

#[test]
fn a_task_is_due_in_the_zone_of_its_location() {
    let tasks = json!({"tasks": [{"id": "t-1", "dueDate": "2024-01-02T10:00:00.000Z"}, {"id": "t-2"}]});
    let zones = |zone: &Zone| {
        let listed = list(tasks.clone(), RecordKind::Task, zone).unwrap().records.into_iter();
        let of = |shown: Shown| match shown.record {
            Record::Task(task) => (task.time_zone, shown.silent.contains("time_zone")),
            Record::Contact(_) | Record::Note(_) | Record::Appointment(_) => panic!("not a task"),
        };
        listed.map(|(_, shown)| of(shown)).collect::<Vec<_>>()
    };
    assert_eq!(zones(&berlin()), [(Some("Europe/Berlin".to_owned()), false), (None, false)]);
    assert_eq!(zones(&Zone::UNKNOWN), [(None, true), (None, true)]);
}

#[test]
fn parts_and_choices_of_custom_fields_are_read_with_what_they_are_called() {
    let fields = custom_fields(&json!({"customFields": [
        {"id": "f-1", "name": "Package", "dataType": "SINGLE_OPTIONS", "picklistOptions": ["Starter", "Growth"]},
        {"id": "f-2", "name": "Visits", "dataType": "TEXTBOX_LIST", "textBoxListOptions": [{"label": "First", "prefillValue": ""}, {"label": "Second"}]},
        {"id": "f-3", "name": "Visits", "dataType": "TEXTBOX_LIST", "picklistOptions": [{"id": "k-1", "label": "First"}]},
        {"id": "f-4", "name": "Drink", "dataType": "RADIO", "picklistOptions": [{"key": "tea", "label": "Tea"}, {"key": "Water", "label": "Water"}]},
    ]}));
    let labels = |pairs: &[(&str, &str)]| pairs.iter().map(|(key, label)| ((*key).to_owned(), (*label).to_owned())).collect();
    let expected: [(&str, BTreeMap<String, String>); 3] =
        [("f-2", labels(&[("0", "First"), ("1", "Second")])), ("f-3", labels(&[("k-1", "First")])), ("f-4", labels(&[("tea", "Tea")]))];
    assert_eq!(fields.labels, expected.map(|(id, labels)| (id.to_owned(), labels)).into());
}

#[test]
fn tasks_notes_and_appointments_are_read() {
    let tasks = list(
        json!({"tasks": [{"_id": "t-1", "title": "Call", "body": "<p>now</p>", "dueDate": "2024-01-02T10:00:00.000Z", "completed": true, "assignedTo": "u-1"}, {"id": "t-2"}]}),
        RecordKind::Task,
        &berlin(),
    )
    .unwrap();
    assert!(tasks.complete);
    assert_eq!(tasks.records[1].1.record, Record::Task(Task::default()), "a task without a due date");
    let Record::Task(task) = &tasks.records[0].1.record else { panic!("not a task") };
    assert!(task.done && task.due_at.is_some());

    let notes =
        list(json!({"notes": [{"id": "n-1", "body": "hello", "userId": "u-1", "pinned": 1}]}), RecordKind::Note, &berlin()).unwrap();
    let Record::Note(note) = &notes.records[0].1.record else { panic!("not a note") };
    assert!(note.pinned);

    let body = json!({"events": [
        {"id": "a-1", "title": "Meet", "startTime": "2021-07-16 11:00:00", "endTime": "2021-07-16T11:30:00+02:00", "status": "booked",
         "appoinmentStatus": "confirmed", "address": "Office", "assignedUserId": "u-1", "calendarId": "k-1"},
        {"id": "a-2", "deleted": true}
    ]});
    let appointments = list(body, RecordKind::Appointment, &berlin()).unwrap();
    assert_eq!(appointments.records.len(), 1, "a row marked deleted is not there");
    let Record::Appointment(appointment) = &appointments.records[0].1.record else { panic!("not an appointment") };
    assert_eq!(appointment.starts_at, Some(Moment::read("2021-07-16T09:00:00Z")));
    assert_eq!(appointment.ends_at, Some(Moment::read("2021-07-16T09:30:00Z")));
    assert_eq!(appointment.status.as_deref(), Some("confirmed"));
    assert_eq!(appointment.time_zone.as_deref(), Some("Europe/Berlin"));
}

#[test]
fn a_listing_that_may_lack_something_is_not_complete() {
    for body in [
        json!({}),
        json!({"notes": null}),
        json!({"notes": [], "hasMore": true}),
        json!({"notes": [{"body": "no id"}]}),
        json!({"notes": [3]}),
    ] {
        assert!(!list(body.clone(), RecordKind::Note, &berlin()).unwrap().complete, "{body}");
    }
    assert!(list(json!({"notes": []}), RecordKind::Note, &berlin()).unwrap().complete);
    assert!(list(json!({"notes": "none"}), RecordKind::Note, &berlin()).is_err());
}

#[test]
fn a_row_that_is_no_record_is_told_by_its_place_and_id_and_costs_no_other() {
    let long = "x".repeat(300);
    let rows = json!([{"id": "c-1"}, "odd", {"email": "ann@example.com"}, {"id": long}, {"id": "c-2"}]);
    let page = page(json!({ "contacts": rows }), &berlin()).unwrap();
    assert_eq!(page.rows.iter().map(|row| row.contact_id.as_str()).collect::<Vec<_>>(), ["c-1", "c-2"]);
    let told: Vec<(usize, &str)> = page.unreadable.iter().map(|row| (row.place, row.why)).collect();
    assert_eq!(told, [(1, "it is not an object"), (2, "it has no id"), (3, "its id cannot be one")]);
    assert!(page.unreadable.iter().all(|row| row.key.len() == 16), "nothing of the row");
    let elsewhere = tasks_of(json!({"tasks": [{"id": "t-1", "locationId": "loc-2"}]}));
    assert_eq!((elsewhere.unreadable[0].key.as_str(), elsewhere.unreadable[0].why), ("t-1", "it is of another location"));
}

#[test]
fn five_thousand_notes_are_one_listing() {
    let rows: Vec<Value> = (0..5_000).map(|n| json!({"id": format!("n-{n}"), "body": "x".repeat(200)})).collect();
    let listed = list(json!({ "notes": rows }), RecordKind::Note, &berlin()).unwrap();
    assert_eq!((listed.records.len(), listed.complete), (5_000, true));
}

#[test]
fn names_come_from_lists_and_a_location_gives_its_zone() {
    let users = json!({"users": [{"id": "u-1", "name": "Ann Smith"}, {"id": "u-2", "firstName": "Bo", "lastName": "Li"}, {"id": "u-3"}], "count": 3});
    assert_eq!(names(&users, "users").into_values().collect::<Vec<_>>(), ["Ann Smith", "Bo Li"]);
    assert_eq!(count(&users), Some(3));
    let here = location(&json!({"location": {"id": "loc-1", "timezone": "Asia/Kolkata", "companyId": "co"}})).unwrap();
    assert_eq!((here.zone.name(), here.company_id.as_deref()), (Some("Asia/Kolkata"), Some("co")));
}

fn tasks_of(body: Value) -> RecordPage {
    records(body, RecordKind::Task, &here(), &berlin()).unwrap()
}

#[test]
fn whose_a_task_is_is_found_in_any_shape_of_row() {
    for row in [
        json!({"_id": "t", "contactId": "c-1"}),
        json!([{"id": "t", "contact": {"id": "c-1"}}]),
        json!({"id": "t", "contactId": "c-1", "contacts": ["c-1", {"_id": "c-1"}]}),
    ] {
        let page = tasks_of(json!({ "tasks": [row] }));
        assert_eq!((page.rows[0].record_id.as_str(), page.rows[0].contacts.as_slice()), ("t", [id("c-1")].as_slice()));
    }
    let page = tasks_of(json!({"tasks": [{"id": "t-1"}, {"id": "t-2", "contactIds": ["c-2", "c-1", null, 3]}]}));
    assert_eq!(page.rows[0].contacts, [], "a task of nobody");
    assert_eq!(page.rows[1].contacts, [id("c-2"), id("c-1")]);
}

#[test]
fn a_page_of_tasks_says_how_far_it_goes_and_what_it_leaves_out() {
    let page = tasks_of(json!({
        "tasks": [
            {"_id": "t-1", "title": "Call", "completed": false}, {"title": "nameless"}, {"id": "t-2", "deleted": true},
            {"id": "t-3", "locationId": "loc-2"}
        ],
        "count": 40
    }));
    assert_eq!((page.rows.len(), page.given, page.unreadable.len(), page.total, page.whole), (1, 4, 2, Some(40), true));
    let silent: Vec<&str> = page.rows[0].shown.silent.iter().copied().collect();
    assert_eq!(silent, ["assigned_to", "body", "due_at", "time_zone"]);
    assert!(records(json!({"tasks": null}), RecordKind::Task, &here(), &berlin()).is_err(), "no list is not an empty one");
}

#[test]
fn an_appointment_reads_the_same_from_its_contact_and_from_its_calendar() {
    let of_contact = json!({"events": [{
        "id": "a-1", "calendarId": "k-1", "status": "booked", "title": "Meet", "assignedUserId": "u-1", "startTime": "2021-07-16 11:00:00",
        "endTime": "2021-07-16 11:30:00", "address": "Office", "locationId": "loc-1", "contactId": "c-1", "appointmentStatus": "confirmed",
        "dateAdded": "2021-07-01 08:00:00", "dateUpdated": "2021-07-02 08:00:00"
    }]});
    let of_calendar = json!({"events": [{
        "id": "a-1", "calendarId": "k-1", "title": "Meet", "assignedUserId": "u-1", "startTime": "2021-07-16T11:00:00+02:00",
        "endTime": "2021-07-16T11:30:00+02:00", "address": "Office", "locationId": "loc-1", "contactId": "c-1", "groupId": "",
        "appointmentStatus": "confirmed", "users": ["u-1"], "dateAdded": 1_625_119_200_000_i64, "dateUpdated": "2021-07-02T06:00:00.000Z",
        "isRecurring": false, "deleted": false
    }], "traceId": "t"});
    let listed = list(of_contact, RecordKind::Appointment, &berlin()).unwrap();
    let page = records(of_calendar, RecordKind::Appointment, &here(), &berlin()).unwrap();
    assert_eq!(page.rows[0].contacts, [id("c-1")]);
    assert_eq!(page.rows[0].shown.record, listed.records[0].1.record);
}
