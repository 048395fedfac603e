//! The admin service: answers what was seen, what changed and where it went.

use std::process::ExitCode;

fn main() -> ExitCode {
    chassis::main::<admin::Config, _, _>(admin::run)
}
