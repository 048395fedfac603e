//! Messages as JSON, by the standard mapping of proto3: <https://protobuf.dev/programming-guides/json/>.

use std::sync::LazyLock;

use prost::Name;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use serde::ser::Error as _;
use serde_json::value::{Serializer, Value};

use crate::FILE_DESCRIPTOR_SET;

/// Empty where the descriptors cannot be read; then no message is found in it.
static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap_or_default());

/// The message as the standard mapping writes it, with the fields that hold their default: zero counts and `false` are there to be read.
///
/// # Errors
/// When the message has no such form, for instance because a timestamp in it is out of range.
pub fn json<M: Name>(message: &M) -> Result<Value, serde_json::Error> {
    let name = M::full_name();
    let descriptor = POOL.get_message_by_name(&name).ok_or_else(|| serde_json::Error::custom(format!("{name} is not described")))?;
    let mut dynamic = DynamicMessage::new(descriptor);
    dynamic.transcode_from(message).map_err(serde_json::Error::custom)?;
    dynamic.serialize_with_options(Serializer, &SerializeOptions::new().skip_default_fields(false))
}

#[cfg(test)]
mod tests {
    use super::json;
    use crate::admin::v1::{Cause, Event, FieldChange};
    use crate::replay::v1::{ReplayPhase, ReplayState};

    #[test]
    fn names_are_camel_case_large_numbers_are_text_and_defaults_are_there() {
        let change = FieldChange { field: "city".to_owned(), after_json: "\"Oslo\"".to_owned(), ..FieldChange::default() };
        let at = prost_types::Timestamp { seconds: 1_700_000_000, nanos: 120_000_000 };
        let cause = Cause { by: "sweep".to_owned(), asked_at: Some(at), ..Cause::default() };
        let event = Event { seq: u64::MAX, cause: Some(cause), changes: vec![change], ..Event::default() };
        let written = json(&event).unwrap();
        assert_eq!(written["seq"], "18446744073709551615");
        assert_eq!((&written["epoch"], &written["erased"], &written["contactId"]), (&0.into(), &false.into(), &"".into()));
        assert_eq!(written["cause"]["askedAt"], "2023-11-14T22:13:20.120Z");
        assert_eq!(written["changes"][0]["afterJson"], "\"Oslo\"");
        assert!(written.get("recordedAt").is_none(), "what is absent is left out");
    }

    #[test]
    fn enumerations_are_written_by_name() {
        let state = ReplayState { phase: ReplayPhase::Done.into(), ..ReplayState::default() };
        assert_eq!(json(&state).unwrap()["phase"], "REPLAY_PHASE_DONE");
    }
}
