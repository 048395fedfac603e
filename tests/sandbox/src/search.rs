//! `POST /contacts/search`: filters, order, paging, and a view that lags behind.

pub(crate) mod filter;
mod index;
mod query;

pub(crate) use index::{Index, Lag};
pub(crate) use query::{Found, Query, run};
