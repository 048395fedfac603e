//! Everything in one process: `standalone demo` plays a story, `standalone up` mirrors for real.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    standalone::main(standalone::Cli::parse())
}
