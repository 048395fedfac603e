//! The parts that requests share, checked: the location, the contact, the page, the filter, and who asks.

use domain::{ContactId, LocationId, RecordKind};
use eventlog::{Access, Answers, EventFilter, Locations, TimeRange};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use proto::admin::v1 as api;
use sha2::{Digest as _, Sha256};
use tonic::{Request, Status};

use crate::config::Limits;
use crate::status::{status_of_access_log, status_of_log};

/// How a change can have been seen.
const CAUSES: [&str; 6] = ["webhook", "poll", "sweep", "backfill", "operator", "writer"];

/// The longest caller name that is kept, in characters.
const WHO_CHARACTERS_MAX: usize = 128;

/// The named location, or the only one there is.
pub(crate) async fn location(locations: &Locations, named: &str) -> Result<LocationId, Status> {
    if !named.is_empty() {
        return LocationId::new(named).map_err(|error| Status::invalid_argument(format!("location_id: {error}")));
    }
    let mut locations = locations.list().await.map_err(status_of_log)?;
    match (locations.pop(), locations.len()) {
        (Some(only), 0) => Ok(only.location_id),
        (Some(_), more) => Err(Status::invalid_argument(format!("{} locations are connected; name one as location_id", more + 1))),
        (None, _) => Err(Status::failed_precondition("no location is connected yet; give one to the poller")),
    }
}

pub(crate) fn contact(id: &str) -> Result<ContactId, Status> {
    ContactId::new(id).map_err(|error| Status::invalid_argument(format!("contact_id: {error}")))
}

/// A contact that need not be given.
pub(crate) fn optional_contact(id: &str) -> Result<Option<ContactId>, Status> {
    given(id).map(contact).transpose()
}

/// A location that need not be given.
pub(crate) fn optional_location(id: &str) -> Result<Option<LocationId>, Status> {
    let id = given(id).map(LocationId::new).transpose();
    id.map_err(|error| Status::invalid_argument(format!("location_id: {error}")))
}

