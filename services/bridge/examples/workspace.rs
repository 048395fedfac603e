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

fn objects() -> Vec<Value> {
    let now = jiff::Timestamp::now();
    let mut objects = Vec::new();
    let mut put = |kind: &str, key: String, contact: &str, policy: &str, content: Value| {
        let revision = json!({"epoch": 0, "seq": objects.len() + 1});
        objects.push(
            json!({"op": "put", "kind": kind, "key": key, "contact": contact, "revision": revision, "policy": policy, "content": content}),
        );
    };
    let at = |hours: i64| {
        now.saturating_add(jiff::SignedDuration::from_hours(hours)).unwrap_or(now).round(jiff::Unit::Hour).unwrap_or(now).to_string()
    };
    for i in 0..130usize {
        let (first, last) = (pick(&FIRST, i), pick(&LAST, i / 2 + i));
        let name = match i {
            7 => "مريم الهاشمي".to_owned(),
            19 => "שרה לוי".to_owned(),
            23 => "🌻 Sunflower Studio (Wilhelmina Featherstonehaugh-Cholmondeley)".to_owned(),
            _ => format!("{first} {last}"),
        };
        let key = format!("ghl:contact/{i:04}");
        let tags: Vec<&str> =
            TAGS.iter().enumerate().filter(|(n, _)| (i + n) % 4 == 0 || (i == 0 && *n < 5)).map(|(_, tag)| *tag).collect();
        let zone = pick(&ZONES, i);
        let contact = json!({
            "name": name, "email": format!("{}@example.com", first.to_lowercase().replace('é', "e")), "phone": format!("+49 30 555 {i:04}"),
            "company": (!i.is_multiple_of(3)).then(|| format!("{last} & Partners")), "address": "Hauptstraße 5\n10115 Berlin\nGermany", "website": "https://example.com/",
            "owner": "Mia Chen", "birthday": "1987-04-12", "source": "Facebook form", "time_zone": zone, "do_not_disturb": i == 3, "tags": tags,
            "custom_fields": [{"name": "Budget", "value": "€ 12,000"}, {"name": "Preferred channel", "value": "WhatsApp, e-mail"}, {"name": "Contract renews", "value": "2026-09-01"}],
        });
        put("contact", key.clone(), &key, "mirror", contact);
        for n in 0..i % 5 {
            let number = i64::try_from(i * 7 + n * 31).unwrap_or_default();
            let due = (n != 1).then(|| at(number % 400 - 60));
            let notes = (n == 2).then_some("They prefer a short call in the morning.\nBring last year's figures.");
            let content =
                json!({"title": pick(&TASKS, i + n), "container": key, "due": due, "done": n == 3, "notes": notes, "assignee": "Mia Chen"});
            put("task", format!("ghl:task/{i}-{n}"), &key, "mirror", content);
        }
        let body = if i.is_multiple_of(4) {
            "Met at the trade fair. Wants to move from spreadsheets to something the whole team can see.\n\n".repeat(9)
        } else {
            "Spoke on the phone. Will decide after the board meeting on Thursday.".to_owned()
        };
        let note = json!({"title": "First conversation", "container": key, "body": body, "written_at": at(-30 - i64::try_from(i).unwrap_or_default()), "author": "Mia Chen", "pinned": i.is_multiple_of(6)});
        put("note", format!("ghl:note/{i}"), &key, "mirror", note);
        if i % 3 == 1 {
            let starts = i64::try_from(i % 40).unwrap_or_default() * 12 - 48;
            let status = pick(&["confirmed", "new", "showed", "cancelled"], i);
            let content = json!({"title": "Strategy session", "container": key, "starts_at": at(starts), "ends_at": at(starts + 1), "time_zone": zone, "status": status, "place": "https://meet.example.com/strategy", "calendar": "Consulting", "assignee": "Mia Chen"});
            put("appointment", format!("ghl:appointment/{i}"), &key, "mirror", content);
        }
        if i % 9 == 1 {
            let project = format!("rule:onboarding/{i}");
            put(
                "project",
                project.clone(),
                &key,
                "once",
                json!({"title": format!("Onboarding: {name}"), "container": key, "notes": format!("Started because {name} is a new contact in GoHighLevel.")}),
            );
            for (n, (title, days)) in [("Welcome call", 1), ("Agree on goals and plan", 7), ("First review", 30)].into_iter().enumerate() {
                put(
                    "task",
                    format!("{project}/{n}"),
                    &key,
                    "once",
                    json!({"title": format!("{title} with {name}"), "container": project, "due": at(24 * days), "done": n == 0 && i % 2 == 1}),
                );
            }
            put(
                "note",
                format!("{project}/welcome"),
                &key,
                "once",
                json!({"title": format!("Welcome, {name}"), "container": project, "body": "New contact from GoHighLevel.\nOwner: Mia Chen", "written_at": at(-2)}),
            );
        }
    }
    put(
        "task",
        "ghl:task/early".to_owned(),
        "ghl:contact/later",
        "mirror",
        json!({"title": "A task that came before its contact", "due": at(50)}),
    );
    objects
}

fn pick<'a>(from: &[&'a str], at: usize) -> &'a str {
    from.get(at % from.len()).copied().unwrap_or_default()
}
