//! Speaks GHL: asks its API for contacts, tasks, notes, appointments and names and changes them there, under a rate budget, and checks
//! and reads its webhooks.
//!
//! Knows nothing of what is remembered, of the bus or of Pagico: what it read leaves as records of `domain`, and its wire types never do.

mod budget;
mod client;
mod error;
mod http;
mod json;
mod oauth;
mod operations;
mod time;
mod tokens;
pub mod webhook;
mod wire;
mod write;

pub use budget::{Lane, LaneSpending, Rate, Shares, Spending};
pub use client::{CallError, Client, EventsOf, Search, TaskSearch, Window};
pub use error::{Error, Match};
pub use http::{Answer, Call, OnCall, Reply, Settings, Transport, Versions};
pub use oauth::{AppSettings, Grant, Holder, OAuth, OAuthError};
pub use operations::{Area, Argument, Kind, Method, OPERATIONS, Operation, RequestPart};
pub use time::Zone;
pub use tokens::{Awaited, Token, TokenSource};
pub use wire::{CustomFields, Listed, Location, Page, RecordPage, RecordRow, Row, UnreadableRow, WrittenContact, WrittenRecord};
pub use write::{Channel, Closed, ContactFields, Field, NewContact, NewNote, NewTask, NoteChange, NoteFields, Reach, TaskChange};
