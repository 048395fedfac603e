//! A simulator of GoHighLevel's API and webhooks, for tests and the demo, with handles to change its world, judge its callers and
//! break things.
//!
//! It is written from the vendor's contract alone. It does not know the mirror: it shares no code with `crates/ghl`, so that the
//! two check each other.

mod agency;
mod answer;
mod api;
mod control;
mod dice;
mod door;
mod draft;
mod error;
mod faults;
mod gate;
mod history;
mod journal;
mod limits;
mod oauth;
mod population;
mod premises;
mod records;
mod search;
mod seen;
mod settings;
mod state;
pub mod story;
mod webhook;
mod wire;
mod world;
pub mod year;

use std::{net::SocketAddr, time::Duration};

use axum::serve::ListenerExt as _;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

pub use crate::{
    agency::Agency,
    answer::Refusal,
    error::Error,
    faults::{AnswerChaos, Fault, FaultOrder},
    history::{RecordKind, Version},
    limits::{Limit, Violation},
    oauth::{Consent, OAuthStats},
    population::Load,
    settings::{AppSettings, Chaos, CursorManners, Limits, SearchSettings, Settings, Shapes, Spelling, Touch, WebhookSettings},
    webhook::{Webhook, keys::Keys, outbox::WebhookStats},
    world::{ContactTruth, Snapshot, Stats, World},
};

/// A running simulator. Dropping it stops it without waiting; [`Sandbox::stop`] waits.
pub struct Sandbox {
    agency: Agency,
    /// The first location.
    world: World,
    address: SocketAddr,
    stop: CancellationToken,
    server: JoinHandle<()>,
    grace: Duration,
}

impl Sandbox {
    /// Must be called within a Tokio runtime.
    pub async fn start(settings: Settings) -> Result<Self, Error> {
        if settings.webhook_url.as_ref().is_some_and(|url| url.scheme() != "http") {
            return Err(Error::WebhookUrl);
        }
        let (grace, requested) = (settings.grace, settings.listen);
        let listen = |source| Error::Listen { address: requested, source };
        let listener = TcpListener::bind(requested).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let stop = CancellationToken::new();
        let keys = Keys::from_seed(settings.seed);
        let outbox = webhook::outbox::Outbox::new(
            settings.webhooks.clone(),
            settings.webhook_url.clone(),
            settings.chaos,
            settings.seed,
            keys.clone(),
            stop.clone(),
        )?;
        let agency = Agency::new(settings, keys, outbox)?;
        let world = agency.first().ok_or(Error::Client)?;
        let app = api::routes(&agency).merge(control::routes(&agency, &stop));
        let listener = listener.tap_io(|connection| {
            if let Err(problem) = connection.set_nodelay(true) {
                tracing::debug!(error = %problem.kind(), "a connection keeps Nagle's algorithm");
            }
        });
        let serving = axum::serve(listener, app).with_graceful_shutdown(stop.clone().cancelled_owned());
        let server = tokio::spawn(async move {
            if let Err(problem) = serving.await {
                tracing::error!(error = %problem.kind(), "the sandbox stopped serving");
            }
        });
        Ok(Self { agency, world, address, stop, server, grace })
    }

    /// What takes the place of `https://services.leadconnectorhq.com`; no slash at the end.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn location_id(&self) -> &str {
        self.world.location_id()
    }

    pub fn company_id(&self) -> &str {
        self.world.company_id()
    }

    pub fn token(&self) -> &str {
        self.world.token()
    }

    /// The first location, or the only one.
    pub fn world(&self) -> World {
        self.world.clone()
    }

    /// All locations, and the app with its tokens.
    pub fn agency(&self) -> Agency {
        self.agency.clone()
    }

    /// To sign webhooks of one's own.
    pub fn keys(&self) -> &Keys {
        self.world.keys()
    }

    pub fn ed25519_public_pem(&self) -> Result<String, Error> {
        self.keys().ed25519_public_pem()
    }

    /// The first call makes the key, which blocks for a while.
    pub fn rsa_public_pem(&self) -> Result<String, Error> {
        self.keys().rsa_public_pem()
    }

    /// Stops sending webhooks, finishes open requests within the grace period, and gives the port back.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if tokio::time::timeout(self.grace, &mut self.server).await.is_err() {
            self.server.abort();
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stop.cancel();
        self.server.abort();
    }
}
