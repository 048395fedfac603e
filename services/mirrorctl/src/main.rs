//! The command line of pagico-mirror: how far it is, what changed, where it went, and what to do about it.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    mirrorctl::run(std::env::args_os()).await
}
