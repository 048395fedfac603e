//! Removing what is about one contact, or of one location, from every stream.

use domain::{ContactId, LocationId};

use crate::streams::is_missing;
use crate::subject::{Lane, Subject, encode_token};
use crate::{Bus, Error, Result, Stream};

impl Bus {
    /// Purges the messages about a contact, worked on or not, and returns how many there were. Hints and deliveries stay: they hold ids and
    /// our own words alone. A stream that is missing has nothing to purge. Repeating it is harmless.
    ///
    /// # Errors
    /// `Unavailable` when the server does not answer; some streams may be purged then.
    pub async fn purge_contact(&self, location_id: &LocationId, contact_id: &ContactId) -> Result<u64> {
        self.require_connection("purging")?;
        let subjects = [
            (Stream::Events, Subject::events(location_id, Some(contact_id))),
            (Stream::Intents, Subject::intents(Lane::Live, location_id, contact_id)),
            (Stream::Replays, Subject::intents(Lane::Replay, location_id, contact_id)),
        ];
        self.purge(subjects.map(|(stream, subject)| (stream, subject.to_string()))).await
    }

    /// Purges the messages of a location, hints and deliveries among them, and returns how many there were. Repeating it is harmless.
    ///
    /// # Errors
    /// `Unavailable` when the server does not answer; some streams may be purged then.
    pub async fn purge_location(&self, location_id: &LocationId) -> Result<u64> {
        self.require_connection("purging")?;
        let location = encode_token(location_id.as_str());
        let subjects = [
            (Stream::Events, format!("events.v1.{location}.*")),
            (Stream::Intents, format!("intents.v1.live.{location}.*")),
            (Stream::Replays, format!("intents.v1.replay.{location}.*")),
            (Stream::Deliveries, format!("deliveries.v1.{location}.*")),
        ];
        Ok(self.purge(subjects).await? + self.remove_hints(location_id).await?)
    }

    async fn purge<const N: usize>(&self, subjects: [(Stream, String); N]) -> Result<u64> {
        let mut purged = 0;
        for (stream, subject) in subjects {
            let stream = match self.jetstream.get_stream(stream.name()).await {
                Ok(stream) => stream,
                Err(error) if is_missing(&error.kind()) => continue,
                Err(error) => return Err(Error::unavailable("purging", error)),
            };
            let answer = stream.purge().filter(subject).await.map_err(|error| Error::unavailable("purging", error))?;
            purged += answer.purged;
        }
        Ok(purged)
    }
}
