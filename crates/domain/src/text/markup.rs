//! Finds the markup in a body and writes it again with only what matters for reading. The renderer behind it builds a tree as
//! browsers do, which hostile input can make deep or quadratic; what leaves here is shallow and has no attributes but addresses.

/// What a body turned out to be.
pub(super) enum Markup {
    /// Clean HTML.
    Html(String),
    /// Text with entities but no tags, escaped for the renderer.
    Entities(String),
    Plain,
}

/// More elements open at once than any editor writes.
const OPEN_MAX: usize = 200;

/// More bold, italic and the like open at once than any editor writes. Browsers open them again in every paragraph.
const STYLES_OPEN_MAX: usize = 16;

/// More attributes in a tag than any editor writes.
const ATTRIBUTES_MAX: usize = 64;

/// Entities that rich-text editors leave in text that has no tag.
const ENTITIES: [&str; 6] = ["&nbsp;", "&amp;", "&lt;", "&gt;", "&quot;", "&#39;"];

pub(super) fn read(body: &str) -> Markup {
    match clean(body) {
        Some(Clean { html, tags: 0, .. }) if ENTITIES.iter().any(|entity| body.contains(entity)) => Markup::Entities(html),
        Some(Clean { tags: 0, .. }) | None => Markup::Plain,
        Some(Clean { html, breaks_lines: true, .. }) => Markup::Html(html),
        Some(Clean { html, breaks_lines: false, .. }) => Markup::Html(html.replace('\n', "<br>")),
    }
}

#[derive(Default)]
struct Clean {
    html: String,
    tags: usize,
    breaks_lines: bool,
    /// Whether the next row and the next cell follow another one.
    rows: bool,
    cells: bool,
}

impl Clean {
    /// A browser moves whatever stands wrongly in a table, each piece past all those before: tables become lines here.
    fn take(&mut self, tag: &Tag<'_>) {
        match tag.reads {
            Reads::Row if tag.opens => {
                self.html.push_str(if self.rows { "<br>" } else { "" });
                (self.rows, self.cells) = (true, false);
            }
            Reads::Cell if tag.opens => {
                self.html.push_str(if self.cells { " | " } else { "" });
                self.cells = true;
            }
            Reads::Table => {
                (self.rows, self.cells) = (false, false);
                tag.write(&mut self.html);
            }
            Reads::Row | Reads::Cell => {}
            Reads::Block | Reads::Part | Reads::Style | Reads::Void | Reads::Plain => tag.write(&mut self.html),
        }
        self.tags += 1;
        self.breaks_lines |= matches!(tag.reads, Reads::Block | Reads::Table | Reads::Part | Reads::Row) || matches!(tag.name, "br" | "hr");
    }
}

/// None if it nests too deep to be followed.
fn clean(body: &str) -> Option<Clean> {
    let mut clean = Clean::default();
    let mut open = Open::default();
    let mut comments_end = true;
    let mut rest = body;
    while let Some((before, after)) = rest.split_once('<') {
        clean.html.push_str(before);
        rest = after;
        if comments_end && let Some(comment) = after.strip_prefix("!--") {
            match comment.split_once("-->") {
                Some((_, after)) if clean.tags > 0 => {
                    rest = after;
                    continue;
                }
                Some(_) => {}
                None => comments_end = false,
            }
        }
        match Tag::read(after) {
            Some((tag, after)) => {
                open.count(&tag)?;
                clean.take(&tag);
                rest = after;
            }
            None => clean.html.push_str("&lt;"),
        }
    }
    clean.html.push_str(rest);
    Some(clean)
}

/// How an element reads.
#[derive(Clone, Copy, PartialEq)]
enum Reads {
    /// Lines of its own, and may hold others of its kind.
    Block,
    /// Ended by the next of its kind even where it is not closed.
    Part,
    /// Bold, italic and the like.
    Style,
    /// A line break, a rule, an image.
    Void,
    /// A block of rows.
    Table,
    /// On a line of its own.
    Row,
    /// Set off from the cell before it.
    Cell,
    /// Like the text around it.
    Plain,
}

/// The tags that rich-text editors and mail programs write, with the name under which they are rendered. A lone `<` in prose,
/// `<john@example.com>` or `<script>` is none of them and is shown.
const TAGS: [(&str, &str, Reads); 59] = [
    ("p", "p", Reads::Part),
    ("br", "br", Reads::Void),
    ("hr", "hr", Reads::Void),
    ("img", "a", Reads::Void),
    ("wbr", "", Reads::Plain),
    ("div", "div", Reads::Block),
    ("section", "div", Reads::Block),
    ("article", "div", Reads::Block),
    ("header", "div", Reads::Block),
    ("footer", "div", Reads::Block),
    ("main", "div", Reads::Block),
    ("aside", "div", Reads::Block),
    ("center", "div", Reads::Block),
    ("figure", "div", Reads::Block),
    ("figcaption", "div", Reads::Block),
    ("caption", "div", Reads::Block),
    ("ul", "ul", Reads::Block),
    ("ol", "ol", Reads::Block),
    ("li", "li", Reads::Part),
    ("dl", "dl", Reads::Block),
    ("dt", "dt", Reads::Part),
    ("dd", "dd", Reads::Part),
    ("h1", "h1", Reads::Block),
    ("h2", "h2", Reads::Block),
    ("h3", "h3", Reads::Block),
    ("h4", "h4", Reads::Block),
    ("h5", "h5", Reads::Block),
    ("h6", "h6", Reads::Block),
    ("table", "div", Reads::Table),
    ("tbody", "", Reads::Plain),
    ("thead", "", Reads::Plain),
    ("tr", "", Reads::Row),
    ("td", "", Reads::Cell),
    ("th", "", Reads::Cell),
    ("blockquote", "blockquote", Reads::Block),
    ("pre", "pre", Reads::Block),
    ("a", "a", Reads::Style),
    ("b", "b", Reads::Style),
    ("strong", "strong", Reads::Style),
    ("i", "i", Reads::Style),
    ("em", "em", Reads::Style),
    ("s", "s", Reads::Style),
    ("del", "s", Reads::Style),
    ("strike", "s", Reads::Style),
    ("code", "code", Reads::Style),
    ("tt", "code", Reads::Style),
    ("u", "", Reads::Plain),
    ("ins", "", Reads::Plain),
    ("span", "", Reads::Plain),
    ("font", "", Reads::Plain),
    ("mark", "", Reads::Plain),
    ("small", "", Reads::Plain),
    ("big", "", Reads::Plain),
    ("label", "", Reads::Plain),
    ("html", "", Reads::Plain),
    ("body", "", Reads::Plain),
    ("o:p", "", Reads::Plain),
    ("sub", "sub", Reads::Style),
    ("sup", "sup", Reads::Style),
];

