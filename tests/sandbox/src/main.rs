//! The simulator as a program of its own, for curl and for other machines.

use std::{io::Write as _, net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};

use clap::Parser;
use sandbox::{Limits, Sandbox, Settings};
use tokio::signal::unix::{SignalKind, signal};
use url::Url;

/// Simulates a GoHighLevel agency: its API, its webhooks, its app, and the people who work in its locations.
#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value = "127.0.0.1:7150")]
    listen: SocketAddr,
    /// Bearer token of the simulated API.
    #[arg(long, env = "SANDBOX_TOKEN", default_value = "pit-sandbox", hide_env_values = true)]
    token: String,
    /// Bearer token of /sandbox/*; open when absent.
    #[arg(long, env = "SANDBOX_CONTROL_TOKEN", hide_env_values = true)]
    control_token: Option<String>,
    /// Where webhooks go.
    #[arg(long)]
    webhook_url: Option<Url>,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many locations the agency has. The second one's token ends in `-2`, and so on.
    #[arg(long, default_value_t = 1)]
    locations: usize,
    /// People each location has when it starts for the first time.
    #[arg(long, default_value_t = 300)]
    contacts: usize,
    /// Keeps the world in this file.
    #[arg(long)]
    data: Option<PathBuf>,
    /// The search answers with what was true so many milliseconds ago.
    #[arg(long, default_value_t = 0)]
    search_lag_ms: u64,
    /// Calls in 10 seconds.
    #[arg(long, default_value_t = 100)]
    burst: u32,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            // Nobody is left to tell when this fails too.
            drop(writeln!(std::io::stderr().lock(), "{problem}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let sandbox = Sandbox::start(Settings {
        listen: arguments.listen,
        token: arguments.token,
        control_token: arguments.control_token,
        webhook_url: arguments.webhook_url,
        seed: arguments.seed,
        locations: arguments.locations,
        data: arguments.data,
        search_lag: Duration::from_millis(arguments.search_lag_ms),
        limits: Limits { burst: arguments.burst, ..Limits::default() },
        ..Settings::default()
    })
    .await?;
    let worlds = sandbox.agency().worlds();
    for world in worlds.iter().filter(|world| world.contact_count() == 0) {
        world.populate(arguments.seed, arguments.contacts);
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "GoHighLevel sandbox: {}", sandbox.base_url())?;
    for world in &worlds {
        writeln!(out, "location: {}  contacts: {}", world.location_id(), world.contact_count())?;
    }
    write!(out, "webhooks are signed with\n{}", sandbox.ed25519_public_pem()?)?;
    drop(out);
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed?,
        _ = terminated.recv() => {}
    }
    sandbox.stop().await;
    Ok(())
}
