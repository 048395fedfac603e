//! Answers for people and for replays.

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
