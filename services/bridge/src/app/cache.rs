//! Values computed from whole workspaces.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::store::{Head, Result};

/// When a workspace was created, and the position it was seen at.
type Seen = (i64, u64);

/// What was last computed of each workspace, so that asking again costs nothing while nothing changes.
pub(crate) struct Cache<T> {
    computed: Mutex<HashMap<String, Computed<T>>>,
    computing: tokio::sync::Mutex<()>,
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self { computed: Mutex::default(), computing: tokio::sync::Mutex::default() }
    }
}

struct Computed<T> {
    seen: Seen,
    at: Instant,
    took: Duration,
    value: T,
}

/// In a workspace with at least this many objects a value may be slightly old: it is used for `USED_FOR` times as long as it took to
/// compute.
const LARGE_OBJECTS: u64 = 20_000;
const USED_FOR: u32 = 10;

impl<T: Clone> Cache<T> {
    /// The value for this head, or a slightly older one where the workspace is large: a page that is asked for after every change
    /// must not read the whole workspace each time.
    pub(crate) async fn recent<F: Future<Output = Result<T>>>(&self, head: &Head, compute: impl FnOnce() -> F) -> Result<T> {
        let lately = {
            let all = self.computed.lock().unwrap_or_else(PoisonError::into_inner);
            let is_large = head.objects() >= LARGE_OBJECTS;
            let fits = |known: &&Computed<T>| is_large && known.seen.0 == head.created_at && known.at.elapsed() < known.took * USED_FOR;
            all.get(&head.workspace).filter(fits).map(|known| known.value.clone())
        };
        match lately {
            Some(value) => Ok(value),
            None => self.of(head, compute).await,
        }
    }

    /// The value for this head or a later one.
    pub(crate) async fn of<F: Future<Output = Result<T>>>(&self, head: &Head, compute: impl FnOnce() -> F) -> Result<T> {
        if let Some(known) = self.known(head) {
            return Ok(known);
        }
        // One at a time: it reads the whole workspace.
        let _computing = self.computing.lock().await;
        if let Some(known) = self.known(head) {
            return Ok(known);
        }
        let begun = Instant::now();
        let value = compute().await?;
        let mut all = self.computed.lock().unwrap_or_else(PoisonError::into_inner);
        let (seen, at) = ((head.created_at, head.position), Instant::now());
        all.insert(head.workspace.clone(), Computed { seen, at, took: at - begun, value: value.clone() });
        Ok(value)
    }

    fn known(&self, head: &Head) -> Option<T> {
        let all = self.computed.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |(created_at, position): Seen| created_at == head.created_at && position >= head.position;
        all.get(&head.workspace).filter(|known| fits(known.seen)).map(|known| known.value.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::{Counts, Kind};

    fn head(position: u64) -> Head {
        Head { workspace: "w".to_owned(), position, created_at: 1, counts: Counts::from_iter([(Kind::Contact, LARGE_OBJECTS)]) }
    }

    #[tokio::test]
    async fn what_took_long_is_used_a_little_longer_and_never_for_another_workspace_of_the_name() {
        let remembered = Cache::default();
        let slow = async |value: u64| {
            tokio::time::sleep(Duration::from_millis(200)).await;
            Ok(value)
        };
        assert_eq!(remembered.recent(&head(1), || slow(1)).await.unwrap(), 1);
        assert_eq!(remembered.recent(&head(2), || slow(2)).await.unwrap(), 1, "within ten times as long");
        assert_eq!(remembered.of(&head(2), || slow(2)).await.unwrap(), 2, "an exact value is computed");
        assert_eq!(remembered.recent(&Head { created_at: 2, ..head(0) }, || slow(3)).await.unwrap(), 3);
        let small = Head { counts: Counts::from_iter([(Kind::Contact, 1)]), created_at: 2, ..head(1) };
        assert_eq!(remembered.recent(&small, || slow(4)).await.unwrap(), 4, "a small one is read again");
    }
}
