//! A file can be read in one sitting and a function fits a screen.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

use super::source::Package;

const FILE_LINES_MAX: usize = 500;
/// Nine files of ten are not longer.
const MOST_FILES_LINES_MAX: usize = 300;
/// From `fn` to the closing brace.
const FUNCTION_LINES_MAX: usize = 70;

/// What is too long, and the length that nine files of ten do not exceed.
pub(super) fn too_long(packages: &[Package]) -> (Vec<String>, usize) {
    let mut found = Vec::new();
    let mut lengths = Vec::new();
    for package in packages {
        for file in &package.files {
            lengths.push(file.lines);
            if file.lines > FILE_LINES_MAX {
                found.push(format!("{}: {} lines", package.shown(file), file.lines));
            }
            let mut functions = Functions::default();
            functions.visit_file(&file.syntax);
            for (name, line, lines) in functions.found.into_iter().filter(|(.., lines)| *lines > FUNCTION_LINES_MAX) {
                found.push(format!("{}:{line}: {name} has {lines} lines", package.shown(file)));
            }
        }
    }
    lengths.sort_unstable();
    let most = lengths.get(lengths.len() * 9 / 10).copied().unwrap_or_default();
    (found, most)
}

/// Name, first line and number of lines of each function.
#[derive(Default)]
struct Functions {
    found: Vec<(String, usize, usize)>,
}

impl Functions {
    fn take(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let (first, last) = (signature.fn_token.span.start().line, block.span().end().line);
        self.found.push((signature.ident.to_string(), first, last + 1 - first));
    }

    /// Functions that a macro is given, as `proptest!` is.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut begun: Option<(String, usize)> = None;
        for token in tokens {
            match token {
                TokenTree::Ident(word) if word == "fn" => begun = Some((String::new(), word.span().start().line)),
                TokenTree::Ident(word) => {
                    if let Some((name, _)) = begun.as_mut().filter(|(name, _)| name.is_empty()) {
                        *name = word.to_string();
                    }
                }
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                    if let Some((name, first)) = begun.take() {
                        self.found.push((name, first, group.span_close().end().line + 1 - first));
                    }
                    self.tokens(group.stream());
                }
                TokenTree::Group(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }
}

impl<'a> Visit<'a> for Functions {
    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        self.take(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        self.take(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'a syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.take(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_macro(&mut self, call: &'a syn::Macro) {
        self.tokens(call.tokens.clone());
    }
}

#[test]
fn no_file_and_no_function_is_too_long_to_read() -> anyhow::Result<()> {
    let (found, most) = too_long(&super::source::packages(&super::source::root())?);
    anyhow::ensure!(found.is_empty(), "{}", found.join("\n"));
    anyhow::ensure!(most <= MOST_FILES_LINES_MAX, "nine files of ten have up to {most} lines");
    Ok(())
}
