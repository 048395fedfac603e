//! The export file of a whole log: a header, the checkpoints and their keys, the events, and an end mark.
//!
//! The file is `MAGIC` and one zstd frame of records. A record is a tag of one byte, the length of its body in four bytes, and the body. The
//! body of an event is its columns as they are hashed, its payload, and its stored hash.

use std::io::{self, Write};

use domain::{Hash, LocationId};
use jiff::Timestamp;

use crate::chain::Link;
use crate::encoding::{Decoder, Malformed, put};
use crate::{Checkpoint, PublicKey};

/// The first bytes of every file; the last byte is the version of the format.
pub(crate) const MAGIC: &[u8; 8] = b"PMIRLOG\x01";

pub(crate) const HEADER: u8 = b'H';
pub(crate) const KEY: u8 = b'K';
pub(crate) const EVENT: u8 = b'E';
pub(crate) const CHECKPOINT: u8 = b'C';
pub(crate) const END: u8 = b'Z';

/// The compression level: fast, and higher levels gain little.
const LEVEL: i32 = 3;

/// What log a file contains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub location_id: LocationId,
    pub connected_at: Timestamp,
    /// The epoch of the next event.
    pub epoch: u32,
    /// The last position; also the number of events.
    pub head: u64,
    /// The hash of the last event.
    pub hash: Hash,
    pub exported_at: Timestamp,
}

impl Header {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        put(&mut bytes, Some(self.location_id.as_str()));
        bytes.extend_from_slice(&self.connected_at.as_microsecond().to_be_bytes());
        bytes.extend_from_slice(&self.epoch.to_be_bytes());
        bytes.extend_from_slice(&self.head.to_be_bytes());
        bytes.extend_from_slice(&self.hash);
        bytes.extend_from_slice(&self.exported_at.as_microsecond().to_be_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut bytes = Decoder::new(bytes, "header");
        let at = |bytes: &mut Decoder<'_>| Timestamp::from_microsecond(bytes.i64()?).map_err(|_| bytes.malformed());
        let header = Self {
            location_id: LocationId::new(bytes.required_text()?).map_err(|_| bytes.malformed())?,
            connected_at: at(&mut bytes)?,
            epoch: bytes.u32()?,
            head: bytes.u64()?,
            hash: bytes.array()?,
            exported_at: at(&mut bytes)?,
        };
        bytes.end()?;
        Ok(header)
    }
}

/// Writes an export file. With a `Vec` as output, `written` gives access to the bytes so far, so that a file can be sent while it is made.
pub struct Writer<W: Write> {
    out: zstd::Encoder<'static, W>,
    body: Vec<u8>,
}

impl<W: Write> Writer<W> {
    pub fn begin(mut out: W, header: &Header) -> io::Result<Self> {
        out.write_all(MAGIC)?;
        let mut out = zstd::Encoder::new(out, LEVEL)?;
        out.include_checksum(true)?;
        let mut writer = Self { out, body: Vec::with_capacity(4_096) };
        writer.body.extend_from_slice(&header.encode());
        writer.record(HEADER)?;
        Ok(writer)
    }

    pub fn key(&mut self, key: &PublicKey) -> io::Result<()> {
        self.body.extend_from_slice(&key.to_bytes());
        self.record(KEY)
    }

    /// Writes the next event with its stored hash, whether or not the hash is right.
    pub fn event(&mut self, link: &Link<'_>, hash: &Hash) -> io::Result<()> {
        link.put_columns(&mut self.body);
        self.body.extend_from_slice(link.payload);
        self.body.extend_from_slice(hash);
        self.record(EVENT)
    }

    pub fn checkpoint(&mut self, checkpoint: &Checkpoint) -> io::Result<()> {
        checkpoint.encode(&mut self.body);
        self.record(CHECKPOINT)
    }

    /// The output with the compressed bytes.
    pub fn written(&mut self) -> &mut W {
        self.out.get_mut()
    }

    /// Writes the end mark. A file without it is recognized as truncated.
    pub fn finish(mut self) -> io::Result<W> {
        self.record(END)?;
        self.out.finish()
    }

    fn record(&mut self, tag: u8) -> io::Result<()> {
        let too_long = |_| io::Error::new(io::ErrorKind::InvalidInput, "a record is too long for an export file");
        let length = u32::try_from(self.body.len()).map_err(too_long)?;
        self.out.write_all(&[tag])?;
        self.out.write_all(&length.to_be_bytes())?;
        self.out.write_all(&self.body)?;
        self.body.clear();
        Ok(())
    }
}
