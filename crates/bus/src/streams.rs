//! The streams and their consumers.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy, pull};
use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::{Config, DiscardPolicy, Info, RetentionPolicy, StorageType};
use async_nats::jetstream::{self, ErrorCode};
use jiff::Timestamp;

use crate::error::refusal;
use crate::stream::ConsumerSpec;
use crate::{Bus, Error, Result, Settings, Stream};

/// How long a message id is remembered.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);

/// A stream as it is now. One that is younger or shorter than before has lost messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamSeen {
    /// In whole microseconds, as a database keeps it.
    pub created_at: Timestamp,
    pub last_sequence: u64,
}

impl Bus {
    /// Creates or updates every stream and consumer.
    ///
    /// # Errors
    /// `Misconfigured` when the server is too old, or holds a stream that differs from the settings and cannot be changed.
    pub async fn ensure_streams(&self) -> Result<()> {
        self.require_connection("creating streams")?;
        if !self.client.is_server_compatible(2, 10, 0) {
            let version = self.client.server_info().version;
            return Err(Error::Misconfigured(format!("nats-server {version} is too old: 2.10 or newer is needed")));
        }
        self.remove_earlier_hints().await?;
        for stream in Stream::ALL {
            self.ensure(stream).await?;
            if let Some(spec) = stream.consumer() {
                self.ensure_consumer(&spec).await?;
            }
        }
        Ok(())
    }

    /// Removes a stream of hints in which all hints of a location had the same subject, if some wait there: nobody takes them any more. The
    /// new stream is young, so that whoever watches the streams finds that hints were lost.
    async fn remove_earlier_hints(&self) -> Result<()> {
        const DOING: &str = "removing an earlier stream";
        let stream = match self.jetstream.get_stream(Stream::Hints.name()).await {
            Ok(stream) => stream,
            Err(error) if is_missing(&error.kind()) => return Ok(()),
            Err(error) => return Err(Error::unavailable(DOING, error)),
        };
        let Info { config, state, .. } = stream.cached_info();
        if config.subjects != [Stream::EARLIER_HINTS] || state.messages == 0 {
            return Ok(());
        }
        self.jetstream.delete_stream(Stream::Hints.name()).await.map(drop).map_err(|error| Error::unavailable(DOING, error))
    }

    /// Creates or updates a stream, and compares the result: an older server silently drops what it does not know.
    async fn ensure(&self, stream: Stream) -> Result<()> {
        let wanted = stream_config(stream, &self.settings);
        let info = self.jetstream.create_or_update_stream(wanted.clone()).await.map_err(|error| {
            let CreateStreamErrorKind::JetStream(refused) = error.kind() else {
                return Error::unavailable("creating a stream", error);
            };
            // 503: the server is up, but JetStream is not ready yet.
            if refused.code() == 503 { Error::unavailable("creating a stream", error) } else { misfit(stream, &refused.to_string()) }
        })?;
        differences(&wanted, &info.config).map_or(Ok(()), |what| Err(misfit(stream, &format!("the server has a different {what}"))))?;
        Ok(())
    }

    /// Creates or updates a consumer and its stream.
    pub(crate) async fn ensure_consumer(&self, spec: &ConsumerSpec) -> Result<Consumer<pull::Config>> {
        let stream = spec.stream;
        self.ensure(stream).await?;
        let wanted = consumer_config(spec, &self.settings);
        let created = self.jetstream.create_consumer_on_stream(wanted.clone(), stream.name()).await;
        let consumer = created.map_err(|error| match refusal(&error) {
            None | Some(ErrorCode::STREAM_NOT_FOUND) => Error::unavailable("creating a consumer", error),
            Some(_) => misfit(stream, &error.to_string()),
        })?;
        let held = &consumer.cached_info().config;
        if (held.ack_wait, held.max_deliver, held.max_ack_pending, &held.filter_subject)
            != (wanted.ack_wait, wanted.max_deliver, wanted.max_ack_pending, &wanted.filter_subject)
        {
            return Err(misfit(stream, "the server has a different consumer"));
        }
        Ok(consumer)
    }

    /// A missing stream is created, and is then seen to be young.
    pub async fn stream_seen(&self, stream: Stream) -> Result<StreamSeen> {
        let info = self.info(stream).await?;
        let nanosecond = info.created.unix_timestamp_nanos();
        let created_at = i64::try_from(nanosecond / 1_000).ok().and_then(|microsecond| Timestamp::from_microsecond(microsecond).ok());
        let created_at = created_at.ok_or_else(|| misfit(stream, "it has no creation time"))?;
        Ok(StreamSeen { created_at, last_sequence: info.state.last_sequence })
    }

