//! The world's file: one JSON line per change, so that a sandbox that was killed has the same world when it comes back.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::{
    Error,
    dice::Dice,
    records::{Appointment, Business, Contact, Note, RecurringTask, Task},
};

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub(crate) enum Entry {
    Contact {
        row: Arc<Contact>,
    },
    Task {
        row: Arc<Task>,
    },
    Note {
        row: Arc<Note>,
    },
    Appointment {
        row: Arc<Appointment>,
    },
    Tag {
        name: String,
        id: String,
    },
    Business {
        row: Arc<Business>,
    },
    RecurringTask {
        row: Arc<RecurringTask>,
    },
    ContactGone {
        id: String,
        #[serde(default)]
        merged: bool,
    },
    ContactBack {
        id: String,
    },
    TaskGone {
        id: String,
    },
    TaskBack {
        id: String,
    },
    NoteGone {
        contact_id: String,
        id: String,
    },
    AppointmentGone {
        id: String,
    },
    BusinessGone {
        id: String,
    },
    RecurringTaskGone {
        id: String,
    },
}

#[derive(Serialize, Deserialize)]
struct Header {
    sandbox_world: u32,
    seed: u64,
}

#[derive(Serialize)]
struct LineOut<'a> {
    /// Where the dice for ids stood.
    ids: &'a Dice,
    entry: &'a Entry,
}

#[derive(Deserialize)]
struct LineIn {
    ids: Dice,
    entry: Entry,
}

const FORMAT: u32 = 1;

#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    path: PathBuf,
    /// After a failed write nothing more is written: a file with a hole would be a different world.
    failed: bool,
}

impl Journal {
    /// What was written so far. A line cut short by a kill is not a change that happened, and ends the reading.
    pub(crate) fn read(path: &Path, seed: u64) -> Result<Vec<(Dice, Entry)>, Error> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(problem) if problem.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(Error::file(path, source)),
        };
        let mut lines = BufReader::new(file).lines();
        let Some(first) = lines.next() else { return Ok(Vec::new()) };
        let first = first.map_err(|source| Error::file(path, source))?;
        let header: Header = serde_json::from_str(&first).map_err(|_quotes_content| Error::NotAWorld { path: path.to_owned() })?;
        if header.sandbox_world != FORMAT || header.seed != seed {
            return Err(Error::OtherWorld { path: path.to_owned(), seed: header.seed });
        }
        let mut changes = Vec::new();
        for line in lines {
            let Ok(line) = line else { break };
            let Ok(line) = serde_json::from_str::<LineIn>(&line) else { break };
            changes.push((line.ids, line.entry));
        }
        Ok(changes)
    }

    /// A new file beside the old one, which [`Journal::finish`] puts in its place.
    pub(crate) fn create(path: &Path, seed: u64) -> Result<Self, Error> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|source| Error::file(path, source))?;
        }
        let fresh = fresh(path);
        let mut file = File::create(&fresh).map_err(|source| Error::file(path, source))?;
        let header = serde_json::to_vec(&Header { sandbox_world: FORMAT, seed }).unwrap_or_default();
        file.write_all(&header).and_then(|()| file.write_all(b"\n")).map_err(|source| Error::file(path, source))?;
        Ok(Self { file, path: fresh, failed: false })
    }

    pub(crate) fn finish(mut self, path: &Path) -> Result<Self, Error> {
        if self.failed {
            return Err(Error::file(path, std::io::Error::other("could not be written")));
        }
        fs::rename(&self.path, path).map_err(|source| Error::file(path, source))?;
        self.path = path.to_owned();
        Ok(self)
    }

    /// One `write` per line: what is written survives a kill of the process.
    pub(crate) fn write(&mut self, ids: &Dice, entry: &Entry) {
        if self.failed {
            return;
        }
        let written = serde_json::to_vec(&LineOut { ids, entry }).map_err(std::io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            self.file.write_all(&line)
        });
        if let Err(problem) = written {
            self.failed = true;
            tracing::error!(path = %self.path.display(), error = %problem.kind(), "the world's file is not kept any more");
        }
    }
}

fn fresh(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}
