//! HTML as GHL's editor writes it, turned into text that reads well where only text is shown.

use html2text::config;

/// Wider than any line a person writes: lines break where the author broke them.
const WIDTH: usize = 100_000;

/// Deeper nesting than any editor writes is not rendered but shown as it is.
const DEPTH_MAX: usize = 200;

/// The text of a body that may be HTML. Links keep their address as a footnote; what is not HTML, or cannot be read as
/// such, comes back unchanged but for control characters. Nothing that a person could read is dropped.
pub fn readable(body: &str) -> String {
    let text = if looks_like_html(body) && nesting(body) <= DEPTH_MAX { render(body) } else { None };
    let text = text.unwrap_or_else(|| body.to_owned());
    let text: String = text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n").trim_matches('\n').to_owned()
}

fn render(html: &str) -> Option<String> {
    config::plain().no_table_borders().no_link_wrapping().allow_width_overflow().string_from_read(html.as_bytes(), WIDTH).ok()
}

/// Tags that rich-text editors write. A lone `<` in prose, `a < b` or `<john@example.com>` is not HTML.
const TAGS: [&str; 35] = [
    "p",
    "br",
    "div",
    "span",
    "b",
    "i",
    "u",
    "s",
    "em",
    "strong",
    "a",
    "ul",
    "ol",
    "li",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "table",
    "tbody",
    "thead",
    "tr",
    "td",
    "th",
    "blockquote",
    "pre",
    "code",
    "img",
    "hr",
    "html",
    "body",
    "font",
    "sub",
];

/// Entities that rich-text editors leave in text that has no tag.
const ENTITIES: [&str; 6] = ["&nbsp;", "&amp;", "&lt;", "&gt;", "&quot;", "&#39;"];

fn looks_like_html(body: &str) -> bool {
    tags(body).any(|_| true) || ENTITIES.iter().any(|entity| body.contains(entity))
}

/// The known tags in a body, `true` for one that opens.
fn tags(body: &str) -> impl Iterator<Item = (bool, String)> + '_ {
    body.split('<').skip(1).filter_map(|rest| {
        let (opens, rest) = rest.strip_prefix('/').map_or((true, rest), |rest| (false, rest));
        let name: String = rest.chars().take_while(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
        let ends = rest.get(name.len()..).and_then(|rest| rest.chars().next());
        let closed = matches!(ends, Some('>' | '/' | ' ' | '\t' | '\n'));
        (closed && TAGS.contains(&name.as_str())).then_some((opens, name))
    })
}

fn nesting(body: &str) -> usize {
    let (_, deepest) = tags(body).filter(|(_, name)| name != "br" && name != "img" && name != "hr").fold(
        (0_usize, 0_usize),
        |(depth, deepest), (opens, _)| {
            let depth = if opens { depth + 1 } else { depth.saturating_sub(1) };
            (depth, deepest.max(depth))
        },
    );
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &str, text: &str) {
        assert_eq!(readable(body), text);
    }

    #[test]
    fn paragraphs_lists_and_links_read_as_text() {
        check("<p>Hello <b>Ann</b>,</p><p>see you<br>soon</p>", "Hello **Ann**,\n\nsee you\nsoon");
        check("<ul><li>one</li><li>two</li></ul>", "* one\n* two");
        check("<p>See <a href=\"https://example.com/a\">this</a></p>", "See [this][1]\n\n[1]: https://example.com/a");
    }

    #[test]
    fn plain_text_stays_as_it_is() {
        for text in ["a < b and c > d", "Ann <ann@example.com>", "line one\n\n  line two", "5 < 6 <3", "مرحبا 🙂"] {
            check(text, text);
        }
    }

    #[test]
    fn entities_become_characters() {
        check("Fish &amp; chips&nbsp;now", "Fish & chips\u{a0}now");
    }

    #[test]
    fn hostile_nesting_is_shown_and_not_followed() {
        let hostile = "<div>".repeat(10_000) + "x";
        assert_eq!(readable(&hostile), hostile);
    }

    #[test]
    fn control_characters_are_dropped() {
        check("a\u{0}b\u{7}c\r\nd", "abc\nd");
    }
}
