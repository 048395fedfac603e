//! The admin service against a real PostgreSQL and a real NATS, asked over gRPC and by the command line.

#![cfg(test)]

mod alerts;
mod proof;
mod receivers;
mod support;
