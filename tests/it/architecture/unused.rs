//! What is public is used: nothing is kept for tests alone, or for nobody.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::{self, Visit};

use super::mentions::{Kind, Mention, Mentions, is_test};
use super::source::Package;

/// What is public for tests or for later: the file and the names in it, and why. No names are all.
const KEPT: [(&str, &[&str], &str); 3] = [
    ("crates/embedded/src/scratch.rs", &["scratch"], "hosts the servers of tests as well"),
    ("crates/ghl/src/client/writes.rs", &[], "changes at GHL, for what users will do in the workspace"),
    ("services/mirrorctl/src/lib.rs", &["run_into"], "lets tests type commands within their own process"),
];

/// A public item of a library.
pub(super) struct Item {
    name: String,
    line: usize,
    is_method: bool,
}

/// The public items of the libraries that no shipped code mentions, each with its file.
pub(super) fn unused(packages: &[Package]) -> Vec<(String, Item)> {
    let mut mentioned: BTreeMap<String, Vec<(String, Mention)>> = BTreeMap::new();
    let mut defined = Vec::new();
    for package in packages.iter().filter(|package| !package.is_test()) {
        for file in package.files.iter().filter(|file| file.is_shipped()) {
            let place = package.shown(file);
            for (name, mention) in mentions(&file.syntax) {
                mentioned.entry(name).or_default().push((place.clone(), mention));
            }
            if package.is_library() {
                let mut items = Items::default();
                items.visit_file(&file.syntax);
                defined.extend(items.found.into_iter().map(|item| (place.clone(), item)));
            }
        }
    }
    let is_used = |place: &str, item: &Item| {
        let all = mentioned.get(&item.name).into_iter().flatten();
        all.into_iter().any(|(file, mention)| uses(item, place == file, mention))
    };
    defined.retain(|(place, item)| !is_used(place, item));
    defined
}

/// Where an unused item is.
pub(super) fn shown((file, item): &(String, Item)) -> String {
    format!("{file}:{}: {}", item.line, item.name)
}

/// The names that a file mentions in a way that uses them.
fn mentions(file: &syn::File) -> Vec<(String, Mention)> {
    let Mentions { all, bound, .. } = Mentions::of(file);
    let mut named = Vec::new();
    for mention in all {
        let is_local = matches!(mention.path.as_slice(), [name] if mention.kind == Kind::Path && bound.contains(name));
        if mention.kind == Kind::ReExport || is_local {
            continue;
        }
        let names: BTreeSet<String> = mention.path.iter().cloned().collect();
        for name in names {
            named.push((name, mention.clone()));
        }
    }
    named
}

/// Whether a mention uses an item: not where it is a part of that item, and a method only where it is called or named by its type.
fn uses(item: &Item, is_same_file: bool, mention: &Mention) -> bool {
    let is_own = mention
        .owners
        .iter()
        .any(|owner| owner.name == item.name && (owner.is_impl && !item.is_method || is_same_file && owner.line == item.line));
    let is_reached = if item.is_method { mention.kind == Kind::Method || mention.path.len() > 1 } else { mention.kind != Kind::Method };
    !is_own && is_reached
}

#[derive(Default)]
struct Items {
    found: Vec<Item>,
}

impl Items {
    fn take(&mut self, visibility: &syn::Visibility, name: &syn::Ident, is_method: bool) {
        if matches!(visibility, syn::Visibility::Public(_)) {
            self.found.push(Item { name: name.to_string(), line: name.span().start().line, is_method });
        }
    }
}

impl<'a> Visit<'a> for Items {
    fn visit_item(&mut self, item: &'a syn::Item) {
        match item {
            syn::Item::Const(item) => self.take(&item.vis, &item.ident, false),
            syn::Item::Enum(item) => self.take(&item.vis, &item.ident, false),
            syn::Item::Fn(item) if !is_test(&item.attrs) => self.take(&item.vis, &item.sig.ident, false),
            syn::Item::Static(item) => self.take(&item.vis, &item.ident, false),
            syn::Item::Struct(item) => self.take(&item.vis, &item.ident, false),
            syn::Item::Trait(item) => self.take(&item.vis, &item.ident, false),
            syn::Item::Type(item) => self.take(&item.vis, &item.ident, false),
            syn::Item::Mod(item) if !is_test(&item.attrs) => visit::visit_item_mod(self, item),
            syn::Item::Impl(item) if !is_test(&item.attrs) => visit::visit_item_impl(self, item),
            _ => {}
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        if !is_test(&item.attrs) {
            self.take(&item.vis, &item.sig.ident, true);
        }
    }
}

#[test]
fn what_is_public_is_used_by_more_than_tests() -> anyhow::Result<()> {
    let mut unused = unused(&super::source::packages(&super::source::root())?);
    let is_kept =
        |place: &str, item: &str| KEPT.iter().any(|(file, names, _)| *file == place && (names.is_empty() || names.contains(&item)));
    unused.retain(|(file, item)| !is_kept(file, &item.name));
    let shown: Vec<String> = unused.iter().map(shown).collect();
    anyhow::ensure!(shown.is_empty(), "public, and used by tests at most:\n{}", shown.join("\n"));
    Ok(())
}

#[test]
fn an_item_is_used_where_shipped_code_mentions_it_outside_of_itself() -> anyhow::Result<()> {
    let lib = r#"
        pub use a::Handed;
        mod a { pub struct Handed; impl Handed { pub fn again(&self) { self.again() } } }
        pub struct Kept;
        impl Kept { pub fn new() -> Kept { Kept } pub fn called(&self) {} pub fn tested(&self) {} }
        pub const SHOWN: u8 = 1;
        fn _private(kept: Kept) { kept.called(); println!("{SHOWN}"); }
        #[cfg(test)] mod tests { fn it() { super::Kept::new().tested(); super::dead(); } }
        pub fn dead() {}
    "#;
    let package = Package::of_texts("crates/one", &[("src/lib.rs", lib), ("tests/it.rs", "fn it() { one::dead() }")])?;
    let found = unused(&[package]);
    let names: Vec<_> = found.iter().map(|(_, item)| item.name.as_str()).collect();
    assert_eq!(names, ["Handed", "again", "new", "tested", "dead"]);
    Ok(())
}
