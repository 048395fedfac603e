//! The real servers, started as every user of this crate starts them.

#![cfg(test)]

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use embedded::{Error, Nats, NatsSettings, Postgres, PostgresSettings, free_port, scratch, wipe};

fn postgres(directory: &Path) -> PostgresSettings {
    PostgresSettings { data: directory.join("postgres"), ..Default::default() }
}

fn nats(directory: &Path) -> NatsSettings {
    NatsSettings { data: directory.join("nats"), ..Default::default() }
}

/// The first line a client sees.
fn ask(url: &str, statement: &str) -> String {
    let output = Command::new("psql").args(["-X", "-A", "-t", "-c", statement, url]).output().expect("psql");
    let text = if output.status.success() { output.stdout } else { output.stderr };
    String::from_utf8(text).expect("text").trim().to_owned()
}

fn runs(pid: u32) -> bool {
    // A process that ended but whose parent has not looked yet is a zombie: it runs no more.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.trim().is_empty() && !rest.trim().starts_with('Z'))
}

fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "not within 20 s: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[tokio::test]
async fn postgres_starts_makes_databases_and_stops() {
    let directory = scratch("postgres");
    let server = Postgres::start(postgres(&directory)).await.expect("start");
    server.create_database("mirror_log").await.expect("create");
    server.create_database("mirror_log").await.expect("create again");
    assert_eq!(ask(&server.url("mirror_log"), "SELECT current_database() || ' ' || current_user"), "mirror_log mirror");
    assert_eq!(ask(&server.url("mirror_log"), "SHOW fsync"), "on");
    assert!(matches!(server.create_database("x\"; --").await, Err(Error::Name(_))));
    let pid = server.pid();
    server.stop().await.expect("stop");
    assert!(!runs(pid));
}

#[tokio::test]
async fn postgres_listens_on_the_loopback_alone_and_wants_its_password() {
    let server = Postgres::start(postgres(&scratch("closed"))).await.expect("start");
    assert_eq!(ask(&server.url("postgres"), "SHOW listen_addresses"), "127.0.0.1");
    assert_eq!(ask(&server.url("postgres"), "SHOW unix_socket_directories"), "");
    let stranger = format!("postgres://mirror:wrong@127.0.0.1:{}/postgres", server.port());
    assert!(ask(&stranger, "SELECT 1").contains("password authentication failed"));
}

#[tokio::test]
async fn what_was_committed_survives_a_kill_of_postgres() {
    let directory = scratch("survives");
    let mut server = Postgres::start(postgres(&directory)).await.expect("start");
    let port = server.port();
    ask(&server.url("postgres"), "CREATE TABLE kept (n int)");
    assert_eq!(ask(&server.url("postgres"), "INSERT INTO kept VALUES (7)"), "INSERT 0 1");
    assert!(server.is_running());
    server.kill().await;
    assert!(!server.is_running());
    drop(server);
    let again = Postgres::start(PostgresSettings { port: Some(port), ..postgres(&directory) }).await.expect("start again");
    assert_eq!(again.port(), port);
    assert_eq!(ask(&again.url("postgres"), "SELECT n FROM kept"), "7");
}

#[tokio::test]
async fn nats_starts_keeps_its_address_after_a_wipe_and_stops() {
    let directory = scratch("nats");
    let mut server = Nats::start(nats(&directory)).await.expect("start");
    let (url, port) = (server.url(), server.port());
    server.kill().await;
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    drop(server);
    std::fs::remove_dir_all(directory.join("nats")).expect("wipe");
    let again = Nats::start(NatsSettings { port: Some(port), ..nats(&directory) }).await.expect("start again");
    assert_eq!(again.url(), url);
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
    let pid = again.pid();
    again.stop().await.expect("stop");
    assert!(!runs(pid));
}

#[tokio::test]
async fn nats_wants_its_token_when_it_has_one() {
    use std::io::Read;
    let token = Some("a \"secret\"".to_owned());
    let server = Nats::start(NatsSettings { token, ..nats(&scratch("token")) }).await.expect("start");
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port())).expect("connect");
    let mut greeting = [0; 1024];
    let read = stream.read(&mut greeting).expect("greeting");
    assert!(String::from_utf8_lossy(&greeting[..read]).contains("\"auth_required\":true"));
}

