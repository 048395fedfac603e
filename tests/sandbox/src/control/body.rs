//! Bodies of orders to the sandbox.

use serde::Deserialize;

use crate::answer::Refusal;

/// An empty body stands for the defaults.
pub(super) fn read<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, Refusal> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|problem| Refusal::bad_request(&format!("not understood: {problem}")))
}
