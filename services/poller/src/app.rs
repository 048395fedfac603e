//! Which locations there are, and the marketplace app by which a location can be opened.
//!
//! - `marketplace`: the app: its client, its settings and where its tokens are kept
//! - `oauth`: how it comes to be installed: a person's browser, and webhooks
//! - `grants`: stores the tokens that GHL grants for an installation
//! - `tokens`: the tokens of an installation, renewed by one process at a time
//! - `private`: private integration tokens, which may be replaced
//! - `candidate`: the locations that are mirrored, and the access to each
//! - `mirroring`: finds these locations
//! - `installations`: finds out where the app is installed
//! - `access`: what GHL answers, refuses and fails to answer
//! - `states`: the state of every area of a location, for people
//! - `problems`: what a person must fix so that every location can be read

pub(crate) mod access;
pub(crate) mod candidate;
mod grants;
pub(crate) mod installations;
pub(crate) mod marketplace;
pub(crate) mod mirroring;
pub(crate) mod oauth;
pub(crate) mod private;
pub(crate) mod problems;
pub(crate) mod states;
pub(crate) mod tokens;
