//! The poller: sees what changes in GHL, writes it to the log and passes it on.

use std::process::ExitCode;

fn main() -> ExitCode {
    chassis::main::<poller::Config, _, _>(poller::run)
}
