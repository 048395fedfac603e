//! The list of workspaces.

use serde::Serialize;

use crate::object::Kind;
use crate::page::query::{itself_path, workspace_path};
use crate::store::{Alias, Head};

#[derive(Serialize)]
pub(crate) struct Workspaces {
    title: &'static str,
    aliases: Vec<AliasView>,
    workspaces: Vec<WorkspaceView>,
    /// Whether more exist than are shown.
    cut: bool,
}

#[derive(Serialize)]
struct AliasView {
    name: String,
    href: String,
    workspace: String,
}

#[derive(Serialize)]
struct WorkspaceView {
    name: String,
    href: String,
    objects: u64,
    contacts: u64,
    position: u64,
}

pub(crate) fn workspaces(heads: &[Head], aliases: &[Alias], most: u32) -> Workspaces {
    let hidden = |head: &Head| aliases.iter().any(|alias| alias.alias == head.workspace);
    let view = |head: &Head| WorkspaceView {
        name: head.workspace.clone(),
        href: if hidden(head) { itself_path(&head.workspace) } else { workspace_path(&head.workspace) },
        objects: head.objects(),
        contacts: head.counts.of(Kind::Contact),
        position: head.position,
    };
    let alias =
        |alias: &Alias| AliasView { name: alias.alias.clone(), href: workspace_path(&alias.alias), workspace: alias.workspace.clone() };
    let cut = heads.len().max(aliases.len()) >= most as usize;
    Workspaces { title: "Workspaces", aliases: aliases.iter().map(alias).collect(), workspaces: heads.iter().map(view).collect(), cut }
}
