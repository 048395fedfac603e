//! The mapper: turns events into intents.

use std::process::ExitCode;

fn main() -> ExitCode {
    chassis::main::<mapper::Config, _, _>(mapper::run)
}
