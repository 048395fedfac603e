//! The Rust files of the workspace, parsed.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// Directories whose direct children may be packages, beside those in `PACKAGES`.
const FAMILIES: [&str; 2] = ["crates", "services"];
const PACKAGES: [&str; 3] = ["proto", "tests", "tests/sandbox"];
/// What lies below a package and is not written by hand, or belongs to another package.
const SKIPPED: [&str; 5] = ["target", "node_modules", "gen", "sandbox", ".local"];

/// The workspace's own directory.
pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub(super) struct Package {
    /// Relative to the workspace, for instance `crates/domain`.
    pub(super) directory: String,
    pub(super) files: Vec<File>,
}

pub(super) struct File {
    /// Relative to the package, for instance `src/lib.rs`.
    pub(super) path: PathBuf,
    pub(super) lines: usize,
    pub(super) syntax: syn::File,
}

impl Package {
    /// A package that exists in a test alone: the paths and texts of its files.
    pub(super) fn of_texts(directory: &str, texts: &[(&str, &str)]) -> anyhow::Result<Self> {
        let files = texts.iter().map(|(path, text)| File::parse(PathBuf::from(path), text)).collect::<anyhow::Result<_>>()?;
        Ok(Self { directory: directory.to_owned(), files })
    }

    /// Packages that only test what is shipped.
    pub(super) fn is_test(&self) -> bool {
        self.directory.starts_with("tests")
    }

    pub(super) fn is_library(&self) -> bool {
        self.files.iter().any(|file| file.path == Path::new("src/lib.rs"))
    }

    /// A file as a reader of the workspace knows it.
    pub(super) fn shown(&self, file: &File) -> String {
        format!("{}/{}", self.directory, file.path.display())
    }
}

impl File {
    fn parse(path: PathBuf, text: &str) -> anyhow::Result<Self> {
        let syntax = syn::parse_file(text).with_context(|| path.display().to_string())?;
        Ok(Self { path, lines: text.lines().count(), syntax })
    }

    /// Whether this is code that ships: what lies below `src` and is no room for tests.
    pub(super) fn is_shipped(&self) -> bool {
        self.path.starts_with("src") && self.path.file_stem().is_none_or(|stem| stem != "tests")
    }
}

/// Reads every package of the workspace.
pub(super) fn packages(root: &Path) -> anyhow::Result<Vec<Package>> {
    let mut directories: Vec<String> = PACKAGES.iter().map(|&package| package.to_owned()).collect();
    for family in FAMILIES {
        for entry in std::fs::read_dir(root.join(family))? {
            directories.push(format!("{family}/{}", entry?.file_name().to_string_lossy()));
        }
    }
    directories.sort();
    directories.retain(|directory| root.join(directory).join("Cargo.toml").is_file());
    let read = |directory: String| {
        let mut files = Vec::new();
        read_below(&root.join(&directory), Path::new(""), &mut files)?;
        Ok(Package { directory, files })
    };
    directories.into_iter().map(read).collect()
}

fn read_below(package: &Path, below: &Path, files: &mut Vec<File>) -> anyhow::Result<()> {
    let mut names: Vec<_> = std::fs::read_dir(package.join(below))?.map(|entry| Ok(entry?.file_name())).collect::<std::io::Result<_>>()?;
    names.sort();
    for name in names {
        let path = below.join(&name);
        if package.join(&path).is_dir() {
            if !SKIPPED.iter().any(|skipped| name == *skipped) {
                read_below(package, &path, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(package.join(&path))?;
            files.push(File::parse(path, &text).with_context(|| package.display().to_string())?);
        }
    }
    Ok(())
}
