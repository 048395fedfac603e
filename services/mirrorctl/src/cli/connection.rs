//! Options of every command: where the services are, and who asks them.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::time::seconds;

#[derive(Args, Clone)]
pub(crate) struct Connection {
    /// Address of the admin API.
    #[arg(long, global = true, value_name = "URL", env = "MIRROR_ADMIN_ENDPOINT", default_value = "http://127.0.0.1:7142")]
    pub(crate) endpoint: String,
    /// The bearer token of the services.
    #[arg(long, global = true, env = "MIRROR_TOKEN", hide_env_values = true, default_value = "", hide_default_value = true)]
    pub(crate) token: String,
    /// A file with the token, used when --token is not given.
    #[arg(long, global = true, value_name = "FILE", env = "MIRROR_TOKEN_FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// A PEM file with the certificate authority of the services; needed for https addresses.
    #[arg(long, global = true, value_name = "FILE", env = "MIRROR_CA_FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// How long one call may take, in seconds.
    #[arg(long, global = true, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(crate) timeout: Duration,
    /// The GHL location. May be left out while only one is connected.
    #[arg(long, global = true, value_name = "ID", env = "MIRROR_LOCATION", default_value = "", hide_default_value = true)]
    pub(crate) location: String,
    /// Your name, for the access log and for what you change. Defaults to the name of the user.
    #[arg(long, global = true, value_name = "NAME", env = "MIRROR_WHO", default_value = "", hide_default_value = true)]
    pub(crate) who: String,
    #[command(flatten)]
    pub(crate) control: Control,
    /// Whether `timeout` counts.
    #[arg(skip = true)]
    pub(crate) has_deadline: bool,
}

/// The address at which each service is controlled.
#[derive(Args, Clone)]
#[command(next_help_heading = "Control addresses")]
pub(crate) struct Control {
    /// Control address of the poller.
    #[arg(long, global = true, value_name = "URL", env = "MIRROR_CONTROL_POLLER", default_value = "http://127.0.0.1:7102")]
    pub(crate) control_poller: String,
    /// Control address of the mapper.
    #[arg(long, global = true, value_name = "URL", env = "MIRROR_CONTROL_MAPPER", default_value = "http://127.0.0.1:7112")]
    pub(crate) control_mapper: String,
    /// Control address of the writer.
    #[arg(long, global = true, value_name = "URL", env = "MIRROR_CONTROL_WRITER", default_value = "http://127.0.0.1:7122")]
    pub(crate) control_writer: String,
    /// Control address of the bridge.
    #[arg(long, global = true, value_name = "URL", env = "MIRROR_CONTROL_BRIDGE", default_value = "http://127.0.0.1:7132")]
    pub(crate) control_bridge: String,
}
