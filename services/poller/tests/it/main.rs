//! The poller against real PostgreSQL and nats-server and a small GHL that does what it is told.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests fail like tests")]

mod agency;
mod fixture;
mod nets;
mod oauth;
mod replicas;
mod simulator;
mod source;
mod sweep;
mod trouble;
mod webhooks;
