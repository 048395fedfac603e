//! Starts everything in one process: every service over an embedded PostgreSQL and NATS, and for the demo the simulated GHL.
//!
//! It does not know how any of them works: it gives them addresses and tokens, and looks at the result from outside.

mod cli;
pub mod compare;
mod databases;
mod demo;
mod failure;
mod ports;
mod program;
mod progress;
mod secrets;
mod servers;
mod services;
mod settings;
mod stand;
mod summary;
mod up;
mod workspace;

pub use cli::{Cli, Command, DemoArgs, UpArgs};
pub use failure::Failure;
pub use ports::Ports;
pub use program::main;
pub use secrets::Secrets;
pub use servers::Servers;
pub use settings::Settings;
pub use summary::Summary;
