//! Each walkthrough of ARCHITECTURE.md ends with the tests that prove it, and those tests exist.

use std::path::Path;

use anyhow::Context as _;
use syn::visit::{self, Visit};

use super::source::root;

const OPENING: &str = "Proved by ";

#[test]
fn every_walkthrough_ends_with_tests_that_exist() -> anyhow::Result<()> {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md"))?;
    let section = text.split("\n## ").find(|section| section.starts_with("Walkthroughs")).context("no section of walkthroughs")?;
    let walkthroughs = walkthroughs(section);
    anyhow::ensure!(!walkthroughs.is_empty(), "no walkthrough");
    let mut broken = Vec::new();
    for (title, text) in &walkthroughs {
        let proofs = proofs(text);
        if proofs.is_empty() {
            broken.push(format!("\"{title}\" does not end with \"{OPENING}`FILE: TEST`.\""));
        }
        for (file, test) in proofs {
            if !has_test(&root().join(file), test) {
                broken.push(format!("\"{title}\" is proved by {file}: {test}, which is no test"));
            }
        }
    }
    anyhow::ensure!(broken.is_empty(), "{}", broken.join("\n"));
    Ok(())
}

/// Title and text of each walkthrough; a title is bold or a heading, and opens a paragraph.
fn walkthroughs(section: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for paragraph in section.split("\n\n").map(str::trim) {
        let bold = paragraph.strip_prefix("**").and_then(|rest| rest.split_once("**"));
        let heading = paragraph.strip_prefix("### ").map(|rest| rest.split_once('\n').unwrap_or((rest, "")));
        match (bold.or(heading), found.last_mut()) {
            (Some((title, text)), _) => found.push((title.trim_end_matches('.').to_owned(), text.to_owned())),
            (None, Some((_, text))) => text.extend(["\n\n", paragraph]),
            (None, None) => {}
        }
    }
    found
}

/// The files and tests that a walkthrough names at its end.
fn proofs(walkthrough: &str) -> Vec<(&str, &str)> {
    let last = walkthrough.rsplit("\n\n").next().unwrap_or_default();
    let Some((_, named)) = last.rsplit_once(OPENING) else { return Vec::new() };
    named.split('`').skip(1).step_by(2).filter_map(|proof| proof.split_once(": ")).collect()
}

fn has_test(file: &Path, name: &str) -> bool {
    struct Tests<'a> {
        name: &'a str,
        is_found: bool,
    }
    impl<'a> Visit<'a> for Tests<'_> {
        fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
            let is_test = item.attrs.iter().any(|attribute| attribute.path().segments.last().is_some_and(|last| last.ident == "test"));
            self.is_found |= is_test && item.sig.ident == self.name;
            visit::visit_item_fn(self, item);
        }
    }
    let Some(syntax) = std::fs::read_to_string(file).ok().and_then(|text| syn::parse_file(&text).ok()) else { return false };
    let mut tests = Tests { name, is_found: false };
    tests.visit_file(&syntax);
    tests.is_found
}

#[test]
fn a_walkthrough_ends_where_the_next_begins_and_its_proofs_stand_last() {
    let section = "Walkthroughs\n\n**One.** Goes\non.\nProved by `a.rs: b`,\n`c.rs: d`.\n\n### Two\nGoes on.\n\nProved by `e.rs: f`.\n\n**Three.** None.";
    let found: Vec<_> = walkthroughs(section);
    let found: Vec<_> = found.iter().map(|(title, text)| (title.as_str(), proofs(text))).collect();
    assert_eq!(found, [("One", vec![("a.rs", "b"), ("c.rs", "d")]), ("Two", vec![("e.rs", "f")]), ("Three", vec![])]);
}
