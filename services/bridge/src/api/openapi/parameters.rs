//! What each operation takes in its path, query and headers.

use serde_json::{Value, json};

use crate::api::routes::Route;
use crate::config::Limits;

pub(super) fn parameters(route: Route, limits: &Limits) -> Vec<Value> {
    let text = |place: &str, name: &str, bytes_max: usize, required: bool| json!({"in": place, "name": name, "required": required, "schema": {"type": "string", "minLength": 1, "maxLength": bytes_max}});
    let number = |name: &str, required: bool, minimum: u32, maximum: u64| json!({"in": "query", "name": name, "required": required, "schema": {"type": "integer", "minimum": minimum, "maximum": maximum}});
    let workspace = text("path", "workspace", limits.workspace_bytes_max, true);
    let key = text("path", "key", limits.key_bytes_max, true);
    let about = "The next_cursor of the page before; empty or left out for the first page.";
    let cursor = json!({"in": "query", "name": "cursor", "schema": {"type": "string", "description": about}});
    let limit = number("limit", false, 1, limits.page_items_max.get().into());
    let once = text("header", "Idempotency-Key", limits.idempotency_key_bytes_max, false);
    match route {
        Route::ListWorkspaces | Route::ListAliases => vec![cursor, limit],
        Route::PutAlias | Route::GetAlias | Route::RemoveAlias => vec![text("path", "alias", limits.workspace_bytes_max, true)],
        Route::ListDigests => vec![workspace, cursor, limit],
        Route::PutWorkspace | Route::GetWorkspace | Route::RetireWorkspace | Route::WriteBatch | Route::Outdate | Route::GetDigest => {
            vec![workspace]
        }
        Route::ListChanges => vec![workspace, number("after", false, 0, i64::MAX.cast_unsigned()), limit],
        Route::ListAllObjects | Route::ListObjects(_) => {
            vec![workspace, cursor, limit, text("query", "contact", limits.key_bytes_max, false)]
        }
        Route::GetContactDigest | Route::EraseContact | Route::GetObject(_) => vec![workspace, key],
        Route::PutObject(_) => vec![workspace, key, once],
        Route::RemoveObject(_) => {
            let epoch = number("epoch", true, 0, u32::MAX.into());
            vec![workspace, key, epoch, number("seq", true, 0, i64::MAX.cast_unsigned()), once]
        }
    }
}
