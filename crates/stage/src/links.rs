//! How a stage of the mirror stands between the event log and the bus.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bus::{Bus, Inbox, Stream};
use chassis::tasks::sleep;
use chassis::{Chassis, ServerSettings, Shutdown};
use domain::LocationId;
use eventlog::{EventLog, Parking};
use settings::Period;
use tokio::task::JoinSet;

use crate::batches::{Batches, Priority, Work};
use crate::message::{Fate, Message, Source};
use crate::metrics::Metrics;
use crate::retry::{NotAnswered, RetrySettings};

impl Message for bus::Message {
    type Error = bus::Error;

    fn traceparent(&self) -> Option<&str> {
        self.traceparent()
    }

    fn extend(&self) -> impl Future<Output = bus::Result<()>> + Send {
        self.extend()
    }

    fn ack(self) -> impl Future<Output = bus::Result<()>> + Send {
        self.ack()
    }

    fn nak(self, delay: Duration) -> impl Future<Output = bus::Result<()>> + Send {
        self.nak(delay)
    }
}

impl Source for Inbox {
    type Message = bus::Message;
    type Error = bus::Error;

    fn batch(&mut self, max: usize) -> impl Future<Output = bus::Result<Vec<bus::Message>>> + Send {
        self.batch(max)
    }
}

/// What every stage works with.
pub struct Links {
    pub stage: eventlog::Stage,
    pub chassis: Arc<Chassis>,
    pub log: EventLog,
    pub bus: Bus,
    pub retry: RetrySettings,
    pub metrics: Metrics,
}

impl Links {
    /// Asks the log until it answers. An outage is waited for.
    ///
    /// # Errors
    /// When it is time to stop, or the log refuses.
    pub async fn ask_log<T, F: Future<Output = eventlog::Result<T>> + Send>(
        &self,
        doing: &'static str,
        stop: &Shutdown,
        ask: impl FnMut() -> F + Send,
    ) -> Result<T, NotAnswered<eventlog::Error>> {
        self.retry.until_answered(doing, stop, eventlog::Error::is_transient, ask).await
    }

    /// Parks a message that cannot go on: it waits for a person, and does not hold up the others. The reason holds nothing personal.
    pub async fn park(&self, message: &bus::Message, reason: String, stop: &Shutdown) -> Fate {
        let Some(location_id) = message.location_id().or_else(|| LocationId::new("unknown").ok()) else { return Fate::Left };
        tracing::warn!(location.id = %location_id, sequence = message.stream_sequence(), reason, "parked");
        let parking = Parking {
            stage: self.stage,
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
        match self.ask_log("parking", stop, || self.log.parked().park(parking.clone())).await {
            Ok(_) => Fate::Done,
            // Of a location that was purged nothing is kept.
            Err(NotAnswered::Refused(eventlog::Error::InState { .. })) => Fate::Done,
            Err(not_answered) => self.retry.fate(&not_answered),
        }
    }

    /// Serves, and tries the database and the bus from time to time. Either being away makes the service not ready; it stays alive and
    /// goes on when both are back. `figures` are what people see of the service, and the backlog of `stream` with them.
    pub fn serve(
        self: &Arc<Self>,
        server: ServerSettings,
        interval: Period,
        (stream, backlog): (Stream, &'static str),
        figures: impl Fn() -> Vec<(&'static str, u64)> + Send + 'static,
        stop: &Shutdown,
    ) -> JoinSet<anyhow::Result<()>> {
        let mut tasks = JoinSet::new();
        let (chassis, stopping) = (Arc::clone(&self.chassis), stop.clone());
        tasks.spawn(
            async move { chassis.serve(&server, Default::default(), Default::default(), None, &[], stopping).await.context("server") },
        );
        let (links, stopping) = (Arc::clone(self), stop.clone());
        tasks.spawn(async move {
            loop {
                let figures = figures();
                links.show_health(stream, backlog, figures).await;
                if !sleep(&stopping, *interval).await {
                    return Ok(());
                }
            }
        });
        tasks
    }

    async fn show_health(&self, stream: Stream, name: &'static str, figures: Vec<(&'static str, u64)>) {
        let (chassis, control) = (&self.chassis, self.chassis.control());
        chassis.ready("log", self.log.ping().await.map_err(|error| error.to_string()));
        let is_connected = self.bus.connected();
        chassis.ready("bus", if is_connected { Ok(()) } else { Err("the bus is not connected".to_owned()) });
        for (name, figure) in figures {
            control.set_figure(name, figure);
        }
        if !is_connected {
            return;
        }
        match self.bus.backlog(stream).await {
            Ok(backlog) => {
                self.metrics.backlog(backlog);
                control.set_figure(name, backlog);
            }
            Err(error) => tracing::debug!(%error, "no figures"),
        }
    }

    /// Prepares the streams, takes what comes from one until it is time to stop, then finishes what is in hand.
    ///
    /// # Errors
    /// When the bus is of the wrong kind.
    pub async fn run(
        &self,
        stream: Stream,
        (messages_max, in_flight_max): (NonZeroUsize, NonZeroUsize),
        ack_wait: Duration,
        priority: Option<Priority>,
        work: impl Work<bus::Message>,
        stop: Shutdown,
    ) -> anyhow::Result<()> {
        let open = || async {
            self.bus.ensure_streams().await?;
            self.bus.consume(stream).await
        };
        let inbox = match self.retry.until_answered("preparing the bus", &stop, bus::Error::is_transient, open).await {
            Ok(inbox) => inbox,
            Err(NotAnswered::Stopped) => return Ok(()),
            Err(NotAnswered::Refused(error)) => return Err(error.into()),
        };
        let (chassis, metrics, retry) = (Arc::clone(&self.chassis), self.metrics.clone(), self.retry.clone());
        let batches = Batches { chassis, metrics, retry, messages_max, in_flight_max, extend_every: ack_wait / 3, priority };
        batches.run(inbox, work, stop).await;
        Ok(())
    }
}
