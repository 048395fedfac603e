//! `init`: from a location id and a token to a settings file that `up` can be started with. What the token gives is tried out first.
//!
//! - `questions`: what is asked on a terminal
//! - `files`: what is written

mod files;
mod questions;

use std::io::Write as _;

use anyhow::Context as _;
use chassis::Shutdown;
use domain::LocationId;
use poller::Survey;
use secrecy::ExposeSecret as _;

use self::files::Files;
use crate::cli::InitArgs;
use crate::failure::Failure;
use crate::installation::configs;
use crate::settings::Settings;
use crate::survey;

pub(crate) async fn init(args: InitArgs, settings: Settings, shutdown: Shutdown) -> Result<(), Failure> {
    let files = Files::beside(&args)?;
    let location_id = location(&args)?;
    let token = questions::token(args.token_file.as_deref(), &location_id)?;
    let config = configs::poller(&settings)?;
    let surveyed = tokio::select! {
        () = shutdown.cancelled() => return Err(Failure::Interrupted),
        surveyed = poller::survey(&config, &location_id, token.clone()) => surveyed,
    };
    let surveyed = surveyed.map_err(|error| survey::failure(error, &location_id, &settings))?;
    report(&location_id, &surveyed)?;
    if !surveyed.has_contacts() {
        return Err(Failure::NotAccepted(format!(
            "without the scope contacts.readonly nothing can be mirrored: tick it for the private integration in location {location_id}, then run this again"
        )));
    }
    if !args.yes {
        questions::confirm(&format!("Write {} and the token beside it?", files.config.display()))?;
    }
    files.write(&location_id, token.expose_secret(), &settings)?;
    told(&files)
}

fn location(args: &InitArgs) -> Result<LocationId, Failure> {
    let given = match &args.location {
        Some(id) => id.clone(),
        None => questions::location()?,
    };
    LocationId::new(given.trim()).map_err(|error| Failure::Usage(format!("the location id: {error}")))
}

fn report(location_id: &LocationId, surveyed: &Survey) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let text = format!("location {location_id}\n\n{}\n{}\n", survey::scopes(surveyed), survey::size(surveyed));
    out.write_all(text.as_bytes()).context("writing what was found")?;
    Ok(())
}

fn told(files: &Files) -> Result<(), Failure> {
    let Files { config, token, data, .. } = files;
    let text = format!(
        "wrote {config}\nwrote {token} (the token, for you alone)\nkeys  {data} (keep a copy of key-encryption-keys elsewhere: without it nothing can be read)\n\n\
         next: standalone up --config {config}\nthen: standalone doctor --config {config}\n",
        config = config.display(),
        token = token.display(),
        data = data.display(),
    );
    std::io::stdout().lock().write_all(text.as_bytes()).context("writing what was done")?;
    Ok(())
}
