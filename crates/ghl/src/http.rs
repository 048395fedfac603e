//! Calls over HTTP.

mod answer;
mod oauth;
mod settings;
mod transport;
mod verdict;

pub use self::answer::Answer;
pub use self::settings::{Settings, Versions};
pub(crate) use self::transport::Request;
pub use self::transport::{Call, OnCall, Reply, Transport};
