//! One PostgreSQL cluster, listening on 127.0.0.1 only, with everything it acknowledges on disk.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::account::{Account, command, setpriv_missing};
use crate::child::{Server, stop_orphan};
use crate::directory::Directory;
use crate::error::Error;
use crate::find;
use crate::log::failure;
use crate::ports::{choose_port, wait_for_release};

const WHAT: &str = "PostgreSQL";
const OWNER: &str = "mirror";
const STOP_TIMEOUT: Duration = Duration::from_secs(4);
const POLL_EVERY: Duration = Duration::from_millis(10);
/// How often another free port is tried when somebody was faster.
const PORT_ATTEMPTS: u32 = 5;

#[derive(Debug, Clone)]
pub struct PostgresSettings {
    /// Made when missing. Belongs to one running process at a time.
    pub data: PathBuf,
    /// None: any free one.
    pub port: Option<u16>,
    /// For making the cluster and for each start, recovery after a crash included.
    pub start_timeout: Duration,
}

impl Default for PostgresSettings {
    fn default() -> Self {
        Self { data: PathBuf::from(".local/postgres"), port: None, start_timeout: Duration::from_secs(60) }
    }
}

/// A running server; dropping it stops it at once, without waiting for its clients.
#[derive(Debug)]
pub struct Postgres {
    server: Server,
    directory: Directory,
    programs: PathBuf,
    password: String,
    port: u16,
}

impl Postgres {
    /// Makes the cluster when there is none, stops what a killed process left running on it, and waits until connections are accepted.
    pub async fn start(settings: PostgresSettings) -> Result<Self, Error> {
        blocking(move || start(&settings)).await
    }

    /// As the owner of everything in the cluster.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{OWNER}:{}@127.0.0.1:{}/{database}", self.password, self.port)
    }

    /// Does nothing when there is one of that name.
    pub async fn create_database(&self, name: &str) -> Result<(), Error> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if name.is_empty() || name.len() > 63 || !name.chars().all(plain) {
            return Err(Error::Name(name.to_owned()));
        }
        let exists = format!("SELECT 1 FROM pg_database WHERE datname = '{name}'");
        let create = format!("CREATE DATABASE \"{name}\"");
        let (exists, create) = (self.psql(&exists), self.psql(&create));
        let name = name.to_owned();
        blocking(move || if query(exists)?.trim() == "1" { Ok(()) } else { query(create).map(drop) })
            .await
            .map_err(|error| Error::Failed { what: WHAT, reason: format!("creating the database {name}: {error}") })
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where the data really is: not where it was asked for when the server's user cannot go there.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.directory.path
    }

    /// Whether the server process has not ended by itself.
    pub fn is_running(&mut self) -> bool {
        matches!(self.server.exited(), Ok(None))
    }

    /// Ends the connections, writes a checkpoint, and waits for the end.
    pub async fn stop(mut self) -> Result<(), Error> {
        blocking(move || self.server.stop(Signal::INT, STOP_TIMEOUT).map_err(Error::io(format!("stopping {WHAT}")))).await
    }

    /// As a crash would: the cluster recovers at the next start, which may come while this value lives.
    pub async fn kill(&mut self) {
        if let Err(error) = self.server.kill() {
            tracing::warn!(%error, "PostgreSQL could not be killed");
        }
        self.directory.unlock();
    }

    fn psql(&self, statement: &str) -> Command {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", OWNER, "-d", "postgres", "-c", statement]);
        psql.arg("-p").arg(self.port.to_string()).env("PGPASSWORD", &self.password).env("PGCONNECT_TIMEOUT", "10");
        psql
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.server.stop(Signal::QUIT, Duration::from_secs(3)));
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    let failed = |error: tokio::task::JoinError| Error::Failed { what: WHAT, reason: error.to_string() };
    tokio::task::spawn_blocking(work).await.map_err(failed)?
}

