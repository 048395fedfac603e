//! Reads the fields of one record, whichever way they are spelled, and remembers which of them the answer does not speak of.

use std::collections::BTreeMap;

use domain::{Doubt, Moment, Record, Shown, Silent};
use serde_json::Value;

use super::fields::{self, Fields};
use super::shape::Shape;
use crate::json::Unreadable;
use crate::{Zone, time};

/// A field that is mentioned as null or empty is known to be empty. One that is not mentioned, or not readable, may have a value all the
/// same.
pub(super) struct Reader<'f> {
    fields: &'f Fields,
    zone: &'f Zone,
    shape: Shape,
    silent: Silent,
    unread: Silent,
    doubts: BTreeMap<&'static str, Doubt>,
}

impl<'f> Reader<'f> {
    pub(super) fn new(fields: &'f Fields, shape: Shape, zone: &'f Zone) -> Self {
        Self { fields, zone, shape, silent: Silent::new(), unread: Silent::new(), doubts: BTreeMap::new() }
    }

    pub(super) fn zone(&self) -> &'f Zone {
        self.zone
    }

    /// The record with what was remembered about its fields.
    pub(super) fn shown(self, record: Record) -> Shown {
        Shown { record, silent: self.silent, unread: self.unread, doubts: self.doubts }
    }

    pub(super) fn text(&mut self, name: &'static str, keys: &[&str]) -> Option<String> {
        self.read(name, keys, fields::as_text)
    }

    pub(super) fn flag(&mut self, name: &'static str, keys: &[&str]) -> Option<bool> {
        self.read(name, keys, fields::as_flag)
    }

    pub(super) fn reference(&mut self, name: &'static str, keys: &[&str]) -> Option<String> {
        self.read(name, keys, fields::as_reference)
    }

    pub(super) fn day(&mut self, name: &'static str, keys: &[&str]) -> Option<Moment> {
        let zone = self.zone;
        self.read(name, keys, |value| time::day(value, zone))
    }

    /// A point in time. Where its text may mean another one, this is remembered, too.
    pub(super) fn moment(&mut self, name: &'static str, keys: &[&str]) -> Option<Moment> {
        let zone = self.zone;
        let (moment, doubt) = self.read(name, keys, |value| time::moment(value, zone))?;
        if let Some(doubt) = doubt {
            self.doubts.insert(name, doubt);
        }
        Some(moment)
    }

    /// A point in time without parts of a second: the list of a contact's appointments gives whole seconds, that of a calendar's more.
    pub(super) fn second(&mut self, name: &'static str, keys: &[&str]) -> Option<Moment> {
        self.moment(name, keys).map(time::whole_second)
    }

    /// What the first key with a value says. Silence and what cannot be read are noted.
    pub(super) fn read<T>(
        &mut self,
        name: &'static str,
        keys: &[&str],
        read: impl Fn(&'f Value) -> Result<Option<T>, Unreadable>,
    ) -> Option<T> {
        let fields = self.fields;
        let (mut mentioned, mut unreadable) = (false, false);
        for value in keys.iter().filter_map(|key| fields.get(*key)) {
            mentioned = true;
            match read(value) {
                Ok(Some(read)) => return Some(read),
                Ok(None) => {}
                Err(Unreadable) => unreadable = true,
            }
        }
        if unreadable {
            self.unread.insert(name);
        }
        if unreadable || (!mentioned && !self.shape.speaks_of().contains(&name)) {
            self.silent.insert(name);
        }
        None
    }

    pub(super) fn is_silent_about(&self, name: &'static str) -> bool {
        self.silent.contains(name)
    }

    /// The answer does not speak of this field after all.
    pub(super) fn silence(&mut self, name: &'static str) {
        self.silent.insert(name);
    }

    /// The answer says this field in other words.
    pub(super) fn said(&mut self, name: &'static str) {
        self.silent.remove(name);
    }
}
