//! The simulated API over real HTTP: the documented shapes, limits and manners.

use std::time::Duration;

use sandbox::{AnswerChaos, CursorManners, Fault, FaultOrder, Limits, SearchSettings, Settings, Touch, Webhook};
use serde_json::{Value, json};

use crate::common::{self, Client, start};

fn is_traced(body: &Value) -> bool {
    body["traceId"].as_str().is_some_and(|id| id.len() == 36)
}

#[tokio::test]
async fn a_call_without_the_token_is_refused_as_documented() {
    let sandbox = start(Settings::default()).await;
    let client = Client::of(&sandbox).with_token("wrong");
    let (status, body) = client.get("/contacts/x").await;
    assert_eq!((status, &body["statusCode"]), (401, &json!(401)));
    assert_eq!(body["message"], "Invalid token: access token is invalid");
    assert_eq!(body["error"], "Unauthorized");
    assert!(is_traced(&body));
    let (_, body) = client.with_token("pit-other").get("/contacts/x").await;
    assert_eq!(body["message"], "Invalid Private Integration token");
}

#[tokio::test]
async fn the_version_header_must_be_that_of_the_family() {
    let sandbox = start(Settings::default()).await;
    let client = Client::of(&sandbox);
    let path = format!("/locations/{}", sandbox.location_id());
    assert_eq!(client.with_version(None).get(&path).await.0, 422);
    assert_eq!(client.with_version(Some("2021-04-15")).get(&path).await.0, 422);
    assert_eq!(client.with_version(Some("v3")).get(&path).await.0, 200);
    assert_eq!(client.get(&path).await.0, 200);
    let calendars = format!("/calendars/?locationId={}", sandbox.location_id());
    assert_eq!(client.with_version(Some("2021-07-28")).get(&calendars).await.0, 422);
    assert_eq!(client.get(&calendars).await.0, 200);
}

#[tokio::test]
async fn a_contact_lives_from_create_to_delete_and_takes_its_children_along() {
    let sandbox = start(Settings::default()).await;
    let client = Client::of(&sandbox);
    let draft = json!({"locationId": sandbox.location_id(), "firstName": "Ada", "lastName": "Lovelace", "email": "Ada@client.example",
        "phone": "207 555 0100", "tags": ["VIP"], "dateOfBirth": "12/10/1815", "companyName": "Engines"});
    let (status, body) = client.post("/contacts/", &draft).await;
    assert_eq!(status, 201);
    let contact = &body["contact"];
    let id = contact["id"].as_str().unwrap().to_owned();
    assert_eq!((&contact["name"], &contact["phone"]), (&json!("Ada Lovelace"), &json!("+12075550100")));
    assert_eq!((&contact["tags"], &contact["dateOfBirth"]), (&json!(["vip"]), &json!("1815-12-10")));

    let (status, body) = client.put(&format!("/contacts/{id}"), &json!({"city": "London"})).await;
    assert_eq!((status, &body["succeded"], &body["contact"]["city"]), (200, &json!(true), &json!("London")));
    let (status, body) = client.put(&format!("/contacts/{id}"), &json!({"locationId": "x"})).await;
    assert_eq!((status, &body["message"]), (422, &json!(["property locationId should not exist"])));

    let (status, task) = client.post(&format!("/contacts/{id}/tasks"), &json!({"title": "Call"})).await;
    assert_eq!((status, task["message"].as_array().map(Vec::len)), (422, Some(2)));
    let draft = json!({"title": "Call", "dueDate": "2030-01-02T03:04:05Z", "completed": false});
    let (status, body) = client.post(&format!("/contacts/{id}/tasks"), &draft).await;
    assert_eq!((status, &body["task"]["dueDate"]), (201, &json!("2030-01-02T03:04:05.000Z")));
    let task = body["task"]["id"].as_str().unwrap().to_owned();
    let (status, body) = client.put(&format!("/contacts/{id}/tasks/{task}/completed"), &json!({"completed": true})).await;
    assert_eq!((status, &body["task"]["completed"]), (200, &json!(true)));
    let (status, body) = client.post(&format!("/contacts/{id}/notes"), &json!({"body": "<p>hi</p>"})).await;
    assert_eq!((status, &body["note"]["contactId"]), (201, &json!(id)));

    let (status, body) = client.delete(&format!("/contacts/{id}"), None).await;
    assert_eq!((status, &body["succeded"]), (200, &json!(true)));
    for path in ["", "/tasks", "/notes", "/appointments"] {
        let (status, body) = client.get(&format!("/contacts/{id}{path}")).await;
        assert_eq!((status, &body["message"]), (400, &json!(format!("Contact with id {id} not found"))));
        assert!(is_traced(&body));
    }
}

