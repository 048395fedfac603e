//! Asks a durable consumer for messages ahead of their use.
//!
//! The client's own stream of messages cannot be closed without losing track of messages on their way, which would then wait for
//! `ack_wait`. This one stops asking and then hands out the rest.

use std::time::Duration;

use async_nats::jetstream::consumer::{Consumer, pull};
use async_nats::jetstream::{self, Context};
use async_nats::{Client, HeaderMap, StatusCode, Subscriber};
use futures::{FutureExt, StreamExt};
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use crate::{Error, Result};

/// How long one request for messages stands.
const REQUEST_EXPIRES: Duration = Duration::from_secs(30);
/// How often the server confirms that it still has a request.
const HEARTBEAT: Duration = Duration::from_secs(3);
/// After this silence the request, the consumer or the server is gone.
const SILENCE_MAX: Duration = Duration::from_secs(7);
const DOING: &str = "receiving";

/// A request as the server reads it; durations are nanoseconds.
#[derive(Serialize)]
struct Request {
    batch: usize,
    expires: u128,
    idle_heartbeat: u128,
}

pub(crate) struct Puller {
    client: Client,
    context: Context,
    /// Where requests go.
    asking: String,
    /// Where the server answers to.
    inbox: String,
    answers: Subscriber,
    /// How many messages to have asked for.
    ahead: usize,
    /// How many of them have not come.
    pending: usize,
    heard_at: Instant,
}

impl Puller {
    pub(crate) async fn open(client: &Client, consumer: &Consumer<pull::Config>, context: &Context, ahead: usize) -> Result<Self> {
        let inbox = client.new_inbox();
        let answers = client.subscribe(inbox.clone()).await.map_err(|error| Error::unavailable(DOING, error))?;
        let info = consumer.cached_info();
        let asking = format!("$JS.API.CONSUMER.MSG.NEXT.{}.{}", info.stream_name, info.name);
        let (client, context) = (client.clone(), context.clone());
        Ok(Self { client, context, asking, inbox, answers, ahead, pending: 0, heard_at: Instant::now() })
    }

    /// Waits for the next message. Cancellation safe.
    pub(crate) async fn next(&mut self) -> Result<jetstream::Message> {
        loop {
            self.ask().await?;
            let answer = match timeout_at(self.heard_at + SILENCE_MAX, self.answers.next()).await {
                Ok(Some(answer)) => answer,
                Ok(None) => return Err(Error::unavailable(DOING, "the subscription has ended")),
                Err(silence) => return Err(Error::unavailable(DOING, silence)),
            };
            if let Some(message) = self.take(answer)? {
                return Ok(message);
            }
        }
    }

    /// The next message, if it is there already.
    pub(crate) fn ready(&mut self) -> Result<Option<jetstream::Message>> {
        // Not held back by the runtime's budget for one task, which would cut every batch short.
        while let Some(Some(answer)) = tokio::task::unconstrained(self.answers.next()).now_or_never() {
            if let Some(message) = self.take(answer)? {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// Asks for more when half of what was asked for has come, so that the server always has something to answer to.
    pub(crate) async fn ask(&mut self) -> Result<()> {
        if self.pending > self.ahead / 2 {
            return Ok(());
        }
        let request =
            Request { batch: self.ahead - self.pending, expires: REQUEST_EXPIRES.as_nanos(), idle_heartbeat: HEARTBEAT.as_nanos() };
        let body = serde_json::to_vec(&request).map_err(|error| Error::unavailable(DOING, error))?;
        let sent = self.client.publish_with_reply(self.asking.clone(), self.inbox.clone(), body.into()).await;
        sent.map_err(|error| Error::unavailable(DOING, error))?;
        self.pending += request.batch;
        Ok(())
    }

    /// A message; `None` for a status of the requests.
    fn take(&mut self, answer: async_nats::Message) -> Result<Option<jetstream::Message>> {
        self.heard_at = Instant::now();
        match answer.status.unwrap_or(StatusCode::OK) {
            StatusCode::OK => {
                self.pending = self.pending.saturating_sub(1);
                Ok(Some(jetstream::Message { message: answer, context: self.context.clone() }))
            }
            StatusCode::IDLE_HEARTBEAT => Ok(None),
            // The request has expired, partly unanswered.
            StatusCode::TIMEOUT | StatusCode::NOT_FOUND => {
                self.pending = self.pending.saturating_sub(unanswered(answer.headers.as_ref()).unwrap_or(self.ahead));
                Ok(None)
            }
            // The consumer is gone, or is moving to another server of the cluster.
            status => Err(Error::unavailable(DOING, format!("the server answered {status}"))),
        }
    }

    /// Stops asking, and gives back what is still on its way, for somebody else. Ends by itself.
    pub(crate) async fn close(mut self, mut give_back: impl AsyncFnMut(jetstream::Message)) {
        if self.answers.drain().await.is_err() {
            return;
        }
        let deadline = Instant::now() + SILENCE_MAX;
        while let Ok(Some(answer)) = timeout_at(deadline, self.answers.next()).await {
            if let Ok(Some(message)) = self.take(answer) {
                give_back(message).await;
            }
        }
    }
}

fn unanswered(headers: Option<&HeaderMap>) -> Option<usize> {
    headers?.get("Nats-Pending-Messages")?.as_str().parse().ok()
}
