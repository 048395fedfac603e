//! `POST /webhooks/ghl`: a webhook becomes a hint on the bus before it is answered. Its content is neither believed nor kept.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use bus::{Outgoing, Subject};
use domain::Net;
use ghl::webhook::{Forged, Hint, Installation, Signatures, Verifier, Webhook};
use jiff::Timestamp;
use tracing::Instrument;

use crate::app::oauth;
use crate::context::Tools;
use crate::hint::Hinted;

pub(crate) fn routes(tools: Arc<Tools>) -> anyhow::Result<Router> {
    let settings = &tools.config.webhooks;
    let body_bytes_max = settings.body_bytes_max;
    let door = Door { verifier: settings.verifier()?, recent: Mutex::new(Recent::new(settings.recent_max)), tools };
    Ok(Router::new().route("/webhooks/ghl", post(receive)).layer(DefaultBodyLimit::max(body_bytes_max)).with_state(Arc::new(door)))
}

struct Door {
    tools: Arc<Tools>,
    verifier: Verifier,
    recent: Mutex<Recent>,
}

async fn receive(State(door): State<Arc<Door>>, headers: HeaderMap, body: Result<Bytes, BytesRejection>) -> StatusCode {
    let span = tracing::info_span!("webhook", webhook.outcome = tracing::field::Empty, location.id = tracing::field::Empty);
    async {
        let (status, outcome) = match body {
            Ok(body) => door.receive(&headers, &body).await,
            Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            Err(_) => (StatusCode::BAD_REQUEST, "broken_off"),
        };
        tracing::Span::current().record("webhook.outcome", outcome);
        door.tools.metrics.webhook(outcome);
        status
    }
    .instrument(span)
    .await
}

impl Door {
    async fn receive(&self, headers: &HeaderMap, body: &[u8]) -> (StatusCode, &'static str) {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let signatures = Signatures { ghl: header("x-ghl-signature"), wh: header("x-wh-signature") };
        match self.verifier.verify(signatures, body) {
            Ok(_) => {}
            Err(Forged::Unsigned) => return (StatusCode::UNAUTHORIZED, "unsigned"),
            Err(Forged::WrongSignature) => return (StatusCode::UNAUTHORIZED, "wrong_signature"),
        }
        let hint = match ghl::webhook::read(body) {
            Ok(Webhook::Hint(hint)) => hint,
            Ok(Webhook::Installation(installation)) => return self.heed(installation).await,
            Ok(Webhook::Other) => return (StatusCode::OK, "other"),
            Err(ghl::webhook::NotJson) => return (StatusCode::BAD_REQUEST, "not_json"),
        };
        tracing::Span::current().record("location.id", hint.location_id.as_str());
        match self.tools.knows(&hint.location_id) {
            Some(true) => {}
            Some(false) => return (StatusCode::OK, "unknown_location"),
            None => return (StatusCode::TOO_MANY_REQUESTS, "not_connected"),
        }
        let webhook_id = hint.webhook_id.clone();
        if webhook_id.as_ref().is_some_and(|id| self.recent().contains(id)) {
            return (StatusCode::OK, "repeated");
        }
        match self.publish(hint).await {
            Ok(()) => {
                if let Some(id) = webhook_id {
                    self.recent().insert(id);
                }
                (StatusCode::OK, "accepted")
            }
            Err(error) => {
                tracing::warn!(%error, "webhook is turned away");
                // Of all statuses the one that GHL is sure to try again after.
                (StatusCode::TOO_MANY_REQUESTS, "bus_unavailable")
            }
        }
    }

    /// The app came or went. Doing so twice does no harm, so repeats need no memory.
    async fn heed(&self, installation: Installation) -> (StatusCode, &'static str) {
        match oauth::heed(&self.tools, installation).await {
            Ok(()) => (StatusCode::OK, "installation"),
            Err(error) => {
                tracing::warn!(%error, "webhook about the app is turned away");
                (StatusCode::TOO_MANY_REQUESTS, "installation_unavailable")
            }
        }
    }

    async fn publish(&self, hint: Hint) -> anyhow::Result<()> {
        // Without an id two webhooks that read the same may still be two changes.
        let id = hint.webhook_id.as_ref().map(|id| format!("hint:{id}"));
        let subject = Subject::hints(&hint.location_id);
        let body = serde_json::to_vec(&Hinted::by_webhook(hint))?;
        self.tools.bus.publish(Outgoing { subject, id, traceparent: chassis::trace::traceparent(), body }).await?;
        Ok(())
    }

    fn recent(&self) -> std::sync::MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hinted {
    fn by_webhook(hint: Hint) -> Self {
        let Hint { location_id, contact_id, record, kind, webhook_id, deleted } = hint;
        Self { location_id, contact_id, record, deleted, net: Net::Webhook { webhook_id, kind }, received_at: Some(Timestamp::now()) }
    }
}

/// The ids of the last webhooks. The bus forgets after two minutes, GHL repeats for days.
struct Recent {
    known: HashSet<Arc<str>>,
    order: VecDeque<Arc<str>>,
    max: usize,
}

impl Recent {
    fn new(max: usize) -> Self {
        Self { known: HashSet::new(), order: VecDeque::new(), max }
    }

    fn contains(&self, id: &str) -> bool {
        self.known.contains(id)
    }

    fn insert(&mut self, id: String) {
        let id: Arc<str> = id.into();
        if !self.known.insert(Arc::clone(&id)) {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > self.max
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_webhook_ids_are_remembered() {
        let mut recent = Recent::new(2);
        for id in ["a", "b", "b", "c"] {
            recent.insert(id.to_owned());
        }
        assert!(!recent.contains("a") && recent.contains("b") && recent.contains("c"));
        assert_eq!((recent.known.len(), recent.order.len()), (2, 2));
    }
}
