//! Reading a file back, and proving it: from the file alone, without the database it came from.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read};

use domain::Hash;
use jiff::Timestamp;

use crate::chain::{BEGINNING, Link, Problem, Walk};
use crate::encoding::{Bytes, Malformed};
use crate::export::{CHECKPOINT, END, EVENT, HEADER, Header, KEY, MAGIC};
use crate::{Checkpoint, PublicKey};

/// What a file may ask of whoever reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The bytes of one record, and so of one event.
    pub record_bytes_max: usize,
    /// How far back compressed bytes may point, as a power of two: the memory that unpacking takes.
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
    #[error("this is not an export of a log, or of a newer version")]
    NotAnExport,
    #[error("the file is cut or damaged: {0}")]
    Damaged(#[from] io::Error),
    #[error("the file is damaged: {0}")]
    Malformed(#[from] Malformed),
    #[error("a record is longer than {0} bytes")]
    TooLong(usize),
}

/// One thing that a file holds.
#[derive(Debug, PartialEq)]
pub enum Record<'a> {
    Key(PublicKey),
    /// The columns of an event, and the hash stored with them.
    Event(Link<'a>, Hash),
    Checkpoint(Checkpoint),
}

/// Reads a file from its beginning to its end, a record at a time.
pub struct Reader<R: Read> {
    input: zstd::Decoder<'static, BufReader<R>>,
    limits: Limits,
    header: Header,
    body: Vec<u8>,
    /// Keys and checkpoints come before the events, so that whoever reads the events knows where to look.
    in_events: bool,
    ended: bool,
}

impl<R: Read> Reader<R> {
    /// Reads as far as what the file is of.
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

    /// The next record; none when all was read and the file says so.
    pub fn record(&mut self) -> Result<Option<Record<'_>>, Refusal> {
        if self.ended {
            return Ok(None);
        }
        let letter = record(&mut self.input, self.limits, &mut self.body)?;
        self.in_events |= letter == EVENT;
        match letter {
            KEY | CHECKPOINT if self.in_events => Err(Malformed("order").into()),
            KEY => {
                let bytes = self.body.as_slice().try_into().map_err(|_| Malformed("key"))?;
                Ok(Some(Record::Key(PublicKey::from_bytes(bytes).map_err(|_| Malformed("key"))?)))
            }
            EVENT => {
                let mut bytes = Bytes::new(&self.body, "event");
                let link = Link::read(self.header.location_id.as_str(), &mut bytes)?;
                let hash = bytes.array()?;
                bytes.end()?;
                Ok(Some(Record::Event(link, hash)))
            }
            CHECKPOINT => Ok(Some(Record::Checkpoint(Checkpoint::decode(&self.body)?))),
            END => {
                self.ended = true;
                // Reads the frame's own checksum, and finds what was put behind it.
                if self.input.read(&mut [0])? == 0 { Ok(None) } else { Err(Malformed("end").into()) }
            }
            _ => Err(Malformed("record").into()),
        }
    }
}

fn record(input: &mut impl Read, limits: Limits, body: &mut Vec<u8>) -> Result<u8, Refusal> {
    let mut start = [0; 5];
    input.read_exact(&mut start)?;
    let [letter, length @ ..] = start;
    let length = u32::from_be_bytes(length);
    if usize::try_from(length).is_ok_and(|length| length > limits.record_bytes_max) {
        return Err(Refusal::TooLong(limits.record_bytes_max));
    }
    body.clear();
    // Grows as bytes come, so that a length alone takes no memory.
    if input.take(u64::from(length)).read_to_end(body)? as u64 != u64::from(length) {
        return Err(Refusal::Damaged(io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(letter)
}

/// Why a file proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum Unproved {
    #[error(transparent)]
    Unreadable(#[from] Refusal),
    #[error(transparent)]
    Flawed(#[from] Flaw),
}

/// The first position that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("position {seq}: {why}")]
pub struct Flaw {
    pub seq: u64,
    pub why: Why,
}

/// What is wrong at a position.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    #[error(transparent)]
    Event(#[from] Problem),
    #[error("the file ends before it, and its header says that the log goes on to {head}")]
    Short { head: u64 },
    #[error("the last hash is not the header's")]
    OtherHead,
    #[error("the checkpoint of {sealed_at} holds another hash: something up to here was rewritten")]
    Rewritten { sealed_at: Timestamp },
    #[error("the log ends before it, and the checkpoint of {sealed_at} knows position {checkpoint}: the end was cut off")]
    Cut { sealed_at: Timestamp, checkpoint: u64 },
    #[error("its checkpoint names the key {key_id}, and is not signed by a key that is believed")]
    Forged { key_id: String },
}

/// A file that was found to be whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proved {
    pub header: Header,
    /// How many checkpoints the log extends: those that were given and those in the file.
    pub checkpoints: usize,
}

/// Proves from a file alone that its log is a chain from the first event to the last, and that it extends every checkpoint of its location:
/// those that are given, and those in the file. `trusted` is the key that all must be signed by; without one the file's own keys are
/// believed, which proves nothing against whoever made the file. `progress` is told every position.
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
    let mut walk = Walk::after(header.location_id.clone(), 0, BEGINNING);
    while let Some(record) = reader.record()? {
        match record {
            Record::Key(key) if trusted.is_none() => keys.push(key),
            Record::Key(_) => {}
            Record::Checkpoint(checkpoint) => checkpoints.push(checkpoint),
            Record::Event(link, hash) => {
                let seq = walk.seq() + 1;
                if seq == 1 {
                    hashes = checkpoints.iter().map(|checkpoint| (checkpoint.seq, None)).collect();
                }
                walk.step(&link, &hash).map_err(|problem| Flaw { seq, why: problem.into() })?;
                if let Some(held) = hashes.get_mut(&seq) {
                    *held = Some(hash);
                }
                progress(seq);
            }
        }
    }
    if walk.seq() != header.head {
        return Err(Flaw { seq: walk.seq() + 1, why: Why::Short { head: header.head } }.into());
    }
    if walk.hash() != header.hash {
        return Err(Flaw { seq: header.head, why: Why::OtherHead }.into());
    }
    extends(header.head, &checkpoints, &keys, |seq| hashes.get(&seq).copied().flatten())?;
    Ok(Proved { header, checkpoints: checkpoints.len() })
}

/// Whether a log that ends at `head` extends all of these checkpoints. `hash_at` gives the hash that the log has at a place.
///
/// # Errors
/// The first position that does not fit.
pub fn extends(head: u64, checkpoints: &[Checkpoint], keys: &[PublicKey], hash_at: impl Fn(u64) -> Option<Hash>) -> Result<(), Flaw> {
    let mut in_order: Vec<&Checkpoint> = checkpoints.iter().collect();
    in_order.sort_by_key(|checkpoint| checkpoint.seq);
    for checkpoint in in_order {
        let Checkpoint { seq, sealed_at, .. } = *checkpoint;
        if !keys.iter().any(|key| checkpoint.is_signed_by(key)) {
            return Err(Flaw { seq, why: Why::Forged { key_id: checkpoint.key_id.clone() } });
        }
        if seq > head {
            return Err(Flaw { seq: head + 1, why: Why::Cut { sealed_at, checkpoint: seq } });
        }
        if hash_at(seq) != Some(checkpoint.hash) {
            return Err(Flaw { seq, why: Why::Rewritten { sealed_at } });
        }
    }
    Ok(())
}
