//! What is read, page by page where there are pages.

use domain::{Record, RecordId};
use ghl::{EventsOf, Search, TaskSearch, Window, Zone};
use serde_json::{Value, json};

use crate::support::{Server, answer, id};

#[tokio::test]
async fn a_search_asks_for_a_window_and_pages_by_cursor() {
    let page = json!({"contacts": [{"id": "c-1", "searchAfter": [5, "c-1"]}], "total": 2});
    let server = Server::start(vec![answer(200, &page)]).await;
    let (from, to) = ("2026-09-01T00:00:00Z".parse().unwrap(), "2026-09-02T00:00:00.5Z".parse().unwrap());
    let mut search = Search { window: Window::Updated { from, to }, rows_max: 50, after: None };
    let page = server.client().search(&search, &Zone::UNKNOWN).await.unwrap().value;
    search.after = page.next;
    server.client().search(&search, &Zone::UNKNOWN).await.unwrap();
    let asked = server.asked();
    assert_eq!(
        asked[0].body,
        json!({
            "locationId": "loc/1", "pageLimit": 50, "sort": [{"field": "dateUpdated", "direction": "asc"}],
            "filters": [{"field": "dateUpdated", "operator": "range", "value": {"gte": "2026-09-01T00:00:00.000Z", "lte": "2026-09-02T00:00:00.500Z"}}]
        })
    );
    assert_eq!(asked[1].body["searchAfter"], json!([5, "c-1"]));
}

#[tokio::test]
async fn a_page_with_half_an_emoji_is_read_with_a_replacement_character() {
    let page = br#"{"contacts":[{"id":"c-1","companyName":"Sun \ud83d"},{"id":"c-2"}],"total":2}"#;
    let server = Server::start(vec![(200, Vec::new(), page.to_vec())]).await;
    let search = Search { window: Window::Everyone, rows_max: 50, after: None };
    let page = server.client().search(&search, &Zone::UNKNOWN).await.unwrap().value;
    let Record::Contact(first) = &page.rows[0].shown.record else { panic!("not a contact") };
    assert_eq!((page.rows.len(), first.company.as_deref()), (2, Some("Sun \u{fffd}")));
}

#[tokio::test]
async fn a_listing_becomes_records() {
    let body = json!({"events": [{"id": "a-1", "startTime": "2021-07-16 11:00:00"}]});
    let server = Server::start(vec![answer(200, &body)]).await;
    let listed = server.client().appointments(&id("c-1"), &Zone::named("Europe/Berlin")).await.unwrap().value;
    let Record::Appointment(appointment) = &listed.records[0].1.record else { panic!("not an appointment") };
    assert_eq!(appointment.starts_at.as_ref().unwrap().to_string(), "2021-07-16T09:00:00Z");
}

#[tokio::test]
async fn the_tasks_of_a_location_are_asked_for_page_by_page() {
    let page = json!({"tasks": [{"_id": "t-1", "contactId": "c-1", "title": "Call"}], "traceId": "t-9"});
    let server = Server::start(vec![answer(200, &page)]).await;
    let client = server.client();
    let search = TaskSearch { rows_max: 100, skip: 200, ..TaskSearch::default() };
    let page = client.search_tasks(&search, &Zone::UNKNOWN).await.unwrap();
    assert_eq!((page.value.rows[0].contacts.as_slice(), page.trace_id.as_deref()), ([id("c-1")].as_slice(), Some("t-9")));
    client.search_tasks(&TaskSearch { contacts: vec![id("c-1")], done: Some(false), ..search }, &Zone::UNKNOWN).await.unwrap();
    assert_eq!(client.contact_of_task(&RecordId::new("t-1").unwrap(), 50).await.unwrap(), Some(id("c-1")));
    let asked = server.asked();
    assert_eq!((asked[0].line.as_str(), &asked[0].body), ("POST /locations/loc%2F1/tasks/search", &json!({"limit": 100, "skip": 200})));
    assert_eq!(asked[1].body, json!({"limit": 100, "skip": 200, "contactId": ["c-1"], "completed": false}));
}

#[tokio::test]
async fn calendar_events_are_asked_for_by_window() {
    let events = json!({"events": [{"id": "a-1", "contactId": "c-1", "startTime": "2023-09-25T16:00:00+05:30"}]});
    let server = Server::start(vec![answer(200, &events)]).await;
    let (from, to) = ("2023-09-25T00:00:00Z".parse().unwrap(), "2023-09-26T00:00:00Z".parse().unwrap());
    for of in [EventsOf::Calendar("k-1"), EventsOf::User("u-1"), EventsOf::Group("g-1")] {
        let page = server.client().calendar_events(of, from, to, &Zone::UNKNOWN).await.unwrap().value;
        assert!(page.whole && page.rows[0].contacts == [id("c-1")]);
    }
    let lines: Vec<String> = server.asked().into_iter().map(|asked| asked.line).collect();
    let expected = ["calendarId=k-1", "userId=u-1", "groupId=g-1"]
        .map(|of| format!("GET /calendars/events?locationId=loc%2F1&{of}&startTime=1695600000000&endTime=1695686400000"));
    assert_eq!(lines, expected);
    assert_eq!(server.asked()[0].headers["version"], "2021-04-15");
}

#[tokio::test]
async fn users_are_read_page_by_page_until_all_are_there() {
    let page = |from: u32, to: u32| {
        let users: Vec<Value> = (from..to).map(|n| json!({"id": format!("u-{n}"), "name": format!("User {n}")})).collect();
        answer(200, &json!({"users": users, "count": 130}))
    };
    let server = Server::start(vec![page(0, 100), page(100, 130)]).await;
    assert_eq!(server.client().users("co").await.unwrap().len(), 130);
    let lines: Vec<String> = server.asked().into_iter().map(|asked| asked.line).collect();
    assert_eq!(lines[1], "GET /users/search?locationId=loc%2F1&companyId=co&limit=100&skip=100");
}
