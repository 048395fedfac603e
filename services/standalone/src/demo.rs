//! The demo: a simulated GHL with an agency in it, mirrored from the first look to the last live change, in front of people.

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
use crate::installation::directory::hold;
use crate::installation::{Ground, Stand};
use crate::progress::Progress;
use crate::settings::Settings;
use agency::Agency;
use figures::Gauge;
use play::Play;
use workspace::Workspace;

pub(crate) async fn demo(args: DemoArgs, settings: Settings, shutdown: Shutdown) -> Result<(), Failure> {
    let begun = Instant::now();
    let progress = Progress::on_stderr();
    let hold = hold(&settings.data)?;
    if args.fresh {
        agency::wipe(&settings.data)?;
    }
    let sandbox_port = settings.ports.sandbox;
    let mut ground = Ground::prepare(settings, hold, &[("sandbox", sandbox_port)]).await?;
    let mut agency = Agency::open(&args, &ground).await?;
    agency.introduce(&mut ground)?;
    let gauge = Gauge::new(&ground, agency.location_id()).await?;
    let mut stand = Box::pin(ground.launch()).await?;
    let workspace = workspace_of(&stand, &agency)?;
    let mut play = Play { args: &args, begun, progress, agency: &mut agency, gauge, workspace, changed: None };
    let addresses = texts::Addresses::of(&stand);
    let outcome = tokio::select! {
        failure = stand.failure() => Err(failure),
        () = shutdown.cancelled() => if args.until_in_sync { Err(Failure::Interrupted) } else { Ok(()) },
        outcome = play.until_the_end(&addresses) => outcome,
    };
    agency.close().await;
    stand.stop().await;
    outcome
}

fn workspace_of(stand: &Stand, agency: &Agency) -> Result<Workspace, Failure> {
    let bridge = format!("http://{}", stand.settings.address(stand.settings.ports.bridge_http));
    let bridge = bridge.parse().map_err(anyhow::Error::from)?;
    let client = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().map_err(anyhow::Error::from)?;
    let key = SecretString::from(stand.secrets.bridge_read_key.clone());
    Ok(Workspace::new(client, bridge, key, agency.location_id().as_str()))
}
