//! The poller against a real PostgreSQL and nats-server and a scripted fake of GHL.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests fail like tests")]

mod absence;
mod agency;
mod cases;
mod clock;
mod fixture;
mod locations;
mod nets;
mod oauth;
mod refusals;
mod replicas;
mod resync;
mod rows;
mod script;
mod simulator;
mod source;
mod sweep;
mod trouble;
mod webhooks;
