//! Runs a service: config, telemetry, HTTP and gRPC servers, health, control and shutdown.
//!
//! Does not know what a service does or whom it speaks to. Only the tracing subscriber is global, so that several services can run in
//! one process.

mod attribution;
mod chassis;
mod config;
mod control;
mod program;
mod server;
pub mod tasks;
pub mod telemetry;
pub mod trace;

pub use attribution::in_service;
pub use chassis::Chassis;
pub use config::{ConfigError, Settings, load, load_table};
pub use control::{Control, InHand};
pub use program::{main, run_until_stopped};
pub use server::ServerSettings;
pub use telemetry::{LogFormat, TelemetrySettings};
pub use tokio_util::sync::CancellationToken as Shutdown;
