//! The modules of a crate and the names in them, so that a path can be followed to the file that defines what it means.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::mentions::{Mentions, is_test};
use super::source::{File, Package};

/// Paths are followed through this many imports at most.
const IMPORTS_MAX: usize = 24;

/// A crate as its root file spans it.
pub(super) struct Crate<'a> {
    /// Its files with what they mention; the root comes first.
    pub(super) files: Vec<(&'a File, Mentions)>,
    modules: Vec<Module>,
}

#[derive(Default)]
struct Module {
    file: usize,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    items: BTreeSet<String>,
    imports: BTreeMap<String, Vec<Vec<String>>>,
}

#[derive(Clone, Copy)]
enum Found {
    Module(usize),
    /// An item that is defined in this module.
    ItemOf(usize),
}

impl<'a> Crate<'a> {
    /// The crates of a package: its library, its program, and what it keeps beside them.
    pub(super) fn of(package: &'a Package) -> Vec<Self> {
        let is_root = |file: &&File| {
            let name = file.path.file_name().unwrap_or_default();
            (name == "main.rs" || name == "lib.rs") && file.path.components().count() == 2 && !file.path.starts_with("tests")
        };
        package.files.iter().filter(is_root).map(|root| Self::spanned_by(package, root)).collect()
    }

    fn spanned_by(package: &'a Package, root: &'a File) -> Self {
        let mut spanned = Self { files: Vec::new(), modules: Vec::new() };
        let directory = root.path.parent().map(Path::to_owned).unwrap_or_default();
        spanned.add_file(package, root, None, &directory);
        for file in 0..spanned.files.len() {
            spanned.add_imports(file);
        }
        spanned
    }

    fn add_file(&mut self, package: &'a Package, file: &'a File, parent: Option<usize>, directory: &Path) -> usize {
        let index = self.files.len();
        self.files.push((file, Mentions::of(&file.syntax)));
        self.add_module(package, index, &file.syntax.items, parent, directory)
    }

    fn add_module(&mut self, package: &'a Package, file: usize, items: &'a [syn::Item], parent: Option<usize>, directory: &Path) -> usize {
        let index = self.modules.len();
        self.modules.push(Module { file, parent, ..Module::default() });
        for item in items {
            match item {
                syn::Item::Mod(module) if is_test(&module.attrs) => {}
                syn::Item::Mod(module) => {
                    let name = module.ident.to_string();
                    let child = match &module.content {
                        Some((_, items)) => Some(self.add_module(package, file, items, Some(index), &directory.join(&name))),
                        None => {
                            let path: PathBuf = directory.join(format!("{name}.rs"));
                            let found = package.files.iter().find(|file| file.path == path);
                            found.map(|file| self.add_file(package, file, Some(index), &directory.join(&name)))
                        }
                    };
                    self.add_names(index, child.map(|child| (name, child)), None);
                }
                item => self.add_names(index, None, name_of(item)),
            }
        }
        index
    }

    fn add_names(&mut self, module: usize, child: Option<(String, usize)>, item: Option<String>) {
        if let Some(module) = self.modules.get_mut(module) {
            module.children.extend(child);
            module.items.extend(item);
        }
    }

    fn add_imports(&mut self, file: usize) {
        let Some((_, mentions)) = self.files.get(file) else { return };
        let imports: Vec<_> =
            mentions.imports.iter().map(|import| (import.within.clone(), import.name.clone(), import.path.clone())).collect();
        for (within, name, path) in imports {
            if let Some(module) = self.module_of(file, &within).and_then(|module| self.modules.get_mut(module)) {
                module.imports.entry(name).or_default().push(path);
            }
        }
    }

    /// The module that a file is, or one inside it.
    fn module_of(&self, file: usize, within: &[String]) -> Option<usize> {
        let outermost = self.modules.iter().position(|module| module.file == file)?;
        within.iter().try_fold(outermost, |module, name| self.modules.get(module)?.children.get(name).copied())
    }

    /// The file that defines what a path in this file means; none where it means a module, a local name or another crate's.
    pub(super) fn definition(&self, file: usize, within: &[String], path: &[String]) -> Option<usize> {
        match self.follow(self.module_of(file, within)?, path, IMPORTS_MAX)? {
            Found::ItemOf(module) => Some(self.modules.get(module)?.file),
            Found::Module(_) => None,
        }
    }

    /// Whether a file lies below another in the tree of modules.
    pub(super) fn is_below(&self, file: usize, above: usize) -> bool {
        let mut module = self.modules.iter().position(|module| module.file == file);
        while let Some(found) = module.and_then(|module| self.modules.get(module)) {
            if found.file == above && file != above {
                return true;
            }
            module = found.parent;
        }
        false
    }

    fn follow(&self, from: usize, path: &[String], imports: usize) -> Option<Found> {
        let (first, mut rest) = path.split_first()?;
        let mut found = match first.as_str() {
            "crate" => Found::Module(0),
            "self" => Found::Module(from),
            "super" => Found::Module(self.modules.get(from)?.parent?),
            name => self.named(from, name, rest.is_empty(), imports)?,
        };
        while let (Found::Module(module), Some((name, tail))) = (found, rest.split_first()) {
            found = match name.as_str() {
                "super" => Found::Module(self.modules.get(module)?.parent?),
                name => self.named(module, name, tail.is_empty(), imports)?,
            };
            rest = tail;
        }
        Some(found)
    }

    /// What a name means in a module. A module and an item may have the same name: the last name of a path is rather the item.
    fn named(&self, module: usize, name: &str, is_last: bool, imports: usize) -> Option<Found> {
        let held = self.modules.get(module)?;
        let child = held.children.get(name).map(|&child| Found::Module(child));
        if child.is_some() && !is_last {
            return child;
        }
        if held.items.contains(name) {
            return Some(Found::ItemOf(module));
        }
        let imports = imports.checked_sub(1)?;
        let named = held.imports.get(name).into_iter().flatten().map(|path| self.follow(module, path, imports));
        let globs = held.imports.get("*").into_iter().flatten().map(|path| {
            let (_, path) = path.split_last()?;
            match self.follow(module, path, imports)? {
                Found::Module(other) if other != module => self.named(other, name, is_last, imports),
                Found::Module(_) | Found::ItemOf(_) => None,
            }
        });
        named.chain(globs).flatten().next().or(child)
    }
}

fn name_of(item: &syn::Item) -> Option<String> {
    let name = match item {
        syn::Item::Const(item) => &item.ident,
        syn::Item::Enum(item) => &item.ident,
        syn::Item::Fn(item) => &item.sig.ident,
        syn::Item::Macro(item) => item.ident.as_ref()?,
        syn::Item::Static(item) => &item.ident,
        syn::Item::Struct(item) => &item.ident,
        syn::Item::Trait(item) => &item.ident,
        syn::Item::Type(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}
