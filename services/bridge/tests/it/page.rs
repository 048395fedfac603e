use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{BridgeFixture, READ_KEY, config, contact, database, encoded, object, once, task};

async fn filled() -> BridgeFixture {
    let bridge = BridgeFixture::start().await;
    let ann = json!({"name": "Ann Example", "email": "ann@example.com", "phone": "+49 30 1234", "company": "Example GmbH", "website": "https://example.com",
        "time_zone": "Europe/Berlin", "tags": ["vip", "new lead"], "custom_fields": [{"name": "Shoe size", "value": "39"}]});
    let items = [
        object("contact", "ann", "ann", 1, &ann),
        object("contact", "bob", "bob", 2, &json!({"name": "بوب", "tags": ["vip"]})),
        once(object("project", "onboarding", "ann", 3, &json!({"title": "Onboarding: Ann", "container": "ann"}))),
        once(object(
            "task",
            "welcome",
            "ann",
            4,
            &json!({"title": "Welcome call", "container": "onboarding", "due": "2020-01-01T10:00:00Z"}),
        )),
        object("task", "offer", "ann", 5, &json!({"title": "Send the offer", "container": "ann", "assignee": "Mia"})),
        object("task", "old", "ann", 6, &json!({"title": "An old task", "done": true})),
        object("note", "note", "ann", 7, &json!({"title": "A long note", "body": "line\n".repeat(200), "pinned": true})),
        object(
            "appointment",
            "date",
            "ann",
            8,
            &json!({"title": "Kick-off", "starts_at": "2099-02-05T23:30:00Z", "ends_at": "2099-02-06T00:30:00Z", "time_zone": "America/New_York", "status": "confirmed", "place": "https://meet.example.com/x"}),
        ),
        object("task", "orphan", "nobody", 9, &json!({"title": "Nobody's task"})),
    ];
    assert_eq!(bridge.write(&items).await, vec!["created"; items.len()]);
    bridge
}

#[track_caller]
fn has(page: &str, wanted: &[&str]) {
    for text in wanted {
        assert!(page.contains(text), "{text:?} is not in\n{}", page.split("</style>").last().unwrap_or_default());
    }
}

#[tokio::test]
async fn the_overview_shows_what_is_due_and_what_changed() {
    let page = filled().await.page("/w/w").await;
    has(
        &page,
        &[
            "Ann Example",
            "بوب",
            "Welcome call",
            "Overdue: ",
            "Changed last",
            "Inbox <span class=\"count\">1</span>",
            "Contacts <span class=\"count\">2</span>",
            "1 open task<",
        ],
    );
}

#[tokio::test]
async fn a_contact_shows_everything_it_holds() {
    let page = filled().await.page("/w/w?open=ann").await;
    has(
        &page,
        &[
            "mailto:ann@example.com",
            "tel:+49301234",
            "href=\"https:&#x2f;&#x2f;example.com&#x2f;\"",
            "Shoe size",
            "39",
            "Onboarding: Ann",
            "0 of 1 tasks done",
        ],
    );
    has(
        &page,
        &["Send the offer", "Someday", "Mia", "An old task", "aria-label=\"done\"", "Pinned", "<details class=\"long\"", "Show all"],
    );
    has(&page, &["Thu 5 Feb 2099, 18:30 – 19:30", "America&#x2f;New_York", "confirmed", "from GoHighLevel", "aria-current=\"page\""]);
    assert!(!page.contains("Welcome call"), "the project's task is on the project's page");
}

#[tokio::test]
async fn a_project_leads_to_its_contact_and_is_the_users() {
    let page = filled().await.page("/w/w?open=onboarding&list=projects").await;
    has(&page, &["Welcome call", ">yours</span>", "href=\"&#x2f;w&#x2f;w?list=projects&amp;open=ann\"", "Overdue: "]);
}

#[tokio::test]
async fn what_has_no_container_is_in_the_inbox_until_it_comes() {
    let bridge = filled().await;
    has(&bridge.page("/w/w?view=inbox").await, &["Nobody&#x27;s task"]);
    bridge.write(&[contact("nobody", 10, "Somebody")]).await;
    has(&bridge.page("/w/w?view=inbox").await, &["Empty: everything has its place", "Inbox <span class=\"count\">0</span>"]);
    has(&bridge.page("/w/w?open=nobody").await, &["Nobody&#x27;s task"]);
}

