//! `log`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Subcommand)]
pub(crate) enum LogCommand {
    /// Verifies the whole hash chain of a location. On exit code 1 it names the first position that is wrong.
    Verify(LogVerifyArgs),
    /// Lists the signed checkpoints of a location; with --json, in the form that `log verify --checkpoints` reads.
    Checkpoints,
    /// Writes the log to a file: every event as it is stored, the checkpoints and the public key, without the keys of sealed payloads.
    Export(LogExportArgs),
    /// Imports an exported log, hash for hash, into a database that has no events of its location.
    Import(LogImportArgs),
    /// Prints the public key that checkpoints are signed with, in the form that `log verify --public-key` reads.
    Key,
}

#[derive(Args)]
pub(crate) struct LogExportArgs {
    /// The file to write. An existing file is not overwritten.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

#[derive(Args)]
pub(crate) struct LogImportArgs {
    /// A file that `log export` wrote.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Args)]
pub(crate) struct LogVerifyArgs {
    /// An export file, to be verified offline. Without one the service verifies its own log.
    #[arg(value_name = "EXPORT")]
    pub(crate) export: Option<PathBuf>,
    /// Checkpoints that you kept: the log must extend every one of its location.
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoints: Option<PathBuf>,
    /// The public key that checkpoints must be signed with (PEM), as you received it when sealing began.
    #[arg(long, value_name = "FILE")]
    pub(crate) public_key: Option<PathBuf>,
}
