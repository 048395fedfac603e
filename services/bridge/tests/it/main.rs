//! The bridge as its clients see it: over HTTP, on a real PostgreSQL.

#![cfg(test)]

mod access;
mod concurrency;
mod control;
mod feed;
mod generations;
mod idempotency;
mod lists;
mod migrations;
mod page;
mod support;
mod writes;
