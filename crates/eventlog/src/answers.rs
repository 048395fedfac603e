//! Answers for people and for replays.
//!
//! - `overview`: where every location, contact and object stands now
//! - `history`: events that match, and how contacts stood
//! - `contacts`: a location read contact by contact, as a replay folds it
//! - `access`: who asked to see what

pub(crate) mod access;
pub(crate) mod contacts;
pub(crate) mod history;
pub(crate) mod overview;

use sqlx::PgPool;

/// Answers from the log and what stands beside it. Cheap to clone.
#[derive(Clone)]
pub struct Answers {
    pub(crate) pool: PgPool,
}
