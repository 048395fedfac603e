//! The event log against a real PostgreSQL.

#![cfg(test)]

mod alerts;
mod answers;
mod append;
mod coverage;
mod credentials;
mod guard;
mod history;
mod leases;
mod ledger;
mod migrate;
mod mirrored;
mod names;
mod parked;
mod passes;
mod purge;
mod readings;
mod relay;
mod remained;
mod replays;
mod seal;
mod support;
mod transfer;
mod verify;
