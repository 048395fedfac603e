//! What waits of the hints of each location: how much, and removing it.

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::stream::ConsumerErrorKind;
use domain::LocationId;
use futures::TryStreamExt;

use crate::stream::ConsumerSpec;
use crate::streams::is_missing;
use crate::{Bus, Error, Result, Stream};

/// How much waits of a location's hints, and in all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HintsWaiting {
    /// How many of the location wait or are being worked on.
    pub of_location: u64,
    /// The fraction of the stream that is taken, between 0 and 1.
    pub filled: f64,
}

impl Bus {
    /// How much waits of a location's hints. Creates stream and consumer where they are missing.
    ///
    /// # Errors
    /// `Unavailable` when the server does not answer, `Misconfigured` when the stream cannot be made as configured.
    pub async fn hints_waiting(&self, location_id: &LocationId) -> Result<HintsWaiting> {
        let spec = ConsumerSpec::hints_of(location_id);
        let bytes = self.info(spec.stream).await?.state.bytes;
        let bytes_max = u64::try_from(self.settings.limits(spec.stream).bytes_max).unwrap_or(u64::MAX).max(1);
        let consumer = match self.jetstream.get_consumer_from_stream::<pull::Config, _, _>(&spec.name, spec.stream.name()).await {
            Ok(consumer) => consumer,
            // Nobody has looked after the location yet.
            Err(_) => self.ensure_consumer(&spec).await?,
        };
        let info = consumer.cached_info();
        let parts = |bytes: u64| f64::from(u32::try_from(bytes >> 10).unwrap_or(u32::MAX));
        let filled = (parts(bytes) / parts(bytes_max).max(1.0)).min(1.0);
        Ok(HintsWaiting { of_location: info.num_pending + info.num_ack_pending as u64, filled })
    }

    /// The locations whose hints somebody takes or took.
    ///
    /// # Errors
    /// `Unavailable` when the server does not answer.
    pub async fn locations_with_hints(&self) -> Result<Vec<LocationId>> {
        const DOING: &str = "listing who takes hints";
        self.require_connection(DOING)?;
        let stream = match self.jetstream.get_stream(Stream::Hints.name()).await {
            Ok(stream) => stream,
            Err(error) if is_missing(&error.kind()) => return Ok(Vec::new()),
            Err(error) => return Err(Error::unavailable(DOING, error)),
        };
        let names: Vec<String> = stream.consumer_names().try_collect().await.map_err(|error| Error::unavailable(DOING, error))?;
        Ok(names.iter().filter_map(|name| ConsumerSpec::location_of(name)).collect())
    }

    /// Removes the hints of a location that nobody looks after any more, and returns how many there were. Repeating it is harmless.
    ///
    /// # Errors
    /// `Unavailable` when the server does not answer; a part may be removed then.
    pub async fn remove_hints(&self, location_id: &LocationId) -> Result<u64> {
        const DOING: &str = "removing hints";
        self.require_connection(DOING)?;
        let spec = ConsumerSpec::hints_of(location_id);
        let stream = match self.jetstream.get_stream(spec.stream.name()).await {
            Ok(stream) => stream,
            Err(error) if is_missing(&error.kind()) => return Ok(0),
            Err(error) => return Err(Error::unavailable(DOING, error)),
        };
        let answer = stream.purge().filter(spec.filter).await.map_err(|error| Error::unavailable(DOING, error))?;
        // Last: as long as the consumer is there, the location is listed, and what is left is removed the next time.
        match stream.delete_consumer(&spec.name).await {
            Ok(_) => {}
            Err(error) if is_unknown(&error.kind()) => {}
            Err(error) => return Err(Error::unavailable(DOING, error)),
        }
        Ok(answer.purged)
    }
}

fn is_unknown(kind: &ConsumerErrorKind) -> bool {
    matches!(kind, ConsumerErrorKind::JetStream(refused) if refused.error_code() == ErrorCode::CONSUMER_NOT_FOUND)
}
