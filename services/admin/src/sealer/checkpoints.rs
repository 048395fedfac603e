//! The checkpoint file: outside the database, only ever appended to, synchronised to the disk before a checkpoint counts.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use domain::LocationId;
use proof::{Checkpoint, PublicKey};

const FILE: &str = "checkpoints.jsonl";
const PUBLIC_KEY_FILE: &str = "public-key.pem";
/// The longest line that can be a checkpoint.
const LINE_BYTES_MAX: u64 = 4_096;

/// Where checkpoints are kept. Replicas may share it: they lock the file.
#[derive(Clone, Debug)]
pub(crate) struct Checkpoints {
    path: PathBuf,
}

impl Checkpoints {
    /// Creates the directory and writes the public key beside the file, for those who verify.
    pub(crate) fn open(directory: &Path, key: &PublicKey) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let pem = key.to_pem().map_err(io::Error::other)?;
        fs::write(directory.join(PUBLIC_KEY_FILE), pem)?;
        let path = directory.join(FILE);
        OpenOptions::new().create(true).append(true).open(&path)?;
        Ok(Self { path })
    }

    /// The checkpoints of a location, in the order they were signed.
    pub(crate) fn of(&self, location_id: &LocationId) -> io::Result<Vec<Checkpoint>> {
        read(&File::open(&self.path)?, location_id)
    }

    /// Appends a checkpoint unless the file has one of its location that is as new. Returns whether it did.
    pub(crate) fn append(&self, checkpoint: &Checkpoint) -> io::Result<bool> {
        let mut file = OpenOptions::new().read(true).append(true).open(&self.path)?;
        // Unlocked when the file is closed.
        file.lock()?;
        let last = read(&file, &checkpoint.location_id)?.into_iter().map(|checkpoint| checkpoint.seq).max();
        if last.is_some_and(|last| last >= checkpoint.seq) {
            return Ok(false);
        }
        let mut line = serde_json::to_vec(checkpoint)?;
        line.push(b'\n');
        if !ends_a_line(&mut file)? {
            // A crash left half a line, which nobody relies on.
            line.insert(0, b'\n');
        }
        file.write_all(&line)?;
        file.sync_all()?;
        Ok(true)
    }
}

fn read(file: &File, location_id: &LocationId) -> io::Result<Vec<Checkpoint>> {
    let mut reader = BufReader::new(file);
    reader.seek(SeekFrom::Start(0))?;
    let (mut checkpoints, mut line) = (Vec::new(), Vec::new());
    loop {
        line.clear();
        if reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)? == 0 {
            return Ok(checkpoints);
        }
        match serde_json::from_slice::<Checkpoint>(&line) {
            Ok(checkpoint) if checkpoint.location_id == *location_id => checkpoints.push(checkpoint),
            Ok(_) => {}
            Err(_) if line.trim_ascii().is_empty() => {}
            Err(_) => tracing::warn!("a line of the checkpoint file is not a checkpoint: half written, or changed"),
        }
    }
}

fn ends_a_line(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proof::SigningKey;

    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_seed(&[7; 32])
    }

    fn checkpoint(location: &str, seq: u64) -> Checkpoint {
        Checkpoint::sign(&key(), LocationId::new(location).unwrap(), seq, [1; 32], Timestamp::UNIX_EPOCH)
    }

    fn seqs(checkpoints: &Checkpoints, location: &str) -> Vec<u64> {
        checkpoints.of(&LocationId::new(location).unwrap()).unwrap().iter().map(|checkpoint| checkpoint.seq).collect()
    }

    #[test]
    fn a_position_is_sealed_once_and_nothing_before_it_later() {
        let checkpoints = Checkpoints::open(&embedded::scratch("checkpoints"), &key().public()).unwrap();
        assert!(checkpoints.append(&checkpoint("a", 3)).unwrap());
        assert!(checkpoints.append(&checkpoint("b", 9)).unwrap());
        assert!(!checkpoints.append(&checkpoint("a", 3)).unwrap());
        assert!(!checkpoints.append(&checkpoint("a", 2)).unwrap());
        assert!(checkpoints.append(&checkpoint("a", 4)).unwrap());
        assert_eq!((seqs(&checkpoints, "a"), seqs(&checkpoints, "b")), (vec![3, 4], vec![9]));
    }

    #[test]
    fn many_replicas_seal_a_position_once() {
        let checkpoints = Checkpoints::open(&embedded::scratch("checkpoints-race"), &key().public()).unwrap();
        let sealers = (0..8).map(|_| {
            let checkpoints = checkpoints.clone();
            std::thread::spawn(move || checkpoints.append(&checkpoint("a", 3)).unwrap())
        });
        let sealers: Vec<_> = sealers.collect();
        assert_eq!(sealers.into_iter().map(|sealer| sealer.join().unwrap()).filter(|sealed| *sealed).count(), 1);
        assert_eq!(seqs(&checkpoints, "a"), [3]);
    }

    #[test]
    fn a_half_written_line_spoils_no_other() {
        let directory = embedded::scratch("checkpoints-torn");
        let checkpoints = Checkpoints::open(&directory, &key().public()).unwrap();
        checkpoints.append(&checkpoint("a", 3)).unwrap();
        let mut file = OpenOptions::new().append(true).open(directory.join(FILE)).unwrap();
        file.write_all(b"{\"location_id\":\"a\",\"se").unwrap();
        assert!(checkpoints.append(&checkpoint("a", 5)).unwrap());
        assert_eq!(seqs(&checkpoints, "a"), [3, 5]);
    }
}
