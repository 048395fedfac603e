//! `POST /webhooks/ghl`: a webhook becomes a hint on the bus before it is answered. Its content is neither trusted nor stored.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use bus::{Outgoing, Subject};
use ghl::webhook::{Forged, Installation, Signatures, Verifier, Webhook};
use tracing::Instrument;

use crate::app::oauth;
use crate::context::Context;
use crate::hint::Hint;

pub(crate) fn routes(context: Arc<Context>) -> anyhow::Result<Router> {
    let settings = &context.config.webhooks;
    let body_bytes_max = settings.body_bytes_max.get();
    let endpoint = Endpoint { verifier: settings.verifier()?, recent: Mutex::new(RecentIds::new(settings.recent_max.get())), context };
    Ok(Router::new().route("/webhooks/ghl", post(receive)).layer(DefaultBodyLimit::max(body_bytes_max)).with_state(Arc::new(endpoint)))
}

struct Endpoint {
    context: Arc<Context>,
    verifier: Verifier,
    recent: Mutex<RecentIds>,
}

async fn receive(State(endpoint): State<Arc<Endpoint>>, headers: HeaderMap, body: Result<Bytes, BytesRejection>) -> StatusCode {
    let span = tracing::info_span!("webhook", webhook.outcome = tracing::field::Empty, location.id = tracing::field::Empty);
    async {
        let (status, outcome) = match body {
            Ok(body) => endpoint.receive(&headers, &body).await,
            Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            Err(_) => (StatusCode::BAD_REQUEST, "broken_off"),
        };
        tracing::Span::current().record("webhook.outcome", outcome);
        endpoint.context.metrics.webhook(outcome);
        status
    }
    .instrument(span)
    .await
}

impl Endpoint {
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
            Ok(Webhook::Installation(installation)) => return self.note_installation(installation).await,
            Ok(Webhook::Other) => return (StatusCode::OK, "other"),
            Err(ghl::webhook::NotJson) => return (StatusCode::BAD_REQUEST, "not_json"),
        };
        tracing::Span::current().record("location.id", hint.location_id.as_str());
        match self.context.candidates.contains(&hint.location_id) {
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
                tracing::warn!(%error, "webhook rejected; GHL will send it again");
                // The one status after which GHL is sure to send the webhook again.
                (StatusCode::TOO_MANY_REQUESTS, "bus_unavailable")
            }
        }
    }

    /// The app was installed or uninstalled. Processing such a webhook twice does no harm, so repeated ones are not detected.
    async fn note_installation(&self, installation: Installation) -> (StatusCode, &'static str) {
        let Some(app) = &self.context.app else { return (StatusCode::OK, "installation") };
        match oauth::note_installation(app, installation).await {
            Ok(()) => (StatusCode::OK, "installation"),
            Err(error) => {
                tracing::warn!(%error, "webhook about the app rejected; GHL will send it again");
                (StatusCode::TOO_MANY_REQUESTS, "installation_unavailable")
            }
        }
    }

    async fn publish(&self, hint: ghl::webhook::Hint) -> anyhow::Result<()> {
        // Without an id it cannot be deduplicated: two equal webhooks may be two changes.
        let id = hint.webhook_id.as_ref().map(|id| format!("hint:{id}"));
        let subject = Subject::hints(&hint.location_id);
        let body = serde_json::to_vec(&Hint::from_webhook(hint))?;
        self.context.bus.publish(Outgoing { subject, id, traceparent: chassis::trace::traceparent(), body }).await?;
        Ok(())
    }

    fn recent(&self) -> std::sync::MutexGuard<'_, RecentIds> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The ids of the last webhooks: the bus deduplicates messages for two minutes only, and GHL repeats webhooks for days.
struct RecentIds {
    ids: HashSet<Arc<str>>,
    order: VecDeque<Arc<str>>,
    max: usize,
}

impl RecentIds {
    fn new(max: usize) -> Self {
        Self { ids: HashSet::new(), order: VecDeque::new(), max }
    }

    fn contains(&self, id: &str) -> bool {
        self.ids.contains(id)
    }

    fn insert(&mut self, id: String) {
        let id: Arc<str> = id.into();
        if !self.ids.insert(Arc::clone(&id)) {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > self.max
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_webhook_ids_are_remembered() {
        let mut recent = RecentIds::new(2);
        for id in ["a", "b", "b", "c"] {
            recent.insert(id.to_owned());
        }
        assert!(!recent.contains("a") && recent.contains("b") && recent.contains("c"));
        assert_eq!((recent.ids.len(), recent.order.len()), (2, 2));
    }
}
