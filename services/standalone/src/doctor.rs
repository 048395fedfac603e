//! `doctor`: tries out everything that a location's mirror needs, and says what is wrong and how to put it right.
//!
//! - `finding`: what was found, and how it is shown
//! - `source`: GHL with each location's token: scopes, size, clock
//! - `machine`: the data directory, its keys and its disk
//! - `servers`: PostgreSQL, NATS and the services
//! - `parity`: some contacts, read again and compared with the log
//! - `webhook`: whether the address that GHL's webhooks are sent to leads here

mod finding;
mod machine;
mod parity;
mod servers;
mod source;
mod webhook;

use chassis::Shutdown;

use self::finding::{Finding, Findings, State};
use crate::cli::DoctorArgs;
use crate::failure::Failure;
use crate::installation::configs;
use crate::settings::Settings;

/// # Errors
/// When something is broken, after everything was shown.
pub(crate) async fn doctor(args: DoctorArgs, mut settings: Settings, shutdown: Shutdown) -> Result<(), Failure> {
    if let Some(url) = args.webhook_url {
        settings.doctor.webhook_url = Some(url);
    }
    let mut findings = Findings::new(args.json);
    tokio::select! {
        () = shutdown.cancelled() => return Err(Failure::Interrupted),
        // Boxed: it is made of many calls.
        examined = Box::pin(examine(&settings, &mut findings)) => examined?,
    }
    match findings.broken() {
        0 => Ok(()),
        1 => Err(Failure::Failed(anyhow::anyhow!("1 thing is broken"))),
        broken => Err(Failure::Failed(anyhow::anyhow!("{broken} things are broken"))),
    }
}

async fn examine(settings: &Settings, findings: &mut Findings) -> Result<(), Failure> {
    let config = configs::poller(settings)?;
    let machine = machine::examine(settings, findings)?;
    for location in &settings.locations {
        source::examine(settings, &config, location, findings).await?;
    }
    if settings.locations.is_empty() {
        let says = "no location is listed: those of the marketplace app are not asked here";
        findings.add(Finding::new(State::Warning, "GHL", says).cured_by("`mirrorctl coverage` shows what GHL refuses of them"))?;
    }
    let Some(secrets) = machine.secrets else { return webhook::examine(settings, findings).await };
    let log = servers::examine(settings, &secrets, machine.is_running, findings).await?;
    if let (Some(log), true) = (log, machine.is_running) {
        parity::examine(settings, &secrets, log, findings).await?;
    }
    webhook::examine(settings, findings).await
}