fn query(mut psql: Command) -> Result<String, Error> {
    let output = psql.stdin(Stdio::null()).output().map_err(Error::io("starting psql"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Error::Failed { what: "psql", reason: String::from_utf8_lossy(&output.stderr).trim().replace('\n', " ") })
}

fn start(settings: &PostgresSettings) -> Result<Postgres, Error> {
    let programs = find::postgres()?;
    let directory = Directory::take(&settings.data, Account::for_servers()?)?;
    let cluster = directory.path.join("cluster");
    stop_stale(&cluster)?;
    if cluster.exists() {
        wait_for_release(settings.port);
    }
    // Before a cluster is made for nothing.
    settings.port.map(|port| choose_port(WHAT, Some(port))).transpose()?;
    let password = initialize(&programs, &directory, &cluster)?;
    let deadline = Instant::now() + settings.start_timeout;
    let mut attempt = 1;
    loop {
        let port = choose_port(WHAT, settings.port)?;
        match run(&programs, &directory, &cluster, port, deadline) {
            Ok(server) => return Ok(Postgres { server, directory, programs, password, port }),
            Err(End::Taken) if settings.port.is_some() || attempt == PORT_ATTEMPTS => return Err(Error::PortTaken { what: WHAT, port }),
            Err(End::Taken) => attempt += 1,
            // The workers of a killed server end within moments of it, and hold its shared memory until then.
            Err(End::Occupied(_)) if Instant::now() < deadline => thread::sleep(Duration::from_millis(100)),
            Err(End::Occupied(reason)) => return Err(Error::Failed { what: WHAT, reason }),
            Err(End::Other(error)) => return Err(error),
        }
    }
}

/// Makes the cluster beside its place and moves it there whole, so that an interrupted start leaves nothing half made.
fn initialize(programs: &Path, directory: &Directory, cluster: &Path) -> Result<String, Error> {
    let file = directory.path.join("password");
    if cluster.join("PG_VERSION").is_file() && !file.is_file() {
        let reason = format!("{} holds a cluster but not its password", directory.path.display());
        return Err(Error::Failed { what: WHAT, reason });
    }
    let password = directory.password(&file)?;
    if cluster.join("PG_VERSION").is_file() {
        return same_version(programs, cluster).map(|()| password);
    }
    let new = directory.path.join("cluster.new");
    if new.exists() {
        fs::remove_dir_all(&new).map_err(Error::io(format!("removing {}", new.display())))?;
    }
    let mut initdb = command(&programs.join("initdb"), directory.account.as_ref(), Some("TERM"));
    initdb.arg("-D").arg(&new).arg("--pwfile").arg(&file);
    initdb.args(["--username", OWNER, "--auth", "scram-sha-256", "--encoding", "UTF8"]);
    initdb.args(["--lc-collate", "C", "--lc-ctype", "C.UTF-8", "--lc-messages", "C"]);
    let output = initdb.output().map_err(|source| setpriv_missing(source, "starting initdb"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Error::Failed { what: "initdb", reason: said.lines().next().unwrap_or("it did not say why").to_owned() });
    }
    fs::rename(&new, cluster).map_err(Error::io(format!("naming {}", cluster.display())))?;
    File::open(&directory.path).and_then(|directory| directory.sync_all()).map_err(Error::io(format!("keeping {}", cluster.display())))?;
    Ok(password)
}

/// A cluster made by another major version is not touched: the server itself says which it needs, but at length.
fn same_version(programs: &Path, cluster: &Path) -> Result<(), Error> {
    let made_by = fs::read_to_string(cluster.join("PG_VERSION")).map_err(Error::io(format!("reading {}", cluster.display())))?;
    let output = Command::new(programs.join("postgres")).arg("--version").output().map_err(Error::io("starting postgres"))?;
    let installed = String::from_utf8_lossy(&output.stdout).into_owned();
    let same = installed.split_whitespace().any(|word| word.split(|c: char| !c.is_ascii_digit()).next() == Some(made_by.trim()));
    if same {
        return Ok(());
    }
    let reason = format!("{} was made by version {}, installed is {}", cluster.display(), made_by.trim(), installed.trim());
    Err(Error::Failed { what: WHAT, reason })
}

/// Why a server ended before it was ready.
enum End {
    Taken,
    Occupied(String),
    Other(Error),
}

fn run(programs: &Path, directory: &Directory, cluster: &Path, port: u16, deadline: Instant) -> Result<Server, End> {
    let (log, path) = directory.log().map_err(End::Other)?;
    let mut postgres = command(&programs.join("postgres"), directory.account.as_ref(), Some("INT"));
    postgres.arg("-D").arg(cluster).arg("-p").arg(port.to_string());
    for setting in [
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "fsync=on",
        "synchronous_commit=on",
        "full_page_writes=on",
        "max_connections=200",
        "max_wal_size=2GB",
        "jit=off",
        "log_min_messages=warning",
        "log_timezone=UTC",
        "timezone=UTC",
    ] {
        postgres.arg("-c").arg(setting);
    }
    let stderr = log.try_clone().map_err(|source| End::Other(Error::Io { doing: format!("writing {}", path.display()), source }))?;
    postgres.stdout(log).stderr(stderr);
    let mut server = Server::spawn(postgres).map_err(|source| End::Other(setpriv_missing(source, "starting PostgreSQL")))?;
    loop {
        if is_ready(cluster, server.pid()) {
            return Ok(server);
        }
        match server.exited() {
            Ok(None) if Instant::now() < deadline => thread::sleep(POLL_EVERY),
            Ok(None) => return Err(End::Other(Error::Failed { what: WHAT, reason: format!("not ready in time; see {}", path.display()) })),
            Ok(Some(_)) => return Err(why_it_ended(&path)),
            Err(source) => return Err(End::Other(Error::Io { doing: "waiting for PostgreSQL".to_owned(), source })),
        }
    }
}

fn why_it_ended(log: &Path) -> End {
    let text = fs::read_to_string(log).unwrap_or_default();
    if text.contains("Address already in use") {
        End::Taken
    } else if text.contains("shared memory block") {
        End::Occupied(failure(log))
    } else {
        End::Other(Error::Failed { what: WHAT, reason: failure(log) })
    }
}

/// The server writes its state into the last line of its pid file, for exactly this question.
fn is_ready(cluster: &Path, pid: u32) -> bool {
    let text = fs::read_to_string(cluster.join("postmaster.pid")).unwrap_or_default();
    let mut lines = text.lines();
    lines.next().is_some_and(|first| first.trim() == pid.to_string()) && text.lines().nth(7).is_some_and(|state| state.trim() == "ready")
}

/// The directory is locked by this process, so a server still running on it is nobody's.
fn stop_stale(cluster: &Path) -> Result<(), Error> {
    let path = cluster.join("postmaster.pid");
    let Ok(text) = fs::read_to_string(&path) else { return Ok(()) };
    let Some(pid) = text.lines().next().and_then(|line| line.trim().parse().ok()) else { return Ok(()) };
    let here = fs::canonicalize(cluster).map_err(Error::io(format!("finding {}", cluster.display())))?;
    let runs_here = |pid: u32| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == here);
    if runs_here(pid) {
        tracing::info!(pid, "stopping a PostgreSQL that an earlier process left behind");
        return stop_orphan(pid, Signal::INT, STOP_TIMEOUT, runs_here).map_err(Error::io(format!("stopping {WHAT} {pid}")));
    }
    // The id may belong to another process by now, which PostgreSQL would take for itself.
    fs::remove_file(&path).map_err(Error::io(format!("removing {}", path.display())))
}
