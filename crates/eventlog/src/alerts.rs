//! What a person has to be told, and what was told. Which conditions there are and how they are told is decided elsewhere.
//!
//! - `turn`: which replica finds out and tells
//! - `facts`: what conditions are found by
//! - `open`: the alerts, from the first finding until long after they are resolved
//! - `told`: what is still to be told over a channel, and what was
//! - `silences`: what is not told for a while

pub(crate) mod facts;
pub(crate) mod open;
pub(crate) mod silences;
pub(crate) mod told;
pub(crate) mod turn;

use sqlx::PgPool;

/// What a person has to be told. Cheap to clone. All of it runs on the database's clock.
#[derive(Clone)]
pub struct Alerts {
    pub(crate) pool: PgPool,
}
