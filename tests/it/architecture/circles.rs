//! No two files of a crate import each other, straight or in a ring: a change then reaches only what stands above it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::mentions::Kind;
use super::modules::Crate;
use super::source::Package;

/// For each file the files that it imports from, with the first mention of each.
type Imports = BTreeMap<usize, BTreeMap<usize, String>>;

/// What is imported between the files of a crate. A contents page that only hands on what its rooms define imports nothing, and what
/// comes through it counts for the file that defines it.
pub(super) fn imports(checked: &Crate<'_>) -> Imports {
    let mut imports = Imports::new();
    for (from, (_, mentions)) in checked.files.iter().enumerate() {
        for mention in &mentions.all {
            let is_local = matches!(mention.path.as_slice(), [name] if mention.kind == Kind::Path && mentions.bound.contains(name));
            if mention.kind == Kind::Method || is_local {
                continue;
            }
            let Some(to) = checked.definition(from, &mention.within, &mention.path).filter(|&to| to != from) else { continue };
            if mention.kind == Kind::ReExport && checked.is_below(to, from) {
                continue;
            }
            let place = || format!("line {}: {}", mention.line, mention.path.join("::"));
            imports.entry(from).or_default().entry(to).or_insert_with(place);
        }
    }
    imports
}

/// The shortest circle through each file that is in one, each circle once.
pub(super) fn circles(imports: &Imports) -> Vec<Vec<usize>> {
    let mut found = BTreeSet::new();
    for &start in imports.keys() {
        if let Some(mut circle) = shortest(imports, start) {
            let lowest = circle.iter().enumerate().min_by_key(|&(_, file)| file).map_or(0, |(at, _)| at);
            circle.rotate_left(lowest);
            found.insert(circle);
        }
    }
    let mut found: Vec<_> = found.into_iter().collect();
    found.sort_by_key(Vec::len);
    found
}

/// The shortest way from a file back to itself.
fn shortest(imports: &Imports, start: usize) -> Option<Vec<usize>> {
    let mut came_from = BTreeMap::new();
    let mut waiting = VecDeque::from([start]);
    while let Some(file) = waiting.pop_front() {
        for &next in imports.get(&file).into_iter().flat_map(BTreeMap::keys) {
            if next == start {
                let mut circle = vec![file];
                while let Some(&before) = circle.last().and_then(|last| came_from.get(last)) {
                    circle.push(before);
                }
                circle.reverse();
                return Some(circle);
            }
            if let std::collections::btree_map::Entry::Vacant(first) = came_from.entry(next) {
                first.insert(file);
                waiting.push_back(next);
            }
        }
    }
    None
}

/// The circles of a package, each as a text that shows where each file names the next.
pub(super) fn shown(package: &Package) -> Vec<String> {
    let mut shown = Vec::new();
    for checked in Crate::of(package) {
        let imports = imports(&checked);
        for circle in circles(&imports) {
            let name = |file: usize| checked.files.get(file).map(|(file, _)| package.shown(file)).unwrap_or_default();
            let mut lines = vec!["a circle of files:".to_owned()];
            for (file, next) in circle.iter().zip(circle.iter().cycle().skip(1)) {
                let place = imports.get(file).and_then(|imports| imports.get(next)).cloned().unwrap_or_default();
                lines.push(format!("  {} imports {} ({place})", name(*file), name(*next)));
            }
            shown.push(lines.join("\n"));
        }
    }
    shown
}

#[test]
fn no_two_files_import_each_other_straight_or_in_a_ring() -> anyhow::Result<()> {
    let packages = super::source::packages(&super::source::root())?;
    let found: Vec<String> = packages.iter().flat_map(shown).collect();
    anyhow::ensure!(found.is_empty(), "{}", found.join("\n"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::source::Package;
    use super::shown;

    fn check(files: &[(&str, &str)], circles: &[&[&str]]) {
        let package = Package::of_texts("crates/one", files).expect("parsed");
        let found = shown(&package);
        let found: Vec<Vec<&str>> = found.iter().map(|circle| circle.lines().skip(1).map(str::trim).collect()).collect();
        assert_eq!(found, circles);
    }

    #[test]
    fn a_contents_page_that_hands_on_imports_nothing() {
        check(
            &[
                ("src/lib.rs", "mod a; mod b; pub use a::A; pub use b::B;"),
                ("src/a.rs", "pub struct A;"),
                ("src/b.rs", "use crate::A; pub struct B(A);"),
            ],
            &[],
        );
    }

    #[test]
    fn files_that_name_each_other_through_the_contents_page_are_a_circle() {
        check(
            &[
                ("src/lib.rs", "mod a; mod b; pub use a::A; pub use b::B;"),
                ("src/a.rs", "use crate::B; pub struct A(B);"),
                ("src/b.rs", "pub struct B; impl B { fn a(&self) { log!(\"{}\", crate::A); } }"),
            ],
            &[&[
                "crates/one/src/a.rs imports crates/one/src/b.rs (line 1: crate::B)",
                "crates/one/src/b.rs imports crates/one/src/a.rs (line 1: crate::A)",
            ]],
        );
    }

    #[test]
    fn a_parent_that_calls_into_a_child_which_imports_from_it_is_in_a_circle() {
        check(
            &[
                ("src/lib.rs", "mod a; pub struct L; pub fn l() { a::run(L) }"),
                ("src/a.rs", "use super::L; pub(crate) fn run(l: L) { drop(l) }"),
            ],
            &[&[
                "crates/one/src/lib.rs imports crates/one/src/a.rs (line 1: a::run)",
                "crates/one/src/a.rs imports crates/one/src/lib.rs (line 1: super::L)",
            ]],
        );
    }

    #[test]
    fn what_tests_import_and_what_is_local_makes_no_circle() {
        check(
            &[
                ("src/lib.rs", "mod a; pub use a::made; pub struct L; pub fn l(made: u8) -> u8 { made }"),
                ("src/a.rs", "pub fn made() {} #[cfg(test)] mod tests { use crate::L; } fn f() { let l = 1; let _ = l; super::l; }"),
            ],
            &[],
        );
    }
}