#[tokio::test]
async fn searching_finds_names_companies_addresses_and_tags() {
    let bridge = filled().await;
    for (query, ann, bob) in [
        ("q=ANN+exam", true, false),
        ("q=gmbh", true, false),
        ("q=30+1234", true, false),
        ("q=%23vip", true, true),
        ("tag=vip", true, true),
        ("tag=new", false, false),
        ("tag=new+lead", true, false),
        ("q=%D8%A8%D9%88%D8%A8", false, true),
        ("q=zzz", false, false),
    ] {
        let page = bridge.page(&format!("/w/w?{query}")).await;
        let list = page.split("class=\"rows\"").nth(1).unwrap().split("</ul>\n").next().unwrap().to_owned();
        assert_eq!((list.contains("Ann Example"), list.contains("بوب")), (ann, bob), "{query}");
        has(&page, &[" of 2 contacts found"]);
    }
}

#[tokio::test]
async fn long_lists_and_sections_come_in_pages() {
    let mut config = config(&database().await);
    config["page"]["containers_max"] = 10.into();
    config["page"]["section_max"] = 10.into();
    let bridge = BridgeFixture::start_with(config).await;
    bridge.put("/v1/workspaces/w", &json!({})).await.is(201);
    let contacts: Vec<Value> = (0..25).map(|i| contact(&format!("c{i}"), 1, &format!("Person {i:02}"))).collect();
    bridge.write(&contacts).await;
    let notes: Vec<Value> = (0..25)
        .map(|i| {
            object(
                "note",
                &format!("n{i}"),
                "c0",
                1,
                &json!({"title": format!("Note {i:02}"), "written_at": format!("2026-01-{:02}T00:00:00Z", i + 1)}),
            )
        })
        .collect();
    bridge.write(&notes).await;
    let (mut address, mut found) = ("/w/w".to_owned(), Vec::new());
    loop {
        let page = bridge.page(&address).await;
        found.extend((0..25).filter(|i| page.contains(&format!("class=\"name\" dir=\"auto\">Person {i:02}"))));
        let Some(next) = page.split("id=\"list-next\"").next().filter(|_| page.contains("id=\"list-next\"")) else { break };
        address = next.rsplit("href=\"").next().unwrap().split("#list").next().unwrap().replace("&#x2f;", "/").replace("&amp;", "&");
    }
    assert_eq!(found, (0..25).collect::<Vec<_>>());
    has(&bridge.page("/w/w?open=c0").await, &["Note 24", "Note 15", "1–10 of 25", "notes-after"]);
    has(&bridge.page("/w/w?open=c0&section=notes&page=3").await, &["Note 00", "21–25 of 25", "notes-before"]);
    has(&bridge.page("/w/w?open=c0&section=notes&page=99").await, &["notes-before"]);
}

#[tokio::test]
async fn hostile_content_is_text_and_nothing_else() {
    let bridge = BridgeFixture::start().await;
    let evil = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7 * 7 }}</title></style>";
    let (key, other) = ("k\"'><script>alert(2)</script>", "p'\"><b>");
    let contact = json!({"name": evil, "email": evil, "phone": evil, "website": "javascript:alert(3)", "company": evil, "tags": [evil], "custom_fields": [{"name": evil, "value": evil}], "address": evil, "time_zone": evil});
    let items = [
        object("contact", key, key, 1, &contact),
        object("project", other, key, 1, &json!({"title": evil, "notes": evil})),
        object("task", "t", key, 1, &json!({"title": evil, "notes": evil, "assignee": evil, "due": evil})),
        object("note", "n", key, 1, &json!({"title": evil, "body": evil.repeat(200), "author": evil, "written_at": evil})),
        object(
            "appointment",
            "a",
            key,
            1,
            &json!({"title": evil, "place": "javascript://x.y/%0aalert(1)", "status": evil, "starts_at": evil, "ends_at": evil, "calendar": evil, "time_zone": evil}),
        ),
    ];
    assert_eq!(bridge.write(&items).await, vec!["created"; 5]);
    let open = encoded(key);
    for path in [
        "/w/w".to_owned(),
        format!("/w/w?open={open}"),
        format!("/w/w?open={}", encoded(other)),
        "/w/w?open=n".to_owned(),
        format!("/w/w?q={}&tag={}", encoded(evil), encoded(evil)),
        format!("/w/w?open={open}&fragment=1"),
    ] {
        let page = bridge.page(&path).await;
        for harm in ["<script>alert", "<img src=x", "href=\"javascript:", "href=\"javascript&", "</title></style>", "'><b>"] {
            assert!(!page.contains(harm), "{harm} in {path}");
        }
        assert!(!page.contains(">49<") && page.matches("<script").count() <= 1);
    }
}

