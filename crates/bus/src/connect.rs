//! The connection, and what must be known of the server behind it.

use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::ContextBuilder;
use async_nats::{ConnectOptions, Event};
use secrecy::ExposeSecret;
use tokio::sync::watch;

use crate::{Bus, Error, Result, Settings};

/// How long `connect` waits for the first connection before it leaves the rest to the background.
const FIRST_CONNECTION: Duration = Duration::from_secs(2);
/// A server that misses two of these is considered gone.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const RECONNECT_LONGEST: Duration = Duration::from_secs(2);
/// Each call bounds its own unacknowledged messages; the client's own bound must never be reached.
const ACKS_IN_FLIGHT_MAX: usize = 1 << 20;

impl Bus {
    /// Prepares a connection. A server that is away is not an error: the client keeps trying in the background.
    ///
    /// # Errors
    /// `Misconfigured` when the settings cannot be used.
    pub async fn connect(settings: &Settings) -> Result<Self> {
        let bad = |problem: &str| Error::Misconfigured(problem.to_owned());
        let addresses = settings.addresses().ok_or_else(|| bad("url is not the address of a NATS server"))?;
        let (connected, connections) = watch::channel(0);
        let options = authenticated(settings)?.event_callback(move |event| {
            let connected = connected.clone();
            async move {
                if matches!(event, Event::Connected) {
                    connected.send_modify(|connections| *connections += 1);
                }
            }
        });
        let client = options.connect(addresses).await.map_err(|error| Error::unavailable("connecting", error))?;
        let jetstream = ContextBuilder::new()
            .timeout(*settings.publish_timeout)
            .ack_timeout(*settings.publish_timeout)
            .max_ack_inflight(ACKS_IN_FLIGHT_MAX)
            .backpressure_on_inflight(true)
            .build(client.clone());
        let bus = Self { settings: settings.clone(), client, jetstream, connections };
        let mut first = bus.connections.clone();
        // A caller that needs the connection finds out when it uses it.
        drop(tokio::time::timeout(FIRST_CONNECTION, first.wait_for(|connections| *connections > 0)).await);
        Ok(bus)
    }

    pub fn connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Fails at once instead of waiting for a time-out.
    pub(crate) fn require_connection(&self, doing: &'static str) -> Result<()> {
        if self.connected() { Ok(()) } else { Err(Error::unavailable(doing, "not connected to the server")) }
    }
}

fn authenticated(settings: &Settings) -> Result<ConnectOptions> {
    let mut options = ConnectOptions::new()
        .name("pagico-mirror")
        .retry_on_initial_connect()
        .max_reconnects(None)
        .ping_interval(PING_INTERVAL)
        .reconnect_delay_callback(|attempts| {
            let attempts = u32::try_from(attempts).unwrap_or(u32::MAX);
            Duration::from_millis(25).saturating_mul(attempts).min(RECONNECT_LONGEST)
        });
    if let Some(token) = settings.token.as_ref().filter(|token| !token.expose_secret().is_empty()) {
        options = options.token(token.expose_secret().to_owned());
    }
    if let Some(credentials) = settings.credentials.as_ref().filter(|credentials| !credentials.expose_secret().is_empty()) {
        let refused = |_| Error::Misconfigured("credentials cannot be read".to_owned());
        options = options.credentials(credentials.expose_secret()).map_err(refused)?;
    }
    Ok(options)
}
