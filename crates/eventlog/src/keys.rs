//! The keys: those that wrap, and the contacts' own.

pub(crate) mod cipher;
pub(crate) mod kek;
pub(crate) mod ring;
