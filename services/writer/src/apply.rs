//! One batch of messages: through ledger and gate to the bridge and the log.

use std::sync::Arc;
use std::time::Instant;

use bus::Message;
use chassis::Shutdown;
use chassis::tasks::sleep;
use domain::{Decode, Intent, LocationId, ObjectKey, Workspace};
use eventlog::{ContactMessage, Opened, Settlement};
use futures::StreamExt;
use pagico::{Answer, Error};
use stage::{Fate, Links, NotAnswered, Work};
use tracing::Span;

use crate::context::Context;
use crate::fate::{Carrier, Ended, Remedy, settlement};
use crate::plan::{Item, Read, gated, halves, pieces, plan};

/// Writes what comes from the bus.
pub(crate) struct Writing(pub(crate) Arc<Context>);

impl Work<Message> for Writing {
    fn span(&self, messages: usize) -> Span {
        tracing::info_span!(
            parent: None,
            "write batch",
            otel.kind = "consumer",
            messaging.system = "nats",
            messaging.operation.name = "process",
            messaging.destination.template = "intents.v1.{lane}.{location}.{contact}",
            messaging.batch.message_count = messages,
        )
    }

    async fn work(&self, messages: &[Message], stop: &Shutdown) -> Vec<Fate> {
        self.0.metrics.received(messages.len());
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

/// An item as it goes out, with the span that follows it.
struct Outgoing {
    item: Item,
    wire: Vec<u8>,
    span: Span,
    traceparent: Option<String>,
}

type Fates = Vec<(usize, Fate)>;

impl<'a> Batch<'a> {
    /// Works until every message has a fate. Nothing is lost when this is dropped: everything is written again, to no effect.
    pub(crate) async fn work(self) -> Vec<Fate> {
        let read = match self.read().await {
            Ok(read) => read,
            Err(not_answered) => return vec![self.links().retry.fate(&not_answered); self.messages.len()],
        };
        let plan = plan(read);
        self.context.metrics.intents("coalesced", plan.displaced);
        self.context.metrics.intents("erased", plan.erased.len());
        let groups: Vec<_> = plan.work.into_iter().map(|(destination, items)| self.workspace(destination, items)).collect();
        let decided: Vec<Fates> =
            futures::stream::iter(groups).buffer_unordered(self.context.config.batches.locations_max.get()).collect().await;
        let mut fates = vec![Fate::Left; self.messages.len()];
        let mut decide = |message: usize, fate: Fate| {
            if let Some(slot) = fates.get_mut(message) {
                *slot = fate;
            }
        };
        decided.into_iter().flatten().for_each(|(message, fate)| decide(message, fate));
        plan.erased.into_iter().for_each(|message| decide(message, Fate::Done));
        for (message, error) in plan.unreadable {
            decide(message, self.park(message, format!("not an intent that this writer understands: {error}")).await);
        }
        fates
    }

    /// Opens what is sealed and reads all.
    async fn read(self) -> Result<Vec<Read>, NotAnswered<eventlog::Error>> {
        let sealed_part = |message: &Message| {
            let sealed = ContactMessage::is_sealed(message.body());
            let (location_id, contact_id) = (message.location_id().filter(|_| sealed)?, message.contact_id()?);
            Some(ContactMessage { location_id, contact_id, bytes: message.body().to_vec() })
        };
        let to_open: Vec<Option<ContactMessage>> = self.messages.iter().map(sealed_part).collect();
        let sealed: Vec<ContactMessage> = to_open.iter().flatten().cloned().collect();
        let opened = match sealed.is_empty() {
            true => Vec::new(),
            false => self.links().ask_log("opening intents", self.stop, || self.links().log.keys().unseal(sealed.clone())).await?,
        };
        let mut opened = opened.into_iter();
        let read = |(message, sealed): (&Message, Option<ContactMessage>)| match sealed.and_then(|_| opened.next()) {
            None => Intent::decode(message.body()).map(Some),
            Some(Opened::Content(bytes)) => Intent::decode(&bytes).map(Some),
            Some(Opened::Erased) => Ok(None),
            Some(Opened::Unopened) => Err(Decode::Unopened),
        };
        Ok(self.messages.iter().zip(to_open).map(read).collect())
    }

    /// The items of one workspace, through ledger and gate.
    async fn workspace(self, (location_id, workspace): (LocationId, Workspace), items: Vec<Item>) -> Fates {
        let objects: Vec<ObjectKey> = items.iter().map(|item| item.intent.object.clone()).collect();
        let applied = self
            .links()
            .ask_log("reading the ledger", self.stop, || self.links().log.ledger().applied(&location_id, &workspace, &objects))
            .await;
        let applied = match applied {
            Ok(applied) => applied,
            Err(not_answered) => return all(&items, self.links().retry.fate(&not_answered)),
        };
        let (apply, skip) = gated(items, &applied);
        self.context.metrics.intents("skipped", skip.len());
        let mut fates = all(&skip, Fate::Done);
        let deliveries_max = self.links().retry.deliveries_max.get();
        let (worn_out, apply): (Vec<Item>, Vec<Item>) = apply.into_iter().partition(|item| self.attempt(item) > deliveries_max);
        let (worn_out, apply) = (self.outgoing(worn_out), self.outgoing(apply));
        let ended = worn_out.into_iter().map(|out| (Some(Ended::worn_out(deliveries_max)), out)).collect();
        fates.extend(self.settle(&location_id, ended).await);
        let limits = &self.context.config.bridge;
        for piece in pieces(apply, |out| out.wire.len() + 1, limits.items_max.get(), limits.body_bytes_max.get()) {
            fates.extend(self.deliver(&location_id, &workspace, piece).await);
        }
        fates
    }

    /// Writes the items of one request, however long it takes, and settles them part by part.
    async fn deliver(self, location_id: &LocationId, workspace: &Workspace, piece: Vec<Outgoing>) -> Fates {
        let (mut fates, mut parts, mut trouble) = (Vec::new(), vec![piece], Trouble::default());
        while let Some(part) = parts.pop() {
            let error = match self.write(workspace, &part).await {
                Ok(answers) => {
                    trouble = Trouble::default();
                    let ended = answers.iter().map(Ended::by).zip(part).collect();
                    fates.extend(self.settle(location_id, ended).await);
                    continue;
                }
                Err(error) => error,
            };
            trouble.failures += 1;
            match self.overcome(location_id, workspace, error, &mut trouble).await {
                Overcome::Again => parts.push(part),
                Overcome::Retired => {
                    self.context.metrics.intents("retired", part.len());
                    fates.extend(part.iter().flat_map(|out| all_of(&out.item, Fate::Done)));
                }
                Overcome::Stopped => fates.extend(part.iter().flat_map(|out| all_of(&out.item, Fate::Left))),
                Overcome::Split(answer) => match halves(part) {
                    Ok((first, second)) => {
                        self.context.metrics.split();
                        parts.extend([second, first]);
                    }
                    Err(blamed) => {
                        let ended = blamed.into_iter().map(|out| (Ended::by(&answer), out)).collect();
                        fates.extend(self.settle(location_id, ended).await);
                    }
                },
            }
        }
        fates
    }

    async fn write(self, workspace: &Workspace, part: &[Outgoing]) -> Result<Vec<Answer>, Error> {
        let started = Instant::now();
        let items: Vec<&[u8]> = part.iter().map(|out| out.wire.as_slice()).collect();
        let answered = self.context.bridge.write(workspace, &items).await;
        let status = match &answered {
            Ok(_) => Some(200),
            Err(error) => error.status(),
        };
        self.context.metrics.request(status, started.elapsed());
        let answers = answered?;
        let fits = |(answer, out): (&Answer, &Outgoing)| answer.key.as_deref().is_none_or(|key| key == out.item.intent.object.as_str());
        if !answers.iter().zip(part).all(fits) {
            return Err(Error::UnexpectedAnswer { status: 200 });
        }
        self.links().chassis.ready("bridge", Ok(()));
        Ok(answers)
    }

    async fn overcome(self, location_id: &LocationId, workspace: &Workspace, mut error: Error, trouble: &mut Trouble) -> Overcome {
        let failures = trouble.failures;
        if error == Error::WorkspaceUnknown && !std::mem::replace(&mut trouble.created, true) {
            // An intent that was in flight when its workspace was retired must not create it again.
            match self
                .links()
                .ask_log("reading workspaces", self.stop, || self.links().log.workspaces().is_retired(location_id, workspace))
                .await
            {
                Ok(true) => return Overcome::Retired,
                Ok(false) | Err(NotAnswered::Refused(_)) => {}
                Err(NotAnswered::Stopped) => return Overcome::Stopped,
            }
            tracing::info!(workspace = %workspace, "creating the workspace");
            match self.context.bridge.create(workspace).await {
                Ok(()) => return Overcome::Again,
                Err(instead) => (error, trouble.created) = (instead, false),
            }
        }
        let delay = match Remedy::of(&error, failures, self.links().retry.backoff(), rand::random()) {
            Remedy::Split(answer) => {
                tracing::warn!(workspace = %workspace, %error, "a request was refused as a whole");
                return Overcome::Split(answer);
            }
            Remedy::Wait(delay) => delay,
            Remedy::CreateWorkspace => self.links().retry.delay(failures),
        };
        tracing::warn!(workspace = %workspace, %error, failures, delay_ms = delay.as_millis(), "waiting for the bridge");
        self.links().chassis.ready("bridge", Err(error.to_string()));
        if sleep(self.stop, delay).await { Overcome::Again } else { Overcome::Stopped }
    }

    /// Records how deliveries ended; what has not ended is tried again later.
    async fn settle(self, location_id: &LocationId, ended: Vec<(Option<Ended>, Outgoing)>) -> Fates {
        let mut settlements: Vec<Settlement> = Vec::new();
        let mut fates = Vec::new();
        for (ended, out) in &ended {
            let Some(ended) = ended else {
                self.context.metrics.intents("failed", 1);
                fates.extend(all_of(&out.item, Fate::Retry(self.links().retry.delay(self.attempt(&out.item)))));
                continue;
            };
            out.span.record("outcome", ended.counted());
            let carrier = Carrier {
                subject: self.messages.get(out.item.message).map_or("", Message::subject),
                body: self.messages.get(out.item.message).map_or(&[], Message::body),
                attempts: self.attempt(&out.item),
                traceparent: out.traceparent.as_deref(),
            };
            settlements.push(settlement(&out.item.intent, ended, carrier));
        }
        let settled = match settlements.is_empty() {
            true => Ok(()),
            false => self.links().ask_log("settling", self.stop, || self.links().log.ledger().settle(location_id, &settlements)).await,
        };
        for (ended, out) in ended.iter().filter_map(|(ended, out)| Some((ended.as_ref()?, out))) {
            let fate = match &settled {
                Ok(()) => {
                    self.count(ended, &out.item);
                    Fate::Done
                }
                // It was purged meanwhile: nothing is settled any more, and what was written goes with its workspace.
                Err(NotAnswered::Refused(eventlog::Error::InState { .. })) => Fate::Done,
                // Not a location of this log: nothing of it can ever be settled here.
                Err(NotAnswered::Refused(eventlog::Error::NotFound)) => {
                    self.park(out.item.message, format!("the location is not connected; the bridge answered {}", ended.answer)).await
                }
                Err(not_answered) => self.links().retry.fate(not_answered),
            };
            fates.extend(all_of(&out.item, fate));
        }
        fates
    }

    fn count(self, ended: &Ended, item: &Item) {
        match ended.outcome {
            domain::DeliveryOutcome::Delivered => self.context.metrics.delivered(ended.counted()),
            domain::DeliveryOutcome::Refused => self.context.metrics.intents("refused", 1),
            domain::DeliveryOutcome::Parked | domain::DeliveryOutcome::Redriven => {
                let intent = &item.intent;
                let (location, contact) = (&intent.location_id, &intent.contact_id);
                tracing::warn!(location.id = %location, contact.id = %contact, intent.key = %intent.object, reason = ended.answer, "parked");
                self.context.metrics.parked();
            }
        }
    }

    /// A message that cannot go on waits for a person, and does not hold up the others.
    async fn park(self, message: usize, reason: String) -> Fate {
        let Some(message) = self.messages.get(message) else { return Fate::Left };
        let fate = self.links().park(message, reason, self.stop).await;
        if fate == Fate::Done {
            self.context.metrics.parked();
        }
        fate
    }

    fn links(self) -> &'a Links {
        &self.context.links
    }

    fn outgoing(self, items: Vec<Item>) -> Vec<Outgoing> {
        items.into_iter().filter_map(|item| self.one_outgoing(item)).collect()
    }

    fn one_outgoing(self, item: Item) -> Option<Outgoing> {
        let received = self.messages.get(item.message).and_then(Message::traceparent);
        let intent = &item.intent;
        let span = tracing::info_span!(
            parent: None,
            "apply",
            otel.kind = "client",
            location.id = %intent.location_id,
            contact.id = %intent.contact_id,
            intent.key = %intent.object,
            intent.revision = %intent.revision,
            outcome = tracing::field::Empty,
        );
        chassis::trace::set_parent(&span, received);
        let traceparent = span.in_scope(chassis::trace::traceparent).or_else(|| received.map(str::to_owned));
        let wire =
            pagico::item(intent, traceparent.as_deref()).inspect_err(|_| tracing::error!("an intent cannot be written as JSON")).ok()?;
        Some(Outgoing { wire, span, traceparent, item })
    }

    fn attempt(self, item: &Item) -> u32 {
        self.messages.get(item.message).map_or(1, Message::attempt)
    }
}

/// What has gone wrong since the last request that succeeded.
#[derive(Default)]
struct Trouble {
    failures: u32,
    /// The workspace was created and is still unknown: creating it again at once would not help.
    created: bool,
}

enum Overcome {
    Again,
    /// The workspace is retired: nothing is written to it any more.
    Retired,
    Split(Answer),
    Stopped,
}

fn all_of(item: &Item, fate: Fate) -> impl Iterator<Item = (usize, Fate)> {
    item.messages().map(move |message| (message, fate))
}

fn all(items: &[Item], fate: Fate) -> Fates {
    items.iter().flat_map(|item| all_of(item, fate)).collect()
}
