//! Where the servers' programs are, and whether they are new enough.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;

const POSTGRES: &str = "PostgreSQL";
const POSTGRES_WANTED: (u32, u32) = (15, 0);
pub(crate) const NATS: &str = "nats-server";
const NATS_WANTED: (u32, u32) = (2, 14);

/// The directory of `postgres`, `initdb` and `psql`: the one `MIRROR_POSTGRES_BIN` names, else the newest installed, else what
/// `deploy/bootstrap` put into the checkout where the machine has none.
pub(crate) fn postgres() -> Result<PathBuf, Error> {
    if let Some(named) = env::var_os("MIRROR_POSTGRES_BIN") {
        let directory = PathBuf::from(named);
        let Some(found) = version(&directory.join("postgres")) else {
            return Err(Error::Missing { what: POSTGRES, looked: format!("MIRROR_POSTGRES_BIN={}", directory.display()) });
        };
        return new_enough(POSTGRES, directory, found, POSTGRES_WANTED, "15");
    }
    let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    let installed = installed.chain(in_path("postgres").filter_map(|program| program.parent().map(Path::to_path_buf)));
    let complete = |directory: &PathBuf| ["postgres", "initdb", "psql"].iter().all(|program| directory.join(program).is_file());
    let known = |directory: PathBuf| Some((version(&directory.join("postgres"))?, directory));
    let newest = installed.filter(complete).filter_map(known).max_by_key(|(found, _)| *found);
    let carried = || beside_the_code(&[".local/tools/postgres/bin"]).filter(complete).find_map(known);
    let usable = newest.clone().filter(|(found, _)| *found >= POSTGRES_WANTED);
    match usable.or_else(carried).or(newest) {
        Some((found, directory)) => new_enough(POSTGRES, directory, found, POSTGRES_WANTED, "15"),
        None => Err(Error::Missing { what: POSTGRES, looked: "MIRROR_POSTGRES_BIN, /usr/lib/postgresql/*/bin, PATH".to_owned() }),
    }
}

/// nats-server: the named one, the one `MIRROR_NATS_SERVER` names, else the first that is new enough.
pub(crate) fn nats(named: Option<&Path>) -> Result<PathBuf, Error> {
    let named = named.map(Path::to_path_buf).or_else(|| env::var_os("MIRROR_NATS_SERVER").map(PathBuf::from));
    if let Some(program) = named {
        let Some(found) = version(&program) else {
            return Err(Error::Missing { what: NATS, looked: program.display().to_string() });
        };
        return new_enough(NATS, program, found, NATS_WANTED, "2.14");
    }
    let mut too_old = None;
    let installed = beside_the_code(&[".local/tools/bin", ".local/venv/bin"]).map(|folder| folder.join(NATS));
    for program in installed.chain(in_path(NATS)) {
        if let Some(found) = version(&program) {
            match new_enough(NATS, program, found, NATS_WANTED, "2.14") {
                Ok(program) => return Ok(program),
                Err(error) => too_old = Some(error),
            }
        }
    }
    Err(too_old.unwrap_or_else(|| Error::Missing { what: NATS, looked: "MIRROR_NATS_SERVER, .local/tools, PATH".to_owned() }))
}

/// Folders of the checkout this program runs from or was built in, where `deploy/bootstrap` installs.
fn beside_the_code(folders: &'static [&'static str]) -> impl Iterator<Item = PathBuf> {
    let program = env::current_exe().unwrap_or_default();
    let roots: Vec<PathBuf> = program.ancestors().chain(Path::new(env!("CARGO_MANIFEST_DIR")).ancestors()).map(Path::to_path_buf).collect();
    roots.into_iter().flat_map(|root| folders.iter().map(move |folder| root.join(folder))).filter(|folder| folder.is_dir())
}

fn in_path(program: &'static str) -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found: Vec<PathBuf> = env::split_paths(&path).filter_map(|directory| fs::canonicalize(directory.join(program)).ok()).collect();
    found.into_iter()
}

fn new_enough(what: &'static str, path: PathBuf, found: (u32, u32), least: (u32, u32), wanted: &'static str) -> Result<PathBuf, Error> {
    if found >= least { Ok(path) } else { Err(Error::TooOld { what, path, found: format!("{}.{}", found.0, found.1), wanted }) }
}

/// None when there is no such program or it does not say.
fn version(program: &Path) -> Option<(u32, u32)> {
    let output = Command::new(program).arg("--version").output().ok()?;
    parse(&String::from_utf8_lossy(&output.stdout))
}

fn parse(text: &str) -> Option<(u32, u32)> {
    let word =
        text.split_whitespace().map(|word| word.trim_start_matches('v')).find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let mut numbers = word.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
    Some((numbers.next()?, numbers.next().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn versions_are_read_as_the_servers_print_them() {
        assert_eq!(parse("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some((15, 18)));
        assert_eq!(parse("postgres (PostgreSQL) 18beta2"), Some((18, 0)));
        assert_eq!(parse("nats-server: v2.15.1"), Some((2, 15)));
        assert_eq!(parse("something else"), None);
    }
}
