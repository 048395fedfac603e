//! Reads the fields of one record, whichever way they are spelled, and remembers which of them were not mentioned at all.

use std::collections::BTreeSet;

use domain::Moment;
use serde_json::Value;

use super::fields::{Fields, first_text, flag, moment, reference};
use crate::Zone;

/// A field that is mentioned as null or empty is known to be empty; one that is not mentioned may have a value all the same.
pub(super) struct Reader<'f> {
    fields: &'f Fields,
    zone: &'f Zone,
    pub(super) silent: BTreeSet<String>,
}

impl<'f> Reader<'f> {
    pub(super) fn new(fields: &'f Fields, zone: &'f Zone) -> Self {
        Self { fields, zone, silent: BTreeSet::new() }
    }

    pub(super) fn zone(&self) -> &'f Zone {
        self.zone
    }

    pub(super) fn text(&mut self, name: &str, keys: &[&str]) -> Option<String> {
        self.note(name, keys);
        first_text(self.fields, keys)
    }

    pub(super) fn flag(&mut self, name: &str, keys: &[&str]) -> Option<bool> {
        self.note(name, keys);
        keys.iter().find_map(|key| flag(self.fields, key))
    }

    pub(super) fn reference(&mut self, name: &str, keys: &[&str]) -> Option<String> {
        self.note(name, keys);
        keys.iter().find_map(|key| reference(self.fields, key))
    }

    pub(super) fn moment(&mut self, name: &str, keys: &[&str]) -> Option<Moment> {
        self.note(name, keys);
        keys.iter().find_map(|key| moment(self.fields, key, self.zone))
    }

    pub(super) fn value(&mut self, name: &str, keys: &[&str]) -> Option<&'f Value> {
        self.note(name, keys);
        keys.iter().find_map(|key| self.fields.get(*key))
    }

    fn note(&mut self, name: &str, keys: &[&str]) {
        if !keys.iter().any(|key| self.fields.contains_key(*key)) {
            self.silent.insert(name.to_owned());
        }
    }
}
