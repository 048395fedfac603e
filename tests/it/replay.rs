//! Rebuilding Pagico from the log.

mod chaos;
mod drift;
mod locations;
mod mapping;
mod once;
mod rebuild;