/// Proto3 has no absent text; an empty one stands for it.
pub(crate) fn given(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// Who acts, as the log names it.
pub(crate) fn operator(named: &str) -> &str {
    given(named).unwrap_or("operator")
}

pub(crate) fn page_size(asked: u32, default: u32, max: u32) -> Result<u32, Status> {
    match asked {
        0 => Ok(default),
        asked if asked <= max => Ok(asked),
        asked => Err(Status::invalid_argument(format!("page_size {asked} is more than {max}"))),
    }
}

pub(crate) fn rows(page_size: u32, limits: &Limits) -> Result<u32, Status> {
    self::page_size(page_size, limits.page_rows.get(), limits.page_rows_max.get())
}

/// Cuts rows to a page. One row more than a page tells that another page follows.
pub(crate) fn page<T>(mut rows: Vec<T>, size: u32, token: impl Fn(&T) -> String) -> (Vec<T>, String) {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let more = rows.len() > size;
    rows.truncate(size);
    let token = rows.last().filter(|_| more).map(token).unwrap_or_default();
    (rows, token)
}

/// Where a page begins; none for the first page.
pub(crate) fn cursor<T>(page_token: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Status> {
    let issued_by_another = || Status::invalid_argument("page_token was not issued by this call; leave it empty for the first page");
    given(page_token).map(|token| parse(token).ok_or_else(issued_by_another)).transpose()
}

/// The cursor of a call whose pages begin at numbers.
pub(crate) fn number_cursor(page_token: &str) -> Result<Option<u64>, Status> {
    cursor(page_token, |token| token.parse().ok())
}

pub(crate) fn kind(name: &str) -> Result<RecordKind, Status> {
    RecordKind::parse(name)
        .ok_or_else(|| Status::invalid_argument(format!("a kind must be one of {}", RecordKind::ALL.map(RecordKind::as_str).join(", "))))
}

/// Which events are meant: what the log can select by, and the changed fields, which only opened events show.
pub(crate) fn filter(filter: Option<api::EventFilter>) -> Result<(EventFilter, Vec<String>), Status> {
    let filter = filter.unwrap_or_default();
    if let Some(unknown) = filter.causes.iter().find(|cause| !CAUSES.contains(&cause.as_str())) {
        return Err(Status::invalid_argument(format!("cause {unknown:?} is not one of {}", CAUSES.join(", "))));
    }
    let selection = EventFilter {
        kinds: filter.kinds.iter().map(|name| kind(name)).collect::<Result<_, _>>()?,
        types: filter.types,
        causes: filter.causes,
        occurred: span(filter.occurred_from.as_ref(), filter.occurred_until.as_ref())?,
        recorded: span(filter.recorded_from.as_ref(), filter.recorded_until.as_ref())?,
    };
    Ok((selection, filter.fields))
}

pub(crate) fn span(from: Option<&prost_types::Timestamp>, until: Option<&prost_types::Timestamp>) -> Result<TimeRange, Status> {
    Ok(TimeRange { from: from.map(instant).transpose()?, until: until.map(instant).transpose()? })
}

pub(crate) fn instant(at: &prost_types::Timestamp) -> Result<Timestamp, Status> {
    Timestamp::new(at.seconds, at.nanos).map_err(|_| Status::invalid_argument("a timestamp is out of range"))
}

/// Writes down who asks, before anything is shown.
pub(crate) async fn record_access<T>(
    answers: &Answers,
    request: &Request<T>,
    call: &str,
    location_id: &LocationId,
    contact_id: Option<&ContactId>,
) -> Result<(), Status> {
    let metadata = |key| request.metadata().get(key).and_then(|value| value.to_str().ok());
    let access = Access {
        who: metadata("x-mirror-who").map(caller).filter(|who| !who.is_empty()).unwrap_or_else(|| "unnamed".to_owned()),
        peer: request.remote_addr().map(|peer| peer.to_string()).unwrap_or_default(),
        token: metadata("authorization").and_then(|value| value.split_whitespace().nth(1)).map(fingerprint).unwrap_or_default(),
        call: call.to_owned(),
        contact_id: contact_id.cloned(),
        traceparent: chassis::trace::traceparent(),
    };
    answers.record_access(location_id, &access).await.map_err(status_of_access_log)
}

fn caller(encoded: &str) -> String {
    let text = percent_decode_str(encoded.trim()).decode_utf8_lossy();
    text.chars().take(WHO_CHARACTERS_MAX).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Tells tokens apart, and is far too short to reveal one.
fn fingerprint(token: &str) -> String {
    let mut digest = hex::encode(Sha256::digest(token));
    digest.truncate(8);
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_be_of_any_script_and_is_cut_and_made_harmless() {
        assert_eq!(caller("Zo%C3%AB%20Ann"), "Zoë Ann");
        assert_eq!(caller("a%0Ab"), "a\u{fffd}b");
        assert_eq!(caller(&"x".repeat(500)).len(), WHO_CHARACTERS_MAX);
        assert_eq!(caller(" %FF "), "\u{fffd}");
    }

    #[test]
    fn a_fingerprint_is_eight_digits_of_the_hash() {
        assert_eq!(fingerprint("secret"), "2bb80d53");
    }

    #[test]
    fn a_page_has_a_token_only_where_another_follows() {
        let numbers = |count: u64| (0..count).collect::<Vec<_>>();
        assert_eq!(page(numbers(3), 2, u64::to_string), (vec![0, 1], "1".to_owned()));
        assert_eq!(page(numbers(2), 2, u64::to_string), (vec![0, 1], String::new()));
        assert_eq!(number_cursor("17").ok().flatten(), Some(17));
        assert!(number_cursor("x").is_err() && number_cursor("").is_ok_and(|first| first.is_none()));
    }
}
