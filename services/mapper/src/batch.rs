//! One batch of events: mapped, published, acknowledged.

use std::sync::Arc;
use std::time::Duration;

use bus::{Message, Outgoing};
use chassis::Shutdown;
use domain::{Body, Decode, Event, Intent, Recorded, Stored};
use eventlog::ContactMessage;
use jiff::Timestamp;
use stage::{Fate, Links, NotAnswered, Work};
use tracing::Span;

use crate::context::Context;
use crate::destinations::{self, Destinations};
use crate::mapping::{Mapped, Reason, mapped, outgoing, unread};

/// Maps what comes from the bus.
pub(crate) struct Mapping(pub(crate) Arc<Context>);

impl Work<Message> for Mapping {
    fn span(&self, messages: usize) -> Span {
        tracing::info_span!(
            parent: None,
            "map batch",
            otel.kind = "consumer",
            messaging.system = "nats",
            messaging.operation.name = "process",
            messaging.destination.template = "events.v1.{location}.{contact}",
            messaging.batch.message_count = messages,
        )
    }

    async fn work(&self, messages: &[Message], stop: &Shutdown) -> Vec<Fate> {
        Batch { context: &self.0, messages, stop }.work().await
    }
}

/// A batch while it is worked on. Messages are named by their index in it.
#[derive(Clone, Copy)]
pub(crate) struct Batch<'a> {
    pub(crate) context: &'a Context,
    pub(crate) messages: &'a [Message],
    pub(crate) stop: &'a Shutdown,
}

/// An event that was understood, with the messages that carry its intents.
struct Ready {
    mapped: Mapped,
    outgoing: Vec<Outgoing>,
}

impl Batch<'_> {
    /// Works until every message has a fate. Nothing is lost when this is dropped: everything is published again under the same ids.
    pub(crate) async fn work(self) -> Vec<Fate> {
        // Loaded for every batch, so that what was appended after a workspace was created or got other rules is mapped accordingly.
        let Some(destinations) = destinations::load(self.context, self.messages, self.stop).await else {
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
                (Err(reason), _) => self.park(message, reason).await,
                (Ok(_), Published::Stopped) => Fate::Left,
                (Ok(ready), Published::All) => self.count(&ready),
                (Ok(ready), Published::TooLarge) => self.publish_alone(message, ready).await,
            });
        }
        fates
    }

    /// Opens and maps all messages; `None` when it is time to stop first.
    async fn read_all(self, destinations: &Destinations) -> Option<Vec<Result<Ready, Reason>>> {
        let received: Vec<Result<Stored, Reason>> = self.messages.iter().map(|message| self.received(message)).collect();
        let stored: Vec<Stored> = received.iter().filter_map(|received| received.as_ref().ok()).cloned().collect();
        let mut opened =
            self.context.ask_keys("opening events", self.stop, || self.context.links.log.keys().open(stored.clone())).await?.into_iter();
        let read = |(message, received): (&Message, Result<Stored, Reason>)| {
            received?;
            let opened = opened.next().ok_or(Decode::Unopened).and_then(Event::transpose);
            let recorded = opened.map_err(|error| unread(&error))?;
            self.ready(message, recorded, destinations)
        };
        Some(self.messages.iter().zip(received).map(read).collect())
    }

    fn received(self, message: &Message) -> Result<Stored, Reason> {
        let deliveries_max = self.context.config.retry.deliveries_max.get();
        if message.attempt() > deliveries_max {
            return Err(Reason(format!("not mapped in {deliveries_max} deliveries")));
        }
        Stored::received(message.body()).map_err(|error| unread(&error))
    }

    fn ready(self, message: &Message, recorded: Recorded, destinations: &Destinations) -> Result<Ready, Reason> {
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
        let outgoing = outgoing(&mapped, traceparent.as_deref(), self.context.config.batches.intent_bytes_max.get())?;
        Ok(Ready { mapped, outgoing })
    }

    /// Seals the intents with their contacts' own keys. Those of a contact that was erased meanwhile are left out. `None` when it
    /// is time to stop first.
    async fn seal(self, read: &mut [Result<Ready, Reason>]) -> Option<()> {
        if self.context.links.log.keys().kek().is_none() {
            return Some(());
        }
        let ready = || read.iter().filter_map(|read| read.as_ref().ok());
        let message = |(intent, outgoing): (&Intent, &Outgoing)| ContactMessage {
            location_id: intent.location_id.clone(),
            contact_id: intent.contact_id.clone(),
            bytes: outgoing.body.clone(),
        };
        let messages: Vec<ContactMessage> =
            ready().flat_map(|ready| ready.mapped.intents.iter().zip(&ready.outgoing)).map(message).collect();
        let sealed = self.context.ask_keys("sealing intents", self.stop, || self.context.links.log.keys().seal(messages.clone())).await?;
        let mut sealed = sealed.into_iter();
        for ready in read.iter_mut().filter_map(|read| read.as_mut().ok()) {
            let outgoing = std::mem::take(&mut ready.outgoing).into_iter();
            ready.outgoing = outgoing.filter_map(|outgoing| Some(Outgoing { body: sealed.next()??, ..outgoing })).collect();
        }
        Some(())
    }

    /// Publishes, as long as it takes: while the bus is away or full, the events wait where they are.
    async fn publish(self, outgoing: Vec<Outgoing>) -> Published {
        let Links { bus, chassis, retry, .. } = &*self.context.links;
        let publish = || async {
            let published = if outgoing.is_empty() { Ok(()) } else { bus.publish_all(outgoing.clone()).await };
            if !matches!(published, Err(bus::Error::TooLarge)) {
                chassis.ready("intents", published.as_ref().map(drop).map_err(ToString::to_string));
            }
            published
        };
        let waits = |error: &bus::Error| !matches!(error, bus::Error::TooLarge);
        match retry.until_answered("publishing intents", self.stop, waits, publish).await {
            Ok(()) => Published::All,
            Err(NotAnswered::Refused(_)) => Published::TooLarge,
            Err(NotAnswered::Stopped) => Published::Stopped,
        }
    }

    /// Finds out whether it is this event whose intents are too large for the bus; if so it parks alone.
    async fn publish_alone(self, message: &Message, ready: Ready) -> Fate {
        match self.publish(ready.outgoing.clone()).await {
            Published::All => self.count(&ready),
            Published::Stopped => Fate::Left,
            Published::TooLarge => self.park(message, Reason("an intent is larger than the bus takes".to_owned())).await,
        }
    }

    fn count(self, ready: &Ready) -> Fate {
        let Mapped { recorded, intents } = &ready.mapped;
        match &recorded.body {
            Body::Erased => self.context.metrics.erased(recorded.type_name.clone()),
            Body::Record(_) | Body::Delivery(_) | Body::Operator(_) => self.context.metrics.event(recorded.type_name.clone()),
        }
        intents.iter().for_each(|intent| self.context.metrics.intent(intent));
        if let Ok(took) = Duration::try_from(Timestamp::now().duration_since(recorded.recorded_at)) {
            self.context.metrics.published_after(took);
        }
        Fate::Done
    }

    /// An event that cannot be mapped waits for a person, and does not hold up the others.
    async fn park(self, message: &Message, Reason(reason): Reason) -> Fate {
        let fate = self.context.links.park(message, reason, self.stop).await;
        if fate == Fate::Done {
            self.context.metrics.parked();
        }
        fate
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Published {
    All,
    /// One of them is too large; the others may or may not have arrived.
    TooLarge,
    Stopped,
}
