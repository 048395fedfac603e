//! What can be typed about GHL.

use clap::{Args, Subcommand};

#[derive(Subcommand)]
pub(crate) enum VerifyCommand {
    /// Reads GHL again, within the budget, and compares it with the log, field by field; exit code 1 when something differs.
    Source(VerifySourceArgs),
}

#[derive(Args)]
pub(crate) struct VerifySourceArgs {
    /// One contact alone.
    #[arg(long, value_name = "ID")]
    pub(crate) contact: Option<String>,
}

#[derive(Subcommand)]
pub(crate) enum CredentialsCommand {
    /// Lists installations and what a person must do about them; never a token.
    List,
    /// The same as `keys rotate`: seals the stored tokens with the current key-encryption key, and wraps the keys of all contacts with it.
    RotateKek,
}

#[derive(Args)]
pub(crate) struct GhlArgs {
    /// Which operation, for instance get-contact.
    pub(crate) operation: Option<String>,
    /// The ids that its path needs, in order.
    #[arg(value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// An argument by GHL's name for it. Lists are texts with commas between, or JSON.
    #[arg(long = "arg", value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) args: Vec<(String, String)>,
    /// Says that a write is meant.
    #[arg(long)]
    pub(crate) yes: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| "not NAME=VALUE".to_owned())?;
    Ok((name.to_owned(), value.to_owned()))
}
