//! A webhook becomes a hint on the bus before it is answered. Its content is neither trusted nor stored.
//!
//! `POST /webhooks/ghl` takes what GHL sends to the app and signs; `POST /webhooks/workflow/SECRET` what a workflow's webhook action sends. Once
//! it is known to come from GHL, the answer is 200 or 429: after any other, GHL may give up.
//!
//! - `taken`: which webhooks were taken before
//! - `share`: how many are taken of one location
//! - `waiting`: how many of a location's hints may wait on the bus
//! - `workflow`: the secrets of those that workflows send

mod share;
pub(crate) mod taken;
mod waiting;
pub(crate) mod workflow;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use bus::Outgoing;
use domain::LocationId;
use eventlog::{SecretHash, WebhookDigest};
use ghl::webhook::{Forged, Installation, NotJson, Signatures, Verifier, Webhook};
use jiff::{SignedDuration, Timestamp};
use tracing::Instrument;

use self::share::Shares;
use self::taken::Taken;
use self::waiting::{Room, Waiting};
use self::workflow::Secrets;
use crate::app::candidate::Standing;
use crate::app::oauth;
use crate::context::Context;
use crate::hint::Hint;

/// The status of the answer, and what is counted.
type Answer = (StatusCode, &'static str);

/// What is not taken of a location that a person has paused: the sweep that follows the pause finds it.
const LEFT_TO_SWEEP: Answer = (StatusCode::OK, "left_to_sweep");

pub(crate) fn routes(context: Arc<Context>, taken: Arc<Taken>, secrets: Arc<Secrets>) -> anyhow::Result<Router> {
    let settings = &context.config.webhooks;
    let body_bytes_max = settings.body_bytes_max.get();
    let shares = Shares::new(settings.location_per_second, settings.location_burst);
    let waiting = Waiting::new(settings.location_waiting_max.get());
    let endpoint = Endpoint { verifier: settings.verifier()?, taken, shares, waiting, secrets, context };
    let routes = Router::new().route("/webhooks/ghl", post(from_app)).route("/webhooks/workflow/{secret}", post(from_workflow));
    Ok(routes.layer(DefaultBodyLimit::max(body_bytes_max)).with_state(Arc::new(endpoint)))
}

struct Endpoint {
    context: Arc<Context>,
    verifier: Verifier,
    taken: Arc<Taken>,
    shares: Shares,
    waiting: Waiting,
    secrets: Arc<Secrets>,
}

type Body = Result<Bytes, BytesRejection>;

/// A header of every answer to a webhook, by which whoever tries out its address knows who has answered.
pub const WEBHOOK_MARK: (&str, &str) = ("x-answered-by", "pagico-mirror");

type Marked = (StatusCode, [(&'static str, &'static str); 1]);

async fn from_app(State(endpoint): State<Arc<Endpoint>>, headers: HeaderMap, body: Body) -> Marked {
    (answered(&endpoint, body, async |body| endpoint.receive(&headers, &body).await).await, [WEBHOOK_MARK])
}

/// The path holds a secret: it is shown nowhere.
async fn from_workflow(State(endpoint): State<Arc<Endpoint>>, Path(secret): Path<String>, body: Body) -> Marked {
    (answered(&endpoint, body, async |body| endpoint.receive_from_workflow(&secret, &body).await).await, [WEBHOOK_MARK])
}

async fn answered(endpoint: &Endpoint, body: Body, receive: impl AsyncFnOnce(Bytes) -> Answer) -> StatusCode {
    let span = tracing::info_span!("webhook", webhook.outcome = tracing::field::Empty, location.id = tracing::field::Empty);
    async {
        let (status, outcome) = match body {
            Ok(body) => receive(body).await,
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
    async fn receive(&self, headers: &HeaderMap, body: &[u8]) -> Answer {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let signatures = Signatures { ghl: header("x-ghl-signature"), wh: header("x-wh-signature") };
        match self.verifier.verify(signatures, body) {
            Ok(_) => {}
            Err(Forged::Unsigned) => return (StatusCode::UNAUTHORIZED, "unsigned"),
            Err(Forged::WrongSignature) => return (StatusCode::UNAUTHORIZED, "wrong_signature"),
        }
        match ghl::webhook::read(body) {
            Ok(Webhook::Hint(hint)) => self.take(hint).await,
            Ok(Webhook::Installation(installation)) => self.note_installation(installation).await,
            Ok(Webhook::Other) => (StatusCode::OK, "other"),
            Err(NotJson) => (StatusCode::OK, "not_json"),
        }
    }

    async fn receive_from_workflow(&self, secret: &str, body: &[u8]) -> Answer {
        let location_id = match self.secrets.location(SecretHash::of(secret)) {
            Some(Some(location_id)) => location_id,
            Some(None) => return (StatusCode::NOT_FOUND, "unknown_secret"),
            None => return (StatusCode::TOO_MANY_REQUESTS, "not_connected"),
        };
        match ghl::webhook::read_workflow(body, &location_id) {
            Ok(Some(hint)) => self.take(hint).await,
            Ok(None) => (StatusCode::OK, "other"),
            Err(NotJson) => (StatusCode::OK, "not_json"),
        }
    }

    /// Takes a hint that is known to come from GHL.
    async fn take(&self, hint: ghl::webhook::Hint) -> Answer {
        tracing::Span::current().record("location.id", hint.location_id.as_str());
        let standing = self.context.candidates.standing(&hint.location_id);
        if let Some(answer) = self.refusal(&hint.location_id, standing) {
            return answer;
        }
        if self.is_for_another_app(&hint) {
            return (StatusCode::OK, "other_app");
        }
        if self.is_too_old(&hint) {
            return (StatusCode::OK, "too_old");
        }
        let digest = hint.webhook_id.as_deref().map(WebhookDigest::of);
        if let Some(digest) = digest
            && self.taken.contains(&self.context, digest, hint.sent_at).await
        {
            return (StatusCode::OK, "repeated");
        }
        match self.publish(hint).await {
            // When the location is resumed, all of it is looked at.
            Ok(Room::Full) if standing == Some(Standing::Paused) => LEFT_TO_SWEEP,
            // Nothing else tells of it, so GHL is asked to.
            Ok(Room::Full) => (StatusCode::TOO_MANY_REQUESTS, "waiting_max"),
            Ok(room @ (Room::Enough | Room::Searched)) => {
                if let Some(digest) = digest {
                    self.taken.insert(digest);
                }
                (StatusCode::OK, if room == Room::Enough { "accepted" } else { "left_to_search" })
            }
            Err(error) => {
                tracing::warn!(%error, "webhook rejected; GHL will send it again");
                // The one status after which GHL is sure to send the webhook again.
                (StatusCode::TOO_MANY_REQUESTS, "bus_unavailable")
            }
        }
    }

    /// The answer where nothing is taken of this location, or not now.
    fn refusal(&self, location_id: &LocationId, standing: Option<Standing>) -> Option<Answer> {
        match standing {
            Some(Standing::Active | Standing::Paused) if self.shares.take(location_id, Instant::now()) => None,
            Some(Standing::Active) => Some((StatusCode::TOO_MANY_REQUESTS, "too_many")),
            Some(Standing::Paused) => Some(LEFT_TO_SWEEP),
            Some(Standing::Unknown) => Some((StatusCode::OK, "unknown_location")),
            None => Some((StatusCode::TOO_MANY_REQUESTS, "not_connected")),
        }
    }

    fn is_for_another_app(&self, hint: &ghl::webhook::Hint) -> bool {
        let ours = self.context.app.as_ref().map(|app| app.settings.app.app_id.as_str());
        matches!((ours, hint.app_id.as_deref()), (Some(ours), Some(theirs)) if ours != theirs)
    }

    fn is_too_old(&self, hint: &ghl::webhook::Hint) -> bool {
        let age_max = SignedDuration::try_from(*self.context.config.webhooks.age_max).unwrap_or(SignedDuration::MAX);
        hint.sent_at.is_some_and(|sent_at| Timestamp::now().duration_since(sent_at) > age_max)
    }

    /// The app was installed or uninstalled. Processing such a webhook twice does no harm, so repeated ones are not detected.
    async fn note_installation(&self, installation: Installation) -> Answer {
        let Some(app) = &self.context.app else { return (StatusCode::OK, "installation") };
        match oauth::note_installation(app, installation).await {
            Ok(()) => (StatusCode::OK, "installation"),
            Err(error) => {
                tracing::warn!(%error, "webhook about the app rejected; GHL will send it again");
                (StatusCode::TOO_MANY_REQUESTS, "installation_unavailable")
            }
        }
    }

    /// Publishes a hint, if there is room for it.
    async fn publish(&self, hint: ghl::webhook::Hint) -> anyhow::Result<Room> {
        // Without an id it cannot be deduplicated: two equal webhooks may be two changes.
        let id = hint.webhook_id.as_ref().map(|id| format!("hint:{id}"));
        let hint = Hint::from_webhook(hint);
        let room = self.waiting.room(&self.context.bus, &hint).await?;
        if room != Room::Enough {
            return Ok(room);
        }
        let (subject, body) = (hint.subject(), serde_json::to_vec(&hint)?);
        self.context.bus.publish(Outgoing { subject, id, traceparent: chassis::trace::traceparent(), body }).await?;
        Ok(room)
    }
}
