use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Names, Object, Truth, differences};

const CONNECTED: &str = "2024-05-01T00:00:00Z";

fn truth() -> Truth {
    let names = |pairs: &[(&str, &str)]| pairs.iter().map(|(id, name)| ((*id).to_owned(), (*name).to_owned())).collect();
    Truth {
        contacts: vec![json!({
            "id": "c1", "firstName": "Ann", "lastName": "Lee", "email": "ann@example.com", "phone": "+1555", "companyName": null,
            "address1": "1 Main St", "city": "Springfield", "postalCode": "12345", "country": "US", "dnd": false, "assignedTo": "u1",
            "dateOfBirth": "1990-02-03", "tags": ["vip", "new"], "dateAdded": "2024-01-01T00:00:00.000Z",
            "customFields": [{"id": "f1", "value": ["red", "blue"]}, {"id": "f2", "value": ""}],
        })],
        tasks: vec![json!({
            "id": "t1", "contactId": "c1", "title": "Call", "body": "<p>Ask <b>her</b></p>", "dueDate": "2024-06-01T12:00:00Z",
            "completed": true, "assignedTo": "u1",
        })],
        notes: vec![
            json!({"id": "n1", "contactId": "c1", "body": "<p>Likes tea</p>", "dateAdded": "2024-02-01T00:00:00Z", "userId": "u9"}),
        ],
        appointments: vec![json!({
            "id": "a1", "contactId": "c1", "title": "Session", "startTime": "2024-06-03 09:00:00", "endTime": "2024-06-03T10:00:00-04:00",
            "appointmentStatus": "confirmed", "calendarId": "k1",
        })],
        names: Names {
            users: names(&[("u1", "Uma User")]),
            custom_fields: names(&[("f1", "Colours"), ("f2", "Shoe size")]),
            calendars: names(&[("k1", "Coaching")]),
        },
        time_zone: "America/New_York".to_owned(),
    }
}

fn held(kind: &str, key: &str, content: Value) -> Object {
    Object { kind: kind.to_owned(), key: key.to_owned(), contact: "ghl:contact/c1".to_owned(), content }
}

fn workspace() -> Vec<Object> {
    let container = "ghl:contact/c1";
    vec![
        held(
            "contact",
            "ghl:contact/c1",
            json!({
                "name": "Ann Lee", "email": "ann@example.com", "phone": "+1555", "address": "1 Main St\n12345 Springfield\nUS",
                "owner": "Uma User", "birthday": "1990-02-03", "do_not_disturb": false, "tags": ["new", "vip"],
                "custom_fields": [{"name": "Colours", "value": "red, blue"}],
            }),
        ),
        held(
            "task",
            "ghl:task/t1",
            json!({"title": "Call", "container": container, "notes": "Ask **her**", "due": "2024-06-01T12:00:00Z", "done": true, "assignee": "Uma User"}),
        ),
        held(
            "note",
            "ghl:note/n1",
            json!({"title": "Likes tea", "container": container, "body": "Likes tea", "written_at": "2024-02-01T00:00:00Z", "author": "unknown user (u9)", "pinned": false}),
        ),
        held(
            "appointment",
            "ghl:appointment/a1",
            json!({
                "title": "Session", "container": container, "starts_at": "2024-06-03T13:00:00Z", "ends_at": "2024-06-03T14:00:00Z",
                "time_zone": "America/New_York", "status": "confirmed", "calendar": "Coaching",
            }),
        ),
    ]
}

#[track_caller]
fn check(truth: &Truth, workspace: &[Object], expected: &[&str]) {
    let connected_at: Timestamp = CONNECTED.parse().expect("time");
    let found: Vec<String> = differences(truth, workspace, connected_at).iter().map(ToString::to_string).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_workspace_that_mirrors_ghl_has_no_differences() {
    check(&truth(), &workspace(), &[]);
}

#[test]
fn every_field_that_differs_is_named() {
    for (index, field, wrong) in [
        (0, "name", json!("Ann")),
        (0, "tags", json!(["new"])),
        (0, "address", json!("1 Main St")),
        (0, "custom_fields", json!([])),
        (0, "owner", json!(null)),
        (0, "do_not_disturb", json!(true)),
        (1, "notes", json!("Ask")),
        (1, "due", json!("2024-06-01T12:00:01Z")),
        (1, "done", json!(false)),
        (1, "container", json!("ghl:contact/c2")),
        (2, "title", json!("Something else")),
        (2, "author", json!("Uma User")),
        (3, "starts_at", json!("2024-06-03T09:00:00Z")),
        (3, "calendar", json!("k1")),
    ] {
        let mut workspace = workspace();
        workspace[index].content[field] = wrong;
        let found = differences(&truth(), &workspace, CONNECTED.parse().expect("time"));
        assert_eq!(found.len(), 1, "{field}: {found:?}");
        assert!(found[0].problem.starts_with(field), "{field}: {found:?}");
    }
}

#[test]
fn what_is_missing_and_what_is_left_over_are_differences() {
    let mut workspace = workspace();
    workspace[1].key = "ghl:task/t2".to_owned();
    check(&truth(), &workspace, &["ghl:task/t1: is in GHL, not in the workspace", "ghl:task/t2: is in the workspace, not in GHL"]);
}

#[test]
fn a_new_contact_has_its_onboarding_once_and_an_old_one_has_none() {
    let mut new = truth();
    new.contacts[0]["dateAdded"] = json!("2024-05-02T00:00:00Z");
    let mut workspace = workspace();
    for (kind, count) in [("project", 1), ("task", 3), ("note", 1)] {
        for step in 0..count {
            workspace.push(held(kind, &format!("rule:onboarding/{kind}{step}"), json!({"title": "x"})));
        }
    }
    check(&new, &workspace, &[]);
    let found = differences(&truth(), &workspace, CONNECTED.parse().expect("time"));
    assert_eq!(found.len(), 3, "{found:?}");
    workspace.pop();
    check(&new, &workspace, &["ghl:contact/c1: started 0 notes of its onboarding, should have 1"]);
}
