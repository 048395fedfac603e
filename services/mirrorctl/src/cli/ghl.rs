//! `ghl`, `credentials`, `webhook` and `verify source`.

use clap::{Args, Subcommand};

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
