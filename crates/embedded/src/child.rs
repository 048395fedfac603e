//! Child processes that do not outlive this process.
//!
//! The kernel sends a child its parent-death signal when the *thread* that spawned it ends. So one thread, which ends only with the
//! process, spawns every child; a worker thread of a runtime would not do.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

const POLL_EVERY: Duration = Duration::from_millis(10);

struct Request {
    command: Command,
    answer: mpsc::SyncSender<io::Result<Child>>,
}

fn spawner() -> io::Result<&'static mpsc::Sender<Request>> {
    static SPAWNER: OnceLock<mpsc::Sender<Request>> = OnceLock::new();
    if let Some(sender) = SPAWNER.get() {
        return Ok(sender);
    }
    let (sender, requests) = mpsc::channel::<Request>();
    thread::Builder::new().name("spawner".to_owned()).spawn(move || {
        for mut request in requests {
            // Nobody waiting for the answer means the child is not wanted any more.
            if let Err(mpsc::SendError(Ok(mut child))) = request.answer.send(request.command.spawn()) {
                drop(child.kill());
                drop(child.wait());
            }
        }
    })?;
    // When two threads get here at once, the loser's channel closes and its spawner ends without having spawned anything.
    Ok(SPAWNER.get_or_init(|| sender))
}

/// A running server. Dropping it kills the server.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
}

impl Server {
    /// Starts the command in a process group of its own: a Ctrl-C at the terminal reaches this process alone, which then stops its
    /// children in order.
    pub(crate) fn spawn(mut command: Command) -> io::Result<Self> {
        command.process_group(0);
        let (answer, spawned) = mpsc::sync_channel(1);
        let gone = || io::Error::other("the thread that starts child processes is gone");
        spawner()?.send(Request { command, answer }).map_err(|_| gone())?;
        let child = spawned.recv().map_err(|_| gone())??;
        Ok(Self { child })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn exited(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Asks with the signal, waits, and kills what has not ended by then.
    pub(crate) fn stop(&mut self, signal: Signal, timeout: Duration) -> io::Result<()> {
        if self.exited()?.is_some() {
            return Ok(());
        }
        send(self.pid(), signal)?;
        let deadline = Instant::now() + timeout;
        while Instant::now() < deadline {
            if self.exited()?.is_some() {
                return Ok(());
            }
            thread::sleep(POLL_EVERY);
        }
        self.kill()
    }

    pub(crate) fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.kill());
    }
}

/// Stops a server that an earlier, killed process left behind: it is nobody's child any more, so its end is seen from outside.
pub(crate) fn stop_orphan(pid: u32, signal: Signal, timeout: Duration, is_running: impl Fn(u32) -> bool) -> io::Result<()> {
    for (signal, timeout) in [(signal, timeout), (Signal::KILL, Duration::from_secs(5))] {
        if !is_running(pid) {
            return Ok(());
        }
        send(pid, signal)?;
        let deadline = Instant::now() + timeout;
        while is_running(pid) && Instant::now() < deadline {
            thread::sleep(POLL_EVERY);
        }
    }
    if is_running(pid) { Err(io::Error::other(format!("process {pid} does not end"))) } else { Ok(()) }
}

fn send(pid: u32, signal: Signal) -> io::Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or_else(|| io::Error::other("not a process id"))?;
    match kill_process(pid, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
