//! The life of the process, from its command line to its exit code.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use chassis::{Shutdown, TelemetrySettings, telemetry};

use crate::cli::{Cli, Command, DemoArgs, UpArgs};
use crate::demo::demo;
use crate::doctor::doctor;
use crate::failure::Failure;
use crate::init::init;
use crate::ports::Ports;
use crate::settings::Settings;
use crate::up::up;

/// How long everything may take to stop: the services' grace period, then the servers. A person does not wait longer.
const STOP_WITHIN: Duration = Duration::from_millis(9_500);
const RUNTIME_STOP: Duration = Duration::from_millis(200);

/// All of `main`.
pub fn main(cli: Cli) -> ExitCode {
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // If even this cannot be written, nothing is left to do.
            drop(writeln!(std::io::stderr().lock(), "standalone: {failure}"));
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let settings = match &cli.command {
        Command::Demo(args) => demo_settings(args)?,
        Command::Doctor(args) => quiet(chassis::load(Some(&args.config))?),
        Command::Init(_) => quiet(chassis::load(None)?),
        Command::Up(args) => up_settings(args)?,
    };
    if let Command::Up(UpArgs { print_config: true, .. }) = cli.command {
        let text = toml::to_string_pretty(&settings).map_err(anyhow::Error::from)?;
        return Ok(write!(std::io::stdout().lock(), "{text}").map_err(anyhow::Error::from)?);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(anyhow::Error::from)?;
    let outcome = runtime.block_on(run_in_runtime(cli, settings));
    runtime.shutdown_timeout(RUNTIME_STOP);
    outcome
}

async fn run_in_runtime(cli: Cli, settings: Settings) -> Result<(), Failure> {
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::debug!("a TLS provider was installed before");
    }
    let telemetry = telemetry::start("standalone", &settings.telemetry)?;
    let command = |shutdown: Shutdown| async move {
        // Boxed: the futures of an installation are large.
        match cli.command {
            Command::Demo(args) => Box::pin(demo(args, settings, shutdown)).await?,
            Command::Doctor(args) => Box::pin(doctor(args, settings, shutdown)).await?,
            Command::Init(args) => Box::pin(init(args, settings, shutdown)).await?,
            Command::Up(_) => Box::pin(up(settings, shutdown)).await?,
        }
        Ok(())
    };
    let outcome = chassis::run_until_stopped(STOP_WITHIN, command).await;
    telemetry.stop().await;
    outcome.map_err(|error| error.downcast::<Failure>().unwrap_or_else(Failure::Failed))
}

fn demo_settings(args: &DemoArgs) -> Result<Settings, Failure> {
    let mut settings: Settings = chassis::load(args.config.as_deref())?;
    settings.data.clone_from(&args.data);
    if let Some(base) = args.ports {
        settings.ports = Ports::from_base(base);
    }
    Ok(quiet(settings))
}

/// What is shown to a person and log lines share the screen: only problems may interrupt.
fn quiet(mut settings: Settings) -> Settings {
    if settings.telemetry.filter == TelemetrySettings::default().filter {
        settings.telemetry.filter = "warn,chassis=error".to_owned();
    }
    settings
}

fn up_settings(args: &UpArgs) -> Result<Settings, Failure> {
    Ok(chassis::load(Some(Path::new(&args.config)))?)
}
