//! The gRPC services, one room for each, and what they share.

pub(crate) mod admin;
pub(crate) mod alerts;
mod answers;
pub(crate) mod audit;
pub(crate) mod erasure;
mod events;
pub(crate) mod proof;
pub(crate) mod replay;
mod request;
mod stream;
