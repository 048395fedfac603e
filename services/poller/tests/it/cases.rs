//! What people met at GHL: the files of `tests/cases`, each with a test of its number.
//!
//! - `case`: reads a file
//! - `hints`: what webhooks say that GHL does not show yet, or not of whom
//! - `refusals`: refusals that are no word about the token
//! - `shapes`: records in shapes that nobody documented
//! - `silence`: answers that do not mention everything
//! - `webhooks`: deliveries that differ from what is documented

mod case;
mod hints;
mod refusals;
mod shapes;
mod silence;
mod webhooks;

pub(crate) use self::case::Case;