#[tokio::test]
async fn a_taken_port_is_one_clear_sentence() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("listener");
    let port = taken.local_addr().expect("address").port();
    let directory = scratch("taken");
    let error = Postgres::start(PostgresSettings { port: Some(port), ..postgres(&directory) }).await.expect_err("taken");
    assert_eq!(error.to_string(), format!("PostgreSQL: port {port} on 127.0.0.1 is taken"));
    let error = Nats::start(NatsSettings { port: Some(port), ..nats(&directory) }).await.expect_err("taken");
    assert_eq!(error.to_string(), format!("nats-server: port {port} on 127.0.0.1 is taken"));
}

#[tokio::test]
async fn a_missing_program_is_one_clear_sentence() {
    let binary = Some(PathBuf::from("/nowhere/nats-server"));
    let error = Nats::start(NatsSettings { binary, ..nats(&scratch("missing")) }).await.expect_err("missing");
    assert_eq!(error.to_string(), "nats-server was not found (/nowhere/nats-server): ./deploy/bootstrap installs it");
}

#[tokio::test]
async fn data_in_use_by_a_running_process_is_left_alone() {
    let directory = scratch("in-use");
    let first = Postgres::start(postgres(&directory)).await.expect("start");
    let error = Postgres::start(postgres(&directory)).await.expect_err("in use");
    assert!(matches!(error, Error::InUse { .. }), "{error}");
    assert_eq!(ask(&first.url("postgres"), "SELECT 1"), "1");
}

#[tokio::test]
async fn a_wiped_directory_starts_anew() {
    let directory = scratch("wiped");
    let server = Postgres::start(postgres(&directory)).await.expect("start");
    server.create_database("gone").await.expect("create");
    server.stop().await.expect("stop");
    wipe(&directory.join("postgres")).expect("wipe");
    wipe(&directory.join("postgres")).expect("nothing left to wipe");
    let again = Postgres::start(postgres(&directory)).await.expect("start anew");
    assert_eq!(ask(&again.url("postgres"), "SELECT count(*) FROM pg_database WHERE datname = 'gone'"), "0");
}

/// As root the server's user cannot enter a closed directory; as anybody else the server runs as the directory's owner.
#[tokio::test]
async fn data_below_a_closed_directory_is_kept_elsewhere() {
    use std::os::unix::fs::PermissionsExt;
    let directory = scratch("closed-parent");
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o700)).expect("close");
    let server = Postgres::start(postgres(&directory)).await.expect("start");
    assert_eq!(ask(&server.url("postgres"), "SELECT 1"), "1");
    let data = server.data().to_owned();
    server.stop().await.expect("stop");
    wipe(&directory.join("postgres")).expect("wipe");
    assert!(!data.exists());
}

#[test]
fn a_free_port_is_never_given_twice() {
    let ports: std::collections::BTreeSet<u16> = (0..50).map(|_| free_port().expect("port")).collect();
    assert_eq!(ports.len(), 50);
}

fn hold(directory: &Path) -> (std::process::Child, [u32; 2]) {
    let tests = std::env::current_exe().expect("this program");
    let program = tests.ancestors().nth(2).expect("the build directory").join("examples/hold");
    let mut child = Command::new(program).arg(directory).stdout(Stdio::piped()).spawn().expect("the example hold");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("stdout")).read_line(&mut line).expect("process ids");
    let pids: Vec<u32> = line.split_whitespace().map(|pid| pid.parse().expect("process id")).collect();
    (child, [pids[0], pids[1]])
}

#[test]
fn servers_end_with_a_process_that_is_killed() {
    let (mut child, pids) = hold(&scratch("orphans"));
    assert!(pids.into_iter().all(runs));
    child.kill().expect("kill");
    child.wait().expect("wait");
    eventually("both servers end", || !pids.into_iter().any(runs));
}

#[tokio::test]
async fn servers_a_killed_process_left_behind_are_replaced() {
    let directory = scratch("stale");
    let (mut child, left) = hold(&directory);
    // At once: the old servers have been told to end and may still be at it.
    child.kill().expect("kill");
    child.wait().expect("wait");
    let fresh = Postgres::start(postgres(&directory)).await.expect("start over a stale server");
    let stream = Nats::start(nats(&directory)).await.expect("start over a stale server");
    assert_eq!(ask(&fresh.url("postgres"), "SELECT 1"), "1");
    assert!(!left.contains(&fresh.pid()) && !left.contains(&stream.pid()));
    assert!(!left.into_iter().any(runs));
}
