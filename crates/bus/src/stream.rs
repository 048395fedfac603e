//! Which streams there are, and who takes what from them.

use domain::LocationId;

use crate::subject::{decode_token, encode_token};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// From webhooks: which contact to look at. A hint replaces the one that waits and says the same.
    Hints,
    /// From the log: what happened in GHL.
    Events,
    /// From the mapper: what Pagico should hold.
    Intents,
    /// From a replay: what Pagico should hold, as far as it does not yet. Apart from what happens now, so that neither fills up the other.
    Replays,
    /// From the log: what happened to intents, for whoever wants to watch. Old ones are dropped.
    Deliveries,
}

impl Stream {
    /// The subjects of hints before each had one of its own.
    pub(crate) const EARLIER_HINTS: &str = "hints.v1.*";

    pub const ALL: [Self; 5] = [Self::Hints, Self::Events, Self::Intents, Self::Replays, Self::Deliveries];

    pub fn name(self) -> &'static str {
        match self {
            Self::Hints => "HINTS",
            Self::Events => "EVENTS",
            Self::Intents => "INTENTS",
            Self::Replays => "REPLAYS",
            Self::Deliveries => "DELIVERIES",
        }
    }

    pub(crate) fn subjects(self) -> &'static str {
        match self {
            Self::Hints => "hints.v1.*.*.*",
            Self::Events => "events.v1.*.*",
            Self::Intents => "intents.v1.live.*.*",
            Self::Replays => "intents.v1.replay.*.*",
            Self::Deliveries => "deliveries.v1.*.*",
        }
    }

    /// How many messages of the same subject wait at most; -1 without limit. Of hints that say the same, the last one is enough.
    pub(crate) fn waiting_per_subject_max(self) -> i64 {
        match self {
            Self::Hints => 1,
            Self::Events | Self::Intents | Self::Replays | Self::Deliveries => -1,
        }
    }

    /// What all replicas of a service take from the stream together. Hints are taken location by location, by the one replica that looks
    /// after it; nobody takes deliveries.
    pub(crate) fn consumer(self) -> Option<ConsumerSpec> {
        let (name, filter) = match self {
            Self::Events => ("mapper", "events.v1.*.*"),
            Self::Intents => ("writer", "intents.v1.live.*.*"),
            Self::Replays => ("writer", "intents.v1.replay.*.*"),
            Self::Hints | Self::Deliveries => return None,
        };
        Some(ConsumerSpec { stream: self, name: name.to_owned(), filter: filter.to_owned() })
    }
}

/// A durable consumer: who takes what from a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConsumerSpec {
    pub(crate) stream: Stream,
    pub(crate) name: String,
    pub(crate) filter: String,
}

/// Begins the names of those who take hints.
const POLLER: &str = "poller-";

impl ConsumerSpec {
    /// The hints of one location, for whoever looks after it now.
    pub(crate) fn hints_of(location_id: &LocationId) -> Self {
        let location = encode_token(location_id.as_str());
        Self { stream: Stream::Hints, name: format!("{POLLER}{location}"), filter: format!("hints.v1.{location}.*.*") }
    }

    /// Whose hints the consumer of this name takes.
    pub(crate) fn location_of(name: &str) -> Option<LocationId> {
        LocationId::new(decode_token(name.strip_prefix(POLLER)?)?).ok()
    }
}
