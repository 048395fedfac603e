//! What both stories need: free ports, and processes that do not outlive their test.

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, ChildStdin, Command, Output, Stdio};

use embedded::free_port;

/// The ports of every service and server, from the base of their block.
const OFFSETS: [u16; 13] = [1, 2, 11, 12, 21, 22, 31, 32, 41, 42, 50, 60, 70];

/// The base of a block of free ports.
pub(crate) fn ports() -> u16 {
    let is_free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    (0..100)
        .map(|_| free_port().expect("port"))
        .find(|base| OFFSETS.iter().all(|offset| is_free(base + offset)))
        .expect("a block of free ports")
}

/// A process that is killed if the test ends before it.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Runs a program to its end, giving it what it reads. The simulator answers it meanwhile.
pub(crate) async fn output_of(mut command: Command, give: impl FnOnce(&mut ChildStdin) + Send + 'static) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let run = move || {
        let mut child = command.spawn().expect("the program");
        give(child.stdin.as_mut().expect("stdin"));
        child.wait_with_output().expect("its end")
    };
    tokio::task::spawn_blocking(run).await.expect("it ran")
}
