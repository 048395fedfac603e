//! `up`: mirrors real locations until it is stopped.

use chassis::Shutdown;

use crate::failure::Failure;
use crate::installation::Infrastructure;
use crate::installation::directory;
use crate::progress::Progress;
use crate::settings::Settings;

pub(crate) async fn up(settings: Settings, shutdown: Shutdown) -> Result<(), Failure> {
    let has_app = !settings.oauth.client_id.is_empty();
    if settings.locations.is_empty() && !has_app {
        return Err(Failure::bad_config(&[
            "locations must name a location with its token, or oauth must name the marketplace app".to_owned()
        ]));
    }
    let directory = directory::lock(&settings.data)?;
    let infrastructure = Infrastructure::prepare(settings, directory, &[]).await?;
    let mut installation = Box::pin(infrastructure.launch()).await?;
    let progress = Progress::on_stderr();
    let address = |port| installation.settings.address(port);
    let ports = installation.settings.ports;
    for location in &installation.settings.locations {
        progress.say(&format!("workspace   http://{}/w/{}", address(ports.bridge_http), location.id));
    }
    if has_app {
        progress.say(&format!("install     http://{}/oauth/start", address(ports.poller_ops)));
    }
    progress.say(&format!("webhooks    POST http://{}/webhooks/ghl", address(ports.poller_http)));
    progress.say(&format!("gRPC admin  {}", address(ports.admin_grpc)));
    progress.say(&format!("The keys are in {}.", installation.settings.data.join("secrets.json").display()));
    let outcome = tokio::select! {
        () = shutdown.cancelled() => Ok(()),
        failure = installation.failure() => Err(failure),
    };
    installation.stop().await;
    outcome
}
