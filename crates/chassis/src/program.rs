//! The life of a process, from its arguments to its exit code.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::{ConfigError, Settings, Shutdown, load, telemetry};

/// Exit codes: 0 done, 1 failed, 64 bad config.
const BAD_CONFIG: u8 = 64;

#[derive(clap::Parser)]
#[command(version, about = "A service of pagico-mirror. Exit codes: 0 stopped as asked, 1 failed, 64 bad config.")]
struct Arguments {
    /// A TOML file over the built-in defaults. The environment, `MIRROR_<SERVICE>__<KEY>`, goes over both.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Prints the settings as they would be used, secrets hidden, and ends.
    #[arg(long)]
    print_config: bool,
}

/// A whole `main`: reads and checks the settings, starts telemetry, runs the service until it is told to stop.
pub fn main<C, F, Fut>(run: F) -> ExitCode
where
    C: Settings,
    F: FnOnce(C, Shutdown) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    let arguments = Arguments::parse();
    let config: C = match load(arguments.config.as_deref()) {
        Ok(config) => config,
        Err(error) => return complain(&error, BAD_CONFIG),
    };
    if arguments.print_config {
        return match toml::to_string_pretty(&config)
            .map_err(anyhow::Error::from)
            .and_then(|text| Ok(write!(std::io::stdout().lock(), "{text}")?))
        {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(&error, 1),
        };
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&error, 1),
    };
    runtime.block_on(live(config, run))
}

async fn live<C, F, Fut>(config: C, run: F) -> ExitCode
where
    C: Settings,
    F: FnOnce(C, Shutdown) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::debug!("a TLS provider was installed before");
    }
    let telemetry = match telemetry::start(C::SERVICE, config.telemetry()) {
        Ok(telemetry) => telemetry,
        Err(error) => return complain(&format!("{}: telemetry: {error:#}", C::SERVICE), 1),
    };
    let outcome = run_until_stopped(config.grace(), |shutdown| run(config, shutdown)).await;
    let code = match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast_ref::<ConfigError>() {
            Some(_) => complain(&format!("{error:#}"), BAD_CONFIG),
            None => complain(&format!("{}: {error:#}", C::SERVICE), 1),
        },
    };
    telemetry.stop().await;
    code
}

/// Runs until the work ends or the process is told to stop (SIGTERM, SIGINT), and then for no longer than `grace`. A second signal
/// ends the process at once.
///
/// # Errors
/// Those of `run`, and a sentence when the grace was not enough.
pub async fn run_until_stopped<Fut>(grace: Duration, run: impl FnOnce(Shutdown) -> Fut) -> anyhow::Result<()>
where
    Fut: Future<Output = anyhow::Result<()>>,
{
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let shutdown = Shutdown::new();
    let mut running = std::pin::pin!(run(shutdown.clone()));
    tokio::select! {
        outcome = &mut running => return outcome,
        _ = terminate.recv() => tracing::info!("asked to stop"),
        _ = interrupt.recv() => tracing::info!("asked to stop"),
    }
    shutdown.cancel();
    tokio::select! {
        outcome = &mut running => outcome,
        () = tokio::time::sleep(grace) => Err(anyhow::anyhow!("work in hand did not end within {grace:?}; it is done again after the next start")),
        _ = terminate.recv() => Err(anyhow::anyhow!("stopped at once by a second signal")),
        _ = interrupt.recv() => Err(anyhow::anyhow!("stopped at once by a second signal")),
    }
}

fn complain(what: &dyn std::fmt::Display, code: u8) -> ExitCode {
    // Nothing is left to be done if even this cannot be written.
    if writeln!(std::io::stderr().lock(), "{what}").is_err() {
        return ExitCode::from(1);
    }
    ExitCode::from(code)
}
