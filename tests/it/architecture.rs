//! The rules of the house, as tests.

#![expect(clippy::wildcard_enum_match_arm, reason = "Rust has many kinds of items and types, of which a rule is about a few")]

mod dependencies;
mod walkthroughs;

mod circles;
mod sizes;
mod unused;

mod mentions;
mod modules;
mod source;
