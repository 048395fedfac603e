//! What an answer of the bridge means for the event log and for the messages.

use std::time::Duration;

use domain::{Action, Backoff, DeliveryOutcome, Intent};
use eventlog::{ParkedMessage, Settlement};
use pagico::{Answer, Error, ErrorBody};

/// How a delivery ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) outcome: DeliveryOutcome,
    /// The answer in a few words, without personal data.
    pub(crate) answer: String,
    pub(crate) status: Option<u16>,
}

impl Ended {
    /// `None` when the bridge failed on this one item: it is tried again.
    pub(crate) fn by(answer: &Answer) -> Option<Self> {
        let status = answer.status;
        let code = || answer.error.as_ref().map_or("refused", ErrorBody::safe_code);
        let (outcome, said) = match status {
            200..=299 => (DeliveryOutcome::Delivered, word(&answer.outcome).to_owned()),
            409 if answer.outcome == "stale" => (DeliveryOutcome::Refused, "stale".to_owned()),
            408 | 429 => return None,
            400..=499 => (DeliveryOutcome::Parked, format!("{status} {}", code())),
            _ => return None,
        };
        Some(Self { outcome, answer: said, status: Some(status) })
    }

    /// An intent that was delivered too often without being settled.
    pub(crate) fn worn_out(deliveries: u32) -> Self {
        Self { outcome: DeliveryOutcome::Parked, answer: format!("not settled in {deliveries} deliveries"), status: None }
    }

    /// The word it is counted under.
    pub(crate) fn counted(&self) -> &'static str {
        match self.outcome {
            DeliveryOutcome::Delivered => word(&self.answer),
            DeliveryOutcome::Refused => "refused",
            DeliveryOutcome::Parked | DeliveryOutcome::Redriven => "parked",
        }
    }
}

/// The message that carried an intent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Carrier<'a> {
    pub(crate) subject: &'a str,
    pub(crate) body: &'a [u8],
    pub(crate) attempts: u32,
    pub(crate) traceparent: Option<&'a str>,
}

/// An intent and how its delivery ended, as the event log takes it.
pub(crate) fn settlement(intent: &Intent, ended: &Ended, carrier: Carrier<'_>) -> Settlement {
    let parked = ended.outcome == DeliveryOutcome::Parked;
    Settlement {
        contact_id: intent.contact_id.clone(),
        kind: intent.kind,
        object: intent.object.clone(),
        workspace: intent.workspace.clone(),
        revision: intent.revision,
        edition: intent.edition,
        policy: intent.policy,
        rules: intent.rules.clone(),
        removed: ended.outcome == DeliveryOutcome::Delivered && intent.action == Action::Remove,
        outcome: ended.outcome,
        answer: ended.answer.clone(),
        traceparent: carrier.traceparent.map(str::to_owned),
        parked: parked.then(|| ParkedMessage {
            subject: carrier.subject.to_owned(),
            message: carrier.body.to_vec(),
            status: ended.status,
            attempts: carrier.attempts,
        }),
    }
}

/// An outcome as one of the agreed words: it goes into metrics and the event log.
fn word(outcome: &str) -> &'static str {
    const WORDS: [&str; 6] = ["created", "updated", "unchanged", "kept", "removed", "absent"];
    WORDS.into_iter().find(|word| *word == outcome).unwrap_or("written")
}

/// What to do about a request that failed as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    Wait(Duration),
    CreateWorkspace,
    /// Try the halves, until the refused item is alone and parks with this answer.
    Split(Answer),
}

