//! Compares texts by their words, as a person reads them, whatever became of the markup.

use std::collections::BTreeSet;

/// The words of a text, without punctuation, which is also the markup of plain text.
pub(super) fn words(text: &str) -> Vec<String> {
    let separates = |c: char| c.is_whitespace() || c.is_ascii_punctuation() || c.is_control();
    text.split(separates).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// The words of a text, sorted.
pub(super) fn sorted(text: &str) -> Vec<String> {
    let mut words = words(text);
    words.sort_unstable();
    words
}

/// Whether `text` has every word of the body in order, and nothing else but link addresses and list numbers.
pub(super) fn says(body: &str, text: &str) -> bool {
    let read = Body::read(body);
    let mut wanted = read.words.iter().peekable();
    for word in words(text) {
        if wanted.peek().is_some_and(|next| **next == word) {
            wanted.next();
        } else if !(read.aside.contains(&word) || read.is_numbered && word.chars().all(|c| c.is_ascii_digit())) {
            return false;
        }
    }
    wanted.next().is_none()
}

/// The words that the body shows.
pub(super) fn shown(body: &str) -> Vec<String> {
    Body::read(body).words
}

#[derive(Default)]
struct Body {
    words: Vec<String>,
    /// Words in attributes: addresses, and names of pictures.
    aside: BTreeSet<String>,
    is_numbered: bool,
}

/// The tags that GHL's editor writes. Anything else between angle brackets is text.
const TAGS: [&str; 33] = [
    "p",
    "div",
    "span",
    "br",
    "hr",
    "b",
    "strong",
    "i",
    "em",
    "u",
    "s",
    "ul",
    "ol",
    "li",
    "a",
    "img",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "blockquote",
    "pre",
    "code",
    "table",
    "tbody",
    "thead",
    "tr",
    "td",
    "th",
    "section",
    "font",
];

impl Body {
    fn read(body: &str) -> Self {
        let mut read = Self::default();
        let mut text = String::new();
        let mut rest = body;
        while let Some((before, after)) = rest.split_once('<') {
            text.push_str(before);
            match after.split_once('>') {
                Some((tag, after)) if is_tag(tag) => {
                    read.note_tag(tag);
                    // Bold in the middle of a word does not make two words of it; every other tag may installation between words.
                    text.push_str(if is_inline(tag) { "" } else { " " });
                    rest = after;
                }
                Some(_) | None => {
                    text.push('<');
                    rest = after;
                }
            }
        }
        text.push_str(rest);
        read.words = words(&decoded(&text));
        read
    }

    fn note_tag(&mut self, tag: &str) {
        let name = name(tag);
        self.is_numbered |= ["ol", "a", "img"].contains(&name.as_str());
        if let Some((_, attributes)) = tag.split_once(char::is_whitespace) {
            self.aside.extend(words(&decoded(attributes)));
        }
        if name == "img" {
            self.aside.insert("image".to_owned());
        }
    }
}

fn name(tag: &str) -> String {
    let name: String = tag.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
    name.to_ascii_lowercase()
}

fn is_tag(tag: &str) -> bool {
    TAGS.contains(&name(tag).as_str())
}

fn is_inline(tag: &str) -> bool {
    ["span", "b", "strong", "i", "em", "u", "s", "a", "code", "font"].contains(&name(tag).as_str())
}

fn decoded(text: &str) -> String {
    let mut decoded = text.to_owned();
    for (entity, character) in
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&apos;", "'"), ("&nbsp;", " "), ("&amp;", "&")]
    {
        decoded = decoded.replace(entity, character);
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::says;

    #[test]
    fn markup_does_not_count_and_words_do() {
        assert!(says("<p>Hello <b>Ann</b>,</p><p>see&nbsp;you</p>", "Hello **Ann**,\n\nsee you"));
        assert!(says("see <a href=\"https://example.com/x\">this</a>", "see [this][1]\n\n[1]: https://example.com/x"));
        assert!(says("<ol><li>one</li><li>two</li></ol>", "1. one\n2. two"));
        assert!(says("Ann <ann@example.com> 5 < 6", "Ann <ann@example.com> 5 < 6"));
        assert!(!says("<p>Hello Ann</p>", "Hello"));
        assert!(!says("<p>Hello</p>", "Hello Ann"));
        assert!(!says("<p>one two</p>", "two one"));
        assert!(says("", ""));
    }
}
