//! Contacts whose records of a kind a look could not read, because GHL refused them. They are read when GHL allows it again.
//!
//! They are kept in memory: after a restart, and for what is more than fits, the watch, the sweep and the rotation of notes find them.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::{ContactId, RecordKind};

/// What is owed to one location.
pub(crate) struct Owed {
    contacts_max: NonZeroUsize,
    contacts: Mutex<BTreeMap<RecordKind, BTreeSet<ContactId>>>,
}

impl Owed {
    pub(crate) fn new(contacts_max: NonZeroUsize) -> Self {
        Self { contacts_max, contacts: Mutex::default() }
    }

    pub(crate) fn add(&self, kind: RecordKind, contact_id: &ContactId) {
        let mut contacts = self.lock();
        let of_kind = contacts.entry(kind).or_default();
        if of_kind.len() < self.contacts_max.get() {
            of_kind.insert(contact_id.clone());
        }
    }

    /// A look has read them, or nobody will.
    pub(crate) fn settle(&self, kind: RecordKind, contact_id: &ContactId) {
        if let Some(of_kind) = self.lock().get_mut(&kind) {
            of_kind.remove(contact_id);
        }
    }

    /// Some of the contacts, in their order.
    pub(crate) fn some(&self, kind: RecordKind, count: usize) -> Vec<ContactId> {
        self.lock().get(&kind).into_iter().flatten().take(count).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<RecordKind, BTreeSet<ContactId>>> {
        self.contacts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_are_remembered_until_they_are_read() {
        let owed = Owed::new(NonZeroUsize::new(2).unwrap());
        let contact = |id: &str| ContactId::new(id).unwrap();
        for id in ["a", "b", "c"] {
            owed.add(RecordKind::Task, &contact(id));
        }
        assert_eq!(owed.some(RecordKind::Task, 9), [contact("a"), contact("b")]);
        assert!(owed.some(RecordKind::Note, 9).is_empty());
        for id in ["a", "b", "c"] {
            owed.settle(RecordKind::Task, &contact(id));
        }
        assert!(owed.some(RecordKind::Task, 9).is_empty());
    }
}
