//! The bridge as a program of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    chassis::main::<bridge::Config, _, _>(bridge::run)
}
