//! Prism, a program that answers as an OpenAPI file says, or stands before a server and judges what passes.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

const PATIENCE: Duration = Duration::from_secs(90);

/// Ends when dropped.
pub(crate) struct Prism {
    pub(crate) base_url: String,
    _child: Child,
}

impl Prism {
    /// Refuses what the file does not allow, and answers the rest with its examples.
    pub(crate) async fn mock(program: &Path, spec: &Path) -> Self {
        Self::start(program, &["mock"], spec, None).await
    }

    /// Passes on what the file allows, and makes an error of answers that it does not.
    pub(crate) async fn proxy(program: &Path, spec: &Path, upstream: &str) -> Self {
        Self::start(program, &["proxy", "--errors"], spec, Some(upstream)).await
    }

    async fn start(program: &Path, mode: &[&str], spec: &Path, upstream: Option<&str>) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(program);
        command.args(mode).args(["-h", "127.0.0.1", "-p", &port.to_string()]).arg(spec).args(upstream);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(tokio::time::Instant::now() < deadline, "Prism does not listen within {PATIENCE:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Self { base_url: format!("http://127.0.0.1:{port}"), _child: child }
    }
}
