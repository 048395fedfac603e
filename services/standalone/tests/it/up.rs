//! `standalone up` against an external GHL and external servers, as a small agency runs it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use embedded::{Nats, NatsSettings, Postgres, PostgresSettings, scratch};
use sandbox::{Limits, Sandbox, Webhook};
use serde_json::{Value, json};

use crate::support::{Running, ports};

fn up(config: &Path) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_standalone"));
    let child = command.arg("up").arg("--config").arg(config).stdin(Stdio::null()).spawn();
    Running(child.expect("standalone up"))
}

fn service_ports(base: u16) -> String {
    let services = ["poller", "mapper", "writer", "bridge", "admin"];
    let lines = services
        .iter()
        .zip([0, 10, 20, 30, 40])
        .map(|(service, tens)| format!("{service}_http = {}\n{service}_grpc = {}\n", base + tens + 1, base + tens + 2));
    let ops = [("poller", 3), ("bridge", 33), ("admin", 43)].map(|(service, port)| format!("{service}_ops = {}\n", base + port));
    lines.chain(ops).collect()
}

/// The contacts of the workspace, as the bridge lists them to whoever has the key.
async fn contacts(base: u16, location: &str, key: &str) -> Vec<Value> {
    let (bridge, ops) = (format!("http://127.0.0.1:{}", base + 31), format!("http://127.0.0.1:{}", base + 33));
    if !reqwest::get(format!("{ops}/readyz")).await.is_ok_and(|answer| answer.status().is_success()) {
        return Vec::new();
    }
    let url = format!("{bridge}/v1/workspaces/{location}/contacts?limit=100");
    let Ok(answer) = reqwest::Client::new().get(url).bearer_auth(key).send().await else { return Vec::new() };
    let listed: Value = answer.json().await.unwrap_or_default();
    listed["items"].as_array().cloned().unwrap_or_default()
}

async fn until(what: &str, contacts: impl AsyncFn() -> Vec<Value>, holds: impl Fn(&[Value]) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds(&contacts().await) {
        assert!(Instant::now() < deadline, "not within a minute: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_location_is_mirrored_on_servers_given_by_their_addresses() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let folder = scratch("up");
    let base = ports();
    let postgres =
        Postgres::start(PostgresSettings { data: folder.join("their-postgres"), ..Default::default() }).await.expect("PostgreSQL");
    for database in ["their_log", "their_bridge"] {
        postgres.create_database(database).await.expect("database");
    }
    let token = Some("their-token".to_owned());
    let nats = Nats::start(NatsSettings { data: folder.join("their-nats"), token, ..Default::default() }).await.expect("nats-server");
    let webhook_url = format!("http://127.0.0.1:{}/webhooks/ghl", base + 1).parse().ok();
    let ghl = Sandbox::start(sandbox::Settings { webhook_url, limits: Limits::none(), ..Default::default() }).await.expect("sandbox");
    ghl.world().populate(1, 10);

    let config = folder.join("mirror.toml");
    let text = format!(
        "data = {data:?}\nlocations = [{{ id = {location:?}, token = {token:?} }}]\n[ghl]\nbase_url = {ghl:?}\n\
         [postgres]\nlog_url = {log:?}\nbridge_url = {bridge:?}\n[nats]\nurl = {nats:?}\ntoken = \"their-token\"\n\
         [ports]\n{ports}[services.poller.webhooks]\ned25519_pems = [{key:?}]\n[telemetry]\nfilter = \"warn\"\n",
        data = folder.join("data"),
        location = ghl.location_id(),
        token = ghl.token(),
        ghl = ghl.base_url(),
        log = postgres.url("their_log"),
        bridge = postgres.url("their_bridge"),
        nats = nats.url(),
        ports = service_ports(base),
        key = ghl.ed25519_public_pem().expect("key"),
    );
    fs::write(&config, text).expect("config");
    let mut running = up(&config);

    let secrets = folder.join("data/secrets.json");
    let location = ghl.location_id().to_owned();
    let listed = async || {
        let secrets: Value = fs::read(&secrets).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        contacts(base, &location, secrets["bridge_read_key"].as_str().unwrap_or_default()).await
    };
    until("every contact is in Pagico", &listed, |contacts| contacts.len() == 10).await;
    let body = json!({"firstName": "Noor", "lastName": "Haddad", "email": "noor@client.example"});
    ghl.world().create_contact(&body, Webhook::Sent).expect("a new contact");
    let noor = |contact: &Value| contact["content"]["name"] == "Noor Haddad";
    until("a new contact is in Pagico", &listed, |contacts| contacts.iter().any(noor)).await;

    assert!(!folder.join("data/postgres").exists() && !folder.join("data/nats").exists());
    let sent = Command::new("kill").arg("-TERM").arg(running.0.id().to_string()).status().expect("kill");
    assert!(sent.success());
    let stopping = Instant::now();
    let status = loop {
        if let Some(status) = running.0.try_wait().expect("wait") {
            break status;
        }
        assert!(stopping.elapsed() < Duration::from_secs(10), "not stopped within ten seconds");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert!(status.success(), "{status:?}");
}
