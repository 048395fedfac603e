//! The writer: brings intents to Pagico's bridge and records what came of it.

use std::process::ExitCode;

fn main() -> ExitCode {
    chassis::main::<writer::Config, _, _>(writer::run)
}
