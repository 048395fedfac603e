//! The query of the page, and links that change it.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use url::form_urlencoded;

use crate::api::ErrorResponse;
use crate::app::App;
use crate::object::{Kind, folded, tag_term};
use crate::request::{ALIAS, ITSELF, check_workspace};
use crate::store::Error;
use crate::store::page::{ContainerCursor, Search, Section};

pub(super) type InPath = Result<Path<String>, PathRejection>;

/// The query of the page. Values that cannot be understood are ignored: people edit addresses.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PageQuery {
    /// Search words.
    pub(super) q: String,
    pub(super) tag: Option<String>,
    /// `projects`, or contacts.
    pub(super) list: Option<String>,
    /// Where the list continues.
    pub(super) after: Option<String>,
    /// The container that is shown.
    pub(super) open: Option<String>,
    /// `inbox`: what has no known container.
    pub(super) view: Option<String>,
    /// One object of the container, alone and in full.
    pub(super) object: Option<String>,
    /// The section that shows another page than its first, and that page.
    pub(super) section: Option<String>,
    pub(super) page: Option<String>,
    /// Only the parts that change.
    pub(super) fragment: Option<String>,
}

/// The most words that are searched for.
const TERMS_MAX: usize = 8;
const TERM_CHARS_MAX: usize = 100;

impl PageQuery {
    pub(super) fn lists(&self) -> Kind {
        if self.list.as_deref() == Some("projects") { Kind::Project } else { Kind::Contact }
    }

    pub(super) fn shows_inbox(&self) -> bool {
        self.view.as_deref() == Some("inbox")
    }

    pub(super) fn search(&self) -> Search {
        let words = self.q.split_whitespace().map(|word| folded(&word.chars().take(TERM_CHARS_MAX).collect::<String>()));
        let tag = self.tag.as_deref().map(tag_term);
        Search { terms: words.filter(|word| !word.is_empty()).take(TERMS_MAX).chain(tag).map(|term| term.replace('\0', "")).collect() }
    }

    pub(super) fn cursor(&self) -> Option<ContainerCursor> {
        let bytes = URL_SAFE_NO_PAD.decode(self.after.as_deref()?).ok()?;
        let (sort, key) = serde_json::from_slice::<(String, String)>(&bytes).ok()?;
        (!sort.contains('\0') && !key.contains('\0')).then_some(ContainerCursor { sort, key })
    }

    /// From 1.
    pub(super) fn page_of(&self, section: Section) -> u32 {
        let turned = self.section.as_deref() == Some(section.name());
        self.page.as_deref().filter(|_| turned).and_then(|page| page.parse().ok()).unwrap_or(1).max(1)
    }
}

pub(super) fn cursor_after(sort: &str, key: &str) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&(sort, key)).unwrap_or_default())
}

/// The workspace that an address of the page names.
pub(super) struct Named {
    /// As it stands in the address.
    pub(super) name: String,
    /// The alias that led to the workspace.
    pub(super) alias: Option<String>,
    pub(super) workspace: String,
}

/// An alias comes before a workspace of the same name, unless the name is marked as the workspace's own.
pub(super) async fn named(app: &App, path: InPath) -> Result<Named, ErrorResponse> {
    let unknown = || ErrorResponse::new(StatusCode::NOT_FOUND, "workspace_unknown", "There is no workspace of that name.");
    let Path(name) = path.map_err(|_| unknown())?;
    let bare = bare(&name).to_owned();
    check_workspace(&bare, &app.limits).map_err(|_| unknown())?;
    if name.starts_with(ITSELF) {
        return Ok(Named { alias: None, workspace: bare, name });
    }
    match app.store.resolve_alias(&bare).await {
        Ok(workspace) => Ok(Named { name, alias: Some(bare), workspace }),
        Err(Error::AliasUnknown) if name.starts_with(ALIAS) => Err(unknown()),
        Err(Error::AliasUnknown) => Ok(Named { alias: None, workspace: bare, name }),
        Err(error) => Err(error.into()),
    }
}

/// Without the mark.
pub(super) fn bare(name: &str) -> &str {
    name.strip_prefix([ALIAS, ITSELF]).unwrap_or(name)
}

/// The address of the page of a workspace itself, whatever aliases there are.
pub(super) fn itself_path(workspace: &str) -> String {
    workspace_path(&format!("{ITSELF}{workspace}"))
}

const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(ALIAS as u8).remove(ITSELF as u8);

/// The address of a workspace's page. A browser resolves `.` and `..` in a path, so no workspace can be reached by such an address.
pub(super) fn workspace_path(workspace: &str) -> String {
    format!("/w/{}", utf8_percent_encode(workspace, SEGMENT))
}

/// An address on the page: the present query with some values changed.
pub(super) fn link(workspace: &str, parameters: &[(&str, Option<&str>)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in parameters {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            query.append_pair(name, value);
        }
    }
    let query = query.finish();
    let path = workspace_path(workspace);
    if query.is_empty() { path } else { format!("{path}?{query}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_carry_hostile_keys_whole() {
        let address = link("a/b c", &[("open", Some("ghl:task/a&b=\"'<>#%?.*")), ("q", Some("")), ("tag", None)]);
        assert_eq!(address, "/w/a%2Fb%20c?open=ghl%3Atask%2Fa%26b%3D%22%27%3C%3E%23%25%3F.*");
        let query = address.split_once('?').unwrap().1;
        let read: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
        assert_eq!(read, [("open".into(), "ghl:task/a&b=\"'<>#%?.*".into())]);
    }

    #[test]
    fn what_cannot_be_understood_is_as_if_it_were_not_there() {
        let query = PageQuery {
            after: Some("!!".to_owned()),
            list: Some("x".to_owned()),
            section: Some("notes".to_owned()),
            page: Some("0".to_owned()),
            ..PageQuery::default()
        };
        assert!(query.cursor().is_none());
        assert_eq!((query.lists(), query.page_of(Section::Notes), query.page_of(Section::Past)), (Kind::Contact, 1, 1));
    }

    #[test]
    fn a_cursor_survives_the_address() {
        let query = PageQuery { after: Some(cursor_after("ängela \"x\"", "k/1")), ..PageQuery::default() };
        let cursor = query.cursor().unwrap();
        assert_eq!((cursor.sort.as_str(), cursor.key.as_str()), ("ängela \"x\"", "k/1"));
    }

    #[test]
    fn words_and_a_tag_are_searched_together() {
        let query = PageQuery { q: "  Ann  GmbH\0 ".to_owned(), tag: Some("VIP".to_owned()), ..PageQuery::default() };
        assert_eq!(query.search().terms, ["ann".to_owned(), "gmbh".to_owned(), tag_term("vip")]);
    }
}
