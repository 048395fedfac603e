//! Turns HTML from GHL's editor into readable plain text.

mod markup;

use html2text::config;

use markup::Markup;

/// Wider than any line that a person writes, so that only the line breaks of the author remain.
const WIDTH: usize = 100_000;

/// The text of a body that may be HTML. The addresses of links and images become footnotes. A body that is not HTML, or that nests deeper
/// than any editor writes, only loses its control characters. No readable text is dropped, and the running time is linear in the length
/// of the body.
pub fn readable(body: &str) -> String {
    let text = match markup::read(body) {
        Markup::Html(html) => render(&html),
        Markup::Entities(text) => render(&format!("<pre>{text}</pre>")),
        Markup::Plain => None,
    };
    let text = text.unwrap_or_else(|| body.to_owned());
    let text: String = text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n").trim_matches('\n').to_owned()
}

fn render(html: &str) -> Option<String> {
    config::plain().no_link_wrapping().allow_width_overflow().string_from_read(html.as_bytes(), WIDTH).ok()
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
        check("<ol start=\"3\"><li>one<li>two</ol>", "3. one\n4. two");
        check(
            "<p>See <a class=x href=\"https://example.com/a?b=1&amp;c=2\">this</a></p>",
            "See [this][1]\n\n[1]: https://example.com/a?b=1&c=2",
        );
        check("<DIV\n class='a>b'>one</DIV><Section>two</Section>", "one\ntwo");
    }

    #[test]
    fn plain_text_stays_as_it_is() {
        for text in ["a < b and c > d", "Ann <ann@example.com>", "line one\n\n  line two", "5 < 6 <3", "a <b then c > d", "مرحبا 🙂"]
        {
            check(text, text);
        }
    }

    #[test]
    fn text_that_only_looks_like_markup_is_kept_in_html() {
        check("<p>Ann <ann@example.com> wrote: 5 <b 7, <3</p>", "Ann <ann@example.com> wrote: 5 <b 7, <3");
        check("<p>before <style> after <script>x</script></p>", "before <style> after <script>x</script>");
        check("<p>one</p><!-- <p>not shown</p> --><p>two</p><!-- never closed", "one\n\ntwo\n\n<!-- never closed");
    }

    #[test]
    fn tables_become_lines() {
        let rows = "<table><tbody><tr><td><u>Size</u></td><td>42</td></tr><tr><th>Colour<td><b>red</b></tr></tbody></table>after";
        check(rows, "Size | 42\nColour | **red**\nafter");
    }

    #[test]
    fn images_become_their_address() {
        check("<p><img src=\"https://example.com/a.png\" alt=\"A cat\"></p>", "[A cat][1]\n\n[1]: https://example.com/a.png");
        check("<p><img src=\"data:image/png;base64,AAAA\"> ok</p>", "[image] ok");
    }

    #[test]
    fn entities_become_characters() {
        check("Fish &amp; chips&nbsp;now", "Fish & chips\u{a0}now");
        check("one &lt;b&gt;\n  two <three> &#39;", "one <b>\n  two <three> '");
    }

    #[test]
    fn line_breaks_count_if_no_tag_breaks_lines() {
        check("one\ntwo <b>bold</b>", "one\ntwo **bold**");
        check("<p>one\ntwo</p>", "one two");
    }

    #[test]
    fn hostile_nesting_is_returned_as_text() {
        for tag in ["<div>", "<b>", "<blockquote>", "<ul><li>", "<table><tr><td>"] {
            let hostile = tag.repeat(10_000) + "x";
            assert!(readable(&hostile) == hostile, "{tag}");
        }
    }

    #[test]
    fn control_characters_are_dropped() {
        check("a\u{0}b\u{7}c\r\nd", "abc\nd");
    }
}