#[tokio::test]
async fn a_duplicate_is_refused_with_the_row_it_duplicates() {
    let sandbox = start(Settings::default()).await;
    let client = Client::of(&sandbox);
    let held = sandbox.world().create_contact(&json!({"name": "Ada Lovelace", "email": "ada@client.example"}), Webhook::Sent).unwrap();
    let draft = json!({"locationId": sandbox.location_id(), "email": "ADA@client.example"});
    let (status, body) = client.post("/contacts/", &draft).await;
    assert_eq!((status, &body["message"]), (400, &json!("This location does not allow duplicated contacts.")));
    assert_eq!(body["meta"], json!({"contactId": held, "contactName": "Ada Lovelace", "matchingField": "email"}));
    let path = format!("/contacts/search/duplicate?locationId={}&email=ada%40client.example", sandbox.location_id());
    assert_eq!(client.get(&path).await.1["contact"]["id"], json!(held));
    let (_, body) = client.post("/contacts/upsert", &draft).await;
    assert_eq!((&body["new"], &body["contact"]["id"]), (&json!(false), &json!(held)));
}

#[tokio::test]
async fn tags_are_added_and_removed_with_a_body() {
    let sandbox = start(Settings::default()).await;
    let client = Client::of(&sandbox);
    let id = sandbox.world().create_contact(&json!({"name": "Ada", "tags": ["one"]}), Webhook::Sent).unwrap();
    let path = format!("/contacts/{id}/tags");
    let (status, body) = client.post(&path, &json!({"tags": ["Two", "one"]})).await;
    assert_eq!((status, &body["tags"]), (201, &json!(["one", "two"])));
    let (status, body) = client.delete(&path, Some(&json!({"tags": ["ONE"]}))).await;
    assert_eq!((status, &body["tags"]), (200, &json!(["two"])));
    let (_, body) = client.get(&format!("/locations/{}/tags", sandbox.location_id())).await;
    assert_eq!(body["tags"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn the_same_appointment_is_naive_for_its_contact_and_has_an_offset_in_its_calendar() {
    let sandbox = start(Settings::default()).await;
    let client = Client::of(&sandbox);
    let contact = sandbox.world().create_contact(&json!({"name": "Ada"}), Webhook::Sent).unwrap();
    let calendar = sandbox.world().calendar_ids()[0].clone();
    let draft = json!({"locationId": sandbox.location_id(), "calendarId": calendar, "contactId": contact, "title": "Call",
        "startTime": "2030-07-01T14:00:00Z"});
    let (status, body) = client.post("/calendars/events/appointments", &draft).await;
    assert_eq!((status, &body["startTime"]), (200, &json!("2030-07-01T10:00:00-04:00")));
    let id = body["id"].as_str().unwrap().to_owned();
    let (_, body) = client.get(&format!("/contacts/{contact}/appointments")).await;
    assert_eq!(body["events"][0]["startTime"], "2030-07-01 10:00:00");

    let window = format!("/calendars/events?locationId={}&startTime=1909144800000&endTime=1909144800000", sandbox.location_id());
    let (status, body) = client.get(&window).await;
    assert_eq!((status, &body["status"], &body["name"]), (400, &json!(400), &json!("HttpException")));
    let (_, body) = client.get(&format!("{window}&calendarId={calendar}")).await;
    assert_eq!(body["events"][0]["id"], json!(id));
    let (_, body) = client.get(&format!("{window}&calendarId=other")).await;
    assert_eq!(body["events"], json!([]));

    let path = format!("/calendars/events/appointments/{id}");
    let (_, body) = client.put(&path, &json!({"startTime": "2030-12-01T10:00:00-05:00", "appointmentStatus": "cancelled"})).await;
    assert_eq!((&body["endTime"].as_str().map(|at| &at[..11]), &body["appointmentStatus"]), (&Some("2030-12-01T"), &json!("cancelled")));
    assert_eq!(client.get(&path).await.1["event"]["startTime"], "2030-12-01T10:00:00-05:00");
    let (status, body) = client.delete(&format!("/calendars/events/{id}"), Some(&json!({}))).await;
    assert_eq!((status, &body["succeeded"]), (201, &json!(true)));
    assert_eq!(client.get(&path).await.0, 400);
}

#[tokio::test]
async fn names_behind_ids_can_be_asked_for() {
    let sandbox = start(Settings::default()).await;
    let client = Client::of(&sandbox);
    let (status, body) = client.get("/users/search").await;
    assert_eq!((status, body["error"].as_str()), (422, Some("Unprocessable Entity")));
    let (_, body) = client.get(&format!("/users/search?companyId={}&limit=2&skip=1", sandbox.company_id())).await;
    assert_eq!((body["users"].as_array().map(Vec::len), &body["count"]), (Some(2), &json!(4)));
    let (_, body) = client.get(&format!("/locations/{}/customFields?model=contact", sandbox.location_id())).await;
    let types: Vec<&str> = body["customFields"].as_array().unwrap().iter().map(|field| field["dataType"].as_str().unwrap()).collect();
    assert!(types.contains(&"FILE_UPLOAD") && types.contains(&"NUMERICAL") && types.len() == 12);
    assert_eq!(client.get("/locations/other").await.0, 403);
}

#[tokio::test]
async fn the_location_lists_all_tasks_in_pages_under_another_id_key() {
    let sandbox = start(Settings::default()).await;
    sandbox.world().populate(5, 40);
    let client = Client::of(&sandbox);
    let truth: usize = sandbox.world().snapshot().counts()[1];
    let path = format!("/locations/{}/tasks/search", sandbox.location_id());
    let mut seen = std::collections::BTreeSet::new();
    loop {
        let (status, body) = client.post(&path, &json!({"limit": 10, "skip": seen.len(), "count": true})).await;
        assert_eq!((status, &body["count"]), (200, &json!(truth)));
        let rows = body["tasks"].as_array().unwrap();
        seen.extend(rows.iter().map(|row| row["_id"].as_str().unwrap().to_owned()));
        if rows.len() < 10 {
            break;
        }
    }
    assert_eq!(seen.len(), truth);
}

#[tokio::test]
async fn search_after_reaches_every_row_past_ten_thousand_and_pages_do_not() {
    let sandbox = start(Settings { limits: Limits::none(), ..Settings::default() }).await;
    let world = sandbox.world();
    for number in 0..10_050 {
        world.create_contact(&json!({"firstName": number.to_string()}), Webhook::Lost).unwrap();
    }
    let client = Client::of(&sandbox);
    let ask = json!({"locationId": sandbox.location_id(), "pageLimit": 500, "sort": [{"field": "dateUpdated", "direction": "asc"}]});
    let mut seen = std::collections::BTreeSet::new();
    let mut cursor = Value::Null;
    loop {
        let mut ask = ask.clone();
        ask["searchAfter"] = cursor;
        let (status, body) = client.post("/contacts/search", &ask).await;
        assert_eq!((status, &body["total"]), (200, &json!(10_050)));
        let rows = body["contacts"].as_array().unwrap();
        let Some(last) = rows.last() else { break };
        cursor = last["searchAfter"].clone();
        seen.extend(rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()));
    }
    assert_eq!(seen.len(), 10_050);
    let page = |page: usize| json!({"locationId": sandbox.location_id(), "pageLimit": 500, "page": page});
    assert_eq!(client.post("/contacts/search", &page(20)).await.1["contacts"].as_array().map(Vec::len), Some(500));
    assert_eq!(client.post("/contacts/search", &page(21)).await.0, 400);
}

#[tokio::test]
async fn search_filters_by_ranges_groups_and_fields() {
    let sandbox = start(Settings { limits: Limits::none(), ..Settings::default() }).await;
    let world = sandbox.world();
    let ids: Vec<String> = (0..6)
        .map(|day| {
            let body = json!({"firstName": format!("P{day}"), "email": format!("p{day}@client.example"), "city": "Bonn",
                "dateAdded": format!("2025-01-0{}T00:00:00.000Z", day + 1), "tags": [if day % 2 == 0 { "even" } else { "odd" }]});
            world.create_contact(&body, Webhook::Lost).unwrap()
        })
        .collect();
    let client = Client::of(&sandbox);
    let found = async |filters: Value, sort: Value| {
        let ask = json!({"locationId": sandbox.location_id(), "pageLimit": 100, "filters": filters, "sort": sort});
        let (status, body) = client.post("/contacts/search", &ask).await;
        assert_eq!(status, 200, "{body}");
        let rows = body["contacts"].as_array().unwrap();
        rows.iter().map(|row| ids.iter().position(|id| row["id"] == json!(id)).unwrap()).collect::<Vec<_>>()
    };
    let range = |value: Value| json!([{"field": "dateAdded", "operator": "range", "value": value}]);
    let up = json!([{"field": "dateAdded", "direction": "asc"}]);
    let down = json!([{"field": "dateAdded", "direction": "desc"}]);
    let (second, fourth) = ("2025-01-02T00:00:00.000Z", "2025-01-04T00:00:00.000Z");
    assert_eq!(found(range(json!({"gte": second, "lte": fourth})), up.clone()).await, [1, 2, 3]);
    assert_eq!(found(range(json!({"gt": second, "lt": fourth})), up.clone()).await, [2]);
    assert_eq!(found(range(json!({"gte": fourth})), down.clone()).await, [5, 4, 3]);
    let either = json!([{"group": "OR", "filters": [
        {"field": "email", "operator": "eq", "value": "P0@client.example"},
        {"group": "AND", "filters": [{"field": "tags", "operator": "contains", "value": "odd"},
            {"field": "dateAdded", "operator": "range", "value": {"gt": fourth}}]}]}]);
    assert_eq!(found(either, up).await, [0, 5]);
    let names = json!([{"field": "firstNameLowerCase", "direction": "desc"}]);
    assert_eq!(found(json!([{"field": "city", "operator": "eq", "value": "Bonn"}]), names).await, [5, 4, 3, 2, 1, 0]);

    for bad in [
        json!({"pageLimit": 10}),
        json!({"locationId": sandbox.location_id()}),
        json!({"locationId": sandbox.location_id(), "pageLimit": 501}),
        json!({"locationId": sandbox.location_id(), "pageLimit": 10, "query": "x".repeat(76)}),
        json!({"locationId": sandbox.location_id(), "pageLimit": 10, "filters": range(json!({"from": second}))}),
        json!({"locationId": sandbox.location_id(), "pageLimit": 10, "filters": [{"field": "ssn", "operator": "eq", "value": "1"}]}),
        json!({"locationId": sandbox.location_id(), "pageLimit": 10, "page": 1, "searchAfter": [1, "x"]}),
    ] {
        let (status, body) = client.post("/contacts/search", &bad).await;
        assert_eq!((status, body["message"].is_array()), (422, true), "{bad}");
    }
    let (_, body) = client.post("/contacts/search", &json!({"locationId": sandbox.location_id(), "pageLimit": 9, "query": "p3@"})).await;
    assert_eq!((&body["total"], &body["contacts"][0]["id"]), (&json!(1), &json!(ids[3])));
    assert!(body["contacts"][0].get("dndSettings").is_none());
}

#[tokio::test]
async fn search_sees_a_change_only_after_the_lag_while_reading_by_id_sees_it_at_once() {
    let sandbox = start(Settings { limits: Limits::none(), search_lag: Duration::from_millis(300), ..Settings::default() }).await;
    let client = Client::of(&sandbox);
    let id = sandbox.world().create_contact(&json!({"name": "Ada"}), Webhook::Lost).unwrap();
    let ask = json!({"locationId": sandbox.location_id(), "pageLimit": 1});
    assert_eq!(client.get(&format!("/contacts/{id}")).await.0, 200);
    assert_eq!(client.post("/contacts/search", &ask).await.1["total"], 0);
    common::eventually(async || client.post("/contacts/search", &ask).await.1["total"] == 1).await;
}

#[tokio::test]
async fn search_can_answer_short_pages_and_unhelpful_cursors() {
    let search = SearchSettings { page_answer_max: Some(3), cursor: CursorManners::Repeated, ..SearchSettings::default() };
    let sandbox = start(Settings { search, ..Settings::default() }).await;
    sandbox.world().populate(1, 10);
    let client = Client::of(&sandbox);
    let ask = json!({"locationId": sandbox.location_id(), "pageLimit": 100});
    let (_, first) = client.post("/contacts/search", &ask).await;
    assert_eq!(first["contacts"].as_array().map(Vec::len), Some(3));
    let mut ask = ask;
    ask["searchAfter"] = first["contacts"][2]["searchAfter"].clone();
    let (_, second) = client.post("/contacts/search", &ask).await;
    assert_eq!(second["contacts"][2]["searchAfter"], ask["searchAfter"]);
}

#[tokio::test]
async fn pages_are_short_empty_or_repeat_a_cursor_by_chance() {
    let sandbox = start(Settings { limits: Limits::none(), ..Settings::default() }).await;
    let world = sandbox.world();
    world.populate(1, 100);
    let client = Client::of(&sandbox);
    let ask = json!({"locationId": sandbox.location_id(), "pageLimit": 50});
    let page = async |ask: &Value| client.post("/contacts/search", ask).await.1;
    world.set_search(SearchSettings { empty: 1.0, ..SearchSettings::default() });
    let empty = page(&ask).await;
    assert_eq!((&empty["total"], &empty["contacts"]), (&json!(100), &json!([])));
    world.set_search(SearchSettings { short: 1.0, ..SearchSettings::default() });
    let short = page(&ask).await;
    let rows = short["contacts"].as_array().unwrap();
    assert!(!rows.is_empty() && rows.len() < 50);
    let mut ask = ask;
    ask["searchAfter"] = rows.last().unwrap()["searchAfter"].clone();
    world.set_search(SearchSettings { same_cursor: 1.0, ..SearchSettings::default() });
    let next = page(&ask).await;
    assert_eq!((&next["contacts"][49]["searchAfter"], next["contacts"].as_array().map(Vec::len)), (&ask["searchAfter"], Some(50)));
}

#[tokio::test]
async fn a_storm_answers_429_to_everything_and_violates_nothing() {
    let limits = Limits { burst: 4, interval: Duration::from_mins(1), ..Limits::default() };
    let sandbox = start(Settings { limits, ..Settings::default() }).await;
    let (client, world) = (Client::of(&sandbox), sandbox.world());
    let path = format!("/locations/{}", sandbox.location_id());
    world.set_answer_chaos(AnswerChaos { throttled: 1.0, storm: Duration::from_mins(1), ..AnswerChaos::default() });
    for _ in 0..6 {
        let answer = client.raw_get(&path).await;
        assert_eq!((answer.status().as_u16(), answer.headers()["X-RateLimit-Remaining"].to_str().unwrap()), (429, "4"));
    }
    assert!(world.limits_violated().is_empty());
    world.clear_faults();
    assert_eq!(client.get(&path).await.0, 200);
    assert_eq!((world.stats().faults, world.stats().day_used), (6, 1));
}

#[tokio::test]
async fn children_move_date_updated_only_when_told_to() {
    for (children, moves) in [(false, false), (true, true)] {
        let touch = Touch { children, ..Touch::default() };
        let sandbox = start(Settings { touch, ..Settings::default() }).await;
        let world = sandbox.world();
        let id = world.create_contact(&json!({"name": "Ada"}), Webhook::Lost).unwrap();
        let updated = || world.snapshot().contacts[&id].contact["dateUpdated"].clone();
        let before = updated();
        let task = world.create_task(&id, &json!({"title": "Call"}), Webhook::Lost).unwrap();
        world.update_task(&id, &task, &json!({"title": "Write"}), Webhook::Lost).unwrap();
        assert_eq!(updated() != before, moves);
        world.touch_contact(&id, Webhook::Lost).unwrap();
        assert_ne!(updated(), before);
    }
}

#[tokio::test]
async fn calls_past_the_limit_are_answered_with_429_and_told_by_headers() {
    let limits = Limits { burst: 5, interval: Duration::from_secs(60), day: 7, ..Limits::default() };
    let sandbox = start(Settings { limits, ..Settings::default() }).await;
    let client = Client::of(&sandbox);
    let path = format!("/locations/{}", sandbox.location_id());
    for left in (0..5).rev() {
        let answer = client.raw_get(&path).await;
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!((header("X-RateLimit-Max"), header("X-RateLimit-Remaining")), ("5".to_owned(), left.to_string()));
        assert_eq!((header("X-RateLimit-Limit-Daily"), header("X-RateLimit-Daily-Remaining")), ("7".to_owned(), (left + 2).to_string()));
        assert_eq!(header("X-RateLimit-Interval-Milliseconds"), "60000");
    }
    assert!(sandbox.world().stats().limits_held().is_ok());
    let answer = client.raw_get(&path).await;
    assert_eq!((answer.status().as_u16(), answer.headers().get("retry-after")), (429, None));
    let stats = sandbox.world().stats();
    assert_eq!((stats.limited, stats.most_in_interval, stats.calls["GET /locations/{locationId}"]), (1, 6, 6));
    assert!(stats.limits_held().is_err());
}

#[tokio::test]
async fn answers_fail_are_cut_and_turn_to_garbage_on_demand() {
    let sandbox = start(Settings::default()).await;
    let client = Client::of(&sandbox);
    let world = sandbox.world();
    let path = format!("/locations/{}", sandbox.location_id());
    world.order_fault(FaultOrder::new(Fault::Status { status: 503 }, 1, "/locations"));
    world.order_fault(FaultOrder::new(Fault::Cut, 1, "/locations"));
    world.order_fault(FaultOrder::new(Fault::Garbage, 1, "/locations"));
    assert_eq!(client.get(&path).await.0, 503);
    assert!(client.raw_get(&path).await.bytes().await.is_err());
    assert!(client.raw_get(&path).await.text().await.unwrap().starts_with("<html>"));
    assert_eq!(client.get(&path).await.0, 200);
    assert_eq!(world.stats().faults, 3);
}

#[tokio::test]
async fn hostile_ids_and_bodies_are_survived() {
    let sandbox = start(Settings::default()).await;
    let client = Client::of(&sandbox);
    for id in ["a/b", "a b", "\"'", "*.>", "a.b", "ä%2F"] {
        sandbox.world().create_contact(&json!({"id": id, "name": "Ada"}), Webhook::Lost).unwrap();
        let path: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect::<String>().replace('+', "%20");
        let (status, body) = client.get(&format!("/contacts/{path}")).await;
        assert_eq!((status, &body["contact"]["id"]), (200, &json!(id)));
    }
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    for body in [deep.as_bytes(), b"\xff\xfe", b"", b"[]", b"{"] {
        let answer = client.raw_post("/contacts/", body.to_vec()).await;
        assert_eq!(answer.status().as_u16(), 400);
    }
    assert_eq!(client.get("/nowhere").await.0, 404);
}

#[tokio::test]
async fn version_3_spells_some_things_differently() {
    let sandbox = start(Settings::default()).await;
    let client = Client::of(&sandbox).with_version(Some("v3"));
    let settings = json!({"WhatsApp": {"status": "active"}, "SMS": {"status": "permanent"}});
    let id = sandbox.world().create_contact(&json!({"name": "Ada", "dnd": true, "dndSettings": settings}), Webhook::Lost).unwrap();
    let (_, body) = client.get(&format!("/contacts/{id}")).await;
    assert_eq!(body["contact"]["dndSettings"], json!({"whatsApp": {"status": "active"}, "sms": {"status": "permanent"}}));
    let (_, body) = client.put(&format!("/contacts/{id}"), &json!({"city": "Bonn"})).await;
    assert_eq!((body.get("succeded"), &body["succeeded"]), (None, &json!(true)));
    let (_, body) = client.delete(&format!("/contacts/{id}"), None).await;
    assert_eq!((&body["succeded"], &body["succeeded"]), (&json!(true), &json!(true)));
}
