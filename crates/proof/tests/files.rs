//! Export files: they are read as they were written, and every change is found.

#![cfg(test)]

use std::io::Cursor;

use domain::{LocationId, event_id};
use jiff::Timestamp;
use proof::{
    BEGINNING, Checkpoint, Flaw, FlawKind, Header, Limits, Link, Proved, Reader, Record, Refusal, SigningKey, Unproved, Writer, prove,
};
use proptest::prelude::*;
use uuid::Uuid;

#[derive(Clone, Debug)]
struct Event {
    epoch: u32,
    event_id: Uuid,
    texts: [Option<String>; 5],
    type_name: String,
    cause: String,
    occurred_at: i64,
    payload: Vec<u8>,
    hash: [u8; 32],
}

impl Event {
    fn link<'a>(&'a self, seq: u64) -> Link<'a> {
        let [contact_id, record_kind, record_id, traceparent, key_id] = self.texts.each_ref().map(Option::as_deref);
        Link {
            location_id: "loc é",
            epoch: self.epoch,
            seq,
            event_id: self.event_id,
            contact_id,
            record_kind,
            record_id,
            type_name: &self.type_name,
            occurred_at: self.occurred_at,
            recorded_at: 7,
            cause: &self.cause,
            traceparent,
            key_id,
            payload: &self.payload,
        }
    }
}

prop_compose! {
    fn event()(epoch in 1_u32..3, texts in prop::array::uniform5(prop::option::of(".{0,12}")), type_name in "[a-z.]{1,20}",
        cause in ".{0,40}", occurred_at in any::<i64>(), payload in prop::collection::vec(any::<u8>(), 0..200)) -> Event {
        Event { epoch, event_id: Uuid::nil(), texts, type_name, cause, occurred_at, payload, hash: [0; 32] }
    }
}

fn location() -> LocationId {
    LocationId::new("loc é").unwrap()
}

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32])
}

/// Gives each event its id and its hash.
fn chain(events: &mut [Event]) {
    let mut hash = BEGINNING;
    for (index, event) in events.iter_mut().enumerate() {
        let seq = index as u64 + 1;
        event.event_id = event_id(&location(), event.epoch, seq).0;
        hash = event.link(seq).hash(&hash);
        event.hash = hash;
    }
}

fn header(events: &[Event]) -> Header {
    Header {
        location_id: location(),
        connected_at: Timestamp::UNIX_EPOCH,
        epoch: 2,
        head: events.len() as u64,
        hash: events.last().map_or(BEGINNING, |event| event.hash),
        exported_at: Timestamp::UNIX_EPOCH,
    }
}

fn checkpoint(events: &[Event], seq: usize) -> Checkpoint {
    Checkpoint::sign(&key(), location(), seq as u64, events[seq - 1].hash, Timestamp::UNIX_EPOCH)
}

fn file(events: &[Event], checkpoints: &[Checkpoint]) -> Vec<u8> {
    let mut writer = Writer::begin(Vec::new(), &header(events)).unwrap();
    writer.key(&key().public()).unwrap();
    for checkpoint in checkpoints {
        writer.checkpoint(checkpoint).unwrap();
    }
    for (index, event) in events.iter().enumerate() {
        writer.event(&event.link(index as u64 + 1), &event.hash).unwrap();
    }
    writer.finish().unwrap()
}

fn proved(file: &[u8], given: &[Checkpoint]) -> Result<Proved, Unproved> {
    let key = key().public();
    prove(&mut Reader::open(Cursor::new(file), Limits::default())?, given, Some(&key), |_| ())
}

fn some(number: u8) -> Vec<Event> {
    let one = |byte| Event {
        epoch: 1,
        event_id: Uuid::nil(),
        texts: [Some("c1".to_owned()), None, None, None, None],
        type_name: "contact.changed".to_owned(),
        cause: "{}".to_owned(),
        occurred_at: 5,
        payload: vec![byte; 20],
        hash: [0; 32],
    };
    let mut events: Vec<_> = (0..number).map(one).collect();
    chain(&mut events);
    events
}

