//! A bridge with a small workspace on servers of its own, for looking at the page: prints the page's address and its read key,
//! then the API's address and its write key, and goes on until it is stopped.

use std::io::Write;
use std::time::Duration;

use chassis::Shutdown;
use embedded::{Postgres, PostgresSettings, free_port, scratch};
use serde_json::{Value, json};

const WORKSPACE: &str = "agency";
const WRITE_KEY: &str = "write-key-of-the-example";
const READ_KEY: &str = "read-key-of-the-example";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    drop(rustls::crypto::ring::default_provider().install_default());
    let postgres = Postgres::start(PostgresSettings { data: scratch("workspace"), ..PostgresSettings::default() }).await?;
    postgres.create_database("bridge").await?;
    let http = format!("127.0.0.1:{}", free_port()?);
    let config = config(&postgres.url("bridge"), &http)?;
    let shutdown = Shutdown::new();
    let running = tokio::spawn(bridge::run(config, shutdown.clone()));
    let url = format!("http://{http}");
    fill(&url).await?;
    {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{url}/w/{WORKSPACE}\n{READ_KEY}\n{url}\n{WRITE_KEY}")?;
        out.flush()?;
    }
    tokio::select! {
        ended = running => ended??,
        stopped = tokio::signal::ctrl_c() => stopped?,
    }
    shutdown.cancel();
    Ok(())
}

fn config(database: &str, http: &str) -> anyhow::Result<bridge::Config> {
    let mut config: toml::Table = include_str!("../config.default.toml").parse()?;
    config.insert("bootstrap_key".to_owned(), WRITE_KEY.into());
    config.insert("reader_keys".to_owned(), toml::Table::from_iter([("example".to_owned(), READ_KEY.into())]).into());
    let mut set = |section: &str, key: &str, value: String| {
        if let Some(section) = config.get_mut(section).and_then(toml::Value::as_table_mut) {
            section.insert(key.to_owned(), value.into());
        }
    };
    set("database", "url", database.to_owned());
    set("server", "http", http.to_owned());
    set("server", "ops", http.to_owned());
    set("server", "grpc", format!("127.0.0.1:{}", free_port()?));
    set("server", "token", "token-of-the-example".to_owned());
    Ok(config.try_into()?)
}

async fn fill(url: &str) -> anyhow::Result<()> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    while client.get(format!("{url}/readyz")).send().await.is_err_or_not_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let send = |method: reqwest::Method, path: String, body: Value| {
        client.request(method, format!("{url}{path}")).bearer_auth(WRITE_KEY).json(&body).send()
    };
    send(reqwest::Method::PUT, format!("/v1/workspaces/{WORKSPACE}"), json!({})).await?.error_for_status()?;
    for items in objects().chunks(400) {
        send(reqwest::Method::POST, format!("/v1/workspaces/{WORKSPACE}/batch"), json!({ "items": items })).await?.error_for_status()?;
    }
    Ok(())
}

trait NotReady {
    fn is_err_or_not_ok(&self) -> bool;
}

impl NotReady for reqwest::Result<reqwest::Response> {
    fn is_err_or_not_ok(&self) -> bool {
        !self.as_ref().is_ok_and(|answer| answer.status().is_success())
    }
}

const FIRST: [&str; 12] = ["Amara", "Ben", "Chloé", "Dmitri", "Elif", "Farid", "Grace", "Hiroshi", "Ines", "Jonas", "Kavya", "Léa"];
const LAST: [&str; 11] = ["Okafor", "Müller", "Dubois", "Ivanov", "Yılmaz", "Rahimi", "Hopper", "Tanaka", "García", "Berg", "Iyer"];
const TAGS: [&str; 6] = ["vip", "new lead", "webinar", "customer", "renewal 2026", "referral"];
const TASKS: [&str; 6] = [
    "Send the offer",
    "Ask for the logo files",
    "Prepare the quarterly review",
    "Call back about the invoice",
    "Confirm the venue",
    "Collect feedback",
];
const ZONES: [&str; 4] = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Sydney"];

/// Writes of one object each, in the order of their revisions.
#[derive(Default)]
struct Writes(Vec<Value>);

impl Writes {
    fn put(&mut self, kind: &str, key: String, contact: &str, policy: &str, content: &Value) {
        let revision = json!({"epoch": 0, "seq": self.0.len() + 1});
        self.0.push(
            json!({"op": "put", "kind": kind, "key": key, "contact": contact, "revision": revision, "policy": policy, "content": content}),
        );
    }
}

fn objects() -> Vec<Value> {
    let mut writes = Writes::default();
    for i in 0..130 {
        let name = put_contact(&mut writes, i);
        let key = key(i);
        put_tasks(&mut writes, &key, i);
        put_note(&mut writes, &key, i);
        if i % 3 == 1 {
            put_appointment(&mut writes, &key, i);
        }
        if i % 9 == 1 {
            put_project(&mut writes, &key, &name, i);
        }
    }
    let content = json!({"title": "A task that came before its contact", "due": at(50)});
    writes.put("task", "ghl:task/early".to_owned(), "ghl:contact/later", "mirror", &content);
    writes.0
}

