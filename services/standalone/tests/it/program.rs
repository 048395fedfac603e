//! The program as a person runs it.

use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use embedded::scratch;
use serde_json::Value;

use crate::support::{Running, ports};

fn demo(data: &Path, base: u16) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_standalone"));
    command.arg("demo").arg("--data").arg(data).args(["--ports", &base.to_string()]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn stderr_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn summary(output: &Output) -> Value {
    assert!(output.status.success(), "{:?}\n{}", output.status, stderr_of(output));
    let lines: Vec<&str> = std::str::from_utf8(&output.stdout).expect("text").lines().collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    serde_json::from_str(lines[0]).expect("one line of JSON")
}

/// Processes that were started for this data directory.
fn processes_of(data: &Path) -> Vec<String> {
    let data = data.to_str().expect("path");
    let commands = fs::read_dir("/proc").expect("/proc").flatten().filter_map(|entry| {
        let command = fs::read(entry.path().join("cmdline")).ok()?;
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        command.contains(data).then_some(command)
    });
    commands.filter(|command| !command.contains("standalone demo")).collect()
}

fn within(patience: Duration, child: &mut Child, what: &str) -> ExitStatus {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(status) = child.try_wait().expect("wait") {
            return status;
        }
        if Instant::now() > deadline {
            child.kill().expect("kill");
            panic!("not within {patience:?}: {what}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn wait_until(patience: Duration, what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + patience;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {patience:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(child.id().to_string()).status().expect("kill");
    assert!(sent.success());
}

#[test]
fn a_demo_ends_in_sync_and_a_second_one_goes_on_from_its_data() {
    let data = scratch("demo").join("data");
    let base = ports();
    let args = ["--until-in-sync", "--json", "--contacts", "12", "--changes", "20"];
    let first = summary(&demo(&data, base).args(args).output().expect("demo"));
    assert_eq!(first["in_sync"], true);
    assert_eq!(first["parked"], 0);
    for figure in ["records", "events", "intents", "delivered", "ghl_calls"] {
        assert!(first[figure].as_u64().is_some_and(|figure| figure > 12), "{figure} in {first}");
    }
    assert!(processes_of(&data).is_empty());
    let second = summary(&demo(&data, base).args(args).output().expect("demo"));
    assert_eq!(second["in_sync"], true);
    assert!(second["events"].as_u64() > first["events"].as_u64(), "{second}");
}

#[test]
fn a_demo_killed_in_the_middle_of_the_backfill_goes_on_after_it() {
    let data = scratch("killed").join("data");
    let base = ports();
    let child = demo(&data, base).args(["--contacts", "150", "--changes", "5"]).spawn().expect("demo");
    let mut child = Running(child);
    let looks = data.join("world.jsonl");
    wait_until(Duration::from_secs(60), "the agency has moved in", || looks.is_file() && data.join("demo.json").is_file());
    wait_until(Duration::from_secs(60), "the poller listens", || std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, base + 1)).is_ok());
    child.0.kill().expect("kill -9");
    child.0.wait().expect("wait");
    let args = ["--until-in-sync", "--json", "--changes", "5"];
    let second = summary(&demo(&data, base).args(args).output().expect("demo"));
    assert_eq!(second["in_sync"], true);
    assert!(processes_of(&data).is_empty());
}

#[test]
fn an_interrupt_stops_everything_within_ten_seconds() {
    let data = scratch("interrupted").join("data");
    let base = ports();
    let child = demo(&data, base).args(["--contacts", "40", "--changes", "2000"]).spawn().expect("demo");
    let mut child = Running(child);
    wait_until(Duration::from_secs(60), "the poller listens", || std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, base + 1)).is_ok());
    assert!(processes_of(&data).len() >= 2, "{:?}", processes_of(&data));
    signal(&child.0, "INT");
    let status = within(Duration::from_secs(10), &mut child.0, "the end after an interrupt");
    let mut said = String::new();
    child.0.stderr.take().expect("stderr").read_to_string(&mut said).expect("text");
    assert!(status.success(), "{status:?}\n{said}");
    assert_eq!(processes_of(&data), Vec::<String>::new());
}

