//! JSON as GHL sends it: a text may hold half of a surrogate pair, which no strict reader takes, or NUL, which no text in Postgres holds.

use serde::de::DeserializeOwned;

/// U+FFFD as an escape: as long as what it stands for, so that the place of a later mistake stays right.
const REPLACEMENT: &[u8] = b"\\ufffd";

/// There is a value, in a form that is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable;

/// Reads a body. Half of a surrogate pair and NUL become U+FFFD; all else is read as it is.
///
/// # Errors
/// What keeps the body from being JSON, beside lone surrogates.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> serde_json::Result<T> {
    match replaced(body) {
        Some(replaced) => serde_json::from_slice(&replaced),
        None => serde_json::from_slice(body),
    }
}

/// The body with every lone surrogate and every NUL replaced; nothing where it has none.
fn replaced(body: &[u8]) -> Option<Vec<u8>> {
    let mut replaced: Option<Vec<u8>> = None;
    let mut at = 0;
    while let Some(next) = body.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == b'\\')) {
        at += next;
        at += match escape(body, at) {
            Some(0xd800..=0xdbff) if matches!(escape(body, at + 6), Some(0xdc00..=0xdfff)) => 12,
            Some(0xd800..=0xdfff | 0) => {
                let escaped = replaced.get_or_insert_with(|| body.to_vec()).get_mut(at..at + 6)?;
                escaped.copy_from_slice(REPLACEMENT);
                6
            }
            // The character after a backslash is part of its escape, a second backslash above all.
            Some(_) | None => 2,
        };
    }
    replaced
}

/// The code unit of an escape such as `\ud83d` that begins here.
fn escape(body: &[u8], at: usize) -> Option<u16> {
    let digits = body.get(at..at + 6)?.strip_prefix(b"\\u")?;
    let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[track_caller]
    fn check(body: &str, text: &str) {
        assert_eq!(read::<Value>(body.as_bytes()).unwrap(), Value::String(text.to_owned()), "{body}");
    }

    #[test]
    fn half_of_a_surrogate_pair_becomes_the_replacement_character() {
        check(r#""See you \ud83d""#, "See you \u{fffd}");
        check(r#""\uD83D!""#, "\u{fffd}!");
        check(r#""\ude00 late""#, "\u{fffd} late");
        check(r#""\ud83d\ud83d\ude00\ude00""#, "\u{fffd}\u{1f600}\u{fffd}");
        check(r#""\ud83d\n\\ud83d""#, "\u{fffd}\n\\ud83d");
    }

    #[test]
    fn nul_becomes_the_replacement_character() {
        check(r#""a\u0000b""#, "a\u{fffd}b");
        check(r#""a\\u0000\u0001""#, "a\\u0000\u{1}");
    }

    #[test]
    fn what_is_json_is_read_as_it_is() {
        check(r#""\ud83d\ude00""#, "\u{1f600}");
        check(r#""\\ud83d""#, "\\ud83d");
        assert_eq!(replaced(br#"{"a":"\ud83d\ude00","b":"\\ud83d"}"#), None);
    }

    #[test]
    fn what_is_no_json_for_another_reason_is_still_refused_where_it_breaks() {
        let error = read::<Value>(br#"{"a":"\ud83d","b":}"#).unwrap_err();
        assert_eq!((error.line(), error.column()), (1, 19));
        for body in [br#""\ud83"#.as_slice(), br#""\ud83d"#, br#""\uzzzz""#, b"\"\\", b""] {
            assert!(read::<Value>(body).is_err(), "{body:?}");
        }
    }
}
