//! Starts everything in one process: every service over an embedded PostgreSQL and NATS, and for the demo the simulated GHL.
//!
//! Does not know how any of them works: it gives them addresses and tokens, and looks at the result from outside.

mod cli;
pub mod compare;
mod demo;
mod doctor;
mod failure;
mod init;
mod installation;
mod ports;
mod program;
mod progress;
mod settings;
mod survey;
mod up;

pub use cli::Cli;
pub use program::main;
