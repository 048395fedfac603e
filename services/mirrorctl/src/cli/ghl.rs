//! `ghl`, `credentials`, `webhook`, `resync` and `verify source`.

use clap::{Args, Subcommand};
use domain::RecordKind;

use super::time::Instant;

#[derive(Subcommand)]
pub(crate) enum VerifyCommand {
    /// Reads GHL again, within the budget, and compares it with the log, field by field; exit code 1 when something differs.
    Source(VerifySourceArgs),
}

#[derive(Args)]
pub(crate) struct VerifySourceArgs {
    /// This contact only.
    #[arg(long, value_name = "ID")]
    pub(crate) contact: Option<String>,
}

#[derive(Args)]
pub(crate) struct ResyncArgs {
    /// Everything of this kind. Notes cost one call for each contact. May be given several times.
    #[arg(long = "kind", value_name = "KIND", value_parser = RecordKind::ALL.map(RecordKind::as_str), conflicts_with_all = ["contacts", "since"])]
    pub(crate) kinds: Vec<String>,
    /// This contact, with everything that belongs to it, before all else that waits. May be given several times.
    #[arg(long = "contact", value_name = "ID", conflicts_with = "since")]
    pub(crate) contacts: Vec<String>,
    /// The contacts that were updated since then, with everything that belongs to them: a time, or how long ago, such as 2h.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<Instant>,
    /// Takes the place of a request that is under way.
    #[arg(long)]
    pub(crate) replace: bool,
    /// Waits until everything was looked at again; exit code 6 when something could not be.
    #[arg(long)]
    pub(crate) follow: bool,
    /// Asks for nothing, and shows how far the last request is.
    #[arg(long, conflicts_with_all = ["kinds", "contacts", "since", "replace"])]
    pub(crate) status: bool,
}

#[derive(Subcommand)]
pub(crate) enum CredentialsCommand {
    /// Lists the installations of the marketplace app and what a person must do about them. Never shows a token.
    List,
    /// The same as `keys rotate`.
    RotateKek,
}

#[derive(Subcommand)]
pub(crate) enum WebhookCommand {
    /// Makes a secret and prints the path to give to a workflow's webhook action. It is shown once.
    Create,
    /// Lists the secrets there are and were, without the secrets themselves.
    List,
    /// Revokes a secret.
    Revoke {
        /// Its name, as `webhook list` shows it.
        secret_id: String,
    },
}

#[derive(Args)]
pub(crate) struct GhlArgs {
    /// The operation, for instance get-contact.
    pub(crate) operation: Option<String>,
    /// The ids in the path of the operation, in order.
    #[arg(value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// An argument, by GHL's name for it. A list is written with commas, or as JSON.
    #[arg(long = "arg", value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) args: Vec<(String, String)>,
    /// Confirms that the operation may change data in GHL.
    #[arg(long)]
    pub(crate) yes: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| "must be NAME=VALUE".to_owned())?;
    Ok((name.to_owned(), value.to_owned()))
}
