//! What people met at GHL: the files of `tests/cases`, each with a test of its number.
//!
//! - `case`: reads a file
//! - `webhooks`: deliveries that differ from what is documented

mod case;
mod webhooks;
