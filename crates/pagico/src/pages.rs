//! Lists, a page at a time.

use futures::{Stream, TryStreamExt, stream};
use serde::Deserialize;
use url::Url;

use crate::{Bridge, Result};

/// Where a list goes on. Only the bridge knows what it means.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub(crate) String);

/// A part of a list. It may hold less than was asked for and not be the last.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Absent on the last page.
    #[serde(rename = "next_cursor")]
    pub next: Option<Cursor>,
}

impl Bridge {
    /// Says which part of a list is wanted.
    pub(crate) fn part(&self, url: &mut Url, from: Option<&Cursor>) {
        url.query_pairs_mut().append_pair("limit", &self.settings().page_items.to_string());
        if let Some(Cursor(cursor)) = from {
            url.query_pairs_mut().append_pair("cursor", cursor);
        }
    }
}

/// A whole list, from its pages.
pub(crate) fn whole<T, F>(ask: impl FnMut(Option<Cursor>) -> F + Send) -> impl Stream<Item = Result<T>> + Send
where
    T: Send,
    F: Future<Output = Result<Page<T>>> + Send,
{
    let pages = stream::try_unfold((ask, Some(None)), async |(mut ask, place)| {
        let Some(cursor) = place else { return Ok(None) };
        let page = ask(cursor).await?;
        let items = stream::iter(page.items.into_iter().map(Ok));
        Ok(Some((items, (ask, page.next.map(Some)))))
    });
    pages.try_flatten()
}
