//! The client against a small server that says what it was asked and answers as told.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod calls;
mod reads;
mod support;
mod writes;
