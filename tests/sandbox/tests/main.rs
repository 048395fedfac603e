//! The simulator over real HTTP, as its users meet it.

mod api;
mod common;
mod control;
mod locations;
mod oauth;
mod odd;
mod story;
mod webhooks;
mod year;
