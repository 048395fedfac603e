//! What each operation is called.

use crate::api::routes::Route;
use crate::object::Kind;

pub(super) fn operation_id(route: Route) -> String {
    let one = |verb: &str, kind: Kind| format!("{verb}_{}", kind.as_str());
    match route {
        Route::ListWorkspaces => "list_workspaces".to_owned(),
        Route::PutWorkspace => "put_workspace".to_owned(),
        Route::GetWorkspace => "get_workspace".to_owned(),
        Route::RetireWorkspace => "retire_workspace".to_owned(),
        Route::ListDigests => "list_digests".to_owned(),
        Route::EraseContact => "erase_contact".to_owned(),
        Route::Outdate => "outdate".to_owned(),
        Route::ListAliases => "list_aliases".to_owned(),
        Route::PutAlias => "put_alias".to_owned(),
        Route::GetAlias => "get_alias".to_owned(),
        Route::RemoveAlias => "remove_alias".to_owned(),
        Route::WriteBatch => "write_batch".to_owned(),
        Route::GetDigest => "get_digest".to_owned(),
        Route::ListChanges => "list_changes".to_owned(),
        Route::GetContactDigest => "get_contact_digest".to_owned(),
        Route::ListAllObjects => "list_objects".to_owned(),
        Route::ListObjects(kind) => format!("list_{}", kind.plural()),
        Route::PutObject(kind) => one("put", kind),
        Route::GetObject(kind) => one("get", kind),
        Route::RemoveObject(kind) => one("remove", kind),
    }
}

pub(super) fn summary(route: Route) -> String {
    match route {
        Route::ListWorkspaces => "List the workspaces".to_owned(),
        Route::PutWorkspace => "Create a workspace; does nothing when it is there".to_owned(),
        Route::GetWorkspace => "Read the head of a workspace".to_owned(),
        Route::RetireWorkspace => {
            "Remove a workspace with everything in it: it disappears at once, its rows go in batches; repeating it goes on".to_owned()
        }
        Route::ListDigests => {
            "List the digests of the contacts that have mirrored objects, in the order of their keys (as bytes)".to_owned()
        }
        Route::EraseContact => {
            "Forget what is about a contact: contents, titles, digests and remembered answers. Keys and positions stay, as tombstones; \
             nothing about the contact that is not newer than the revision is taken any more"
                .to_owned()
        }
        Route::Outdate => {
            "Take objects for older than any write: of those whose stored revision is newer than the one given beside their key, those \
             for which it is the one given as stored; the others are listed and left as they are. For what was written here with a \
             revision that no source ever gave"
                .to_owned()
        }
        Route::ListAliases => "List the aliases".to_owned(),
        Route::PutAlias => "Point an alias at a workspace, in one step for everybody who reads by it".to_owned(),
        Route::GetAlias => "Read where an alias points".to_owned(),
        Route::RemoveAlias => "Remove an alias; does nothing when it is not there".to_owned(),
        Route::WriteBatch => "Write many objects in one transaction, each judged by itself".to_owned(),
        Route::GetDigest => {
            "Read the digest of all mirrored objects: SHA-256 over the contacts' digests (32 bytes each) in the order of their keys"
                .to_owned()
        }
        Route::ListChanges => "Read the feed of changes, whose positions have no gaps".to_owned(),
        Route::GetContactDigest => {
            "Read a contact's digest: SHA-256 over the digests (32 bytes each) of its mirrored objects in the order of their keys"
                .to_owned()
        }
        Route::ListAllObjects => "List objects of every kind in the order of their contacts' keys and then of their own".to_owned(),
        Route::ListObjects(kind) => format!("List {} in the order of their keys", kind.plural()),
        Route::PutObject(kind) => format!("Write {}", kind.article()),
        Route::GetObject(kind) => format!("Read {}", kind.article()),
        Route::RemoveObject(kind) => format!("Remove {}; its revision is remembered, so that nothing older brings it back", kind.article()),
    }
}

pub(super) fn tag(route: Route) -> &'static str {
    match route {
        Route::ListObjects(kind) | Route::PutObject(kind) | Route::GetObject(kind) | Route::RemoveObject(kind) => kind.plural(),
        Route::GetContactDigest | Route::EraseContact => Kind::Contact.plural(),
        Route::ListAliases | Route::PutAlias | Route::GetAlias | Route::RemoveAlias => "aliases",
        Route::ListWorkspaces
        | Route::PutWorkspace
        | Route::GetWorkspace
        | Route::WriteBatch
        | Route::GetDigest
        | Route::ListChanges
        | Route::RetireWorkspace
        | Route::ListDigests
        | Route::Outdate
        | Route::ListAllObjects => "workspaces",
    }
}
