//! Every kind of event of every version ever written stays readable. The files are frozen: a new version adds a directory, and the files
//! of an old one are never edited.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use domain::{Body, Change, DeliveryOutcome, ObjectKind, OperatorFact, RecordKind, Recorded, Stored};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

fn version(version: &str) -> BTreeMap<String, Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(version);
    let read = |entry: std::fs::DirEntry| {
        #[expect(clippy::disallowed_methods, reason = "the test reads the corpus, the domain reads no files")]
        let bytes = std::fs::read(entry.path()).unwrap();
        (entry.file_name().to_string_lossy().trim_end_matches(".json").to_owned(), bytes)
    };
    std::fs::read_dir(directory).unwrap().map(|entry| read(entry.unwrap())).collect()
}

fn opened() -> Vec<(String, Value, Recorded)> {
    let open = |(name, bytes): (String, Vec<u8>)| {
        let stored = Stored::received(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let payload = serde_json::from_slice(&stored.body).unwrap();
        let body = stored.read().unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, payload, stored.with(body))
    };
    version("v1").into_iter().map(open).collect()
}

/// The SHA-256 of the names and bytes of all files of a version, in order of their names.
const FROZEN: [(&str, &str); 1] = [("v1", "b482b33dbc33dfdea42ca4cb07bd3625edb3507fae3313de016b70fc08b4da54")];

#[test]
fn every_version_that_was_ever_written_is_here_and_has_not_been_touched() {
    let written = Body::Operator(OperatorFact { verb: "x".to_owned(), detail: Value::Null }).encode().unwrap();
    let written: Value = serde_json::from_slice(&written).unwrap();
    let versions: Vec<String> = (1..=written["v"].as_u64().unwrap()).map(|version| format!("v{version}")).collect();
    assert_eq!(FROZEN.map(|(version, _)| version.to_owned()).to_vec(), versions);
    for (version, digest) in FROZEN {
        let mut hash = Sha256::new();
        for (name, bytes) in self::version(version) {
            hash.update(format!("{name}\n{}\n", bytes.len()));
            hash.update(&bytes);
            let stored = Stored::received(&bytes).unwrap();
            let payload: Value = serde_json::from_slice(&stored.body).unwrap();
            assert_eq!(format!("v{}", payload["v"]), version, "{name} is in the directory of its version");
        }
        assert_eq!(hex::encode(hash.finalize()), digest, "{version} is frozen: add files to the version that is written now, edit none");
    }
}

#[test]
fn events_of_version_1_are_read_whole() {
    let mut read = 0;
    for (name, payload, recorded) in opened() {
        assert_eq!(recorded.body.type_name(), name);
        let again: Value = serde_json::from_slice(&recorded.body.encode().unwrap()).unwrap();
        assert_eq!(again, payload, "{name} loses something when it is read");
        read += 1;
    }
    assert_eq!(read, 21);
}

#[test]
fn the_corpus_holds_every_kind_of_fact() {
    let mut changes = BTreeSet::new();
    let mut kinds = BTreeSet::new();
    let mut outcomes = BTreeSet::new();
    let mut objects = BTreeSet::new();
    let mut nets = BTreeSet::new();
    for (_, _, recorded) in opened() {
        nets.insert(recorded.cause.net.as_str());
        match recorded.body {
            Body::Record(fact) => {
                changes.insert(fact.change.as_str());
                kinds.insert(fact.record.kind());
            }
            Body::Delivery(fact) => {
                outcomes.insert(fact.outcome.as_str());
                objects.extend(fact.deliveries.iter().map(|delivery| delivery.kind));
            }
            Body::Operator(_) | Body::Erased => {}
        }
    }
    assert_eq!(changes, Change::ALL.map(Change::as_str).into());
    assert_eq!(kinds, RecordKind::ALL.into());
    let all = [DeliveryOutcome::Delivered, DeliveryOutcome::Refused, DeliveryOutcome::Parked, DeliveryOutcome::Redriven];
    assert_eq!(outcomes, all.map(DeliveryOutcome::as_str).into());
    assert_eq!(objects, ObjectKind::ALL.into());
    assert_eq!(nets, BTreeSet::from(["webhook", "poll", "sweep", "backfill", "operator", "writer"]));
}
