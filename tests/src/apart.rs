//! Services in processes of their own: they can be killed as an operating system kills, and their memory is nobody else's.
//!
//! Which program starts them is up to whoever asks: it is given `--serve SERVICE FILE` and is to call [`serve`].

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

/// How long a service may take to end.
const GRACE: Duration = Duration::from_secs(10);

/// Starts a service; it is killed when the child is dropped.
///
/// # Errors
/// When the program cannot be started.
pub fn start(program: &Path, service: &str, settings: &Path) -> anyhow::Result<Child> {
    let mut command = Command::new(program);
    command.arg("--serve").arg(service).arg(settings).stdin(Stdio::null()).kill_on_drop(true);
    Ok(command.spawn()?)
}

/// Is a service until it is told to stop.
///
/// # Errors
/// What the service ended with, or that there is no such service.
pub async fn serve(service: &str, settings: &Path) -> anyhow::Result<()> {
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::debug!("there is one already");
    }
    let file = Some(settings);
    let running = chassis::run_until_stopped(GRACE, async |stop| match service {
        "bridge" => bridge::run(chassis::load(file)?, stop).await,
        "writer" => writer::run(chassis::load(file)?, stop).await,
        "mapper" => mapper::run(chassis::load(file)?, stop).await,
        "poller" => poller::run(chassis::load(file)?, stop).await,
        "admin" => admin::run(chassis::load(file)?, stop).await,
        other => anyhow::bail!("there is no service {other}"),
    });
    Box::pin(running).await
}
