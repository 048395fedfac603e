//! `standalone doctor`: what it says before, while and after everything runs, and by which exit code.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use embedded::scratch;
use sandbox::{Limits, Sandbox, Webhook};
use serde_json::{Value, json};

use crate::support::{Running, output_of, ports};

struct Installation {
    ghl: Sandbox,
    base: u16,
    config: PathBuf,
}

/// A location of eight contacts, and settings as `init` writes them, with nets that look seldom.
async fn installation(name: &str) -> Installation {
    let ghl = Sandbox::start(sandbox::Settings { limits: Limits::none(), ..Default::default() }).await.expect("sandbox");
    ghl.world().populate(1, 8);
    let (folder, base) = (scratch(name), ports());
    let mut init = Command::new(env!("CARGO_BIN_EXE_standalone"));
    init.args(["init", "--yes", "--token-file", "-", "--location", ghl.location_id()]).current_dir(&folder);
    init.env("MIRROR_STANDALONE__GHL__BASE_URL", ghl.base_url());
    let token = ghl.token().to_owned();
    let output = output_of(init, move |stdin| drop(std::io::Write::write_all(stdin, token.as_bytes()))).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let config = folder.join("mirror.toml");
    let mut text = fs::read_to_string(&config).expect("settings");
    text += "[ports]\n";
    for (service, tens) in [("poller", 0), ("mapper", 10), ("writer", 20), ("bridge", 30), ("admin", 40)] {
        text += &format!("{service}_http = {}\n{service}_grpc = {}\n", base + tens + 1, base + tens + 2);
    }
    for (name, port) in [("poller_ops", 3), ("bridge_ops", 33), ("admin_ops", 43), ("sandbox", 50), ("postgres", 60), ("nats", 70)] {
        text += &format!("{name} = {}\n", base + port);
    }
    // The machine of a test may have little room.
    text += "[doctor]\ndisk_free_min = 0.0\n[telemetry]\nfilter = \"error\"\n[services.poller.watch]\ninterval = \"1h\"\n\
             [services.poller.verify]\nrecheck_pause = \"10ms\"\n";
    fs::write(&config, text).expect("settings");
    Installation { ghl, base, config }
}

/// Its findings, and its exit code.
async fn doctor(config: &Path, more: &[String]) -> (Vec<Value>, Option<i32>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_standalone"));
    command.args(["doctor", "--json", "--config"]).arg(config).args(more);
    let output = output_of(command, |_| ()).await;
    let text = String::from_utf8(output.stdout).expect("text");
    let findings = text.lines().map(|line| serde_json::from_str(line).expect("one object on each line")).collect();
    (findings, output.status.code())
}

/// The state and the words of what was found of something.
fn of<'a>(findings: &'a [Value], what: &str) -> Vec<(&'a str, &'a str)> {
    let text = |finding: &'a Value, key: &str| finding[key].as_str().expect("text");
    findings.iter().filter(|finding| finding["what"] == what).map(|finding| (text(finding, "state"), text(finding, "says"))).collect()
}

fn webhook(url: &str) -> Vec<String> {
    vec!["--webhook-url".to_owned(), url.to_owned()]
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_well_while_it_runs_and_what_is_not_is_named() {
    let Installation { ghl, base, config } = installation("doctor-up").await;
    let up = Command::new(env!("CARGO_BIN_EXE_standalone")).args(["up", "--config"]).arg(&config).stdin(Stdio::null()).spawn();
    let _running = Running(up.expect("up"));
    let ours = format!("http://127.0.0.1:{}/webhooks/ghl", base + 1);
    let deadline = Instant::now() + Duration::from_secs(90);
    let findings = loop {
        let (findings, code) = doctor(&config, &webhook(&ours)).await;
        let all_compared = of(&findings, "parity").iter().any(|(state, says)| *state == "ok" && says.contains("8 contacts"));
        if code == Some(0) && all_compared {
            break findings;
        }
        assert!(Instant::now() < deadline, "not within 90 s: {findings:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    for what in [
        "data",
        "disk",
        "token",
        "scope",
        "time zone",
        "size",
        "clock",
        "PostgreSQL",
        "NATS",
        "poller",
        "mapper",
        "writer",
        "bridge",
        "admin",
    ] {
        let found = of(&findings, what);
        assert!(!found.is_empty() && found.iter().all(|(state, _)| *state == "ok"), "{what}: {found:?}");
    }
    assert!(of(&findings, "webhook")[0].1.contains("reached us"), "{findings:?}");

    ghl.world().withhold("/tasks/search", 401);
    let contact = ghl.world().contact_ids().pop().expect("a contact");
    let note = ghl.world().create_note(&contact, &json!({"body": "Nobody told of this"}), Webhook::Lost).expect("a note");
    let elsewhere = format!("{}/webhooks/ghl", ghl.base_url());
    let (findings, code) = doctor(&config, &webhook(&elsewhere)).await;
    assert_eq!(code, Some(1), "{findings:?}");
    assert!(matches!(of(&findings, "webhook")[..], [("broken", says)] if says.contains("someone else")), "{findings:?}");
    let (state, says) = of(&findings, "scope")[0];
    assert!(state == "warning" && says.contains("locations/tasks.readonly"), "{findings:?}");
    let (state, says) = of(&findings, "parity")[0];
    assert!(state == "warning" && says.contains(&note) && says.contains(&contact) && !says.contains("Nobody"), "{findings:?}");

    let (findings, code) = doctor(&config, &webhook("http://127.0.0.1:9/webhooks/ghl")).await;
    assert_eq!(code, Some(1), "{findings:?}");
    assert!(matches!(of(&findings, "webhook")[..], [("broken", says)] if says.contains("not reached")), "{findings:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn before_it_runs_the_token_is_tried_and_one_that_is_wrong_is_broken() {
    let Installation { ghl, config, .. } = installation("doctor-token").await;
    let (findings, code) = doctor(&config, &[]).await;
    assert_eq!(code, Some(0), "what does not run yet is no fault: {findings:?}");
    for what in ["services", "PostgreSQL", "NATS"] {
        assert_eq!(of(&findings, what).first().map(|(state, _)| *state), Some("warning"), "{findings:?}");
    }
    let token = config.with_file_name("ghl-token");
    fs::write(&token, "pit-of-another").expect("token");
    let (findings, code) = doctor(&config, &[]).await;
    let (state, says) = of(&findings, "token")[0];
    assert!(code == Some(1) && state == "broken" && says.contains("private integration"), "{findings:?}");
    assert!(findings.iter().all(|finding| !finding.to_string().contains("pit-of-another")), "{findings:?}");
    fs::remove_file(&token).expect("token");
    let (findings, code) = doctor(&config, &[]).await;
    assert!(code == Some(1) && of(&findings, "token")[0].1.contains("ghl-token"), "{findings:?}");
    ghl.stop().await;
}
