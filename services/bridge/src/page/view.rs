//! What the templates get: finished texts and addresses. A template decides nothing but whether a value is there.

mod detail;
mod frame;
mod links;
mod list;
mod object;
mod workspaces;

pub(super) use frame::frame;
pub(super) use workspaces::workspaces;
