//! Mirrors real locations until told to stop.

use chassis::Shutdown;

use crate::failure::Failure;
use crate::installation::Ground;
use crate::installation::directory::hold;
use crate::progress::Progress;
use crate::settings::Settings;

pub(crate) async fn up(settings: Settings, shutdown: Shutdown) -> Result<(), Failure> {
    let has_app = !settings.oauth.client_id.is_empty();
    if settings.locations.is_empty() && !has_app {
        return Err(Failure::Config("bad config\nlocations must name a location, with its token, or oauth the marketplace app".to_owned()));
    }
    let hold = hold(&settings.data)?;
    let ground = Ground::prepare(settings, hold, &[]).await?;
    let mut stand = Box::pin(ground.launch()).await?;
    let progress = Progress::on_stderr();
    let address = |port| stand.settings.address(port);
    let ports = stand.settings.ports;
    for location in &stand.settings.locations {
        progress.say(&format!("workspace   http://{}/w/{}", address(ports.bridge_http), location.id));
    }
    if has_app {
        progress.say(&format!("install     http://{}/oauth/start", address(ports.poller_http)));
    }
    progress.say(&format!("webhooks    POST http://{}/webhooks/ghl", address(ports.poller_http)));
    progress.say(&format!("gRPC admin  {}", address(ports.admin_grpc)));
    progress.say(&format!("The keys are in {}.", stand.settings.data.join("secrets.json").display()));
    let outcome = tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        failure = stand.failure() => Err(failure),
    };
    stand.stop().await;
    outcome
}
