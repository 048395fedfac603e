//! Reads an export file and proves its log from the file alone, without the database that it came from.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read};

use domain::Hash;
use jiff::Timestamp;

use crate::chain::{BEGINNING, ChainVerifier, Link, Problem};
use crate::encoding::{Decoder, Malformed};
use crate::export::{CHECKPOINT, END, EVENT, HEADER, Header, KEY, MAGIC};
use crate::{Checkpoint, PublicKey};

/// Limits on the memory that reading a file takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest record, and so the longest event, in bytes.
    pub record_bytes_max: usize,
    /// The base-2 logarithm of the largest zstd window, which decides the memory that decompression takes.
    pub window_log_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { record_bytes_max: 64 * 1024 * 1024, window_log_max: 27 }
    }
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("not an export of a log, or an export of a newer version")]
    NotAnExport,
    #[error("the file is truncated or damaged: {0}")]
    Damaged(#[from] io::Error),
    #[error("the file is damaged: {0}")]
    Malformed(#[from] Malformed),
    #[error("a record is longer than {0} bytes")]
    TooLong(usize),
}

/// One record of a file.
#[derive(Debug, PartialEq)]
pub enum Record<'a> {
    Key(PublicKey),
    /// The columns of an event, and its stored hash.
    Event(Link<'a>, Hash),
    Checkpoint(Checkpoint),
}

/// Reads a file record by record.
pub struct Reader<R: Read> {
    input: zstd::Decoder<'static, BufReader<R>>,
    limits: Limits,
    header: Header,
    body: Vec<u8>,
    /// Keys and checkpoints must come before the events, so that the positions to compare are known before the events are read.
    in_events: bool,
    ended: bool,
}

impl<R: Read> Reader<R> {
    /// Reads the header of the file.
    pub fn open(mut input: R, limits: Limits) -> Result<Self, Refusal> {
        let mut magic = [0; MAGIC.len()];
        input.read_exact(&mut magic).map_err(|_| Refusal::NotAnExport)?;
        if magic != *MAGIC {
            return Err(Refusal::NotAnExport);
        }
        let mut input = zstd::Decoder::new(input)?;
        input.window_log_max(limits.window_log_max)?;
        let mut body = Vec::new();
        if record(&mut input, limits, &mut body)? != HEADER {
            return Err(Malformed("header").into());
        }
        let header = Header::decode(&body)?;
        Ok(Self { input, limits, header, body, in_events: false, ended: false })
    }

    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The next record; none after the end mark.
    pub fn record(&mut self) -> Result<Option<Record<'_>>, Refusal> {
        if self.ended {
            return Ok(None);
        }
        let tag = record(&mut self.input, self.limits, &mut self.body)?;
        self.in_events |= tag == EVENT;
        match tag {
            KEY | CHECKPOINT if self.in_events => Err(Malformed("order").into()),
            KEY => {
                let bytes = self.body.as_slice().try_into().map_err(|_| Malformed("key"))?;
                Ok(Some(Record::Key(PublicKey::from_bytes(bytes).map_err(|_| Malformed("key"))?)))
            }
            EVENT => {
                let mut bytes = Decoder::new(&self.body, "event");
                let link = Link::read(self.header.location_id.as_str(), &mut bytes)?;
                let hash = bytes.array()?;
                bytes.end()?;
                Ok(Some(Record::Event(link, hash)))
            }
            CHECKPOINT => Ok(Some(Record::Checkpoint(Checkpoint::decode(&self.body)?))),
            END => {
                self.ended = true;
                // Verifies the checksum of the frame and refuses trailing bytes.
                if self.input.read(&mut [0])? == 0 { Ok(None) } else { Err(Malformed("end").into()) }
            }
            _ => Err(Malformed("record").into()),
        }
    }
}