/// A tag that is read as one.
struct Tag<'a> {
    name: &'static str,
    reads: Reads,
    opens: bool,
    address: Option<&'a str>,
    alternative: Option<&'a str>,
    start: Option<u32>,
}

impl<'a> Tag<'a> {
    /// Reads the tag that follows a `<`, and what comes after it.
    fn read(text: &'a str) -> Option<(Self, &'a str)> {
        let (opens, text) = text.strip_prefix('/').map_or((true, text), |text| (false, text));
        let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != ':')?;
        let (written, mut rest) = text.split_at_checked(end)?;
        let (_, name, reads) = TAGS.into_iter().find(|(known, _, _)| known.eq_ignore_ascii_case(written))?;
        let mut tag = Self { name, reads, opens, address: None, alternative: None, start: None };
        for _ in 0..ATTRIBUTES_MAX {
            let trimmed = rest.trim_start();
            if let Some(after) = trimmed.strip_prefix('>').or_else(|| trimmed.strip_prefix("/>")) {
                return Some((tag, after));
            }
            let (name, value, after) = attribute(trimmed).filter(|_| trimmed.len() < rest.len())?;
            match name {
                "href" | "src" => tag.address = Some(value),
                "alt" => tag.alternative = Some(value),
                "start" => tag.start = value.parse().ok(),
                _ => {}
            }
            rest = after;
        }
        None
    }

    fn write(&self, html: &mut String) {
        match (self.name, self.reads, self.opens) {
            ("", _, _) | ("a", Reads::Void, false) => {}
            ("a", Reads::Void, true) => self.write_image(html),
            (name, _, false) => html.extend(["</", name, ">"]),
            ("a", _, true) => html.extend(["<a href=\"", &self.quoted_address(), "\">"]),
            ("ol", _, true) => html.push_str(&format!("<ol start=\"{}\">", self.start.unwrap_or(1))),
            (name, _, true) => html.extend(["<", name, ">"]),
        }
    }

    fn write_image(&self, html: &mut String) {
        let name = self.alternative.map(str::trim).filter(|name| !name.is_empty()).unwrap_or("image").replace('<', "&lt;");
        match self.address {
            Some(address) if !address.trim_start().starts_with("data:") => {
                html.extend(["<a href=\"", &self.quoted_address(), "\">", &name, "</a>"]);
            }
            Some(_) | None => html.extend(["[", &name, "]"]),
        }
    }

    fn quoted_address(&self) -> String {
        self.address.unwrap_or_default().chars().filter(|c| !c.is_control()).collect::<String>().replace('"', "&quot;")
    }
}

/// Reads `name=value`, and what comes after it. A word without a value is prose rather than an attribute.
fn attribute(text: &str) -> Option<(&str, &str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | ':' | '.'))?;
    let (name, rest) = text.split_at_checked(end)?;
    let rest = rest.trim_start().strip_prefix('=')?.trim_start();
    let quoted = |quote: char| rest.strip_prefix(quote).and_then(|rest| rest.split_once(quote));
    if let Some((value, rest)) = quoted('"').or_else(|| quoted('\'')) {
        return Some((name, value, rest));
    }
    let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '<' | '>'))?;
    let (value, rest) = rest.split_at_checked(end)?;
    (!name.is_empty() && !value.is_empty() && !value.starts_with(['"', '\''])).then_some((name, value, rest))
}

/// How many elements are open at most: a closing tag counts only against an open one of its name.
#[derive(Default)]
struct Open {
    by_name: Vec<(&'static str, usize)>,
    all: usize,
    styles: usize,
}

impl Open {
    /// None if there are too many.
    fn count(&mut self, tag: &Tag<'_>) -> Option<()> {
        if !matches!(tag.reads, Reads::Block | Reads::Table | Reads::Style) {
            return Some(());
        }
        let styles = usize::from(tag.reads == Reads::Style);
        let at = self.by_name.iter().position(|(name, _)| *name == tag.name).unwrap_or(self.by_name.len());
        if at == self.by_name.len() {
            self.by_name.push((tag.name, 0));
        }
        let (_, open) = self.by_name.get_mut(at)?;
        if tag.opens {
            *open += 1;
            self.all += 1;
            self.styles += styles;
        } else if *open > 0 {
            *open -= 1;
            self.all -= 1;
            self.styles -= styles;
        }
        (self.all <= OPEN_MAX && self.styles <= STYLES_OPEN_MAX).then_some(())
    }
}
