//! What the page sorts and searches by.

use jiff::Timestamp;

use super::content::Content;
use super::fields::schema;

/// How much of a title or of the searched text is kept for the page, in characters.
const TITLE_CHARS: usize = 300;
const SORT_CHARS: usize = 120;
const SEARCH_CHARS: usize = 4_000;

/// Separates the searched texts, so that no search matches across two of them.
const BETWEEN: char = '\u{1f}';

/// Columns beside the content. Free of NUL, which a text column cannot hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facets {
    pub(crate) title: String,
    pub(crate) sort: String,
    pub(crate) search: Option<String>,
    pub(crate) container: Option<String>,
    /// Microseconds since 1970: when a task is due, a note was written, an appointment starts.
    pub(crate) at: Option<i64>,
    /// Whether a task is done, a note is pinned.
    pub(crate) flag: bool,
}

impl Facets {
    pub(crate) fn of(content: &Content) -> Self {
        let title: String = content.title().chars().filter(|c| !c.is_control()).take(TITLE_CHARS).collect();
        let sort = folded(&title).chars().take(SORT_CHARS).collect();
        let instant = |field: &str| content.text(field)?.parse::<Timestamp>().ok().map(Timestamp::as_microsecond);
        let schema = schema(content.kind());
        let at = schema.time.field().and_then(instant);
        let flag = schema.flag.is_some_and(|flag| content.flag(flag));
        Self { sort, search: search(content), container: content.text("container").map(str::to_owned), at, flag, title }
    }
}

/// The text that searches look through: containers only.
fn search(content: &Content) -> Option<String> {
    let fields = schema(content.kind()).search;
    if fields.is_empty() {
        return None;
    }
    let mut parts: Vec<String> = fields.iter().filter_map(|name| content.text(name)).map(folded).collect();
    let phones = content.text("phone").into_iter().chain(content.texts("further_phones"));
    parts.extend(phones.map(|phone| phone.chars().filter(char::is_ascii_digit).collect()));
    parts.extend(content.texts("further_emails").map(folded));
    let mut text = parts.join(&BETWEEN.to_string());
    for tag in content.tags() {
        text.push_str(&tag_term(tag));
    }
    Some(text.chars().take(SEARCH_CHARS).collect())
}

/// Exactly this tag, as it occurs in the searched text.
pub(crate) fn tag_term(tag: &str) -> String {
    format!("{BETWEEN}#{}{BETWEEN}", folded(tag))
}

/// Text as it is compared: lower case, no control characters.
pub(crate) fn folded(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::kind::Kind;
    use super::*;

    fn facets(kind: Kind, value: serde_json::Value) -> Facets {
        Facets::of(&Content::read(kind, value).unwrap())
    }

    #[test]
    fn a_contact_is_found_by_name_company_mail_phone_and_tag() {
        let found = facets(
            Kind::Contact,
            json!({"name": "Ängela Ödön", "company": "ACME", "email": "A@x.de", "phone": "+49 (30) 12-34", "tags": ["VIP", "new lead"],
                "further_emails": ["Second@x.de"], "further_phones": ["+1 202 (Mobile)"]}),
        );
        let search = found.search.unwrap();
        for term in [
            "ängela",
            "acme",
            "a@x.de",
            "+49 (30)",
            "49301234",
            "second@x.de",
            "1202",
            "#vip",
            "new lead",
            &tag_term("Vip"),
            &tag_term("New Lead"),
        ] {
            assert!(search.contains(term), "{term}");
        }
        assert!(!search.contains(&tag_term("new")));
        assert_eq!(found.sort, "ängela ödön");
    }

    #[test]
    fn a_title_holds_nothing_that_a_column_cannot() {
        assert!(!facets(Kind::Note, json!({"title": "\u{0} \u{202e}مرحبا <script>🙂"})).title.contains('\u{0}'));
    }

    #[test]
    fn times_that_cannot_be_understood_sort_as_if_there_were_none() {
        let due = |due: &str| facets(Kind::Task, json!({"title": "t", "due": due})).at;
        assert_eq!(due("2026-01-02T03:04:05Z"), Some(1_767_323_045_000_000));
        assert_eq!(due("tomorrow 3pm"), None);
        assert!(facets(Kind::Note, json!({"title": "t", "pinned": true})).flag);
    }
}
