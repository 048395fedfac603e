//! Lists, a page at a time.

use futures::{Stream, TryStreamExt, stream};
use serde::Deserialize;
use url::Url;

use crate::{Bridge, Result};

/// Where a list continues. Opaque: only the bridge can read it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub(crate) String);

/// A page of a list. It may hold fewer entries than were asked for without being the last.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Absent on the last page.
    #[serde(rename = "next_cursor")]
    pub next: Option<Cursor>,
}

impl Bridge {
    /// Adds which page of a list is wanted.
    pub(crate) fn add_page(&self, url: &mut Url, from: Option<&Cursor>) {
        url.query_pairs_mut().append_pair("limit", &self.settings().page_items.to_string());
        if let Some(Cursor(cursor)) = from {
            url.query_pairs_mut().append_pair("cursor", cursor);
        }
    }
}

/// All entries of a list, page by page.
pub(crate) fn all_pages<T, F>(ask: impl FnMut(Option<Cursor>) -> F + Send) -> impl Stream<Item = Result<T>> + Send
where
    T: Send,
    F: Future<Output = Result<Page<T>>> + Send,
{
    let pages = stream::try_unfold((ask, Some(None)), async |(mut ask, next)| {
        let Some(cursor) = next else { return Ok(None) };
        let page = ask(cursor).await?;
        let items = stream::iter(page.items.into_iter().map(Ok));
        Ok(Some((items, (ask, page.next.map(Some)))))
    });
    pages.try_flatten()
}