    /// The sequence up to which the consumer has settled everything; for deliveries, which nobody settles, the last sequence.
    pub async fn ack_floor(&self, stream: Stream) -> Result<u64> {
        // The order matters: a message published after this line must not make the last sequence look settled.
        let last = self.info(stream).await?.state.last_sequence;
        let Some(consumer) = self.consumer_info(stream).await? else { return Ok(last) };
        let idle = consumer.num_pending == 0 && consumer.num_ack_pending == 0;
        Ok(if idle { last.max(consumer.ack_floor.stream_sequence) } else { consumer.ack_floor.stream_sequence })
    }

    /// How many messages of the stream are not settled yet; none for deliveries, which nobody settles.
    pub async fn backlog(&self, stream: Stream) -> Result<u64> {
        if stream == Stream::Hints {
            // What is settled leaves the stream.
            return Ok(self.info(stream).await?.state.messages);
        }
        let consumer = self.consumer_info(stream).await?;
        Ok(consumer.map_or(0, |consumer| consumer.num_pending + consumer.num_ack_pending as u64))
    }

    pub(crate) async fn info(&self, stream: Stream) -> Result<Info> {
        const DOING: &str = "asking about a stream";
        self.require_connection(DOING)?;
        match self.jetstream.get_stream(stream.name()).await {
            Ok(found) => return Ok(found.cached_info().clone()),
            Err(error) if is_missing(&error.kind()) => {}
            Err(error) => return Err(Error::unavailable(DOING, error)),
        }
        self.ensure(stream).await?;
        if let Some(spec) = stream.consumer() {
            self.ensure_consumer(&spec).await?;
        }
        let found = self.jetstream.get_stream(stream.name()).await.map_err(|error| Error::unavailable(DOING, error))?;
        Ok(found.cached_info().clone())
    }

    async fn consumer_info(&self, stream: Stream) -> Result<Option<jetstream::consumer::Info>> {
        const DOING: &str = "asking about a consumer";
        self.require_connection(DOING)?;
        let Some(spec) = stream.consumer() else { return Ok(None) };
        let found = self.jetstream.get_consumer_from_stream::<pull::Config, _, _>(&spec.name, stream.name()).await;
        found.map(|consumer| Some(consumer.cached_info().clone())).map_err(|error| Error::unavailable(DOING, error))
    }
}

fn stream_config(stream: Stream, settings: &Settings) -> Config {
    // A full stream refuses more, so that its publisher waits; only what is watched and not worked on may be dropped.
    let (retention, discard) = match stream {
        Stream::Hints | Stream::Events | Stream::Intents | Stream::Replays => (RetentionPolicy::WorkQueue, DiscardPolicy::New),
        Stream::Deliveries => (RetentionPolicy::Limits, DiscardPolicy::Old),
    };
    let limits = settings.limits(stream);
    Config {
        name: stream.name().to_owned(),
        subjects: vec![stream.subjects().to_owned()],
        retention,
        discard,
        storage: StorageType::File,
        num_replicas: settings.replicas,
        max_bytes: limits.bytes_max,
        max_messages_per_subject: stream.waiting_per_subject_max(),
        max_age: limits.age_max.unwrap_or_default(),
        duplicate_window: DUPLICATE_WINDOW,
        ..Config::default()
    }
}

fn consumer_config(spec: &ConsumerSpec, settings: &Settings) -> pull::Config {
    pull::Config {
        durable_name: Some(spec.name.clone()),
        filter_subject: spec.filter.clone(),
        deliver_policy: DeliverPolicy::All,
        ack_policy: AckPolicy::Explicit,
        ack_wait: settings.ack_wait,
        max_deliver: settings.deliver_max,
        max_ack_pending: settings.in_flight_max,
        ..pull::Config::default()
    }
}

pub(crate) fn is_missing(kind: &GetStreamErrorKind) -> bool {
    matches!(kind, GetStreamErrorKind::JetStream(refused) if refused.error_code() == ErrorCode::STREAM_NOT_FOUND)
}

fn misfit(stream: Stream, problem: &str) -> Error {
    Error::Misconfigured(format!("stream {}: {problem}", stream.name()))
}

/// The first setting that the server did not take over.
fn differences(wanted: &Config, held: &Config) -> Option<&'static str> {
    let checks = [
        ("retention policy", wanted.retention == held.retention),
        ("discard policy", wanted.discard == held.discard),
        ("storage", wanted.storage == held.storage),
        ("set of subjects", wanted.subjects == held.subjects),
        ("size", wanted.max_bytes == held.max_bytes),
        ("number of messages for each subject", wanted.max_messages_per_subject == held.max_messages_per_subject),
        ("age", wanted.max_age == held.max_age),
        ("number of replicas", wanted.num_replicas == held.num_replicas),
        ("duplicate window", wanted.duplicate_window == held.duplicate_window),
    ];
    checks.into_iter().find_map(|(what, same)| (!same).then_some(what))
}
