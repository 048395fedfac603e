//! Links from one page of a workspace to another.

use serde::Serialize;

use crate::page::query::{PageQuery, link};

/// A tag, and the list of who has it.
#[derive(Clone, Serialize)]
pub(super) struct TagView {
    pub(super) name: String,
    pub(super) href: String,
}

/// What every link keeps, and the addresses made from it.
pub(super) struct Links<'a> {
    pub(super) workspace: &'a str,
    pub(super) query: &'a PageQuery,
}

impl Links<'_> {
    /// Opens a container; the list stays as it is.
    pub(super) fn open(&self, key: &str) -> String {
        self.kept(&[("open", Some(key))])
    }

    /// One object alone and in full.
    pub(super) fn object(&self, key: &str) -> String {
        self.kept(&[("object", Some(key))])
    }

    pub(super) fn tag(&self, tag: &str) -> String {
        in_list(link(self.workspace, &[("tag", Some(tag)), ("open", self.query.open.as_deref())]))
    }

    pub(super) fn kept(&self, more: &[(&str, Option<&str>)]) -> String {
        let PageQuery { q, tag, list, after, .. } = self.query;
        let mut parameters = vec![("q", Some(q.as_str())), ("tag", tag.as_deref()), ("list", list.as_deref()), ("after", after.as_deref())];
        parameters.extend_from_slice(more);
        link(self.workspace, &parameters)
    }
}

/// Within the list: a phone, where the list is folded away, unfolds it then.
pub(super) fn in_list(address: String) -> String {
    address + "#list"
}