fn key(i: usize) -> String {
    format!("ghl:contact/{i:04}")
}

/// So many hours from now.
fn at(hours: i64) -> String {
    let now = jiff::Timestamp::now();
    now.saturating_add(jiff::SignedDuration::from_hours(hours)).unwrap_or(now).round(jiff::Unit::Hour).unwrap_or(now).to_string()
}

fn put_contact(writes: &mut Writes, i: usize) -> String {
    let (first, last) = (pick(&FIRST, i), pick(&LAST, i / 2 + i));
    let name = match i {
        7 => "مريم الهاشمي".to_owned(),
        19 => "שרה לוי".to_owned(),
        23 => "🌻 Sunflower Studio (Wilhelmina Featherstonehaugh-Cholmondeley)".to_owned(),
        _ => format!("{first} {last}"),
    };
    let tags: Vec<&str> =
        TAGS.iter().enumerate().filter(|(n, _)| (i + n).is_multiple_of(4) || (i == 0 && *n < 5)).map(|(_, tag)| *tag).collect();
    let contact = json!({
        "name": name, "email": format!("{}@example.com", first.to_lowercase().replace('é', "e")), "phone": format!("+49 30 555 {i:04}"),
        "company": (!i.is_multiple_of(3)).then(|| format!("{last} & Partners")), "address": "Hauptstraße 5\n10115 Berlin\nGermany", "website": "https://example.com/",
        "owner": "Mia Chen", "birthday": "1987-04-12", "source": "Facebook form", "time_zone": pick(&ZONES, i), "do_not_disturb": i == 3, "tags": tags,
        "custom_fields": [{"name": "Budget", "value": "€ 12,000"}, {"name": "Preferred channel", "value": "WhatsApp, e-mail"}, {"name": "Contract renews", "value": "2026-09-01"}],
    });
    writes.put("contact", key(i), &key(i), "mirror", &contact);
    name
}

fn put_tasks(writes: &mut Writes, contact: &str, i: usize) {
    for n in 0..i % 5 {
        let number = i64::try_from(i * 7 + n * 31).unwrap_or_default();
        let due = (n != 1).then(|| at(number % 400 - 60));
        let notes = (n == 2).then_some("They prefer a short call in the morning.\nBring last year's figures.");
        let title = pick(&TASKS, i + n);
        let content = json!({"title": title, "container": contact, "due": due, "done": n == 3, "notes": notes, "assignee": "Mia Chen"});
        writes.put("task", format!("ghl:task/{i}-{n}"), contact, "mirror", &content);
    }
}

fn put_note(writes: &mut Writes, contact: &str, i: usize) {
    let body = if i.is_multiple_of(4) {
        "Met at the trade fair. Wants to move from spreadsheets to something the whole team can see.\n\n".repeat(9)
    } else {
        "Spoke on the phone. Will decide after the board meeting on Thursday.".to_owned()
    };
    let written_at = at(-30 - i64::try_from(i).unwrap_or_default());
    let note = json!({"title": "First conversation", "container": contact, "body": body, "written_at": written_at, "author": "Mia Chen", "pinned": i.is_multiple_of(6)});
    writes.put("note", format!("ghl:note/{i}"), contact, "mirror", &note);
}

fn put_appointment(writes: &mut Writes, contact: &str, i: usize) {
    let starts = i64::try_from(i % 40).unwrap_or_default() * 12 - 48;
    let status = pick(&["confirmed", "new", "showed", "cancelled"], i);
    let content = json!({"title": "Strategy session", "container": contact, "starts_at": at(starts), "ends_at": at(starts + 1), "time_zone": pick(&ZONES, i), "status": status, "place": "https://meet.example.com/strategy", "calendar": "Consulting", "assignee": "Mia Chen"});
    writes.put("appointment", format!("ghl:appointment/{i}"), contact, "mirror", &content);
}

/// What a rule starts for the user.
fn put_project(writes: &mut Writes, contact: &str, name: &str, i: usize) {
    let project = format!("rule:onboarding/{i}");
    let notes = format!("Started because {name} is a new contact in GoHighLevel.");
    let content = json!({"title": format!("Onboarding: {name}"), "container": contact, "notes": notes});
    writes.put("project", project.clone(), contact, "once", &content);
    for (n, (title, days)) in [("Welcome call", 1), ("Agree on goals and plan", 7), ("First review", 30)].into_iter().enumerate() {
        let (title, done) = (format!("{title} with {name}"), n == 0 && i % 2 == 1);
        let content = json!({"title": title, "container": project, "due": at(24 * days), "done": done});
        writes.put("task", format!("{project}/{n}"), contact, "once", &content);
    }
    let body = "New contact from GoHighLevel.\nOwner: Mia Chen";
    let content = json!({"title": format!("Welcome, {name}"), "container": project, "body": body, "written_at": at(-2)});
    writes.put("note", format!("{project}/welcome"), contact, "once", &content);
}

fn pick<'a>(from: &[&'a str], at: usize) -> &'a str {
    from.get(at % from.len()).copied().unwrap_or_default()
}
