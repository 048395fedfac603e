//! Values as people read them.

use jiff::Timestamp;
use proto::admin::v1 as api;
use proto::replay::v1 as replay;

fn timestamp(at: &prost_types::Timestamp) -> Option<Timestamp> {
    Timestamp::new(at.seconds, at.nanos).ok()
}

/// To the microsecond, UTC.
pub(crate) fn instant(at: Option<&prost_types::Timestamp>) -> Option<String> {
    at.and_then(timestamp).map(|at| format!("{at:.6}"))
}

/// To the second, UTC; `-` for never.
pub(crate) fn second(at: Option<&prost_types::Timestamp>) -> String {
    at.and_then(timestamp).map_or_else(|| "-".to_owned(), |at| format!("{at:.0}"))
}

pub(crate) fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}

pub(crate) fn span(seconds: u64) -> String {
    match (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, seconds) => format!("{seconds}s"),
        (0, 0, minutes, seconds) => format!("{minutes}m{seconds:02}s"),
        (0, hours, minutes, _) => format!("{hours}h{minutes:02}m"),
        (days, hours, _, _) => format!("{days}d{hours:02}h"),
    }
}

/// What an enumeration's value is called: `OBJECT_STATE_IN_SYNC` without its prefix is `in_sync`.
pub(crate) fn enumerated(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_ascii_lowercase()
}

/// The state of a contact as a whole; what needs a person comes first.
pub(crate) fn contact_state(contact: &api::Contact) -> &'static str {
    match (contact.parked, contact.behind, contact.present) {
        (0, 0, true) => "in_sync",
        (0, 0, false) => "removed",
        (0, _, _) => "behind",
        (_, _, _) => "parked",
    }
}

/// Whether there is nothing to do.
pub(crate) fn is_empty(plan: &replay::Plan) -> bool {
    plan.totals.is_none_or(|totals| totals.puts == 0 && totals.removes == 0)
}

/// A count with separators: 1,234,567.
pub(crate) fn grouped(count: u64) -> String {
    indicatif::HumanCount(count).to_string()
}

pub(crate) fn backfill(backfill: Option<&api::Backfill>) -> String {
    match backfill {
        Some(api::Backfill { finished_at: Some(_), .. }) => "done".to_owned(),
        Some(api::Backfill { started_at: None, .. }) | None => "not begun".to_owned(),
        Some(api::Backfill { seen, total: 0, .. }) => format!("{seen} seen"),
        Some(api::Backfill { seen, total, .. }) => format!("{seen} of {total}"),
    }
}

/// How a change was noticed, for the end of a line; empty if that is not known.
pub(crate) fn because(cause: Option<&api::Cause>, trace_id: &str) -> String {
    let mut text = String::new();
    if let Some(cause) = cause {
        let by = [cause.by.as_str(), &cause.webhook_type, &cause.who];
        text += &format!("  by {}", by.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" "));
    }
    if !trace_id.is_empty() {
        text += &format!("  trace {trace_id}");
    }
    text
}

/// A JSON value, shortened for people.
pub(crate) fn shortened(json: &str) -> String {
    const CHARS_MAX: usize = 160;
    match json.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", json.get(..end).unwrap_or_default()),
        None if json.is_empty() => "nothing".to_owned(),
        None => json.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_times_are_short() {
        assert_eq!([59, 61, 3_661, 90_000].map(span), ["59s", "1m01s", "1h01m", "1d01h"]);
        let at = prost_types::Timestamp { seconds: 1_700_000_000, nanos: 123_456_000 };
        assert_eq!(second(Some(&at)), "2023-11-14T22:13:20Z");
        assert_eq!(instant(Some(&at)).as_deref(), Some("2023-11-14T22:13:20.123456Z"));
        assert_eq!(second(None), "-");
    }

    #[test]
    fn long_values_are_shortened_between_characters() {
        assert_eq!(shortened(&"ü".repeat(161)), format!("{}…", "ü".repeat(160)));
        assert_eq!((shortened("\"a\"").as_str(), shortened("").as_str()), ("\"a\"", "nothing"));
    }
}
