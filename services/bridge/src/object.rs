//! What an object is and what a write does to it: pure, knowing neither the database nor HTTP.

mod canonical;
mod content;
mod counts;
mod decide;
mod facets;
mod fields;
mod kind;

pub(crate) use canonical::{digest, sha256};
pub(crate) use content::Content;
pub(crate) use counts::Counts;
pub(crate) use decide::{Action, Decision, Digest, Existing, Outcome, Policy, Revision, Wanted, decide};
pub(crate) use facets::{Facets, folded, tag_term};
pub(crate) use fields::{Field, Shape, Time, fields, schema};
pub(crate) use kind::Kind;
