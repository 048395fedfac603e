use domain::{Contact, ContactId, LocationId, Moment, Record, RecordKind, Task};
use serde_json::{Map, Value, json};

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
    contact(json!({ "contact": fields }), &id("c-1"), &here(), &berlin()).unwrap()
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
    let read = read(strange);
    assert_eq!(read, Contact { do_not_disturb: Some(true), ..Contact::default() });
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
    assert_eq!((page.rows.len(), page.unreadable, page.total), (2, 1, Some(7)));
    assert_eq!(page.next, Some(json!([2, "c-2"])));
    let first = &page.rows[0];
    assert_eq!(first.contact.first_name.as_deref(), Some("Ann"));
    assert!(first.silent.contains("phone") && first.silent.contains("last_name"));
    assert!(!first.silent.contains("email") && !first.silent.contains("tags"), "null and empty are said");
}

#[test]
fn every_silent_name_is_a_field_of_a_contact() {
    let page = page(json!({"contacts": [{"id": "c-1"}]}), &berlin()).unwrap();
    for name in &page.rows[0].silent {
        let mut fields = Map::new();
        fields.insert(name.clone(), Value::Null);
        let read = serde_json::from_value::<Contact>(Value::Object(fields));
        let known = read.is_ok() || matches!(name.as_str(), "tags" | "custom_fields");
        assert!(known, "{name}");
    }
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
    assert_eq!(tasks.records[1].1, Record::Task(Task::default()), "a task without a due date");
    let Record::Task(task) = &tasks.records[0].1 else { panic!("not a task") };
    assert!(task.done && task.due_at.is_some());

    let notes =
        list(json!({"notes": [{"id": "n-1", "body": "hello", "userId": "u-1", "pinned": 1}]}), RecordKind::Note, &berlin()).unwrap();
    let Record::Note(note) = &notes.records[0].1 else { panic!("not a note") };
    assert!(note.pinned);

    let body = json!({"events": [
        {"id": "a-1", "title": "Meet", "startTime": "2021-07-16 11:00:00", "endTime": "2021-07-16T11:30:00+02:00", "status": "booked",
         "appoinmentStatus": "confirmed", "address": "Office", "assignedUserId": "u-1", "calendarId": "k-1"},
        {"id": "a-2", "deleted": true}
    ]});
    let appointments = list(body, RecordKind::Appointment, &berlin()).unwrap();
    assert_eq!(appointments.records.len(), 1, "a row marked deleted is not there");
    let Record::Appointment(appointment) = &appointments.records[0].1 else { panic!("not an appointment") };
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
    assert_eq!((page.rows.len(), page.given, page.unreadable, page.total, page.whole), (1, 4, 2, Some(40), false));
    let silent: Vec<&str> = page.rows[0].silent.iter().map(String::as_str).collect();
    assert_eq!(silent, ["assigned_to", "body", "due_at"]);
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
    assert_eq!(page.rows[0].record, listed.records[0].1);
}
