//! One nats-server with JetStream, listening on 127.0.0.1 only.

use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::account::{command, setpriv_missing};
use crate::child::{Server, stop_orphan};
use crate::directory::Directory;
use crate::error::Error;
use crate::find;
use crate::log::failure;
use crate::ports::{choose_port, wait_for_release};

const WHAT: &str = find::NATS;
const STOP_TIMEOUT: Duration = Duration::from_secs(4);
const POLL_EVERY: Duration = Duration::from_millis(10);
/// How often another free port is tried when somebody was faster.
const PORT_ATTEMPTS: u32 = 5;

#[derive(Debug, Clone)]
pub struct NatsSettings {
    /// Made when missing. Belongs to one running process at a time.
    pub data: PathBuf,
    /// None: any free one.
    pub port: Option<u16>,
    /// None: looked for.
    pub binary: Option<PathBuf>,
    /// What clients must know. None: whoever reaches the port may come in, which is right for tests alone.
    pub token: Option<String>,
    pub start_timeout: Duration,
}

impl Default for NatsSettings {
    fn default() -> Self {
        Self { data: PathBuf::from(".local/nats"), port: None, binary: None, token: None, start_timeout: Duration::from_secs(30) }
    }
}

/// A running server; dropping it stops it.
#[derive(Debug)]
pub struct Nats {
    server: Server,
    directory: Directory,
    port: u16,
}

impl Nats {
    /// Stops what a killed process left running on the data, and waits until clients are accepted.
    pub async fn start(settings: NatsSettings) -> Result<Self, Error> {
        blocking(move || start(&settings)).await
    }

    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    #[must_use]
    pub fn data(&self) -> &Path {
        &self.directory.path
    }

    /// Whether the server process has not ended by itself.
    pub fn is_running(&mut self) -> bool {
        matches!(self.server.exited(), Ok(None))
    }

    pub async fn stop(mut self) -> Result<(), Error> {
        blocking(move || self.server.stop(Signal::INT, STOP_TIMEOUT).map_err(Error::io(format!("stopping {WHAT}")))).await
    }

    /// As a crash would. Another may be started on the data while this value lives.
    pub async fn kill(&mut self) {
        if let Err(error) = self.server.kill() {
            tracing::warn!(%error, "nats-server could not be killed");
        }
        self.directory.unlock();
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    let failed = |error: tokio::task::JoinError| Error::Failed { what: WHAT, reason: error.to_string() };
    tokio::task::spawn_blocking(work).await.map_err(failed)?
}

fn start(settings: &NatsSettings) -> Result<Nats, Error> {
    let program = find::nats(settings.binary.as_deref())?;
    // nats-server does not mind being root, and its program may lie where only this user can read it.
    let directory = Directory::take(&settings.data, None)?;
    stop_stale(&directory.path)?;
    if directory.path.join("nats.conf").exists() {
        wait_for_release(settings.port);
    }
    let deadline = Instant::now() + settings.start_timeout;
    let mut attempt = 1;
    loop {
        let port = choose_port(WHAT, settings.port)?;
        match run(&program, &directory, settings.token.as_deref(), port, deadline) {
            Ok(server) => return Ok(Nats { server, directory, port }),
            Err(End::Taken) if settings.port.is_some() || attempt == PORT_ATTEMPTS => return Err(Error::PortTaken { what: WHAT, port }),
            Err(End::Taken) => attempt += 1,
            Err(End::Other(error)) => return Err(error),
        }
    }
}

/// Why a server ended before it was ready.
enum End {
    Taken,
    Other(Error),
}

fn run(program: &Path, directory: &Directory, token: Option<&str>, port: u16, deadline: Instant) -> Result<Server, End> {
    let io = |doing: &str| {
        let doing = doing.to_owned();
        move |source| End::Other(Error::Io { doing, source })
    };
    let config = directory.path.join("nats.conf");
    directory.write(&config, &configuration(&directory.path, token, port)).map_err(io("writing nats.conf"))?;
    let (log, path) = directory.log().map_err(End::Other)?;
    let stderr = log.try_clone().map_err(io("writing the log of nats-server"))?;
    let mut nats = command(program, None, Some("TERM"));
    nats.arg("-c").arg(&config).arg("-P").arg(directory.path.join("pid")).stdout(log).stderr(stderr);
    let mut server = Server::spawn(nats).map_err(|source| End::Other(setpriv_missing(source, "starting nats-server")))?;
    loop {
        match server.exited() {
            Ok(None) => {}
            Ok(Some(_)) if fs::read_to_string(&path).is_ok_and(|text| text.contains("address already in use")) => return Err(End::Taken),
            Ok(Some(_)) => return Err(End::Other(Error::Failed { what: WHAT, reason: failure(&path) })),
            Err(source) => return Err(io("waiting for nats-server")(source)),
        }
        if greets(port) {
            return Ok(server);
        }
        if Instant::now() >= deadline {
            return Err(End::Other(Error::Failed { what: WHAT, reason: format!("not ready in time; see {}", path.display()) }));
        }
        thread::sleep(POLL_EVERY);
    }
}

/// Strings are quoted as JSON would: paths may hold anything.
fn configuration(directory: &Path, token: Option<&str>, port: u16) -> String {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let store = quoted(&directory.join("jetstream").display().to_string());
    let authorization = token.map_or_else(String::new, |token| format!("authorization {{ token: \"{}\" }}\n", quoted(token)));
    format!(
        "listen: \"127.0.0.1:{port}\"\n\
         server_name: \"pagico-mirror\"\n\
         max_payload: 8MB\n\
         jetstream {{ store_dir: \"{store}\" }}\n\
         {authorization}"
    )
}

/// The server speaks first, once JetStream has read its files.
fn greets(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(1)) else { return false };
    let mut greeting = [0; 5];
    stream.set_read_timeout(Some(Duration::from_secs(1))).is_ok() && stream.read_exact(&mut greeting).is_ok() && &greeting == b"INFO "
}

/// The directory is locked by this process, so a server still running on it is nobody's.
fn stop_stale(directory: &Path) -> Result<(), Error> {
    let Ok(text) = fs::read_to_string(directory.join("pid")) else { return Ok(()) };
    let Ok(pid) = text.trim().parse() else { return Ok(()) };
    let config = directory.join("nats.conf");
    let config = config.as_os_str().as_encoded_bytes();
    let runs_here = |pid: u32| {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        arguments.split(|byte| *byte == 0).any(|argument| argument == config)
    };
    stop_orphan(pid, Signal::INT, STOP_TIMEOUT, runs_here).map_err(Error::io(format!("stopping {WHAT} {pid}")))
}