fn record(input: &mut impl Read, limits: Limits, body: &mut Vec<u8>) -> Result<u8, Refusal> {
    let mut start = [0; 5];
    input.read_exact(&mut start)?;
    let [tag, length @ ..] = start;
    let length = u32::from_be_bytes(length);
    if usize::try_from(length).is_ok_and(|length| length > limits.record_bytes_max) {
        return Err(Refusal::TooLong(limits.record_bytes_max));
    }
    body.clear();
    // The buffer grows as bytes arrive, so that a forged length allocates nothing.
    if input.take(u64::from(length)).read_to_end(body)? as u64 != u64::from(length) {
        return Err(Refusal::Damaged(io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(tag)
}

/// Why a file proves nothing about its log.
#[derive(Debug, thiserror::Error)]
pub enum Unproved {
    #[error(transparent)]
    Unreadable(#[from] Refusal),
    #[error(transparent)]
    Flawed(#[from] Flaw),
}

/// What is wrong with a log, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("position {seq}: {kind}")]
pub struct Flaw {
    pub seq: u64,
    pub kind: FlawKind,
}

/// What is wrong at a position.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlawKind {
    #[error(transparent)]
    Event(#[from] Problem),
    #[error("the file ends before it, but its header says that the log ends at position {head}")]
    Short { head: u64 },
    #[error("the hash of the last event does not match the header")]
    OtherHead,
    #[error("the checkpoint of {sealed_at} holds another hash: the log was rewritten at or before this position")]
    Rewritten { sealed_at: Timestamp },
    #[error("the log ends before it, but there is a checkpoint of {sealed_at} for position {checkpoint}: the end was cut off")]
    Cut { sealed_at: Timestamp, checkpoint: u64 },
    #[error("its checkpoint names the key {key_id} but is not signed by a trusted key")]
    Forged { key_id: String },
}

/// The result of a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proved {
    pub header: Header,
    /// The number of checkpoints that the log extends, both given and from the file.
    pub checkpoints: usize,
}

/// Proves from a file alone that its log is an unbroken chain and extends every checkpoint of its location, both given and from the file.
/// All checkpoints must be signed by `trusted`. Without it the keys in the file are trusted, which proves nothing against whoever made the
/// file. `progress` is called with every position.
///
/// # Errors
/// The first position that does not fit.
pub fn prove<R: Read>(
    reader: &mut Reader<R>,
    given: &[Checkpoint],
    trusted: Option<&PublicKey>,
    mut progress: impl FnMut(u64),
) -> Result<Proved, Unproved> {
    let header = reader.header().clone();
    let mut checkpoints: Vec<Checkpoint> = given.iter().filter(|given| given.location_id == header.location_id).cloned().collect();
    let mut keys: Vec<PublicKey> = trusted.copied().into_iter().collect();
    let mut hashes = BTreeMap::new();
    let mut verifier = ChainVerifier::after(header.location_id.clone(), 0, BEGINNING);
    while let Some(record) = reader.record()? {
        match record {
            Record::Key(key) if trusted.is_none() => keys.push(key),
            Record::Key(_) => {}
            Record::Checkpoint(checkpoint) => checkpoints.push(checkpoint),
            Record::Event(link, hash) => {
                let seq = verifier.seq() + 1;
                if seq == 1 {
                    hashes = checkpoints.iter().map(|checkpoint| (checkpoint.seq, None)).collect();
                }
                verifier.step(&link, &hash).map_err(|problem| Flaw { seq, kind: problem.into() })?;
                if let Some(hash_at) = hashes.get_mut(&seq) {
                    *hash_at = Some(hash);
                }
                progress(seq);
            }
        }
    }
    if verifier.seq() != header.head {
        return Err(Flaw { seq: verifier.seq() + 1, kind: FlawKind::Short { head: header.head } }.into());
    }
    if verifier.hash() != header.hash {
        return Err(Flaw { seq: header.head, kind: FlawKind::OtherHead }.into());
    }
    extends(header.head, &checkpoints, &keys, |seq| hashes.get(&seq).copied().flatten())?;
    Ok(Proved { header, checkpoints: checkpoints.len() })
}

/// Checks that a log that ends at `head` extends all of these checkpoints. `hash_at` gives the hash of the log at a position.
///
/// # Errors
/// The first position that does not fit.
pub fn extends(head: u64, checkpoints: &[Checkpoint], keys: &[PublicKey], hash_at: impl Fn(u64) -> Option<Hash>) -> Result<(), Flaw> {
    let mut in_order: Vec<&Checkpoint> = checkpoints.iter().collect();
    in_order.sort_by_key(|checkpoint| checkpoint.seq);
    for checkpoint in in_order {
        let Checkpoint { seq, sealed_at, .. } = *checkpoint;
        if !keys.iter().any(|key| checkpoint.is_signed_by(key)) {
            return Err(Flaw { seq, kind: FlawKind::Forged { key_id: checkpoint.key_id.clone() } });
        }
        if seq > head {
            return Err(Flaw { seq: head + 1, kind: FlawKind::Cut { sealed_at, checkpoint: seq } });
        }
        if hash_at(seq) != Some(checkpoint.hash) {
            return Err(Flaw { seq, kind: FlawKind::Rewritten { sealed_at } });
        }
    }
    Ok(())
}
