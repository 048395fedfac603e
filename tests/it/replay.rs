//! Rebuilding Pagico from the log.

mod chaos;
mod drift;
mod locations;
mod once;
mod rebuild;
