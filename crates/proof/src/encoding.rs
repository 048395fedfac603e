//! An unambiguous binary encoding: integers are big-endian, everything else has its length before it.

/// Bytes that cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed {0}")]
pub struct Malformed(pub(crate) &'static str);

pub(crate) fn put(bytes: &mut Vec<u8>, text: Option<&str>) {
    match text {
        None => bytes.push(0),
        Some(text) => {
            bytes.push(1);
            put_length(bytes, text.len());
            bytes.extend_from_slice(text.as_bytes());
        }
    }
}

pub(crate) fn put_length(bytes: &mut Vec<u8>, length: usize) {
    bytes.extend_from_slice(&(length as u64).to_be_bytes());
}

/// Decodes bytes from the front.
pub(crate) struct Decoder<'a> {
    rest: &'a [u8],
    /// What is decoded, for the error.
    what: &'static str,
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(rest: &'a [u8], what: &'static str) -> Self {
        Self { rest, what }
    }

    pub(crate) fn malformed(&self) -> Malformed {
        Malformed(self.what)
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Malformed(self.what))?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let what = self.what;
        self.take(N)?.try_into().map_err(|_| Malformed(what))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    pub(crate) fn i64(&mut self) -> Result<i64, Malformed> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    pub(crate) fn with_length(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.u64()?).map_err(|_| self.malformed())?;
        self.take(length)
    }

    pub(crate) fn text(&mut self) -> Result<Option<&'a str>, Malformed> {
        match self.array::<1>()? {
            [0] => Ok(None),
            [1] => std::str::from_utf8(self.with_length()?).map(Some).map_err(|_| self.malformed()),
            _ => Err(self.malformed()),
        }
    }

    pub(crate) fn required_text(&mut self) -> Result<&'a str, Malformed> {
        self.text()?.ok_or(Malformed(self.what))
    }

    pub(crate) fn end(&self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.malformed()) }
    }
}
