//! What the stories stand on: the whole system with real servers, changed and broken at will, and watched until it agrees with GHL.
//!
//! Knows no story; those are in `it`.

pub mod apart;
pub mod collector;
pub mod grpc;
pub mod lives;
pub mod pollers;
pub mod replays;
pub mod system;
pub mod truth;
pub mod typed;
pub mod wait;
