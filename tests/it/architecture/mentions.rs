//! What a file mentions: every path and method call in its code, inside macros too, test code apart.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

#[derive(Clone)]
pub(super) struct Mention {
    /// The names of the path, for instance `crate`, `chain`, `Head`.
    pub(super) path: Vec<String>,
    pub(super) line: usize,
    pub(super) kind: Kind,
    /// The modules within the file that it stands in.
    pub(super) within: Vec<String>,
    /// The items that it is a part of, the outermost first.
    pub(super) owners: Vec<Owner>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `use a::b`, which puts a name into scope; a glob ends in `*`.
    Import,
    /// The same with a visibility.
    ReExport,
    /// A path in code.
    Path,
    /// A path of one name that is called: `name(…)`.
    Call,
    /// `.name(…)`
    Method,
}

/// An item by its name and the line it is defined in; of an `impl`, the type's name.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) is_impl: bool,
}

/// What `use path as name` puts into scope; `path` is the mention's.
pub(super) struct Import {
    pub(super) name: String,
    pub(super) path: Vec<String>,
    pub(super) within: Vec<String>,
}

#[derive(Default)]
pub(super) struct Mentions {
    pub(super) all: Vec<Mention>,
    pub(super) imports: Vec<Import>,
    /// Names that patterns bind anywhere in the file: a lone name that is among them need not be an item.
    pub(super) bound: std::collections::BTreeSet<String>,
    within: Vec<String>,
    owners: Vec<Owner>,
}

impl Mentions {
    pub(super) fn of(file: &syn::File) -> Self {
        let mut mentions = Self::default();
        mentions.visit_file(file);
        mentions
    }

    fn mention(&mut self, path: Vec<String>, span: Span, kind: Kind) {
        let (within, owners) = (self.within.clone(), self.owners.clone());
        self.all.push(Mention { path, line: span.start().line, kind, within, owners });
    }

    fn owned(&mut self, name: &impl ToString, span: Span, is_impl: bool, visit: impl FnOnce(&mut Self)) {
        self.owners.push(Owner { name: name.to_string(), line: span.start().line, is_impl });
        visit(self);
        self.owners.pop();
    }

    fn import(&mut self, tree: &syn::UseTree, before: &[String], kind: Kind) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        let (path, name) = match tree {
            syn::UseTree::Path(path) => return self.import(&path.tree, &with(&path.ident), kind),
            syn::UseTree::Group(group) => return group.items.iter().for_each(|tree| self.import(tree, before, kind)),
            syn::UseTree::Glob(_) => ([before, &["*".to_owned()]].concat(), "*".to_owned()),
            syn::UseTree::Name(name) if name.ident == "self" => (before.to_vec(), before.last().cloned().unwrap_or_default()),
            syn::UseTree::Rename(rename) if rename.ident == "self" => (before.to_vec(), rename.rename.to_string()),
            syn::UseTree::Name(name) => (with(&name.ident), name.ident.to_string()),
            syn::UseTree::Rename(rename) => (with(&rename.ident), rename.rename.to_string()),
        };
        self.imports.push(Import { name, path: path.clone(), within: self.within.clone() });
        self.mention(path, tree.span(), kind);
    }

    /// The paths and calls in tokens that only a macro understands.
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut rest = tokens.as_slice();
        let mut after_dot = false;
        while let Some((token, tail)) = rest.split_first() {
            rest = tail;
            match token {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Literal(literal) => self.literal(&literal.to_string(), literal.span()),
                TokenTree::Ident(name) if after_dot => {
                    if starts_call(rest) {
                        self.mention(vec![name.to_string()], name.span(), Kind::Method);
                    }
                }
                TokenTree::Ident(name) => {
                    let (path, tail) = path_of(name, rest);
                    rest = tail;
                    let kind = if path.len() == 1 && starts_call(rest) { Kind::Call } else { Kind::Path };
                    self.mention(path, name.span(), kind);
                }
                TokenTree::Punct(_) => {}
            }
            after_dot = matches!(token, TokenTree::Punct(punct) if punct.as_char() == '.');
        }
    }

    /// The names that stand in braces in a format string.
    fn literal(&mut self, text: &str, span: Span) {
        if text.starts_with('"') {
            let names = text.split('{').skip(1).filter_map(|part| part.split([':', '}']).next());
            names.filter(|name| is_name(name)).for_each(|name| self.mention(vec![name.to_owned()], span, Kind::Path));
        }
    }
}

