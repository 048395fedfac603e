//! Finds the markup in a body and writes it again with only the parts that matter for reading. The renderer builds a tree as browsers do,
//! which hostile input can make deep or quadratic. The markup written here is shallow and has no attributes except addresses.

/// The kind of markup that a body contains.
pub(super) enum Markup {
    /// Clean HTML.
    Html(String),
    /// Text with entities but no tags, escaped for the renderer.
    Entities(String),
    Plain,
}

/// The most elements open at once; more than any editor writes.
const OPEN_MAX: usize = 200;

/// The most styles (bold, italic and the like) open at once; more than any editor writes. Browsers reopen them in every paragraph.
const STYLES_OPEN_MAX: usize = 16;

/// The most attributes in a tag; more than any editor writes.
const ATTRIBUTES_MAX: usize = 64;

/// Entities that rich-text editors leave in text that has no tag.
const ENTITIES: [&str; 6] = ["&nbsp;", "&amp;", "&lt;", "&gt;", "&quot;", "&#39;"];

pub(super) fn read(body: &str) -> Markup {
    match clean(body) {
        Some(CleanHtml { html, tags: 0, .. }) if ENTITIES.iter().any(|entity| body.contains(entity)) => Markup::Entities(html),
        Some(CleanHtml { tags: 0, .. }) | None => Markup::Plain,
        Some(CleanHtml { html, breaks_lines: true, .. }) => Markup::Html(html),
        Some(CleanHtml { html, breaks_lines: false, .. }) => Markup::Html(html.replace('\n', "<br>")),
    }
}

#[derive(Default)]
struct CleanHtml {
    html: String,
    tags: usize,
    breaks_lines: bool,
    /// Whether the current table has a row and the current row has a cell.
    rows: bool,
    cells: bool,
}

impl CleanHtml {
    /// Adds a tag. Tables become lines, because a browser moves each misplaced piece of a table past all earlier ones, in quadratic time.
    fn take(&mut self, tag: &Tag<'_>) {
        match tag.layout {
            Layout::Row if tag.opens => {
                self.html.push_str(if self.rows { "<br>" } else { "" });
                (self.rows, self.cells) = (true, false);
            }
            Layout::Cell if tag.opens => {
                self.html.push_str(if self.cells { " | " } else { "" });
                self.cells = true;
            }
            Layout::Table => {
                (self.rows, self.cells) = (false, false);
                tag.write(&mut self.html);
            }
            Layout::Row | Layout::Cell => {}
            Layout::Block | Layout::Part | Layout::Style | Layout::Void | Layout::Plain => tag.write(&mut self.html),
        }
        self.tags += 1;
        self.breaks_lines |=
            matches!(tag.layout, Layout::Block | Layout::Table | Layout::Part | Layout::Row) || matches!(tag.name, "br" | "hr");
    }
}

