//! Which locations there are, and the marketplace app by which a location can be opened.
//!
//! - `marketplace`: the app as this process has it
//! - `oauth`: how it comes to be installed: a person's browser, and webhooks
//! - `grants`: what GHL grants for an installation is stored sealed
//! - `tokens`: the tokens of an installation, renewed by one process for all
//! - `candidate`: the locations that may be looked after, and what opens each
//! - `installations`: finds these locations
//! - `problems`: what a person must do so that every location can be read

pub(crate) mod candidate;
mod grants;
pub(crate) mod installations;
pub(crate) mod marketplace;
pub(crate) mod oauth;
pub(crate) mod problems;
pub(crate) mod tokens;
