//! Long and hostile bodies are read in bounded time on a small stack.

use std::time::{Duration, Instant};

use domain::readable;

/// The most time for 100 KiB in an unoptimised build on a busy machine; quadratic reading takes far longer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Less than any thread of the services has.
const STACK_BYTES: usize = 512 * 1024;

const KIB_100: usize = 100 * 1024;

#[track_caller]
fn reads(what: &'static str, body: String) -> String {
    let reader = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
        #[expect(clippy::disallowed_methods, reason = "the test measures, the domain does not")]
        let started = Instant::now();
        (readable(&body), started.elapsed())
    });
    let (text, took) = reader.unwrap().join().unwrap();
    assert!(took < PATIENCE, "{what} took {took:?}");
    text
}

fn filled(start: &str, part: &str) -> String {
    format!("{start}{}", part.repeat(KIB_100 / part.len()))
}

#[test]
fn long_bodies_keep_every_word() {
    for (what, part) in [
        ("paragraphs", "<p>word <b>bold</b></p>"),
        ("unclosed paragraphs", "<p>word"),
        ("lines", "word<br>"),
        ("links", "<a href=\"https://example.com/a?b=c\">word</a> "),
        ("rows", "<table><tr><td>word</td><td>cell</td></tr></table>"),
        ("plain text", "word and "),
        ("styles closed crosswise", "<b><i>word</b></i> "),
        ("images", "<img src=x alt=word>"),
    ] {
        let body = filled("", part);
        let words = body.matches("word").count();
        assert_eq!(reads(what, body).matches("word").count(), words, "{what}");
    }
}

#[test]
fn hostile_bodies_are_read_in_bounded_time() {
    let numbered = |from: &str, to: &str| (0..KIB_100 / 32).map(|n| format!("{from}{n}{to}")).collect::<String>();
    let hostile = [
        ("lone brackets", filled("<p>", "<")),
        ("nested blocks", filled("", "<div>")),
        ("unknown elements", filled("<p>", "<x>")),
        ("styles left open", filled(&format!("<p>{}", numbered("<b id=", "></i>")), "</p><p>x")),
        ("fifteen styles left open", filled(&"<b><i><s>".repeat(5), "<p>x</p>")),
        ("links left open", filled(&"<a href=x>".repeat(15), "<p>x</p>")),
        ("attributes", format!("<p {}>x", numbered("a", "=1 "))),
        ("attributes of the body", numbered("<body a", "=1>") + "<p>"),
        ("quotes in quotes", filled("<p a", "=\"<p a\" b")),
        ("quotes that never end", filled("<p>", "<p a='")),
        ("comments that never end", filled("<p>", "<!--")),
        ("text inside a table", filled("<table>", "x<br>")),
        ("a row of cells", filled("<table><tr>", "<td>a")),
        ("a column of rows", filled("<table>", "<tr><td>a<td>b")),
        ("tables in tables", filled("", &format!("{}x{}", "<table><tr><td>".repeat(150), "</table>".repeat(150)))),
        ("quotes in quotes in quotes", filled("", &format!("{}x{}", "<blockquote>".repeat(190), "</blockquote>".repeat(190)))),
        ("lists in lists", filled("", &format!("{}x{}", "<ol><li>".repeat(190), "</ol>".repeat(190)))),
        ("entities", filled("<p>", "&amp;")),
        ("entities alone", filled("", "&lt;\n")),
        ("a long word", filled("<p>", "w")),
    ];
    for (what, body) in hostile {
        let length = body.len();
        assert!(reads(what, body).len() <= 40 * length, "{what} grew");
    }
}