/// None if the body nests too deep.
fn clean(body: &str) -> Option<CleanHtml> {
    let mut clean = CleanHtml::default();
    let mut open = OpenElements::default();
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

/// How an element is laid out as text.
#[derive(Clone, Copy, PartialEq)]
enum Layout {
    /// On lines of its own; may contain elements of the same name.
    Block,
    /// Ends at the next element of the same name even if it is not closed.
    Part,
    /// Bold, italic and the like.
    Style,
    /// A line break, a rule, an image.
    Void,
    /// A block of rows.
    Table,
    /// On a line of its own.
    Row,
    /// Separated from the previous cell.
    Cell,
    /// Like the text around it.
    Plain,
}

/// The tags that rich-text editors and mail programs write, each with the tag that it is rendered as. Anything else after a `<`, such as
/// `<john@example.com>` or `<script>`, is shown as text.
const TAGS: [(&str, &str, Layout); 59] = [
    ("p", "p", Layout::Part),
    ("br", "br", Layout::Void),
    ("hr", "hr", Layout::Void),
    ("img", "a", Layout::Void),
    ("wbr", "", Layout::Plain),
    ("div", "div", Layout::Block),
    ("section", "div", Layout::Block),
    ("article", "div", Layout::Block),
    ("header", "div", Layout::Block),
    ("footer", "div", Layout::Block),
    ("main", "div", Layout::Block),
    ("aside", "div", Layout::Block),
    ("center", "div", Layout::Block),
    ("figure", "div", Layout::Block),
    ("figcaption", "div", Layout::Block),
    ("caption", "div", Layout::Block),
    ("ul", "ul", Layout::Block),
    ("ol", "ol", Layout::Block),
    ("li", "li", Layout::Part),
    ("dl", "dl", Layout::Block),
    ("dt", "dt", Layout::Part),
    ("dd", "dd", Layout::Part),
    ("h1", "h1", Layout::Block),
    ("h2", "h2", Layout::Block),
    ("h3", "h3", Layout::Block),
    ("h4", "h4", Layout::Block),
    ("h5", "h5", Layout::Block),
    ("h6", "h6", Layout::Block),
    ("table", "div", Layout::Table),
    ("tbody", "", Layout::Plain),
    ("thead", "", Layout::Plain),
    ("tr", "", Layout::Row),
    ("td", "", Layout::Cell),
    ("th", "", Layout::Cell),
    ("blockquote", "blockquote", Layout::Block),
    ("pre", "pre", Layout::Block),
    ("a", "a", Layout::Style),
    ("b", "b", Layout::Style),
    ("strong", "strong", Layout::Style),
    ("i", "i", Layout::Style),
    ("em", "em", Layout::Style),
    ("s", "s", Layout::Style),
    ("del", "s", Layout::Style),
    ("strike", "s", Layout::Style),
    ("code", "code", Layout::Style),
    ("tt", "code", Layout::Style),
    ("u", "", Layout::Plain),
    ("ins", "", Layout::Plain),
    ("span", "", Layout::Plain),
    ("font", "", Layout::Plain),
    ("mark", "", Layout::Plain),
    ("small", "", Layout::Plain),
    ("big", "", Layout::Plain),
    ("label", "", Layout::Plain),
    ("html", "", Layout::Plain),
    ("body", "", Layout::Plain),
    ("o:p", "", Layout::Plain),
    ("sub", "sub", Layout::Style),
    ("sup", "sup", Layout::Style),
];

/// A known tag.
struct Tag<'a> {
    name: &'static str,
    layout: Layout,
    opens: bool,
    address: Option<&'a str>,
    alternative: Option<&'a str>,
    start: Option<u32>,
}

impl<'a> Tag<'a> {
    /// Reads the tag that follows a `<`, and gives the text after it.
    fn read(text: &'a str) -> Option<(Self, &'a str)> {
        let (opens, text) = text.strip_prefix('/').map_or((true, text), |text| (false, text));
        let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != ':')?;
        let (written, mut rest) = text.split_at_checked(end)?;
        let (_, name, layout) = TAGS.into_iter().find(|(known, _, _)| known.eq_ignore_ascii_case(written))?;
        let mut tag = Self { name, layout, opens, address: None, alternative: None, start: None };
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
        match (self.name, self.layout, self.opens) {
            ("", _, _) | ("a", Layout::Void, false) => {}
            ("a", Layout::Void, true) => self.write_image(html),
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

/// Reads `name=value`, and gives the text after it. A word without a value is taken for prose.
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

/// Counts the open elements, at least as many as a browser would. A closing tag closes only an element of its name.
#[derive(Default)]
struct OpenElements {
    by_name: Vec<(&'static str, usize)>,
    all: usize,
    styles: usize,
}

impl OpenElements {
    /// None if too many are open.
    fn count(&mut self, tag: &Tag<'_>) -> Option<()> {
        if !matches!(tag.layout, Layout::Block | Layout::Table | Layout::Style) {
            return Some(());
        }
        let styles = usize::from(tag.layout == Layout::Style);
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
