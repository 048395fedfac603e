//! The rules of the house, checked against `cargo metadata`: who may depend on whom, and who alone may speak to what is outside.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// What a member may use inside the workspace. A member that is not listed here fails the test.
const INSIDE: [(&str, &[&str]); 21] = [
    ("domain", &[]),
    ("settings", &[]),
    ("embedded", &[]),
    ("proof", &["domain"]),
    ("eventlog", &["domain", "settings", "proof"]),
    ("bus", &["domain", "settings"]),
    ("ghl", &["domain", "settings"]),
    ("pagico", &["domain", "settings"]),
    ("notifier", &["settings"]),
    ("chassis", &["settings", "proto"]),
    ("stage", &["domain", "settings", "eventlog", "bus", "chassis"]),
    ("proto", &[]),
    ("poller", &["domain", "settings", "eventlog", "bus", "ghl", "chassis", "proto"]),
    ("mapper", &["domain", "settings", "eventlog", "bus", "chassis", "stage"]),
    ("writer", &["domain", "settings", "eventlog", "bus", "pagico", "chassis", "stage"]),
    ("bridge", &["settings", "chassis"]),
    ("admin", &["domain", "settings", "eventlog", "bus", "chassis", "pagico", "notifier", "proto", "proof"]),
    ("mirrorctl", &["domain", "proto", "proof"]),
    (
        "standalone",
        &[
            "domain", "settings", "proof", "proto", "eventlog", "bus", "ghl", "chassis", "embedded", "poller", "mapper", "writer",
            "bridge", "admin", "sandbox",
        ],
    ),
    ("sandbox", &[]),
    ("tests", &EVERYTHING),
];

const EVERYTHING: [&str; 20] = [
    "domain",
    "settings",
    "embedded",
    "proof",
    "eventlog",
    "bus",
    "ghl",
    "pagico",
    "notifier",
    "chassis",
    "stage",
    "proto",
    "poller",
    "mapper",
    "writer",
    "bridge",
    "admin",
    "mirrorctl",
    "standalone",
    "sandbox",
];

/// What only its owners may use outside: one outside system, one owner. The program that starts everything, the simulator and the
/// tests look at the outside systems from without.
const OUTSIDE: [(&str, &[&str]); 10] = [
    ("async-nats", &["bus", "standalone", "tests"]),
    ("sqlx", &["eventlog", "bridge", "standalone", "tests"]),
    ("lettre", &["notifier"]),
    ("reqwest", &["ghl", "pagico", "notifier", "standalone", "sandbox", "tests"]),
    ("axum", &["chassis", "poller", "bridge", "admin", "sandbox", "tests"]),
    ("opentelemetry", &["chassis"]),
    ("opentelemetry-otlp", &["chassis"]),
    ("prost", &["proto"]),
    ("prost-reflect", &["proto"]),
    ("clap", &["chassis", "mirrorctl", "standalone", "sandbox", "tests"]),
];

#[expect(clippy::expect_used, reason = "without it there is nothing to check")]
fn metadata() -> Metadata {
    MetadataCommand::new().manifest_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml")).exec().expect("cargo metadata")
}

fn depends(package: &Package) -> BTreeSet<&str> {
    package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind == DependencyKind::Normal)
        .map(|dependency| dependency.name.as_str())
        .collect()
}

#[test]
fn every_member_is_listed_and_uses_only_what_it_may() {
    let metadata = metadata();
    let rules: BTreeMap<&str, &[&str]> = INSIDE.into_iter().collect();
    let members: BTreeMap<&str, &Package> =
        metadata.workspace_packages().into_iter().map(|package| (package.name.as_str(), package)).collect();
    let mut broken = Vec::new();
    for (name, package) in &members {
        let Some(allowed) = rules.get(name) else {
            broken.push(format!("{name} is not listed: say here what it may use"));
            continue;
        };
        for used in depends(package).into_iter().filter(|used| members.contains_key(used) && !allowed.contains(used)) {
            broken.push(format!("{name} may not use {used}"));
        }
    }
    broken.extend(rules.keys().filter(|name| !members.contains_key(*name)).map(|name| format!("{name} is listed but no member")));
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_outside_system_has_one_owner() {
    let metadata = metadata();
    let mut broken = Vec::new();
    for package in metadata.workspace_packages() {
        for (outside, owners) in OUTSIDE {
            if depends(package).contains(outside) && !owners.contains(&package.name.as_str()) {
                broken.push(format!("{} may not use {outside}", package.name));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_directory_of_a_member_is_called_like_it() {
    for package in metadata().workspace_packages() {
        let directory = package.manifest_path.parent().and_then(|directory| directory.file_name());
        assert_eq!(directory, Some(package.name.as_str()));
    }
}

#[test]
fn every_member_obeys_the_workspace_lints() {
    for package in metadata().workspace_packages() {
        let manifest = std::fs::read_to_string(&package.manifest_path).expect("manifest");
        assert!(manifest.contains("[lints]\nworkspace = true"), "{} has lints of its own", package.name);
    }
}

#[test]
fn every_library_says_what_it_is_for_and_what_it_does_not_know() {
    for package in metadata().workspace_packages() {
        let lib = package.manifest_path.with_file_name("src").join("lib.rs");
        let Ok(text) = std::fs::read_to_string(&lib) else { continue };
        let opening: Vec<&str> = text.lines().take_while(|line| line.starts_with("//!")).collect();
        assert!(opening.len() >= 3, "{} opens with {} lines of documentation", package.name, opening.len());
    }
}

#[test]
fn no_module_hides_in_a_mod_rs() {
    fn walk(directory: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(directory).expect("directory").flatten() {
            let path = entry.path();
            if path.is_dir() && !path.ends_with("target") && !path.ends_with("node_modules") {
                walk(&path, found);
            } else if path.ends_with("mod.rs") {
                found.push(path.display().to_string());
            }
        }
    }
    let mut found = Vec::new();
    for package in metadata().workspace_packages() {
        walk(package.manifest_path.parent().expect("a directory").as_std_path(), &mut found);
    }
    assert!(found.is_empty(), "{found:?}");
}
