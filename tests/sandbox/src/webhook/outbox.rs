//! Brings webhooks to the receiver, or loses, repeats, delays and reorders them.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use reqwest::{Client, StatusCode, Url};
use serde::Serialize;
use tokio::{runtime::Handle, sync::Semaphore, sync::watch};
use tokio_util::sync::CancellationToken;

use super::{Webhook, keys::Keys};
use crate::{Error, dice::Dice, settings::Chaos, settings::WebhookSettings};

/// What became of webhooks so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WebhookStats {
    /// Changes that had something to tell.
    pub caused: u64,
    /// Answered with 2xx; a repeated webhook counts each time.
    pub delivered: u64,
    /// Lost on purpose.
    pub lost: u64,
    /// Had nowhere to go, or too many were waiting.
    pub unsent: u64,
    /// Answered with something that is not tried again.
    pub refused: u64,
    /// Tried as often as allowed, in vain.
    pub given_up: u64,
    /// Further attempts of one delivery.
    pub retried: u64,
    /// On their way right now, the delayed ones included.
    pub waiting: u64,
}

#[derive(Clone)]
pub(crate) struct Outbox(Arc<Inner>);

struct Inner {
    settings: WebhookSettings,
    url: Mutex<Option<Url>>,
    chance: Mutex<(Chaos, Dice)>,
    keys: Keys,
    client: Client,
    slots: Semaphore,
    waiting: watch::Sender<usize>,
    counted: Counters,
    runtime: Handle,
    stop: CancellationToken,
}