#[test]
fn a_taken_port_is_one_line_and_an_exit_code() {
    let base = ports();
    let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, base + 31)).expect("listener");
    let data = scratch("taken").join("data");
    let output = demo(&data, base).output().expect("demo");
    assert_eq!(output.status.code(), Some(69));
    let port = base + 31;
    assert_eq!(
        stderr_of(&output),
        format!("standalone: port {port} (bridge http) is taken on 127.0.0.1: stop what listens there, or choose other ports\n")
    );
    assert!(!data.join("postgres").exists());
}

#[test]
fn a_missing_program_is_one_line_and_an_exit_code() {
    let data = scratch("missing").join("data");
    let output = demo(&data, ports()).env("MIRROR_NATS_SERVER", "/nowhere/nats-server").output().expect("demo");
    assert_eq!(output.status.code(), Some(69));
    assert_eq!(stderr_of(&output), "standalone: nats-server was not found (/nowhere/nats-server): ./deploy/bootstrap installs it\n");
}

#[test]
fn every_mistake_in_the_config_is_named_before_anything_starts() {
    let folder = scratch("config");
    let (config, data) = (folder.join("mirror.toml"), folder.join("data"));
    let text = "data = \"DATA\"\nlocations = [{ id = \"loc\", token = \"secret-token\" }]\n[services.poller.watch]\ninterval = \"0s\"\n[services.mapper]\nnonsense = 1\n";
    fs::write(&config, text.replace("DATA", data.to_str().expect("path"))).expect("config");
    let output = Command::new(env!("CARGO_BIN_EXE_standalone")).arg("up").arg("--config").arg(&config).output().expect("up");
    let said = stderr_of(&output);
    assert_eq!(output.status.code(), Some(64), "{said}");
    assert!(said.contains("services.poller: watch.interval") && said.contains("services.mapper") && said.contains("nonsense"), "{said}");
    assert!(!said.contains("secret-token"));
    assert!(!data.join("postgres").exists());
}

#[test]
fn a_mistake_of_its_own_settings_is_told_as_those_of_the_services_are() {
    let folder = scratch("own-config");
    let config = folder.join("mirror.toml");
    let told = |text: &str| {
        fs::write(&config, text).expect("config");
        stderr_of(&Command::new(env!("CARGO_BIN_EXE_standalone")).arg("up").arg("--config").arg(&config).output().expect("up"))
    };
    assert_eq!(told("colour = 1\n"), format!("standalone: bad config\n  colour is not a setting (from {})\n", config.display()));
    let services = told(&format!("data = {:?}\nlocations = [{{ id = \"loc\" }}]\n", folder.join("data")));
    assert_eq!(services, "standalone: bad config\n  services.poller: locations[0] must have either token or token_file\n");
}

#[test]
fn the_marketplace_app_is_enough_but_has_to_be_whole_and_its_secret_is_not_told() {
    let folder = scratch("app");
    let (config, data) = (folder.join("mirror.toml"), folder.join("data"));
    let text = "data = \"DATA\"\n[oauth]\nclient_id = \"id\"\nclient_secret = \"the-app-secret\"\n";
    fs::write(&config, text.replace("DATA", data.to_str().expect("path"))).expect("config");
    let up = || {
        let mut up = Command::new(env!("CARGO_BIN_EXE_standalone"));
        up.arg("up").arg("--config").arg(&config);
        up
    };
    let output = up().output().expect("up");
    let said = stderr_of(&output);
    assert_eq!(output.status.code(), Some(64), "{said}");
    for key in ["services.poller: oauth.app.app_id", "services.poller: oauth.app.redirect_uri"] {
        assert!(said.contains(key), "{said}");
    }
    assert!(!said.contains("locations") && !said.contains("client_secret"), "{said}");
    let printed = up().arg("--print-config").output().expect("up");
    let printed = String::from_utf8(printed.stdout).expect("text");
    assert!(printed.contains("[oauth]") && printed.contains("client_secret"), "{printed}");
    assert!(!printed.contains("the-app-secret") && !said.contains("the-app-secret"));
}

#[test]
fn data_of_another_story_are_not_mixed_with_this_one() {
    let folder = scratch("seed");
    fs::write(folder.join("demo.json"), r#"{"seed":7,"populated":true,"starts":1}"#).expect("chronicle");
    let output = demo(&folder, ports()).args(["--seed", "8"]).output().expect("demo");
    assert_eq!(output.status.code(), Some(64));
    assert!(stderr_of(&output).contains("holds the story of seed 7"), "{}", stderr_of(&output));
}
