//! What the vendor published, as the judge of both sides: its webhook examples and schemas must be read without loss, what the client
//! sends must be what its OpenAPI files allow, and so must what the simulator answers.
//!
//! `GHL_CONTRACT_DIR` says where a copy of the vendor's files lies and `MIRROR_PRISM` where the program is that judges requests and
//! answers by them. Neither is part of this repository, so without them nothing is checked, which is said; `just contract` gives both.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "helpers of tests fail like tests, and tell people what they did not do"
)]

mod everything;
mod prism;
mod requests;
mod simulator;
mod spec;
mod webhooks;

use std::path::PathBuf;

/// The vendor's files, or a word that nothing is checked.
fn contract() -> Option<PathBuf> {
    given("GHL_CONTRACT_DIR")
}

/// The judge and the vendor's files, or a word that nothing is checked.
fn judge() -> Option<(PathBuf, PathBuf)> {
    Some((given("MIRROR_PRISM")?, contract()?))
}

fn given(variable: &str) -> Option<PathBuf> {
    let given = std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    if given.is_none() {
        eprintln!("{variable} is not set: this test did not run");
    }
    given
}
