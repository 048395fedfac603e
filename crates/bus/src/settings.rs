//! Where the bus is and how much it may hold.

use std::num::NonZeroUsize;
use std::time::Duration;

use async_nats::ServerAddr;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use settings::{Check, Period, Problems, hidden};

use crate::Stream;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `nats://host:port`, or several with commas between. Credentials go into the other keys.
    pub url: String,
    /// A token to connect with.
    #[serde(serialize_with = "hidden", skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretString>,
    /// The content of a credentials file to connect with.
    #[serde(serialize_with = "hidden", skip_serializing_if = "Option::is_none")]
    pub credentials: Option<SecretString>,
    /// Copies of every stream in a cluster: 1, 3 or 5.
    pub replicas: usize,
    pub hints: Limits,
    pub events: Limits,
    pub intents: Limits,
    pub replays: Limits,
    pub deliveries: Limits,
    /// How long a consumer may hold a message before it is given to another. Calling `extend` restarts it.
    #[serde(with = "humantime_serde")]
    pub ack_wait: Duration,
    /// How often a message is delivered at most; -1 without limit, which is right where consumers park what they cannot do.
    pub deliver_max: i64,
    /// How many messages all replicas of a consumer may hold unsettled at once.
    pub in_flight_max: i64,
    /// How long to wait for the acknowledgement of what was published.
    pub publish_timeout: Period,
    /// How many published messages may wait for their acknowledgement at once.
    pub publish_in_flight_max: NonZeroUsize,
    /// How many messages an inbox asks for ahead of their use.
    pub prefetch: NonZeroUsize,
}

/// How much a stream may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub bytes_max: i64,
    /// `None` for a stream that keeps messages until they are consumed.
    #[serde(default, with = "humantime_serde", skip_serializing_if = "Option::is_none")]
    pub age_max: Option<Duration>,
}

const MIB: i64 = 1024 * 1024;
/// A stream must remember messages for as long as the ids by which it drops duplicates.
const AGE_SHORTEST: Duration = Duration::from_secs(120);

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: "nats://127.0.0.1:4222".to_owned(),
            token: None,
            credentials: None,
            replicas: 1,
            hints: Limits { bytes_max: 64 * MIB, age_max: None },
            events: Limits { bytes_max: 1024 * MIB, age_max: None },
            intents: Limits { bytes_max: 1024 * MIB, age_max: None },
            replays: Limits { bytes_max: 256 * MIB, age_max: None },
            deliveries: Limits { bytes_max: 256 * MIB, age_max: Some(Duration::from_secs(24 * 3600)) },
            ack_wait: Duration::from_secs(30),
            deliver_max: -1,
            in_flight_max: 10_000,
            publish_timeout: Period::from_secs(5),
            publish_in_flight_max: const { NonZeroUsize::new(4_096).unwrap() },
            prefetch: const { NonZeroUsize::new(1_000).unwrap() },
        }
    }
}

impl Check for Settings {
    fn check(&self, problems: &mut Problems) {
        let addresses = self.addresses();
        problems.check(addresses.is_some(), "url", "must be nats://host:port, or several with commas between");
        let has_secret = addresses.is_some_and(|addresses| addresses.iter().any(|address| address.has_user_pass()));
        problems.check(!has_secret, "url", "must hold no credentials: they go into token or credentials");
        problems.check(self.token.is_none() || self.credentials.is_none(), "token", "must be left out where credentials are given");
        problems.check(matches!(self.replicas, 1 | 3 | 5), "replicas", "must be 1, 3 or 5");
        problems.check(self.ack_wait >= Duration::from_secs(1), "ack_wait", "must be at least 1s");
        problems.check(self.deliver_max == -1 || self.deliver_max >= 1, "deliver_max", "must be -1 (no limit) or at least 1");
        problems.check(self.in_flight_max >= 1, "in_flight_max", "must be at least 1");
        for stream in Stream::ALL {
            let Limits { bytes_max, age_max } = self.limits(stream);
            let key = |limit: &str| format!("{}.{limit}", stream.name().to_lowercase());
            problems.check(bytes_max >= MIB, key("bytes_max"), "must be at least 1 MiB");
            let loses = matches!(stream, Stream::Events | Stream::Intents | Stream::Replays) && age_max.is_some();
            problems.check(!loses, key("age_max"), "must be left out: what is too old would be lost");
            problems.check(age_max.is_none_or(|age| age >= AGE_SHORTEST), key("age_max"), "must be at least 2m");
        }
    }
}

impl Settings {
    /// Every address in `url`; `None` when one of them is malformed.
    pub(crate) fn addresses(&self) -> Option<Vec<ServerAddr>> {
        self.url.split(',').map(|address| address.trim().parse().ok()).collect()
    }

    pub(crate) fn limits(&self, stream: Stream) -> Limits {
        match stream {
            Stream::Hints => self.hints,
            Stream::Events => self.events,
            Stream::Intents => self.intents,
            Stream::Replays => self.replays,
            Stream::Deliveries => self.deliveries,
        }
    }
}
