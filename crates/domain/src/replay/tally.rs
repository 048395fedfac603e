//! The totals of a plan, and the hash that is approved.

use sha2::{Digest, Sha256};

use super::planned::{Planned, Reason, Step};
use crate::{ContactId, Hash, LocationId, RulesRevision, Workspace};

/// The totals of a plan while it is made. Contacts may be added in any order, and tallies may be merged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub puts: u64,
    pub removes: u64,
    pub skips: u64,
    /// Contacts with at least one put or removal.
    pub contacts: u64,
    pub events: u64,
    pub unreadable: u64,
    /// Puts that are only needed because the rules changed.
    pub rewrites: u64,
    /// Rows of the ledger to delete.
    pub forgotten: u64,
    /// The sum of the contacts' digests modulo 2^256, which does not depend on their order.
    sum: [u64; 4],
}

/// What a plan is based on; part of its hash.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    pub location_id: &'a LocationId,
    pub workspace: &'a Workspace,
    pub rules: &'a RulesRevision,
    /// The last position that the plan covers, and its hash in the log.
    pub head: (u64, Hash),
    /// The selection that was asked for, in a canonical form.
    pub selection: &'a str,
}

impl Tally {
    pub fn add(&mut self, contact_id: &ContactId, planned: &[Planned]) {
        let mut acting: Vec<&Planned> = Vec::new();
        for one in planned {
            match one.step {
                Step::Put => self.puts += 1,
                Step::Remove => self.removes += 1,
                Step::Skip => self.skips += 1,
            }
            self.rewrites += u64::from(one.reason == Reason::Rules);
            self.unreadable += u64::from(one.reason == Reason::Unreadable);
            self.forgotten += u64::from(one.forget.is_some());
            if one.acts() {
                acting.push(one);
            }
        }
        if !acting.is_empty() {
            acting.sort_by(|a, b| a.object.cmp(&b.object));
            self.contacts += 1;
            self.sum = plus(self.sum, number(&digest(contact_id, &acting)));
        }
    }

    pub fn merge(&mut self, other: &Self) {
        self.puts += other.puts;
        self.removes += other.removes;
        self.skips += other.skips;
        self.contacts += other.contacts;
        self.events += other.events;
        self.unreadable += other.unreadable;
        self.rewrites += other.rewrites;
        self.forgotten += other.forgotten;
        self.sum = plus(self.sum, other.sum);
    }

    /// How many objects would be written or removed.
    pub fn actions(&self) -> u64 {
        self.puts + self.removes
    }

    /// The hash of the plan: the same log, rules and workspace give the same.
    pub fn hash(&self, terms: Terms<'_>) -> Hash {
        let mut hasher = Sha256::new_with_prefix(b"pagico-mirror plan 1");
        for text in [terms.location_id.as_str(), terms.workspace.as_str(), terms.rules.as_str(), terms.selection] {
            put(&mut hasher, text.as_bytes());
        }
        put(&mut hasher, &terms.head.0.to_be_bytes());
        put(&mut hasher, &terms.head.1);
        self.sum.iter().for_each(|part| put(&mut hasher, &part.to_be_bytes()));
        hasher.finalize().into()
    }
}

fn digest(contact_id: &ContactId, acting: &[&Planned]) -> Hash {
    let mut hasher = Sha256::new();
    put(&mut hasher, contact_id.as_str().as_bytes());
    for one in acting {
        put(&mut hasher, one.object.as_str().as_bytes());
        put(&mut hasher, if one.step == Step::Put { b"put" } else { b"remove" });
        put(&mut hasher, one.cause.to_string().as_bytes());
    }
    hasher.finalize().into()
}

/// Prefixes the bytes with their length, so that different parts never hash alike.
fn put(hasher: &mut Sha256, bytes: &[u8]) {
    hasher.update((bytes.len() as u64).to_be_bytes());
    hasher.update(bytes);
}

/// A digest as a number, least significant part first.
fn number(digest: &Hash) -> [u64; 4] {
    let (parts, _) = digest.as_chunks::<8>();
    let mut number = [0; 4];
    for (part, bytes) in number.iter_mut().zip(parts) {
        *part = u64::from_le_bytes(*bytes);
    }
    number
}

fn plus(a: [u64; 4], b: [u64; 4]) -> [u64; 4] {
    let mut sum = [0; 4];
    let mut carry = false;
    for (part, (a, b)) in sum.iter_mut().zip(a.into_iter().zip(b)) {
        (*part, carry) = a.carrying_add(b, carry);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_carry_and_wrap() {
        assert_eq!(plus([u64::MAX, 0, 0, 1], [1, 0, 0, 1]), [0, 1, 0, 2]);
        assert_eq!(plus([u64::MAX; 4], [1, 0, 0, 0]), [0; 4]);
    }
}
