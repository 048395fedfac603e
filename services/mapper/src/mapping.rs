//! From an event to the messages to publish: pure.

use bus::{Lane, Outgoing, Subject};
use domain::{Decode, Intent, Recorded, map};

use crate::destinations::{Destination, Destinations};

/// Why an event parks; the words hold nothing personal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reason(pub(crate) String);

/// An event that was understood, with its intents.
#[derive(Debug)]
pub(crate) struct Mapped {
    pub(crate) recorded: Recorded,
    pub(crate) intents: Vec<Intent>,
}

/// Maps an event for every workspace of its location.
pub(crate) fn mapped(recorded: Recorded, destinations: &Destinations) -> Mapped {
    let to = |one: &Destination| -> Vec<Intent> {
        map(&recorded, &one.rules).into_iter().map(|intent| intent.bound_for(&one.workspace, one.edition)).collect()
    };
    let intents = destinations.of(&recorded.location_id).iter().flat_map(to).collect();
    Mapped { recorded, intents }
}

/// Why an event that cannot be read parks: it is malformed, of an unknown type, or of a newer version.
pub(crate) fn unread(error: &Decode) -> Reason {
    Reason(format!("not an event that this mapper understands: {error}"))
}

/// The messages that carry an event's intents. Their ids name the fact, the object and the workspace, so that mapping an event twice
/// publishes no second intent.
///
/// # Errors
/// When an intent is larger than the bus takes.
pub(crate) fn outgoing(mapped: &Mapped, traceparent: Option<&str>, intent_bytes_max: usize) -> Result<Vec<Outgoing>, Reason> {
    let one = |intent: &Intent| {
        let body = intent.encode().map_err(|_| Reason(format!("the intent for {} cannot be written as JSON", intent.object)))?;
        if body.len() > intent_bytes_max {
            return Err(Reason(format!(
                "the intent for {} has {} bytes, more than the {intent_bytes_max} allowed",
                intent.object,
                body.len()
            )));
        }
        Ok(Outgoing {
            subject: Subject::intents(Lane::Live, &intent.location_id, &intent.contact_id),
            id: Some(format!("{}/{}/{}.{}", intent.event_id, intent.object, intent.workspace, intent.edition)),
            traceparent: traceparent.map(str::to_owned),
            body,
        })
    };
    mapped.intents.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use domain::{
        Body, Cause, Change, Contact, ContactId, LocationId, Names, Net, Record, RecordFact, RecordId, RecordKind, Rules, Stored,
        Workspace, event_id,
    };
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use jiff::Timestamp;

    use super::*;

    fn stored(record: Record, new_in_ghl: bool) -> Stored {
        let location_id = LocationId::new("loc.1").unwrap();
        let fact = RecordFact { change: Change::Appeared, record, changes: Vec::new(), names: Names::default(), new_in_ghl };
        let body = Body::Record(Box::new(fact));
        Stored {
            event_id: event_id(&location_id, 1, 7),
            location_id,
            epoch: 1,
            seq: 7,
            contact_id: Some(ContactId::new("a n*n>").unwrap()),
            record: Some((RecordKind::Contact, RecordId::new("a n*n>").unwrap())),
            type_name: body.type_name(),
            occurred_at: Timestamp::UNIX_EPOCH,
            recorded_at: Timestamp::UNIX_EPOCH,
            cause: Cause::from(Net::Poll),
            traceparent: None,
            key_id: None,
            body: body.encode().unwrap(),
        }
    }

    fn destinations() -> Destinations {
        Destinations::new(Arc::new(Rules::builtin().unwrap()), BTreeMap::new())
    }

    fn new_contact(name: &str) -> Vec<u8> {
        let contact = Contact { name: Some(name.to_owned()), ..Contact::default() };
        stored(Record::Contact(Box::new(contact)), true).carry().unwrap()
    }

    fn read(body: &[u8], destinations: &Destinations) -> Result<Mapped, Reason> {
        let stored = Stored::received(body).map_err(|error| unread(&error))?;
        let body = stored.read().map_err(|error| unread(&error))?;
        Ok(mapped(stored.with(body), destinations))
    }

    #[test]
    fn an_event_becomes_one_message_for_each_object() {
        let mapped = read(&new_contact("Ann"), &destinations()).unwrap();
        let sent = outgoing(&mapped, Some("00-01-02-01"), 10_000).unwrap();
        assert_eq!(sent.len(), 6);
        for (sent, intent) in sent.iter().zip(&mapped.intents) {
            assert_eq!(sent.subject.as_str(), "intents.v1.live.loc%2E1.a%20n%2An%3E");
            assert_eq!(sent.traceparent.as_deref(), Some("00-01-02-01"));
            assert_eq!(&Intent::decode(&sent.body).unwrap(), intent);
            assert!(sent.id.as_ref().unwrap().starts_with(&mapped.recorded.event_id.to_string()));
        }
        let ids: std::collections::BTreeSet<_> = sent.iter().map(|sent| &sent.id).collect();
        assert_eq!(ids.len(), 6);
        assert_eq!(outgoing(&mapped, Some("00-01-02-01"), 10_000).unwrap(), sent, "mapping twice is the same messages");
    }

    #[test]
    fn an_event_goes_to_every_workspace_by_its_own_rules() {
        let rules = Arc::new(Rules::builtin().unwrap());
        let short = Arc::new(Rules::parse(&Rules::BUILTIN.replace("\"name\", \"email\",", "")).unwrap());
        let to = |name: &str, edition, rules: &Arc<Rules>| Destination {
            workspace: Workspace::new(name).unwrap(),
            edition,
            rules: Arc::clone(rules),
        };
        let both = vec![to("loc.1", 0, &rules), to("shadow", 3, &short)];
        let destinations = Destinations::new(rules, [(LocationId::new("loc.1").unwrap(), both)].into());
        let mapped = read(&new_contact("Ann"), &destinations).unwrap();
        assert_eq!(mapped.intents.len(), 12);
        let shadow: Vec<&Intent> = mapped.intents.iter().filter(|intent| intent.workspace.as_str() == "shadow").collect();
        assert!(shadow.iter().all(|intent| intent.edition == 3 && intent.rules == *short.revision()));
        let sent = outgoing(&mapped, None, 10_000).unwrap();
        let ids: std::collections::BTreeSet<_> = sent.iter().map(|sent| &sent.id).collect();
        assert_eq!((shadow.len(), ids.len()), (6, 12));
    }

    #[test]
    fn reasons_do_not_show_content() {
        let rules = destinations();
        assert!(read(b"{\"Ann\":", &rules).unwrap_err().0.starts_with("not an event that this mapper understands: "));
        let newer = Stored { body: br#"{"v":2,"name":"Ann"}"#.to_vec(), ..stored(Record::Contact(Box::default()), false) };
        let reason = read(&newer.carry().unwrap(), &rules).unwrap_err().0;
        assert!(reason.contains("newer") && !reason.contains("Ann"), "{reason}");
        let long = read(&new_contact(&"Ann".repeat(1_000)), &rules).unwrap();
        assert!(outgoing(&long, None, 2_000).unwrap_err().0.contains("more than the 2000 allowed"));
    }
}
