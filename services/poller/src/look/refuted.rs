//! Rows of lists that differ from what is known, although a look has shown that what is known is right: the search lags behind, and lists
//! give fields otherwise than what they are compared with.
//!
//! They are remembered in memory and not in the log's database: what is forgotten costs one look, and what is remembered wrongly, because
//! GHL's own answers disagreed for a moment, is not remembered for ever.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::{ContactId, RecordId, RecordKind, Shown};

use crate::config::RefutedSettings;
use crate::look::request::ListedRecord;

/// The rows of one location.
pub(crate) struct Refuted {
    settings: RefutedSettings,
    rows: Mutex<Rows>,
}

#[derive(Default)]
struct Rows {
    by_record: HashMap<Arc<Key>, Row>,
    order: VecDeque<Arc<Key>>,
}

type Key = (ContactId, RecordKind, RecordId);

struct Row {
    hash: u64,
    until: Instant,
    /// How often it was looked at in vain.
    looks: u32,
}

impl Refuted {
    pub(crate) fn new(settings: RefutedSettings) -> Self {
        Self { settings, rows: Mutex::default() }
    }

    /// Whether a look has refuted this very row lately.
    pub(crate) fn contains(&self, contact_id: &ContactId, row: &ListedRecord) -> bool {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let known = rows.by_record.get(&(contact_id.clone(), row.kind, row.record_id.clone()));
        known.is_some_and(|known| known.hash == hash(&row.shown) && Instant::now() < known.until)
    }

    /// A look has shown that the row is wrong. One that shows another content stays refuted until it changes; one that shows a record
    /// which is not there is looked at again soon, and less and less often, since the list may be ahead of the look.
    pub(crate) fn remember(&self, contact_id: &ContactId, row: &ListedRecord, is_there: bool) {
        let key = Arc::new((contact_id.clone(), row.kind, row.record_id.clone()));
        let hash = hash(&row.shown);
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let looks = rows.by_record.get(&key).filter(|known| known.hash == hash).map_or(0, |known| known.looks);
        let pause = if is_there { self.settings.lifetime } else { self.pause(looks) };
        let row = Row { hash, until: Instant::now() + pause, looks: looks.saturating_add(1) };
        if rows.by_record.insert(Arc::clone(&key), row).is_none() {
            rows.order.push_back(key);
        }
        if rows.order.len() > self.settings.rows_max.get()
            && let Some(oldest) = rows.order.pop_front()
        {
            rows.by_record.remove(&oldest);
        }
    }

    /// Forgets all of them: a person wants everything looked at again.
    pub(crate) fn clear(&self) {
        *self.rows.lock().unwrap_or_else(PoisonError::into_inner) = Rows::default();
    }

    fn pause(&self, looks: u32) -> Duration {
        let doubled = self.settings.missing_pause.saturating_mul(2_u32.saturating_pow(looks));
        doubled.min(self.settings.lifetime)
    }
}

/// Equal for equal rows as long as the process lives.
fn hash(shown: &Shown) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{shown:?}").hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use domain::{Record, Task};

    use super::*;

    fn contact(id: &str) -> ContactId {
        ContactId::new(id).unwrap()
    }

    fn row(title: &str) -> ListedRecord {
        let task = Task { title: Some(title.to_owned()), ..Task::default() };
        ListedRecord { kind: RecordKind::Task, record_id: RecordId::new("t-1").unwrap(), shown: Record::Task(task).into() }
    }

    fn refuted(rows_max: usize, lifetime: Duration) -> Refuted {
        let missing_pause = Duration::ZERO;
        Refuted::new(RefutedSettings { rows_max: NonZeroUsize::new(rows_max).unwrap(), lifetime, missing_pause })
    }

    #[test]
    fn a_row_is_refuted_until_it_changes() {
        let refuted = refuted(10, Duration::from_secs(3_600));
        refuted.remember(&contact("c-1"), &row("Call"), true);
        assert!(refuted.contains(&contact("c-1"), &row("Call")));
        assert!(!refuted.contains(&contact("c-1"), &row("Call again")));
        assert!(!refuted.contains(&contact("c-2"), &row("Call")));
        refuted.remember(&contact("c-1"), &row("Call again"), true);
        assert!(!refuted.contains(&contact("c-1"), &row("Call")), "only its last content");
    }

    #[test]
    fn a_row_of_what_is_not_there_is_looked_at_again() {
        let hour = Duration::from_secs(3_600);
        let refuted = refuted(10, hour);
        refuted.remember(&contact("c-1"), &row("Call"), false);
        assert!(!refuted.contains(&contact("c-1"), &row("Call")));
        let slower = Refuted::new(RefutedSettings { missing_pause: Duration::from_secs(60), ..refuted.settings });
        let pauses: Vec<u64> = [0, 1, 2, 40].map(|looks| slower.pause(looks).as_secs()).into();
        assert_eq!(pauses, [60, 120, 240, 3_600]);
    }

    #[test]
    fn only_so_many_are_remembered_and_only_for_so_long() {
        let few = refuted(2, Duration::from_secs(3_600));
        for id in ["c-1", "c-2", "c-3"] {
            few.remember(&contact(id), &row("Call"), true);
        }
        assert!(!few.contains(&contact("c-1"), &row("Call")) && few.contains(&contact("c-3"), &row("Call")));
        let short = refuted(2, Duration::from_nanos(1));
        short.remember(&contact("c-1"), &row("Call"), true);
        assert!(!short.contains(&contact("c-1"), &row("Call")));
    }
}
