//! Speaks GHL: asks its API for contacts, tasks, notes, appointments and names, under a rate budget, and checks and reads its webhooks.
//!
//! Knows nothing of what is remembered, of the bus or of Pagico: what it read leaves as records of `domain`, and its wire types never do.

mod budget;
mod client;
mod error;
mod http;
mod time;
pub mod webhook;
mod wire;

pub use budget::Rate;
pub use client::{Client, EventsOf, Page, Row, Search, TaskSearch, Window};
pub use error::Error;
pub use http::{Answer, Call, OnCall, Settings, Transport, Versions};
pub use time::Zone;
pub use wire::{Listed, Location, RecordPage, RecordRow};
