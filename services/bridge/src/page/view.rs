//! What the templates are given: finished texts and addresses, nothing to decide but what is there.

mod detail;
mod frame;
mod links;
mod list;
mod object;
mod workspaces;

pub(super) use frame::frame;
pub(super) use workspaces::workspaces;
