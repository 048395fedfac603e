//! Texts and links as the page shows them.

use serde::Serialize;

use crate::object::sha256;

/// A text that may be long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Prose {
    /// The beginning, when the text is long enough to be folded.
    pub(super) preview: Option<String>,
    pub(super) text: String,
    /// Whether something is missing at the end.
    pub(super) cut: bool,
}

/// A text longer than this is folded.
const FOLDED_CHARS: usize = 420;
const FOLDED_LINES: usize = 7;
const PREVIEW_CHARS: usize = 220;

/// None when there is nothing to read.
pub(super) fn prose(text: Option<&str>, chars_max: usize) -> Option<Prose> {
    let text = text.map(str::trim).filter(|text| !text.is_empty())?;
    let (kept, cut) = beginning(text, chars_max);
    let long = text.chars().nth(FOLDED_CHARS).is_some() || text.lines().nth(FOLDED_LINES).is_some();
    let preview = long.then(|| {
        let flat = text.lines().map(str::trim).filter(|line| !line.is_empty()).take(4).collect::<Vec<_>>().join(" · ");
        let (start, _) = beginning(&flat, PREVIEW_CHARS);
        format!("{}…", start.trim_end())
    });
    Some(Prose { preview, text: kept.to_owned(), cut })
}

fn beginning(text: &str, chars_max: usize) -> (&str, bool) {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => (text.get(..end).unwrap_or(text), true),
        None => (text, false),
    }
}

/// Up to two initials of a name.
pub(super) fn initials(name: &str) -> String {
    let mut words = name.split_whitespace().filter_map(|word| word.chars().find(|c| c.is_alphanumeric()));
    let (first, last) = (words.next(), words.next_back());
    first.into_iter().chain(last).flat_map(char::to_uppercase).collect()
}

/// One of eight colours, always the same for a key.
pub(super) fn hue(key: &str) -> u8 {
    sha256(key.as_bytes()).first().copied().unwrap_or_default() % 8
}

/// An id for an element, from a key that may hold anything.
pub(super) fn element_id(key: &str) -> String {
    format!("o-{}", hex::encode(sha256(key.as_bytes())).get(..16).unwrap_or_default())
}

/// Only addresses that a browser can follow without harm.
pub(super) fn web_link(address: &str) -> Option<String> {
    let address = address.trim();
    let whole = if address.contains("://") { address.to_owned() } else { format!("https://{address}") };
    let url = url::Url::parse(&whole).ok()?;
    let harmless =
        matches!(url.scheme(), "http" | "https") && url.host_str().is_some_and(|host| host.contains('.')) && url.username().is_empty();
    (harmless && !address.contains(char::is_whitespace)).then(|| url.to_string())
}

pub(super) fn mail_link(address: &str) -> Option<String> {
    let address = address.trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || "@.+-_".contains(c);
    (address.matches('@').count() == 1 && address.chars().all(plain)).then(|| format!("mailto:{address}"))
}

pub(super) fn phone_link(number: &str) -> Option<String> {
    let dialled: String = number.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
    (dialled.len() >= 5).then(|| format!("tel:{dialled}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_texts_are_shown_and_long_ones_folded_or_cut() {
        assert_eq!(prose(Some("  \n "), 100), None);
        assert_eq!(prose(Some(" a\nb "), 100), Some(Prose { preview: None, text: "a\nb".to_owned(), cut: false }));
        let long = prose(Some(&"ß".repeat(500)), 450).unwrap();
        assert_eq!((long.text.chars().count(), long.cut), (450, true));
        assert_eq!(long.preview.unwrap().chars().count(), 221);
        assert_eq!(prose(Some(&"a\n".repeat(9)), 100).unwrap().preview.as_deref(), Some("a · a · a · a…"));
    }

    #[test]
    fn only_harmless_addresses_become_links() {
        assert_eq!(web_link("example.com/a"), Some("https://example.com/a".to_owned()));
        for harmful in ["javascript:alert(1)", "data:text/html,x", "javascript://x.y/%0aalert(1)", "https://a@b.c", "a b.c", "room 5"] {
            assert_eq!(web_link(harmful), None, "{harmful}");
        }
        assert_eq!(mail_link("a+b@x.de").as_deref(), Some("mailto:a+b@x.de"));
        assert_eq!(mail_link("a@x.de?cc=b@x.de"), None);
        assert_eq!(phone_link("+49 (30) 12-34").as_deref(), Some("tel:+49301234"));
    }

    #[test]
    fn initials_come_from_the_first_and_the_last_word() {
        assert_eq!(initials("ann  marie (gmbh)"), "AG");
        assert_eq!(initials("مرحبا"), "م");
        assert_eq!(initials("🙂 !"), "");
    }
}
