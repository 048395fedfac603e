//! Every subject there is, and how ids become part of one.

use std::fmt;

use domain::{ContactId, LocationId};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Everything that could be a separator, a wildcard or unprintable.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'-');

/// Stands for no contact. A contact whose id is `_` is encoded.
const NOBODY: &str = "_";

/// Where a message goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(String);

/// Which way intents travel: replays must not starve what happens now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lane {
    Live,
    Replay,
}

impl Lane {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Replay => "replay",
        }
    }
}

impl Subject {
    /// One for each thing that can be said of a contact: a later hint of the same subject replaces the one that waits.
    pub fn hints(location_id: &LocationId, contact_id: Option<&ContactId>, said: &str) -> Self {
        Self(format!("hints.v1.{}.{}.{}", encode_token(location_id.as_str()), contact_token(contact_id), encode_token(said)))
    }

    /// The subject of a hint that was parked when all hints of a location shared one.
    pub fn parked_hints(subject: &str, contact_id: Option<&ContactId>, said: &str) -> Option<Self> {
        let location = subject.strip_prefix("hints.v1.")?;
        let location_id = LocationId::new(decode_token(location)?).ok()?;
        Some(Self::hints(&location_id, contact_id, said))
    }

    pub fn events(location_id: &LocationId, contact_id: Option<&ContactId>) -> Self {
        Self(format!("events.v1.{}.{}", encode_token(location_id.as_str()), contact_token(contact_id)))
    }

    pub fn intents(lane: Lane, location_id: &LocationId, contact_id: &ContactId) -> Self {
        Self(format!("intents.v1.{}.{}.{}", lane.as_str(), encode_token(location_id.as_str()), contact_token(Some(contact_id))))
    }

    pub fn deliveries(location_id: &LocationId, contact_id: Option<&ContactId>) -> Self {
        Self(format!("deliveries.v1.{}.{}", encode_token(location_id.as_str()), contact_token(contact_id)))
    }

    /// Parses a subject that was stored as text; `None` unless it is one of the above.
    pub fn parse(subject: &str) -> Option<Self> {
        parts(subject)?;
        Some(Self(subject.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Makes one token of a subject from any text: everything but letters, digits, `_` and `-` is percent-encoded.
pub fn encode_token(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// The text that a token was made from; `None` when it was not made by `encode_token`.
pub fn decode_token(token: &str) -> Option<String> {
    let text = percent_decode_str(token).decode_utf8().ok()?;
    (encode_token(&text) == token || token == "%5F").then(|| text.into_owned())
}

fn contact_token(contact_id: Option<&ContactId>) -> String {
    match contact_id {
        None => NOBODY.to_owned(),
        Some(id) if id.as_str() == NOBODY => "%5F".to_owned(),
        Some(id) => encode_token(id.as_str()),
    }
}

/// The location and the contact in a subject.
pub(crate) fn parts(subject: &str) -> Option<(LocationId, Option<ContactId>)> {
    let tokens: Vec<&str> = subject.split('.').collect();
    let (location, contact) = match tokens.as_slice() {
        ["events" | "deliveries", "v1", location, contact]
        | ["intents", "v1", "live" | "replay", location, contact]
        | ["hints", "v1", location, contact, _] => (location, Some(contact)),
        _ => return None,
    };
    let location_id = LocationId::new(decode_token(location)?).ok()?;
    let contact_id = match contact {
        None | Some(&NOBODY) => None,
        Some(token) => Some(ContactId::new(decode_token(token)?).ok()?),
    };
    Some((location_id, contact_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_ids_become_one_token_each_and_come_back() {
        let location_id = LocationId::new("a.b*>").unwrap();
        for id in ["_", "a b", "a/b", "a.b.c", "*", ">", "%2E", "\"'", "é🙂", "مرحبا", "%"] {
            let contact_id = ContactId::new(id).unwrap();
            let subject = Subject::intents(Lane::Live, &location_id, &contact_id);
            assert_eq!(subject.as_str().split('.').count(), 5, "{subject}");
            assert!(subject.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-%".contains(&byte)), "{subject}");
            assert_eq!(parts(subject.as_str()), Some((location_id.clone(), Some(contact_id))));
        }
        assert_eq!(parts(Subject::events(&location_id, None).as_str()), Some((location_id, None)));
    }

    #[test]
    fn a_hint_has_a_subject_for_each_thing_it_says() {
        let (location_id, contact_id) = (LocationId::new("a.b*>").unwrap(), ContactId::new("_").unwrap());
        let subject = Subject::hints(&location_id, Some(&contact_id), "task/t.1");
        assert_eq!(subject.as_str(), "hints.v1.a%2Eb%2A%3E.%5F.task%2Ft%2E1");
        assert_eq!(parts(subject.as_str()), Some((location_id.clone(), Some(contact_id.clone()))));
        let nobodys = Subject::hints(&location_id, None, "task/t.1");
        assert_eq!(parts(nobodys.as_str()), Some((location_id.clone(), None)));
        let earlier = "hints.v1.a%2Eb%2A%3E";
        assert_eq!(Subject::parse(earlier), None);
        assert_eq!(
            Subject::parked_hints(earlier, Some(&contact_id), "look"),
            Some(Subject::hints(&location_id, Some(&contact_id), "look"))
        );
        assert_eq!(Subject::parked_hints("hints.v1.a.b.c", None, "look"), None);
    }

    #[test]
    fn a_foreign_subject_is_not_parsed() {
        for subject in [
            "",
            "events",
            "hints.v1.a",
            "events.v2.a.b",
            "events.v1.a",
            "events.v1..b",
            "events.v1.a.b.c",
            "intents.v1.slow.a.b",
            "events.v1.%2e.b",
        ] {
            assert_eq!(Subject::parse(subject), None, "{subject}");
        }
    }
}
