//! Why a server ended, as its log says.

use std::path::Path;

/// The part of a server's log that says why it ended: its last line that is more than a note.
pub(crate) fn failure(log: &Path) -> String {
    let text = std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let telling = |line: &&str| ["FATAL", "[FTL]", "could not", "PANIC"].iter().any(|word| line.contains(word));
    let line = text.lines().find(telling).or_else(|| text.lines().rfind(|line| !line.trim().is_empty()));
    line.map_or_else(|| format!("{} is empty", log.display()), |line| line.trim().to_owned())
}