/// The rest of a path whose first name was read, and the tokens behind it.
fn path_of<'a>(first: &proc_macro2::Ident, mut rest: &'a [TokenTree]) -> (Vec<String>, &'a [TokenTree]) {
    let mut path = vec![first.to_string()];
    while let [TokenTree::Punct(one), TokenTree::Punct(two), TokenTree::Ident(name), tail @ ..] = rest
        && (one.as_char(), two.as_char()) == (':', ':')
    {
        path.push(name.to_string());
        rest = tail;
    }
    (path, rest)
}

fn starts_call(rest: &[TokenTree]) -> bool {
    match rest.first() {
        Some(TokenTree::Group(group)) => group.delimiter() == Delimiter::Parenthesis,
        Some(TokenTree::Punct(punct)) => punct.as_char() == ':',
        _ => false,
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_alphabetic() || first == '_') && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// Whether the attributes say that an item is compiled for tests only.
pub(super) fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let is_cfg = attribute.path().is_ident("cfg");
        let condition = attribute.meta.require_list().map(|list| list.tokens.to_string()).unwrap_or_default();
        (is_cfg && condition.split(|c: char| !c.is_alphanumeric()).any(|word| word == "test") && !condition.contains("not"))
            || attribute.path().segments.last().is_some_and(|last| last.ident == "test")
    })
}

fn item_attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

impl<'a> Visit<'a> for Mentions {
    fn visit_item(&mut self, item: &'a syn::Item) {
        if is_test(item_attributes(item)) {
            return;
        }
        let named = match item {
            syn::Item::Const(item) => Some(&item.ident),
            syn::Item::Enum(item) => Some(&item.ident),
            syn::Item::Fn(item) => Some(&item.sig.ident),
            syn::Item::Static(item) => Some(&item.ident),
            syn::Item::Struct(item) => Some(&item.ident),
            syn::Item::Trait(item) => Some(&item.ident),
            syn::Item::Type(item) => Some(&item.ident),
            _ => None,
        };
        match named {
            Some(name) => self.owned(name, name.span(), false, |mentions| visit::visit_item(mentions, item)),
            None => visit::visit_item(self, item),
        }
    }

    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        self.within.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.within.pop();
    }

    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        let kind = if matches!(item.vis, syn::Visibility::Inherited) { Kind::Import } else { Kind::ReExport };
        self.import(&item.tree, &[], kind);
    }

    fn visit_item_impl(&mut self, item: &'a syn::ItemImpl) {
        let name = match &*item.self_ty {
            syn::Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()).unwrap_or_default(),
            _ => String::new(),
        };
        self.owned(&name, item.impl_token.span, true, |mentions| visit::visit_item_impl(mentions, item));
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        if !is_test(&item.attrs) {
            self.owned(&item.sig.ident, item.sig.ident.span(), false, |mentions| visit::visit_impl_item_fn(mentions, item));
        }
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let names = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.mention(names, path.span(), Kind::Path);
        visit::visit_path(self, path);
    }

    fn visit_expr_method_call(&mut self, call: &'a syn::ExprMethodCall) {
        self.mention(vec![call.method.to_string()], call.method.span(), Kind::Method);
        visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_call(&mut self, call: &'a syn::ExprCall) {
        if let syn::Expr::Path(path) = &*call.func
            && let Some(name) = path.path.get_ident()
        {
            self.mention(vec![name.to_string()], name.span(), Kind::Call);
        }
        visit::visit_expr_call(self, call);
    }

    fn visit_pat_ident(&mut self, pattern: &'a syn::PatIdent) {
        self.bound.insert(pattern.ident.to_string());
        visit::visit_pat_ident(self, pattern);
    }

    fn visit_macro(&mut self, call: &'a syn::Macro) {
        visit::visit_macro(self, call);
        self.tokens(call.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'a syn::Attribute) {
        if !attribute.path().is_ident("doc")
            && let syn::Meta::List(list) = &attribute.meta
        {
            self.tokens(list.tokens.clone());
            // As in `#[serde(default = "crate::settings::default_port")]`.
            for token in list.tokens.clone() {
                let text = token.to_string();
                let path: Vec<String> = text.trim_matches('"').split("::").map(str::to_owned).collect();
                if text.starts_with('"') && path.iter().all(|name| is_name(name)) {
                    self.mention(path, token.span(), Kind::Path);
                }
            }
        }
    }
}