#[derive(Default)]
struct Counters {
    caused: AtomicU64,
    delivered: AtomicU64,
    lost: AtomicU64,
    unsent: AtomicU64,
    refused: AtomicU64,
    given_up: AtomicU64,
    retried: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Outbox {
    pub(crate) fn new(
        settings: WebhookSettings,
        url: Option<Url>,
        chaos: Chaos,
        seed: u64,
        keys: Keys,
        stop: CancellationToken,
    ) -> Result<Self, Error> {
        Ok(Self(Arc::new(Inner {
            client: client(settings.timeout)?,
            slots: Semaphore::new(settings.in_flight_max.max(1)),
            settings,
            url: Mutex::new(url),
            chance: Mutex::new((chaos, Dice::for_purpose(seed, "webhooks"))),
            keys,
            waiting: watch::Sender::new(0),
            counted: Counters::default(),
            runtime: Handle::current(),
            stop,
        })))
    }

    pub(crate) fn send_to(&self, url: Option<Url>) {
        *self.0.url.lock().unwrap_or_else(PoisonError::into_inner) = url;
    }

    pub(crate) fn chaos(&self) -> Chaos {
        self.0.chance.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    pub(crate) fn set_chaos(&self, chaos: Chaos) {
        self.0.chance.lock().unwrap_or_else(PoisonError::into_inner).0 = chaos;
    }

    pub(crate) fn settings(&self) -> &WebhookSettings {
        &self.0.settings
    }

    /// Decides what becomes of it, and starts what is to be sent. Never waits.
    pub(crate) fn post(&self, fate: Webhook, body: Vec<u8>) {
        count(&self.0.counted.caused);
        let Some(url) = self.0.url.lock().unwrap_or_else(PoisonError::into_inner).clone() else {
            return count(&self.0.counted.unsent);
        };
        let body = Arc::new(body);
        match self.decided(fate) {
            Decided::Lost => count(&self.0.counted.lost),
            Decided::Sent { copies, delay } => (0..copies).for_each(|_| self.start(url.clone(), Arc::clone(&body), delay)),
        }
    }

    fn decided(&self, fate: Webhook) -> Decided {
        match fate {
            Webhook::Sent => Decided::Sent { copies: 1, delay: Duration::ZERO },
            Webhook::Lost => Decided::Lost,
            Webhook::Repeated(copies) => Decided::Sent { copies: copies.max(1), delay: Duration::ZERO },
            Webhook::Delayed(delay) => Decided::Sent { copies: 1, delay },
            Webhook::ByChance => {
                let mut chance = self.0.chance.lock().unwrap_or_else(PoisonError::into_inner);
                let (chaos, dice) = &mut *chance;
                by_chance(chaos, dice)
            }
        }
    }

    fn start(&self, url: Url, body: Arc<Vec<u8>>, delay: Duration) {
        let inner = Arc::clone(&self.0);
        if *inner.waiting.borrow() >= inner.settings.queue_max {
            return count(&inner.counted.unsent);
        }
        inner.waiting.send_modify(|waiting| *waiting += 1);
        let delivery_id = lock_dice(&inner).uuid();
        let runtime = inner.runtime.clone();
        drop(runtime.spawn(async move {
            let deliver = async {
                tokio::time::sleep(delay).await;
                inner.deliver(&url, &body, &delivery_id).await;
            };
            let outcome = inner.stop.run_until_cancelled(deliver).await;
            if outcome.is_none() {
                count(&inner.counted.unsent);
            }
            inner.waiting.send_modify(|waiting| *waiting -= 1);
        }));
    }

    /// Waits until nothing is on its way.
    pub(crate) async fn settled(&self) {
        let mut waiting = self.0.waiting.subscribe();
        // The sender lives as long as `self`, so waiting cannot fail.
        drop(waiting.wait_for(|waiting| *waiting == 0).await);
    }

    pub(crate) fn stats(&self) -> WebhookStats {
        let counted = &self.0.counted;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        WebhookStats {
            caused: read(&counted.caused),
            delivered: read(&counted.delivered),
            lost: read(&counted.lost),
            unsent: read(&counted.unsent),
            refused: read(&counted.refused),
            given_up: read(&counted.given_up),
            retried: read(&counted.retried),
            waiting: u64::try_from(*self.0.waiting.borrow()).unwrap_or(u64::MAX),
        }
    }
}

enum Decided {
    Lost,
    Sent { copies: u32, delay: Duration },
}

fn by_chance(chaos: &Chaos, dice: &mut Dice) -> Decided {
    if dice.chance(chaos.lost) {
        return Decided::Lost;
    }
    let copies = if dice.chance(chaos.repeated) { 2 } else { 1 };
    let delay = if dice.chance(chaos.delayed) {
        chaos.delay
    } else if dice.chance(chaos.reordered) {
        // Anywhere within the delay: what was caused meanwhile overtakes it.
        let millis = u64::try_from(dice.between(1, i64::try_from(chaos.delay.as_millis()).unwrap_or(1).max(1))).unwrap_or(1);
        Duration::from_millis(millis)
    } else {
        Duration::ZERO
    };
    Decided::Sent { copies, delay }
}

fn lock_dice(inner: &Inner) -> Dice {
    let mut chance = inner.chance.lock().unwrap_or_else(PoisonError::into_inner);
    Dice::new(chance.1.roll())
}

impl Inner {
    /// GHL retries a 429 for sure; about other failures its texts disagree, so that is a setting.
    async fn deliver(&self, url: &Url, body: &[u8], delivery_id: &str) {
        let Ok(_slot) = self.slots.acquire().await else { return };
        let Some((ed25519, rsa)) = self.signatures(body).await else { return count(&self.counted.given_up) };
        for attempt in 0..=self.settings.retry_max {
            let mut request = self.client.post(url.clone()).header("content-type", "application/json");
            request = request.header("X-GHL-Signature", ed25519.as_deref().unwrap_or("N/A")).header("deliveryId", delivery_id);
            if let Some(rsa) = &rsa {
                request = request.header("x-wh-signature", rsa);
            }
            let again = match request.body(body.to_vec()).send().await {
                Ok(answer) if answer.status().is_success() => return count(&self.counted.delivered),
                Ok(answer) => answer.status() == StatusCode::TOO_MANY_REQUESTS || self.settings.retry_any_failure,
                Err(_no_answer) => self.settings.retry_any_failure,
            };
            if !again {
                return count(&self.counted.refused);
            }
            if attempt < self.settings.retry_max {
                count(&self.counted.retried);
                let jitter = rand::random_range(0.0..0.5);
                tokio::time::sleep(self.settings.retry_interval.mul_f64(1.0 + jitter)).await;
            }
        }
        count(&self.counted.given_up);
    }

    async fn signatures(&self, body: &[u8]) -> Option<(Option<String>, Option<String>)> {
        let ed25519 = self.settings.ed25519.then(|| self.keys.sign_ed25519(body));
        if !self.settings.rsa {
            return Some((ed25519, None));
        }
        let (keys, body) = (self.keys.clone(), body.to_vec());
        let rsa = tokio::task::spawn_blocking(move || keys.sign_rsa(&body)).await.ok()?.ok()?;
        Some((ed25519, Some(rsa)))
    }
}

/// Plain http only. The TLS parts are given explicitly, because without a process-wide provider the client would not build.
fn client(timeout: Duration) -> Result<Client, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let tls = versions.map_err(|_never| Error::Client)?.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
    let client = Client::builder().tls_backend_preconfigured(tls).timeout(timeout).no_proxy().tcp_nodelay(true);
    client.build().map_err(|_opaque| Error::Client)
}
