//! Where the bus is and how much it may hold.

use std::time::Duration;

use async_nats::ServerAddr;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};

use crate::Stream;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `nats://host:port`, or several with commas between. Credentials belong into the other keys.
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
    /// How long a consumer may hold a message before it is given to another. Calling `extend` starts it anew.
    #[serde(with = "humantime_serde")]
    pub ack_wait: Duration,
    /// How often a message is delivered at most; -1 without limit, which is right where consumers park what they cannot do.
    pub deliver_max: i64,
    /// How many messages all replicas of a consumer may hold unsettled at once.
    pub in_flight_max: i64,
    /// How long to wait for the acknowledgement of what was published.
    #[serde(with = "humantime_serde")]
    pub publish_timeout: Duration,
    /// How many published messages may wait for their acknowledgement at once.
    pub publish_in_flight_max: usize,
    /// How many messages an inbox asks for ahead of their use.
    pub prefetch: usize,
}

/// How much a stream may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub bytes_max: i64,
    /// Nothing for a stream that keeps messages until they are consumed.
    #[serde(default, with = "humantime_serde", skip_serializing_if = "Option::is_none")]
    pub age_max: Option<Duration>,
}

const MIB: i64 = 1024 * 1024;

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
            publish_timeout: Duration::from_secs(5),
            publish_in_flight_max: 4_096,
            prefetch: 1_000,
        }
    }
}

impl Settings {
    /// Every mistake at once, each naming its key.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut wrong = |is: bool, what: &str| {
            if is {
                problems.push(what.to_owned());
            }
        };
        let addresses = self.addresses();
        wrong(addresses.is_none(), "url must be nats://host:port, or several with commas between");
        let secret = addresses.is_some_and(|addresses| addresses.iter().any(|address| address.has_user_pass()));
        wrong(secret, "url must hold no credentials: they go into token or credentials");
        wrong(self.token.is_some() && self.credentials.is_some(), "token and credentials exclude each other");
        wrong(!matches!(self.replicas, 1 | 3 | 5), "replicas must be 1, 3 or 5");
        wrong(self.ack_wait < Duration::from_secs(1), "ack_wait must be at least 1s");
        wrong(self.deliver_max == 0 || self.deliver_max < -1, "deliver_max must be -1 (no limit) or at least 1");
        wrong(self.in_flight_max < 1, "in_flight_max must be at least 1");
        wrong(self.publish_timeout.is_zero(), "publish_timeout must be longer than nothing");
        wrong(self.publish_in_flight_max == 0, "publish_in_flight_max must be at least 1");
        wrong(self.prefetch == 0, "prefetch must be at least 1");
        for stream in Stream::ALL {
            let limits = self.limits(stream);
            let key = stream.name().to_lowercase();
            wrong(limits.bytes_max < MIB, &format!("{key}.bytes_max must be at least 1 MiB"));
            let loses = matches!(stream, Stream::Events | Stream::Intents | Stream::Replays) && limits.age_max.is_some();
            wrong(loses, &format!("{key}.age_max must be left out: what is too old would be lost"));
            wrong(limits.age_max.is_some_and(|age| age < Duration::from_secs(120)), &format!("{key}.age_max must be at least 2m"));
        }
        problems
    }

    /// Every address in `url`; nothing when one of them is none.
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

#[expect(clippy::ref_option, reason = "the signature that serde asks for")]
fn hidden<S: Serializer>(secret: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(if secret.as_ref().is_some_and(|secret| !secret.expose_secret().is_empty()) { "hidden" } else { "" })
}