impl Remedy {
    /// `attempt` counts the failures so far, this one included; `jitter` is between 0 and 1.
    pub(crate) fn of(error: &Error, attempt: u32, backoff: Backoff, jitter: f64) -> Self {
        match error {
            Error::Unavailable { retry_after, .. } => Self::Wait(backoff.delay(attempt, jitter, *retry_after)),
            // A person may have to act, or the bridge or a proxy before it is just starting: retry soon at first, then rarely.
            Error::Unauthorized { .. } | Error::UnexpectedAnswer { .. } | Error::Misconfigured(_) | Error::Aliased => {
                Self::Wait(backoff.delay(attempt, jitter, None))
            }
            Error::WorkspaceUnknown => Self::CreateWorkspace,
            Error::Refused { status, code } => Self::Split(Answer {
                key: None,
                status: *status,
                outcome: "invalid".to_owned(),
                error: Some(ErrorBody { code: code.clone() }),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{ContactContent, ContactId, Content, LocationId, ObjectKey, ObjectKind, Policy, Revision, Rules, Workspace, event_id};

    use super::*;

    fn answer(status: u16, outcome: &str, code: Option<&str>) -> Answer {
        let error = code.map(|code| ErrorBody { code: code.to_owned() });
        Answer { key: None, status, outcome: outcome.to_owned(), error }
    }

    #[track_caller]
    fn ends(answer: &Answer, outcome: DeliveryOutcome, said: &str) {
        let ended = Ended { outcome, answer: said.to_owned(), status: Some(answer.status) };
        assert_eq!(Ended::by(answer), Some(ended));
    }

    #[test]
    fn what_was_done_is_delivered() {
        for (status, outcome) in [(201, "created"), (200, "updated"), (200, "unchanged"), (200, "kept"), (200, "removed"), (200, "absent")]
        {
            ends(&answer(status, outcome, None), DeliveryOutcome::Delivered, outcome);
        }
        ends(&answer(200, "something new", None), DeliveryOutcome::Delivered, "written");
    }

    #[test]
    fn what_is_stale_is_refused_and_what_is_wrong_is_parked_with_its_code() {
        ends(&answer(409, "stale", None), DeliveryOutcome::Refused, "stale");
        ends(&answer(422, "invalid", Some("invalid_content")), DeliveryOutcome::Parked, "422 invalid_content");
        ends(&answer(409, "invalid", Some("other_kind")), DeliveryOutcome::Parked, "409 other_kind");
        ends(&answer(422, "invalid", Some("Ann <ann@example.com>")), DeliveryOutcome::Parked, "422 refused");
    }

    #[test]
    fn what_the_bridge_failed_at_is_tried_again() {
        for status in [408, 429, 500, 503, 0, 302] {
            assert_eq!(Ended::by(&answer(status, "", None)), None);
        }
    }

    fn intent(action: Action) -> Intent {
        let location_id = LocationId::new("one").unwrap();
        Intent {
            workspace: Workspace::live_of(&location_id),
            edition: 0,
            event_id: event_id(&location_id, 1, 5),
            location_id,
            contact_id: ContactId::new("ann").unwrap(),
            kind: ObjectKind::Contact,
            object: ObjectKey::from("ghl:contact/ann".to_owned()),
            revision: Revision { epoch: 1, seq: 5 },
            policy: Policy::Mirror,
            rules: Rules::builtin().unwrap().revision().clone(),
            action,
        }
    }

    #[test]
    fn a_settlement_says_what_is_gone_and_keeps_the_message_of_what_is_parked() {
        let carrier = Carrier { subject: "intents.v1.live.one.ann", body: b"bytes", attempts: 3, traceparent: None };
        let put = intent(Action::Put(Box::new(Content::Contact(ContactContent::default()))));
        let settle = |intent: &Intent, answer: &Answer| settlement(intent, &Ended::by(answer).unwrap(), carrier);
        let removed = settle(&intent(Action::Remove), &answer(200, "removed", None));
        assert_eq!((removed.removed, removed.parked), (true, None));
        assert!(!settle(&put, &answer(200, "updated", None)).removed);
        let parked = settle(&intent(Action::Remove), &answer(422, "invalid", None));
        assert_eq!(
            parked.parked,
            Some(ParkedMessage { subject: carrier.subject.to_owned(), message: b"bytes".to_vec(), status: Some(422), attempts: 3 })
        );
        assert!(!parked.removed);
    }

    #[test]
    fn an_outage_is_waited_for_and_only_a_refusal_splits() {
        let backoff = Backoff { first: Duration::from_millis(100), longest: Duration::from_secs(10) };
        let remedy = |error: Error| Remedy::of(&error, 1, backoff, 1.0);
        let unavailable = |seconds: Option<u64>| Error::Unavailable { status: Some(503), retry_after: seconds.map(Duration::from_secs) };
        assert_eq!(remedy(unavailable(None)), Remedy::Wait(Duration::from_millis(100)));
        assert_eq!(remedy(unavailable(Some(3))), Remedy::Wait(Duration::from_secs(3)));
        assert_eq!(remedy(unavailable(Some(3_600))), Remedy::Wait(Duration::from_secs(10)));
        assert_eq!(remedy(Error::Unauthorized { status: 401 }), Remedy::Wait(Duration::from_millis(100)));
        assert_eq!(remedy(Error::UnexpectedAnswer { status: 404 }), Remedy::Wait(Duration::from_millis(100)));
        assert_eq!(remedy(Error::WorkspaceUnknown), Remedy::CreateWorkspace);
        let Remedy::Split(blamed) = remedy(Error::Refused { status: 413, code: "too_large".to_owned() }) else { panic!("a split") };
        assert_eq!(Ended::by(&blamed).unwrap().answer, "413 too_large");
    }
}
