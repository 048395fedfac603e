//! What the search knows of, which may be older than what is true.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::records::Contact;

pub(crate) struct Index {
    lag: Duration,
    rows: BTreeMap<String, Arc<Contact>>,
    by_updated: BTreeSet<(i64, String)>,
    by_added: BTreeSet<(i64, String)>,
    /// Changes the search may not see yet, oldest first. None: the contact is gone.
    pending: VecDeque<(Instant, String, Option<Arc<Contact>>)>,
}

impl Index {
    pub(crate) fn new(lag: Duration) -> Self {
        Self { lag, rows: BTreeMap::new(), by_updated: BTreeSet::new(), by_added: BTreeSet::new(), pending: VecDeque::new() }
    }

    pub(crate) fn put(&mut self, contact: &Arc<Contact>) {
        self.note(contact.id.clone(), Some(Arc::clone(contact)));
    }

    pub(crate) fn drop_row(&mut self, id: &str) {
        self.note(id.to_owned(), None);
    }

    fn note(&mut self, id: String, row: Option<Arc<Contact>>) {
        if self.lag.is_zero() {
            self.apply(id, row);
        } else {
            self.pending.push_back((Instant::now(), id, row));
        }
    }

    /// Lets the search see what is older than the lag.
    pub(crate) fn advance(&mut self) {
        while let Some((_, id, row)) = self.pending.pop_front_if(|(at, _, _)| at.elapsed() >= self.lag) {
            self.apply(id, row);
        }
    }

    /// Lets the search see everything.
    pub(crate) fn settle(&mut self) {
        while let Some((_, id, row)) = self.pending.pop_front() {
            self.apply(id, row);
        }
    }

    fn apply(&mut self, id: String, row: Option<Arc<Contact>>) {
        if let Some(old) = self.rows.remove(&id) {
            self.by_updated.remove(&(old.date_updated.as_millisecond(), id.clone()));
            self.by_added.remove(&(old.date_added.as_millisecond(), id.clone()));
        }
        if let Some(row) = row {
            self.by_updated.insert((row.date_updated.as_millisecond(), id.clone()));
            self.by_added.insert((row.date_added.as_millisecond(), id.clone()));
            self.rows.insert(id, row);
        }
    }

    pub(crate) fn row(&self, id: &str) -> Option<&Arc<Contact>> {
        self.rows.get(id)
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &Arc<Contact>> {
        self.rows.values()
    }

    pub(crate) fn by_updated(&self) -> &BTreeSet<(i64, String)> {
        &self.by_updated
    }

    pub(crate) fn by_added(&self) -> &BTreeSet<(i64, String)> {
        &self.by_added
    }
}
