//! One batch of events: mapped, published, acknowledged.

use std::time::Duration;

use bus::{Message, Outgoing};
use chassis::Shutdown;
use chassis::tasks::sleep;
use domain::{Body, Decode, Event, Intent, LocationId, Recorded, Stored};
use eventlog::{Letter, Parking, Stage};
use jiff::Timestamp;

use crate::destinations::{self, Destinations};
use crate::mapping::{Mapped, Stuck, mapped, outgoing, unread};
use crate::tools::Tools;

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Its intents are published, or it waits for a person.
    Done,
    /// Again after this delay.
    Again(Duration),
    /// Left as it is: there was no time to finish.
    Left,
}

/// A batch while it is worked on. Messages are named by their place in it.
#[derive(Clone, Copy)]
pub(crate) struct Batch<'a> {
    pub(crate) tools: &'a Tools,
    pub(crate) messages: &'a [Message],
    pub(crate) stop: &'a Shutdown,
}

/// An event that is understood, with the messages that carry its intents.
struct Ready {
    mapped: Mapped,
    outgoing: Vec<Outgoing>,
}

impl Batch<'_> {
    /// Works until every message has a fate. Nothing is lost when this is dropped: what was published is published again under
    /// the same ids.
    pub(crate) async fn work(self) -> Vec<Fate> {
        // Only now: whatever was appended after a workspace was created, or given other rules, is mapped so.
        let Some(destinations) = destinations::load(self.tools, self.messages, self.stop).await else {
            return vec![Fate::Left; self.messages.len()];
        };
        let Some(mut read) = self.read_all(&destinations).await else { return vec![Fate::Left; self.messages.len()] };
        if self.seal(&mut read).await.is_none() {
            return vec![Fate::Left; self.messages.len()];
        }
        let all = read.iter().filter_map(|read| read.as_ref().ok()).flat_map(|ready| ready.outgoing.iter().cloned()).collect();
        let published = self.publish(all).await;
        let mut fates = Vec::with_capacity(self.messages.len());
        for (message, read) in self.messages.iter().zip(read) {
            fates.push(match (read, published) {
                (Err(stuck), _) => self.park(message, stuck).await,
                (Ok(_), Published::Stopped) => Fate::Left,
                (Ok(ready), Published::All) => self.count(&ready),
                (Ok(ready), Published::TooLarge) => self.publish_alone(message, ready).await,
            });
        }
        fates
    }

    /// Opens and maps all messages; nothing when it is time to stop first.
    async fn read_all(self, destinations: &Destinations) -> Option<Vec<Result<Ready, Stuck>>> {
        let received: Vec<Result<Stored, Stuck>> = self.messages.iter().map(|message| self.received(message)).collect();
        let stored: Vec<Stored> = received.iter().filter_map(|received| received.as_ref().ok()).cloned().collect();
        let mut opened = self.tools.insist("opening events", self.stop, || self.tools.log.open(stored.clone())).await?.into_iter();
        let read = |(message, received): (&Message, Result<Stored, Stuck>)| {
            received?;
            let opened = opened.next().ok_or(Decode::Unopened).and_then(Event::transpose);
            let recorded = opened.map_err(|error| unread(&error))?;
            self.ready(message, recorded, destinations)
        };
        Some(self.messages.iter().zip(received).map(read).collect())
    }

    fn received(self, message: &Message) -> Result<Stored, Stuck> {
        let deliveries_max = self.tools.config.retry.deliveries_max;
        if message.attempt() > deliveries_max {
            return Err(Stuck(format!("not mapped in {deliveries_max} deliveries")));
        }
        Stored::received(message.body()).map_err(|error| unread(&error))
    }

    fn ready(self, message: &Message, recorded: Recorded, destinations: &Destinations) -> Result<Ready, Stuck> {
        let mapped = mapped(recorded, destinations);
        let recorded = &mapped.recorded;
        let received = message.traceparent().or(recorded.traceparent.as_deref());
        let span = tracing::info_span!(
            parent: None,
            "map",
            otel.kind = "internal",
            location.id = %recorded.location_id,
            contact.id = recorded.contact_id.as_ref().map(tracing::field::display),
            event.seq = recorded.seq,
            "event.type" = recorded.type_name,
            intents = mapped.intents.len(),
        );
        chassis::trace::set_parent(&span, received);
        let traceparent = span.in_scope(chassis::trace::traceparent).or_else(|| received.map(str::to_owned));
        let outgoing = outgoing(&mapped, traceparent.as_deref(), self.tools.config.batches.intent_bytes_max)?;
        Ok(Ready { mapped, outgoing })
    }

    /// Seals the intents with their contacts' own keys. Those of a contact that was erased meanwhile are left out. Nothing when it is
    /// time to stop first.
    async fn seal(self, read: &mut [Result<Ready, Stuck>]) -> Option<()> {
        if self.tools.log.kek().is_none() {
            return Some(());
        }
        let ready = || read.iter().filter_map(|read| read.as_ref().ok());
        let letter = |(intent, outgoing): (&Intent, &Outgoing)| Letter {
            location_id: intent.location_id.clone(),
            contact_id: intent.contact_id.clone(),
            bytes: outgoing.body.clone(),
        };
        let letters: Vec<Letter> = ready().flat_map(|ready| ready.mapped.intents.iter().zip(&ready.outgoing)).map(letter).collect();
        let sealed = self.tools.insist("sealing intents", self.stop, || self.tools.log.seal(letters.clone())).await?;
        let mut sealed = sealed.into_iter();
        for ready in read.iter_mut().filter_map(|read| read.as_mut().ok()) {
            let outgoing = std::mem::take(&mut ready.outgoing).into_iter();
            ready.outgoing = outgoing.filter_map(|outgoing| Some(Outgoing { body: sealed.next()??, ..outgoing })).collect();
        }
        Some(())
    }

    /// Publishes, as long as it takes: while the bus is away or full, the events wait where they are.
    async fn publish(self, outgoing: Vec<Outgoing>) -> Published {
        let mut failures = 0;
        while !outgoing.is_empty() {
            let error = match self.tools.bus.publish_all(outgoing.clone()).await {
                Ok(()) => break,
                Err(bus::Error::TooLarge) => return Published::TooLarge,
                Err(error) => error,
            };
            failures += 1;
            tracing::warn!(%error, failures, intents = outgoing.len(), "intents are not published yet");
            self.tools.chassis.ready("intents", Err(error.to_string()));
            if !sleep(self.stop, self.tools.delay(failures)).await {
                return Published::Stopped;
            }
        }
        self.tools.chassis.ready("intents", Ok(()));
        Published::All
    }

    /// Finds out whether it is this event whose intents are too large for the bus; if so it parks alone.
    async fn publish_alone(self, message: &Message, ready: Ready) -> Fate {
        match self.publish(ready.outgoing.clone()).await {
            Published::All => self.count(&ready),
            Published::Stopped => Fate::Left,
            Published::TooLarge => self.park(message, Stuck("an intent is larger than the bus takes".to_owned())).await,
        }
    }

    fn count(self, ready: &Ready) -> Fate {
        let Mapped { recorded, intents } = &ready.mapped;
        match &recorded.body {
            Body::Erased => self.tools.metrics.erased(recorded.type_name.clone()),
            Body::Record(_) | Body::Delivery(_) | Body::Operator(_) => self.tools.metrics.event(recorded.type_name.clone()),
        }
        intents.iter().for_each(|intent| self.tools.metrics.intent(intent));
        if let Ok(took) = Duration::try_from(Timestamp::now().duration_since(recorded.recorded_at)) {
            self.tools.metrics.published_after(took);
        }
        Fate::Done
    }

    /// An event that cannot be mapped waits for a person, and does not hold up the others.
    async fn park(self, message: &Message, Stuck(reason): Stuck) -> Fate {
        let Some(location_id) = message.location_id().or_else(|| LocationId::new("unknown").ok()) else { return Fate::Left };
        tracing::warn!(location.id = %location_id, sequence = message.stream_sequence(), reason, "parked");
        let parking = Parking {
            stage: Stage::Mapper,
            location_id,
            contact_id: message.contact_id(),
            object: None,
            revision: None,
            subject: message.subject().to_owned(),
            message: message.body().to_vec(),
            reason,
            status: None,
            attempts: message.attempt(),
            traceparent: message.traceparent().map(str::to_owned),
        };
        let mut failures = 0;
        loop {
            let error = match self.tools.log.park(parking.clone()).await {
                Ok(_) => break,
                Err(error) => error,
            };
            failures += 1;
            tracing::warn!(%error, failures, "not parked yet");
            if !error.is_transient() {
                return Fate::Again(self.tools.config.retry.longest);
            }
            if !sleep(self.stop, self.tools.delay(failures)).await {
                return Fate::Left;
            }
        }
        self.tools.metrics.parked();
        Fate::Done
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Published {
    All,
    /// One of them is, and then none may have arrived.
    TooLarge,
    Stopped,
}
