//! Reads what clients send: every mistake becomes a sentence that names the field and quotes nothing.

mod age;
mod item;
mod names;
mod refusal;
mod revision;

pub(crate) use age::{Age, Ages, Erasure};
pub(crate) use item::{Item, batch, put_body, removal};
pub(crate) use names::{ALIAS, ITSELF, check_idempotency_key, check_key, check_workspace};
pub(crate) use refusal::Refusal;
pub(crate) use revision::checked_revision;
