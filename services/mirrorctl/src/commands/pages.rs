//! Listings that are read page by page.

/// How many rows to ask for: the other side's own page, or what is still wanted where that is less.
pub(super) fn page_size(wanted: usize) -> u32 {
    const THEIRS: u32 = 0;
    match u32::try_from(wanted) {
        Ok(wanted) if wanted < 50 => wanted,
        Ok(_) | Err(_) => THEIRS,
    }
}
