//! Starts PostgreSQL and nats-server as child processes, for the demo, for one machine and for tests.
//!
//! It does not know what is kept in them: no schema, no stream, no role but the owner.

mod account;
mod child;
mod directory;
mod error;
mod find;
mod log;
mod nats;
mod ports;
mod postgres;
mod random;
mod scratch;

pub use directory::wipe;
pub use error::Error;
pub use nats::{Nats, NatsSettings};
pub use ports::free_port;
pub use postgres::{Postgres, PostgresSettings};
pub use scratch::scratch;
