//! Proves that the parts work together, on real PostgreSQL, NATS, HTTP and gRPC.

mod admin;
mod architecture;
mod audit;
mod backfill;
mod config;
mod credentials;
mod erase;
mod failure;
mod locations;
mod merged;
mod process;
mod purge;
mod readings;
mod replay;
mod restart;
mod scopes;
mod source;
mod sync;
mod trace;
mod year;
