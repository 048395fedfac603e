//! Where the services are, and who asks them.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::time::seconds;

#[derive(Args, Clone)]
pub(crate) struct Connection {
    /// The admin API.
    #[arg(long, global = true, value_name = "URL", env = "MIRROR_ADMIN_ENDPOINT", default_value = "http://127.0.0.1:7142")]
    pub(crate) endpoint: String,
    /// The bearer token of the services.
    #[arg(long, global = true, env = "MIRROR_TOKEN", hide_env_values = true, default_value = "", hide_default_value = true)]
    pub(crate) token: String,
    /// A file that holds the token; counts where no token is given.
    #[arg(long, global = true, value_name = "FILE", env = "MIRROR_TOKEN_FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// A PEM file with the authority that vouches for https addresses.
    #[arg(long, global = true, value_name = "FILE", env = "MIRROR_CA_FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// How long one call may take, in seconds.
    #[arg(long, global = true, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(crate) timeout: Duration,
    /// The GHL location; may be left out where only one is connected.
    #[arg(long, global = true, value_name = "ID", env = "MIRROR_LOCATION", default_value = "", hide_default_value = true)]
    pub(crate) location: String,
    /// Who asks, for the log of who looked and did what; without it, the name of the user.
    #[arg(long, global = true, value_name = "NAME", env = "MIRROR_WHO", default_value = "", hide_default_value = true)]
    pub(crate) who: String,
    #[command(flatten)]
    pub(crate) control: Control,
    /// Whether `timeout` counts.
    #[arg(skip = true)]
    pub(crate) has_deadline: bool,
}

/// Where each service is controlled.
#[derive(Args, Clone)]
#[command(next_help_heading = "Control addresses")]
pub(crate) struct Control {
    #[arg(long, global = true, value_name = "URL", env = "MIRROR_CONTROL_POLLER", default_value = "http://127.0.0.1:7102")]
    pub(crate) control_poller: String,
    #[arg(long, global = true, value_name = "URL", env = "MIRROR_CONTROL_MAPPER", default_value = "http://127.0.0.1:7112")]
    pub(crate) control_mapper: String,
    #[arg(long, global = true, value_name = "URL", env = "MIRROR_CONTROL_WRITER", default_value = "http://127.0.0.1:7122")]
    pub(crate) control_writer: String,
    #[arg(long, global = true, value_name = "URL", env = "MIRROR_CONTROL_BRIDGE", default_value = "http://127.0.0.1:7132")]
    pub(crate) control_bridge: String,
}
