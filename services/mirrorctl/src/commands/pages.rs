//! Listings that are read page by page.

/// What is still wanted of a listing, and where it goes on.
pub(super) struct Pages {
    wanted: usize,
    /// None after the last page.
    token: Option<String>,
}

impl Pages {
    /// Up to `limit` rows, or all of them.
    pub(super) fn new(limit: usize, all: bool) -> Self {
        Self { wanted: if all { usize::MAX } else { limit }, token: Some(String::new()) }
    }

    /// The size and the token of the page to ask for; none when nothing more is wanted, or nothing is left.
    pub(super) fn next(&self) -> Option<(u32, String)> {
        let token = self.token.as_ref().filter(|_| self.wanted > 0)?;
        Some((size(self.wanted), token.clone()))
    }

    /// The rows of a page that are wanted.
    pub(super) fn take<T>(&mut self, mut rows: Vec<T>, next_page_token: String) -> Vec<T> {
        rows.truncate(self.wanted);
        self.wanted -= rows.len();
        self.token = Some(next_page_token).filter(|token| !token.is_empty());
        rows
    }

    /// Whether the listing goes on after what was wanted.
    pub(super) fn has_more(&self) -> bool {
        self.token.as_ref().is_some_and(|token| !token.is_empty())
    }
}

/// The service's own page size, or fewer where fewer are wanted.
fn size(wanted: usize) -> u32 {
    const SERVICE_DEFAULT: u32 = 0;
    match u32::try_from(wanted) {
        Ok(wanted) if wanted < 50 => wanted,
        Ok(_) | Err(_) => SERVICE_DEFAULT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_asked_for_than_is_wanted_or_there() {
        let mut pages = Pages::new(60, false);
        assert_eq!(pages.next(), Some((0, String::new())));
        assert_eq!(pages.take(vec![0; 50], "a".to_owned()).len(), 50);
        assert_eq!(pages.next(), Some((10, "a".to_owned())));
        assert_eq!(pages.take(vec![0; 10], "b".to_owned()).len(), 10);
        assert_eq!((pages.next(), pages.has_more()), (None, true));
        let mut all = Pages::new(1, true);
        assert_eq!(all.take(vec![0; 50], String::new()).len(), 50);
        assert_eq!((all.next(), all.has_more()), (None, false));
    }
}
