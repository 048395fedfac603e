//! Tells pages that a workspace changed: at once after a write of this process, soon after one of another.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

/// Where each alias points.
pub(crate) type Aliases = HashMap<String, String>;

/// The last known position of each workspace that somebody follows, and where aliases point.
#[derive(Debug, Default)]
pub(crate) struct Live {
    followed: Mutex<HashMap<String, watch::Sender<u64>>>,
    aliases: watch::Sender<Aliases>,
}

impl Live {
    /// Follows a workspace that was seen at this position.
    pub(crate) fn follow(&self, workspace: &str, position: u64) -> watch::Receiver<u64> {
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = followed.entry(workspace.to_owned()).or_insert_with(|| watch::Sender::new(position));
        let receiver = sender.subscribe();
        raise(sender, position);
        receiver
    }

    pub(crate) fn advance(&self, workspace: &str, position: u64) {
        let followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = followed.get(workspace) {
            raise(sender, position);
        }
    }

    /// The workspace is gone: the signals of its followers end.
    pub(crate) fn forget(&self, workspace: &str) {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner).remove(workspace);
    }

    /// The targets of aliases, and their changes from now on. Empty until they are first known.
    pub(crate) fn aliases(&self) -> watch::Receiver<Aliases> {
        self.aliases.subscribe()
    }

    /// The alias now points at this workspace, or was removed.
    pub(crate) fn pointed(&self, alias: &str, workspace: Option<&str>) {
        self.aliases.send_modify(|aliases| match workspace {
            Some(workspace) => drop(aliases.insert(alias.to_owned(), workspace.to_owned())),
            None => drop(aliases.remove(alias)),
        });
    }

    /// All aliases, as the database has them.
    pub(crate) fn know(&self, all: Aliases) {
        self.aliases.send_if_modified(|aliases| {
            let differs = *aliases != all;
            *aliases = all;
            differs
        });
    }

    /// The workspaces that are followed; drops those without followers.
    pub(crate) fn followed(&self) -> Vec<String> {
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        followed.retain(|_, sender| sender.receiver_count() > 0);
        followed.keys().cloned().collect()
    }
}

fn raise(sender: &watch::Sender<u64>, position: u64) {
    sender.send_if_modified(|known| {
        let newer = position > *known;
        *known = position.max(*known);
        newer
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_only_go_forward_and_each_is_signalled_once() {
        let live = Live::default();
        let mut follower = live.follow("w", 5);
        follower.mark_unchanged();
        live.advance("w", 4);
        live.advance("other", 9);
        assert!(!follower.has_changed().unwrap());
        live.advance("w", 6);
        assert_eq!(*follower.borrow_and_update(), 6);
    }

    #[test]
    fn a_workspace_without_followers_is_forgotten() {
        let live = Live::default();
        let follower = live.follow("w", 5);
        assert_eq!(live.followed(), ["w"]);
        drop(follower);
        assert!(live.followed().is_empty());
    }
}
