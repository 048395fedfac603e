//! The client against a small server that says what it was asked and answers as told.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, Response};
use domain::{ContactId, LocationId, Record, RecordId};
use ghl::{
    CallError, Client, ContactFields, Error, EventsOf, LegacyList, Match, NewContact, NewTask, Rate, Reach, Search, Settings, TaskChange,
    TaskSearch, Transport, Versions, Window, Zone,
};
use serde_json::{Value, json};

/// What the server was asked.
#[derive(Clone, Debug)]
struct Asked {
    line: String,
    headers: HeaderMap,
    body: Value,
}

/// A server that gives the prepared answers in turn and the last one for ever.
struct Server {
    base_url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    calls: Arc<Mutex<Vec<Told>>>,
}

/// What was told of a call: its endpoint, its status, what is left.
type Told = (String, Option<u16>, Option<u64>);

type Prepared = (u16, Vec<(&'static str, &'static str)>, Vec<u8>);

fn answer(status: u16, body: &Value) -> Prepared {
    (status, Vec::new(), body.to_string().into_bytes())
}

impl Server {
    async fn start(answers: Vec<Prepared>) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (seen, answers) = (Arc::clone(&asked), Arc::new(answers));
        let handler = move |request: Request| {
            let (seen, answers) = (Arc::clone(&seen), Arc::clone(&answers));
            async move {
                let (parts, body) = request.into_parts();
                let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
                let index = {
                    let mut seen = seen.lock().unwrap();
                    seen.push(Asked {
                        line: format!("{} {}", parts.method, parts.uri),
                        headers: parts.headers,
                        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
                    });
                    seen.len() - 1
                };
                let (status, headers, body) = answers.get(index).or_else(|| answers.last()).unwrap();
                let mut response = Response::builder().status(*status);
                for (name, value) in headers {
                    response = response.header(*name, *value);
                }
                response.body(Body::from(body.clone())).unwrap()
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(handler)).await });
        Self { base_url, asked, calls: Arc::default() }
    }

    fn client(&self) -> Client {
        self.client_with(|_| {})
    }

    fn client_with(&self, change: impl FnOnce(&mut Settings)) -> Client {
        let mut settings = Settings {
            base_url: self.base_url.parse().unwrap(),
            connect_timeout: Duration::from_secs(2),
            request_timeout: Duration::from_secs(5),
            body_bytes_max: 100_000,
            events_bytes_max: 50_000,
            legacy_contact_list: false,
            versions: Versions::default(),
            rate: Rate { wait_max: Duration::from_secs(2), ..Rate::default() },
        };
        change(&mut settings);
        let calls = Arc::clone(&self.calls);
        let on_call =
            Arc::new(move |call: &ghl::Call<'_>| calls.lock().unwrap().push((call.endpoint.to_owned(), call.status, call.remaining)));
        let location_id = LocationId::new("loc/1").unwrap();
        Client::new(Transport::new(settings, on_call).unwrap(), location_id, "pit-secret".to_owned().into())
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn id(id: &str) -> ContactId {
    ContactId::new(id).unwrap()
}

#[tokio::test]
async fn every_call_carries_the_token_and_the_version_of_its_family() {
    let server =
        Server::start(vec![answer(200, &json!({"contact": {"id": "c-1"}, "traceId": "t-9"})), answer(200, &json!({"calendars": []}))])
            .await;
    let contact = server.client().contact(&id("c-1"), &Zone::UNKNOWN).await.unwrap();
    server.client().calendars().await.unwrap();
    assert_eq!(contact.trace_id.as_deref(), Some("t-9"));
    let asked = server.asked();
    assert_eq!(asked[0].line, "GET /contacts/c-1");
    assert_eq!(asked[0].headers["authorization"], "Bearer pit-secret");
    assert_eq!(asked[0].headers["version"], "2021-07-28");
    assert_eq!(asked[1].line, "GET /calendars/?locationId=loc%2F1");
    assert_eq!(asked[1].headers["version"], "2021-04-15");
}

#[tokio::test]
async fn hostile_ids_stay_in_their_place_in_the_path() {
    let server = Server::start(vec![answer(200, &json!({"tasks": []}))]).await;
    let hostile = [
        ("a/b", "a%2Fb"),
        ("a?b", "a%3Fb"),
        ("a#b", "a%23b"),
        ("a b", "a%20b"),
        ("a.b", "a.b"),
        ("../x", "..%2Fx"),
        ("%2e%2e", "%252e%252e"),
        ("a\\b", "a%5Cb"),
        ("é\"*>", "%C3%A9%22*%3E"),
    ];
    let client = server.client();
    for (hostile, _) in hostile {
        client.tasks(&id(hostile), &Zone::UNKNOWN).await.unwrap();
    }
    let lines: Vec<String> = server.asked().into_iter().map(|asked| asked.line).collect();
    assert_eq!(lines, hostile.map(|(_, path)| format!("GET /contacts/{path}/tasks")));
}

#[tokio::test]
async fn an_id_that_no_url_can_hold_is_refused_without_asking() {
    let server = Server::start(vec![answer(200, &json!({}))]).await;
    for dots in [".", ".."] {
        assert!(matches!(server.client().notes(&id(dots), &Zone::UNKNOWN).await, Err(Error::Refused { status: None, .. })));
    }
    assert!(server.asked().is_empty());
}

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
async fn a_listing_becomes_records() {
    let body = json!({"events": [{"id": "a-1", "startTime": "2021-07-16 11:00:00"}]});
    let server = Server::start(vec![answer(200, &body)]).await;
    let listed = server.client().appointments(&id("c-1"), &Zone::named("Europe/Berlin")).await.unwrap().value;
    let Record::Appointment(appointment) = &listed.records[0].1 else { panic!("not an appointment") };
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

#[tokio::test]
async fn throttling_pauses_the_whole_location() {
    let server = Server::start(vec![answer(429, &json!({"message": "Too Many Requests"}))]).await;
    let client = server.client();
    let Err(Error::Throttled { retry_after, .. }) = client.contact(&id("c-1"), &Zone::UNKNOWN).await else { panic!("not throttled") };
    assert!(retry_after >= Duration::from_secs(10));
    let next = client.clone().contact(&id("c-2"), &Zone::UNKNOWN).await;
    assert!(matches!(next, Err(Error::Throttled { .. })), "turned away for the pause is longer than calls may wait");
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn an_answer_longer_than_the_limit_is_not_read() {
    let server = Server::start(vec![(200, Vec::new(), vec![b' '; 100_001])]).await;
    assert!(matches!(server.client().notes(&id("c-1"), &Zone::UNKNOWN).await, Err(Error::TooLong)));
}

#[tokio::test]
async fn an_answer_that_is_not_json_is_unreadable_and_is_not_quoted() {
    let server = Server::start(vec![(200, Vec::new(), b"{\"contact\": \"ann@example.com".to_vec())]).await;
    let error = server.client().contact(&id("c-1"), &Zone::UNKNOWN).await.unwrap_err();
    assert_eq!(error.to_string(), "GHL's answer cannot be read: cut short at line 1 column 28");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let server = Server { base_url: format!("http://{free}"), asked: Arc::default(), calls: Arc::default() };
    let error = server.client().contact(&id("c-1"), &Zone::UNKNOWN).await.unwrap_err();
    assert!(error.is_transient());
    assert_eq!(*server.calls.lock().unwrap(), [("get-contact".to_owned(), None, None)]);
}

#[tokio::test]
async fn calls_are_told_with_what_is_left_of_the_budget() {
    let headers = vec![("X-RateLimit-Remaining", "97"), ("X-RateLimit-Daily-Remaining", "199000")];
    let server = Server::start(vec![(503, headers, b"{}".to_vec())]).await;
    assert!(server.client().tasks(&id("c-1"), &Zone::UNKNOWN).await.unwrap_err().is_transient());
    assert_eq!(*server.calls.lock().unwrap(), [("list-tasks".to_owned(), Some(503), Some(97))]);
}

fn reachable() -> NewContact {
    NewContact::new(Reach::Email("ann@example.com".to_owned()))
}

fn task() -> NewTask {
    NewTask { title: "Call".to_owned(), due_at: "2026-09-01T10:00:00Z".parse().unwrap(), done: false, body: None, assigned_to: None }
}

#[tokio::test]
async fn a_contact_is_created_in_the_location_of_the_client() {
    let created = json!({"contact": {"id": "c-9", "locationId": "loc/1", "email": "ann@example.com"}, "traceId": "t-1"});
    let server = Server::start(vec![answer(201, &created)]).await;
    let written = server.client().create_contact(&reachable(), &Zone::UNKNOWN).await.unwrap();
    assert_eq!((written.value.contact_id, written.trace_id.as_deref()), (id("c-9"), Some("t-1")));
    let asked = &server.asked()[0];
    assert_eq!((asked.line.as_str(), &asked.body), ("POST /contacts/", &json!({"email": "ann@example.com", "locationId": "loc/1"})));
}

#[tokio::test]
async fn both_spellings_of_success_are_read_and_a_no_is_a_refusal() {
    let done = [json!({"succeded": true}), json!({"succeeded": true}), json!({"succeeded": true, "succeded": true}), json!({})];
    let server = Server::start(done.iter().map(|body| answer(200, body)).chain([(200, Vec::new(), Vec::new())]).collect()).await;
    for _ in 0..5 {
        server.client().delete_contact(&id("c-1")).await.unwrap();
    }
    assert_eq!(server.asked()[0].line, "DELETE /contacts/c-1");
    let server = Server::start(vec![answer(200, &json!({"succeded": false, "traceId": "t-2"}))]).await;
    let error = server.client().delete_contact(&id("c-1")).await.unwrap_err();
    assert!(matches!(error, Error::Refused { status: Some(200), .. }) && error.trace_id() == Some("t-2"));
}

#[tokio::test]
async fn tags_are_taken_away_by_a_delete_with_a_body() {
    let server = Server::start(vec![answer(200, &json!({"tags": ["vip"]}))]).await;
    let left = server.client().remove_tags(&id("c-1"), &["new".to_owned()]).await.unwrap().value;
    assert_eq!(left, ["vip".to_owned()].into());
    let asked = &server.asked()[0];
    assert_eq!((asked.line.as_str(), &asked.body), ("DELETE /contacts/c-1/tags", &json!({"tags": ["new"]})));
}

#[tokio::test]
async fn what_changes_nothing_is_not_sent() {
    let server = Server::start(vec![answer(200, &json!({}))]).await;
    let client = server.client();
    let unsent = [
        client.update_contact(&id("c-1"), &ContactFields::default(), &Zone::UNKNOWN).await.map(drop),
        client.update_task(&id("c-1"), &RecordId::new("t-1").unwrap(), &TaskChange::default(), &Zone::UNKNOWN).await.map(drop),
        client.add_tags(&id("c-1"), &[]).await.map(drop),
        client.legacy_contacts(&LegacyList { rows_max: 100, after: None }, &Zone::UNKNOWN).await.map(drop),
    ];
    for outcome in unsent {
        assert!(matches!(outcome, Err(Error::Refused { status: None, .. })));
    }
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn a_write_without_an_answer_is_of_unknown_outcome_and_can_be_looked_for() {
    let tasks = json!({"tasks": [
        {"id": "t-1", "title": "Call", "dueDate": "2026-09-01T10:00:00.000Z"}, {"id": "t-2", "title": "Call", "dueDate": "2026-09-02T10:00:00.000Z"}
    ]});
    let found = json!({"contact": {"id": "c-9", "email": "ann@example.com"}});
    let answers =
        vec![answer(504, &json!({"message": "x", "traceId": "t-9"})), answer(200, &tasks), answer(201, &json!("cut")), answer(200, &found)];
    let server = Server::start(answers).await;
    let client = server.client();

    let error = client.create_task(&id("c-1"), &task(), &Zone::UNKNOWN).await.unwrap_err();
    assert!(matches!(error, Error::UnknownOutcome { status: Some(504), .. }) && !error.is_transient());
    assert_eq!(error.trace_id(), Some("t-9"));
    let made = client.find_created_task(&id("c-1"), &task(), &Zone::UNKNOWN).await.unwrap().value;
    assert_eq!(made.iter().map(|made| made.record_id.as_str()).collect::<Vec<_>>(), ["t-1"]);

    let error = client.create_contact(&reachable(), &Zone::UNKNOWN).await.unwrap_err();
    assert!(matches!(error, Error::UnknownOutcome { .. }), "GHL said that it was made, but not what: {error}");
    let made = client.find_created_contact(&reachable(), &Zone::UNKNOWN).await.unwrap().value;
    assert_eq!(made.unwrap().contact_id, id("c-9"));
    assert_eq!(server.asked()[3].line, "GET /contacts/search/duplicate?locationId=loc%2F1&email=ann%40example.com");
    assert_eq!(server.asked().len(), 4, "nothing was repeated");
}

#[tokio::test]
async fn a_write_that_could_not_be_sent_changed_nothing() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let server = Server { base_url: format!("http://{free}"), asked: Arc::default(), calls: Arc::default() };
    assert!(server.client().create_task(&id("c-1"), &task(), &Zone::UNKNOWN).await.unwrap_err().is_transient());
    let server = Server::start(vec![answer(429, &json!({"message": "Too Many Requests"}))]).await;
    let error = server.client().create_task(&id("c-1"), &task(), &Zone::UNKNOWN).await.unwrap_err();
    assert!(matches!(error, Error::Throttled { .. }));
}

#[tokio::test]
async fn a_duplicate_names_the_contact_to_take() {
    let body = json!({"statusCode": 400, "message": "This location does not allow duplicated contacts.",
        "meta": {"contactId": "c-7", "contactName": "Ann", "matchingField": "email"}});
    let server = Server::start(vec![answer(400, &body)]).await;
    let error = server.client().create_contact(&reachable(), &Zone::UNKNOWN).await.unwrap_err();
    let Error::Duplicate { contact_id: Some(contact_id), by: Some(Match::Email), .. } = error else { panic!("{error:?}") };
    assert_eq!(contact_id, id("c-7"));
}

#[tokio::test]
async fn the_legacy_list_is_paged_by_what_meta_says() {
    let first = json!({"contacts": [{"id": "c-1", "dateAdded": "2026-01-01T00:00:00Z"}], "count": 1,
        "meta": {"total": 2, "startAfter": 1_719_999_999_999_i64, "startAfterId": "c-1", "nextPage": 2}});
    let last = json!({"contacts": [], "meta": {"total": 2, "startAfter": null, "startAfterId": null}});
    let server = Server::start(vec![answer(200, &first), answer(200, &last)]).await;
    let client = server.client_with(|settings| settings.legacy_contact_list = true);
    let page = client.legacy_contacts(&LegacyList { rows_max: 100, after: None }, &Zone::UNKNOWN).await.unwrap().value;
    assert_eq!((page.rows.len(), page.total), (1, Some(2)));
    let page = client.legacy_contacts(&LegacyList { rows_max: 100, after: page.next }, &Zone::UNKNOWN).await.unwrap().value;
    assert_eq!(page.next, None);
    let lines: Vec<String> = server.asked().into_iter().map(|asked| asked.line).collect();
    assert_eq!(lines[1], "GET /contacts/?locationId=loc%2F1&limit=100&startAfter=1719999999999&startAfterId=c-1");
}

#[tokio::test]
async fn businesses_and_tags_are_read() {
    let businesses = json!({"businesses": [{"id": "b-1", "name": "Acme", "updatedAt": "2026-01-01T00:00:00Z"}, {"name": "nobody"}]});
    let contacts = json!({"contacts": [{"id": "c-1"}], "count": 1});
    let tags = json!({"tags": [{"id": "g-1", "name": "vip", "locationId": "loc/1"}]});
    let server = Server::start(vec![answer(200, &businesses), answer(200, &contacts), answer(200, &tags)]).await;
    let client = server.client();
    assert_eq!(client.businesses(100, 0).await.unwrap().value[0].name.as_deref(), Some("Acme"));
    assert_eq!(client.business_contacts("b-1", 100, 0, &Zone::UNKNOWN).await.unwrap().value.rows[0].contact_id, id("c-1"));
    assert_eq!(client.tags().await.unwrap()["g-1"], "vip");
    let lines: Vec<String> = server.asked().into_iter().map(|asked| asked.line).collect();
    assert_eq!(
        lines,
        [
            "GET /businesses/?locationId=loc%2F1&limit=100&skip=0",
            "GET /contacts/business/b-1?locationId=loc%2F1&limit=100&skip=0",
            "GET /locations/loc%2F1/tags"
        ]
    );
}

#[tokio::test]
async fn any_operation_can_be_called_by_its_name() {
    let server = Server::start(vec![answer(200, &json!({"task": {"id": "t-1"}, "traceId": "t-9"}))]).await;
    let client = server.client();
    let arguments = json!({"contactId": "c-1", "taskId": "t/1", "completed": "true"});
    let answer = client.call("complete-task", arguments.as_object().unwrap()).await.unwrap();
    assert_eq!(answer.value["task"]["id"], "t-1");
    let asked = &server.asked()[0];
    assert_eq!((asked.line.as_str(), &asked.body), ("PUT /contacts/c-1/tasks/t%2F1/completed", &json!({"completed": true})));
    let none = Default::default();
    assert!(matches!(client.call("get-contact", &none).await, Err(CallError::Arguments { .. })));
    assert!(matches!(client.call("list-contacts", &none).await, Err(CallError::SwitchedOff(_))));
    assert!(matches!(client.call("no-such", &none).await, Err(CallError::Unknown(_))));
    assert_eq!(server.asked().len(), 1);
}
