//! What the search knows of, which may be older than what is true.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{dice::Dice, records::Contact};

/// How late the search sees a change.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lag {
    pub(crate) at_least: Duration,
    /// Up to this much more, by chance: a later change may be seen earlier.
    pub(crate) more: Duration,
}

pub(crate) struct Index {
    lag: Lag,
    dice: Dice,
    rows: BTreeMap<String, Arc<Contact>>,
    by_updated: BTreeSet<(i64, String)>,
    by_added: BTreeSet<(i64, String)>,
    /// Changes the search may not see yet, by when it may and in their order. None: the contact is gone.
    pending: BTreeMap<(Instant, u64), Change>,
    changes: u64,
    /// The newest change seen of a contact while others are pending: an older one that comes later is not seen at all.
    seen: BTreeMap<String, u64>,
}

/// Whose row becomes what.
type Change = (String, Option<Arc<Contact>>);

impl Index {
    pub(crate) fn new(lag: Lag, seed: u64) -> Self {
        Self {
            lag,
            dice: Dice::for_purpose(seed, "index"),
            rows: BTreeMap::new(),
            by_updated: BTreeSet::new(),
            by_added: BTreeSet::new(),
            pending: BTreeMap::new(),
            changes: 0,
            seen: BTreeMap::new(),
        }
    }

    /// For changes to come.
    pub(crate) fn set_lag(&mut self, lag: Lag) {
        self.lag = lag;
    }

    pub(crate) fn put(&mut self, contact: &Arc<Contact>) {
        self.note(contact.id.clone(), Some(Arc::clone(contact)));
    }

    pub(crate) fn drop_row(&mut self, id: &str) {
        self.note(id.to_owned(), None);
    }

    fn note(&mut self, id: String, row: Option<Arc<Contact>>) {
        self.changes += 1;
        let more = i64::try_from(self.lag.more.as_millis()).unwrap_or(i64::MAX);
        let more = Duration::from_millis(u64::try_from(self.dice.between(0, more)).unwrap_or(0));
        let lag = self.lag.at_least + more;
        if lag.is_zero() && self.pending.is_empty() {
            self.apply(id, row);
        } else {
            self.pending.insert((Instant::now() + lag, self.changes), (id, row));
        }
    }

    /// Lets the search see what is older than the lag.
    pub(crate) fn advance(&mut self) {
        let now = Instant::now();
        while self.pending.first_key_value().is_some_and(|((due, _), _)| *due <= now) {
            self.see_next();
        }
    }

    /// Lets the search see everything.
    pub(crate) fn settle(&mut self) {
        while !self.pending.is_empty() {
            self.see_next();
        }
    }

    fn see_next(&mut self) {
        let Some(((_, change), (id, row))) = self.pending.pop_first() else { return };
        let overtaken = self.seen.get(&id).is_some_and(|seen| *seen > change);
        if !overtaken {
            self.seen.insert(id.clone(), change);
            self.apply(id, row);
        }
        if self.pending.is_empty() {
            self.seen.clear();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_change_that_is_seen_later_does_not_undo_a_newer_one() {
        let mut index = Index::new(Lag { at_least: Duration::ZERO, more: Duration::from_secs(60) }, 1);
        for city in 0..50 {
            index.put(&Arc::new(Contact { id: "a".to_owned(), city: Some(city.to_string()), ..Contact::default() }));
        }
        let mut newest = 0;
        while !index.pending.is_empty() {
            index.see_next();
            let city = index.row("a").and_then(|row| row.city.as_deref()?.parse().ok()).unwrap();
            assert!(city >= newest, "{city} after {newest}");
            newest = city;
        }
        assert_eq!(newest, 49);
    }
}