fn position(refused: Result<Proved, Unproved>) -> String {
    let text = refused.unwrap_err().to_string();
    text.split([',', ';']).next().unwrap().split(" of 1970").next().unwrap().to_owned()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_what_is_read(mut events in prop::collection::vec(event(), 0..20), at in any::<prop::sample::Index>()) {
        chain(&mut events);
        let checkpoints: Vec<_> = if events.is_empty() { vec![] } else { vec![checkpoint(&events, at.index(events.len()) + 1)] };
        let bytes = file(&events, &checkpoints);
        let mut reader = Reader::open(Cursor::new(&bytes), Limits::default()).unwrap();
        prop_assert_eq!(reader.header(), &header(&events));
        let (mut read, mut signed) = (0, Vec::new());
        while let Some(record) = reader.record().unwrap() {
            match record {
                Record::Key(found) => prop_assert_eq!(found, key().public()),
                Record::Checkpoint(checkpoint) => signed.push(checkpoint),
                Record::Event(link, hash) => {
                    prop_assert_eq!((link, hash), (events[read].link(read as u64 + 1), events[read].hash));
                    read += 1;
                }
            }
        }
        prop_assert_eq!((read, &signed), (events.len(), &checkpoints));
        prop_assert_eq!(proved(&bytes, &checkpoints).unwrap().checkpoints, checkpoints.len() * 2);
    }

    #[test]
    fn a_damaged_or_truncated_file_is_never_proved(byte in any::<prop::sample::Index>(), flip in 1_u8..=255, cut in any::<prop::sample::Index>()) {
        let events = some(9);
        let whole = file(&events, &[checkpoint(&events, 4)]);
        prop_assert!(proved(&whole[..cut.index(whole.len())], &[]).is_err());
        let mut damaged = whole.clone();
        damaged[byte.index(whole.len())] ^= flip;
        // Some bits of a zstd frame mean nothing; then the content of the file is unchanged.
        let all = proved(&whole, &[]).unwrap();
        prop_assert!(proved(&damaged, &[]).is_ok_and(|damaged| damaged == all) || proved(&damaged, &[]).is_err());
        let mut longer = whole;
        longer.push(flip);
        prop_assert!(proved(&longer, &[]).is_err());
    }
}

#[test]
fn what_was_changed_is_found_and_its_position_named() {
    let events = some(9);
    assert_eq!(proved(&file(&events, &[]), &[checkpoint(&events, 3), checkpoint(&events, 9)]).unwrap().checkpoints, 2);
    let with = |change: fn(&mut Vec<Event>)| {
        let mut changed = events.clone();
        change(&mut changed);
        position(proved(&file(&changed, &[]), &[checkpoint(&events, 3), checkpoint(&events, 9)]))
    };
    assert_eq!(with(|events| events[4].payload[3] ^= 1), "position 5: the hash does not match");
    assert_eq!(with(|events| drop(events.remove(4))), "position 5: the hash does not match");
    assert_eq!(with(|events| events.swap(4, 6)), "position 5: the hash does not match");
    assert_eq!(with(|events| events.truncate(6)), "position 7: the log ends before it");
    let rewritten = |events: &mut Vec<Event>| {
        events[4].payload[3] ^= 1;
        chain(events);
    };
    assert_eq!(with(rewritten), "position 9: the checkpoint");
}

/// Frozen: an old export file stays readable.
#[test]
fn an_old_file_is_read_and_proved() {
    let events = some(3);
    let checkpoints = [checkpoint(&events, 2)];
    assert_eq!(
        proved(include_bytes!("corpus/export-1.bin"), &checkpoints).unwrap(),
        proved(&file(&events, &checkpoints), &checkpoints).unwrap()
    );
}

#[test]
fn only_the_trusted_key_is_accepted() {
    let events = some(3);
    let other = SigningKey::from_seed(&[8; 32]);
    let forged = Checkpoint::sign(&other, location(), 2, events[1].hash, Timestamp::UNIX_EPOCH);
    assert!(matches!(
        proved(&file(&events, std::slice::from_ref(&forged)), &[]),
        Err(Unproved::Flawed(Flaw { seq: 2, kind: FlawKind::Forged { .. } }))
    ));
    let mut reader = Reader::open(Cursor::new(file(&events, &[])), Limits::default()).unwrap();
    assert!(matches!(prove(&mut reader, &[forged], None, |_| ()), Err(Unproved::Flawed(Flaw { seq: 2, kind: FlawKind::Forged { .. } }))));
    let elsewhere = Checkpoint::sign(&other, LocationId::new("else").unwrap(), 2, [0; 32], Timestamp::UNIX_EPOCH);
    assert_eq!(proved(&file(&events, &[]), &[elsewhere]).unwrap().checkpoints, 0);
}

#[test]
fn what_is_too_long_or_no_export_is_refused() {
    let bytes = file(&some(3), &[]);
    let limits = Limits { record_bytes_max: 100, ..Limits::default() };
    let mut reader = Reader::open(Cursor::new(&bytes), limits).unwrap();
    reader.record().unwrap();
    assert!(matches!(reader.record(), Err(Refusal::TooLong(100))));
    for bytes in [&b""[..], b"PMIRLOG\x02 newer", b"an entirely different file"] {
        assert!(matches!(Reader::open(Cursor::new(bytes), Limits::default()), Err(Refusal::NotAnExport)));
    }
}
