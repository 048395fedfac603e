//! A chassis as operators and clusters meet it: over real sockets.

#![cfg(test)]

mod serving;
mod telemetry;
