//! What can be typed about the proof of the log.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Subcommand)]
pub(crate) enum LogCommand {
    /// Goes along the whole chain of a location; exit code 1 names the first position that does not fit.
    Verify(LogVerifyArgs),
    /// Lists the signed checkpoints of a location; with --json, as the file that `log verify --checkpoints` reads.
    Checkpoints,
    /// Writes the log into a file: every event as it is stored, checkpoints, public key. Keys of sealed payloads are not part of it.
    Export(LogExportArgs),
    /// Brings an exported log into a database that knows nothing of its location, hash for hash.
    Import(LogImportArgs),
    /// Prints the public key that checkpoints are signed with, as the file that `log verify --public-key` reads.
    Key,
}

#[derive(Args)]
pub(crate) struct LogExportArgs {
    /// The file to make; one that is there is left alone.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

#[derive(Args)]
pub(crate) struct LogImportArgs {
    /// A file that `log export` made.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Args)]
pub(crate) struct LogVerifyArgs {
    /// An export file to prove offline, from it alone; without one the service walks its log.
    #[arg(value_name = "EXPORT")]
    pub(crate) export: Option<PathBuf>,
    /// Checkpoints that you keep: the log must extend every one of its location.
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoints: Option<PathBuf>,
    /// The key that checkpoints must be signed with (PEM), as you got it when sealing began.
    #[arg(long, value_name = "FILE")]
    pub(crate) public_key: Option<PathBuf>,
}