#[tokio::test]
async fn the_page_brings_nothing_from_elsewhere_and_runs_only_its_own_script() {
    let bridge = filled().await;
    let answer = bridge.client.get(format!("{}/w/w", bridge.url)).bearer_auth(READ_KEY).send().await.unwrap();
    let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"));
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let page = answer.text().await.unwrap();
    for inline in [" onclick=", " onload=", " style=\"", "src=\"http", "@import", "<link rel=\"stylesheet"] {
        assert!(!page.contains(inline), "{inline}");
    }
    for (open, close, directive) in [("<style>", "</style>", "style-src"), ("<script>", "</script>", "script-src")] {
        use base64::Engine as _;
        use sha2::Digest as _;
        let text = page.split(open).nth(1).unwrap().split(close).next().unwrap();
        let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(text));
        assert!(policy.contains(&format!("{directive} 'sha256-{hash}'")));
    }
}

#[tokio::test]
async fn a_page_that_follows_gets_a_signal_of_every_new_position() {
    let bridge = filled().await;
    let start = bridge.position().await;
    let follow = |after: u64| bridge.client.get(format!("{}/w/w/events?after={after}", bridge.url)).bearer_auth(READ_KEY).send();
    let answer = follow(start).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut stream = answer;
    bridge.write(&[task("new", 50, "x")]).await;
    let signal = async {
        let mut text = String::new();
        while !text.contains(&format!("data: {}", start + 1)) {
            text += &String::from_utf8_lossy(&stream.chunk().await.expect("bytes").expect("open"));
        }
        text
    };
    let signal = tokio::time::timeout(std::time::Duration::from_secs(10), signal).await.expect("a signal");
    assert!(signal.contains("event: position") && signal.contains(&format!("id: {}", start + 1)));
    // A reader that comes back late gets the signal at once.
    let mut late = follow(1).await.unwrap();
    let first = tokio::time::timeout(std::time::Duration::from_secs(10), late.chunk()).await.expect("a signal").unwrap().unwrap();
    assert!(String::from_utf8_lossy(&first).contains(&format!("data: {}", start + 1)));
}

#[tokio::test]
async fn another_process_that_writes_is_noticed() {
    let database = database().await;
    let (one, two) = (BridgeFixture::start_with(config(&database)).await, BridgeFixture::start_with(config(&database)).await);
    one.put("/v1/workspaces/w", &json!({})).await.is(201);
    let mut stream = two.client.get(format!("{}/w/w/events?after=0", two.url)).bearer_auth(READ_KEY).send().await.unwrap();
    one.write(&[task("t", 1, "x")]).await;
    let signal = tokio::time::timeout(std::time::Duration::from_secs(10), stream.chunk()).await.expect("a signal").unwrap().unwrap();
    assert!(String::from_utf8_lossy(&signal).contains("data: 1"));
}

#[tokio::test]
async fn what_is_not_there_is_said_kindly() {
    let bridge = filled().await;
    for path in ["/w/w?open=none", "/w/w?object=%00", "/w/none"] {
        let answer = bridge.client.get(format!("{}{path}", bridge.url)).bearer_auth(READ_KEY).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
        assert!(answer.text().await.unwrap().contains("<h1>Not"), "{path}");
    }
    has(&bridge.page("/w/w?object=note").await, &["A long note", "← <bdi>Ann Example</bdi>"]);
    has(&bridge.page("/w").await, &["&#x2f;w&#x2f;w", "2 contacts, 9 objects"]);
    has(&bridge.page("/w/w?page=x").await, &["Ann Example"]);
}
