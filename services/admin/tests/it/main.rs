//! The admin service against a real PostgreSQL and a real NATS, asked over gRPC and by the command line.

#![cfg(test)]

mod proof;
mod support;
