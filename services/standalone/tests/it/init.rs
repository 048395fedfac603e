//! `standalone init` against the simulator: what it says, what it writes, and what it leaves alone.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use embedded::scratch;
use sandbox::{Limits, Sandbox};

use crate::support::output_of;

async fn ghl(contacts: usize) -> Sandbox {
    let ghl = Sandbox::start(sandbox::Settings { limits: Limits::none(), ..Default::default() }).await.expect("sandbox");
    ghl.world().populate(1, contacts);
    ghl
}

/// Runs it in a folder, with the token on standard input.
async fn init(ghl: &str, folder: &Path, token: &str, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_standalone"));
    command.arg("init").args(["--token-file", "-", "--yes"]).args(more).current_dir(folder);
    command.env("MIRROR_STANDALONE__GHL__BASE_URL", ghl);
    let token = token.to_owned();
    output_of(command, move |stdin| drop(stdin.write_all(token.as_bytes()))).await
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

fn mode(file: &Path) -> u32 {
    fs::metadata(file).expect("file").permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread")]
async fn a_location_is_tried_out_and_its_settings_are_written_for_up() {
    let (ghl, folder) = (ghl(30).await, scratch("init"));
    let output = init(&ghl.base_url(), &folder, ghl.token(), &["--location", ghl.location_id()]).await;
    let (out, err) = said(&output);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    for told in
        ["contacts.readonly", "locations/tasks.readonly", "America/New_York", "contacts       30", "first reading", "less than a minute"]
    {
        assert!(out.contains(told), "{told} is not in\n{out}");
    }
    assert!(!out.contains("MISSING") && !out.contains(ghl.token()) && !err.contains(ghl.token()), "{out}{err}");
    let (config, token) = (folder.join("mirror.toml"), folder.join("ghl-token"));
    assert_eq!((mode(&config), mode(&token)), (0o600, 0o600));
    assert_eq!(fs::read_to_string(&token).expect("token").trim(), ghl.token());
    let keys = folder.join("data/key-encryption-keys");
    assert_eq!((mode(&keys), mode(&folder.join("data/control-token"))), (0o600, 0o600));
    let printed =
        Command::new(env!("CARGO_BIN_EXE_standalone")).args(["up", "--print-config", "--config"]).arg(&config).output().expect("up");
    let printed = String::from_utf8(printed.stdout).expect("text");
    assert!(printed.contains(ghl.location_id()) && printed.contains("ghl-token"), "`up` reads it: {printed}");

    let (before, keys_before) = (fs::read(&config).expect("config"), fs::read(&keys).expect("keys"));
    let again = init(&ghl.base_url(), &folder, "another-token", &["--location", ghl.location_id()]).await;
    assert_eq!(again.status.code(), Some(5), "{}", said(&again).1);
    assert!(said(&again).1.contains("--force"), "{}", said(&again).1);
    assert_eq!((fs::read(&config).expect("config"), fs::read_to_string(&token).expect("token").trim()), (before, ghl.token()));
    let forced = init(&ghl.base_url(), &folder, ghl.token(), &["--location", ghl.location_id(), "--force"]).await;
    assert_eq!(forced.status.code(), Some(0), "{}", said(&forced).1);
    assert_eq!(fs::read(&keys).expect("keys"), keys_before, "keys are never made anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_that_is_missing_is_named_with_what_it_costs() {
    let (ghl, folder) = (ghl(5).await, scratch("init-scope"));
    ghl.world().withhold("/tasks/search", 401);
    let output = init(&ghl.base_url(), &folder, ghl.token(), &["--location", ghl.location_id()]).await;
    let (out, _) = said(&output);
    assert_eq!(output.status.code(), Some(0), "everything else can be mirrored");
    let line = out.lines().find(|line| line.contains("locations/tasks.readonly")).unwrap_or_default();
    assert!(line.contains("MISSING") && line.contains("changes of tasks are found only with a look at their contact"), "{out}");
    assert_eq!(out.matches("MISSING").count(), 1, "{out}");

    let folder = scratch("init-contacts");
    ghl.world().withhold("/contacts", 403);
    let output = init(&ghl.base_url(), &folder, ghl.token(), &["--location", ghl.location_id()]).await;
    assert_eq!(output.status.code(), Some(4));
    assert!(said(&output).1.contains("contacts.readonly"), "{}", said(&output).1);
    assert!(!folder.join("mirror.toml").exists() && !folder.join("ghl-token").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_accepted_writes_nothing_and_is_not_shown() {
    let (ghl, folder) = (ghl(1).await, scratch("init-token"));
    let output = init(&ghl.base_url(), &folder, "pit-of-another", &["--location", ghl.location_id()]).await;
    let (out, err) = said(&output);
    assert_eq!(output.status.code(), Some(4), "{err}");
    assert!(err.contains("private integration") && !err.contains("pit-of-another") && !out.contains("pit-of-another"), "{out}{err}");
    assert_eq!(fs::read_dir(&folder).expect("folder").count(), 0);

    let nowhere = init("http://127.0.0.1:9", &folder, "pit", &["--location", "somewhere"]).await;
    assert_eq!(nowhere.status.code(), Some(69), "{}", said(&nowhere).1);
    assert!(said(&nowhere).1.contains("reached from this machine"), "{}", said(&nowhere).1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_what_is_missing_is_asked_for_as_an_option() {
    let folder = scratch("init-usage");
    let mut command = Command::new(env!("CARGO_BIN_EXE_standalone"));
    command.args(["init", "--yes"]).current_dir(&folder).stdin(Stdio::null());
    let output = command.output().expect("init");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(said(&output).1, "standalone: there is no terminal to ask on: give --location ID\n");
    let words = init("http://127.0.0.1:9", &folder, "two words", &["--location", "loc"]).await;
    assert_eq!(words.status.code(), Some(2), "{}", said(&words).1);
    assert_eq!(fs::read_dir(&folder).expect("folder").count(), 0);
}
