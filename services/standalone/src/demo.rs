//! `demo`: a simulated GHL with an agency in it, mirrored from the backfill to the last live change.

mod agency;
mod figures;
mod play;
mod summary;
mod texts;
mod workspace;

use std::time::{Duration, Instant};

use chassis::Shutdown;
use secrecy::SecretString;

use crate::cli::DemoArgs;
use crate::failure::Failure;
use crate::installation::directory;
use crate::installation::{Infrastructure, Installation};
use crate::progress::Progress;
use crate::settings::Settings;
use agency::Agency;
use figures::Probe;
use play::Play;
use workspace::Workspace;

pub(crate) async fn demo(args: DemoArgs, settings: Settings, shutdown: Shutdown) -> Result<(), Failure> {
    let begun = Instant::now();
    let progress = Progress::on_stderr();
    let directory = directory::lock(&settings.data)?;
    if args.fresh {
        agency::wipe(&settings.data)?;
    }
    let sandbox_port = settings.ports.sandbox;
    let mut infrastructure = Infrastructure::prepare(settings, directory, &[("sandbox", sandbox_port)]).await?;
    let mut agency = Agency::open(&args, &infrastructure).await?;
    agency.introduce(&mut infrastructure)?;
    let probe = Probe::new(&infrastructure, agency.location_id()).await?;
    let mut installation = Box::pin(infrastructure.launch()).await?;
    let workspace = workspace_of(&installation, &agency)?;
    let mut play = Play { args: &args, begun, progress, agency: &mut agency, probe, workspace, changed: None };
    let addresses = texts::Addresses::of(&installation);
    let outcome = tokio::select! {
        failure = installation.failure() => Err(failure),
        () = shutdown.cancelled() => if args.until_in_sync { Err(Failure::Interrupted) } else { Ok(()) },
        outcome = play.until_the_end(&addresses) => outcome,
    };
    agency.close().await;
    installation.stop().await;
    outcome
}

fn workspace_of(installation: &Installation, agency: &Agency) -> Result<Workspace, Failure> {
    let bridge = format!("http://{}", installation.settings.address(installation.settings.ports.bridge_http));
    let bridge = bridge.parse().map_err(anyhow::Error::from)?;
    let client = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().map_err(anyhow::Error::from)?;
    let key = SecretString::from(installation.secrets.bridge_read_key.clone());
    Ok(Workspace::new(client, bridge, key, agency.location_id().as_str()))
}
