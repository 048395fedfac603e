//! Which texts may be keys or names.

use crate::config::Limits;

pub(crate) fn check_key(what: &str, key: &str, limits: &Limits) -> Result<(), String> {
    check_name(what, key, limits.key_bytes_max)
}

/// Marks an alias in a path.
pub(crate) const ALIAS: char = '@';
/// Marks a workspace's own name in an address of the page, where an alias may have the same name.
pub(crate) const ITSELF: char = '=';

/// A workspace's own name, or an alias: neither begins with what marks one in a path.
pub(crate) fn check_workspace(workspace: &str, limits: &Limits) -> Result<(), String> {
    if workspace.starts_with([ALIAS, ITSELF]) {
        return Err(format!("workspace must not begin with {ALIAS} or {ITSELF}"));
    }
    check_name("workspace", workspace, limits.workspace_bytes_max)
}

pub(crate) fn check_idempotency_key(key: &str, limits: &Limits) -> Result<(), String> {
    check_name("idempotency key", key, limits.idempotency_key_bytes_max)
}

fn check_name(what: &str, name: &str, bytes_max: usize) -> Result<(), String> {
    if name.is_empty() {
        Err(format!("{what} is empty"))
    } else if name.len() > bytes_max {
        Err(format!("{what} has {} bytes, at most {bytes_max} are allowed", name.len()))
    } else if name.chars().any(char::is_control) {
        Err(format!("{what} contains a control character"))
    } else {
        Ok(())
    }
}
