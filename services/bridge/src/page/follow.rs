//! Signals to pages that follow a workspace: the position of its feed, whenever it moves.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use futures::stream::unfold;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep, timeout_at};

use super::Failed;
use super::ask::{InPath, workspace};
use crate::api::Refused;
use crate::app::App;

#[derive(Deserialize)]
pub(super) struct Since {
    after: Option<u64>,
}

const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// A page asks again after this, and is then asked for its key again.
const FOLLOWED_AT_MOST: Duration = Duration::from_secs(3_600);

pub(super) async fn follow(State(app): State<App>, path: InPath, query: Query<Since>, headers: HeaderMap) -> Result<Response, Failed> {
    let workspace = workspace(&app, path)?;
    let full = || Refused::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "Too many pages follow changes.").retry_after(10);
    let permit = app.followers.wait().await.ok_or_else(full)?;
    let head = app.store.head(&workspace).await?;
    let mut positions = app.live.follow(&workspace, head.position);
    positions.mark_unchanged();
    let resumed = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let seen = resumed.or(query.after).unwrap_or(head.position);
    let follower = Follower::new(app, positions, seen, permit);
    Ok(Sse::new(signals(follower)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

struct Follower {
    app: App,
    positions: watch::Receiver<u64>,
    /// The last position that the page knows of.
    seen: u64,
    ends_at: Instant,
    _permit: OwnedSemaphorePermit,
}

impl Follower {
    fn new(app: App, positions: watch::Receiver<u64>, seen: u64, permit: OwnedSemaphorePermit) -> Self {
        app.metrics.followers.inc();
        Self { app, positions, seen, ends_at: Instant::now() + FOLLOWED_AT_MOST, _permit: permit }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.app.metrics.followers.dec();
    }
}

fn signals(follower: Follower) -> impl Stream<Item = Result<Event, Infallible>> {
    unfold(follower, |mut follower| async move {
        let position = next(&mut follower).await?;
        let event = Event::default().event("position").id(position.to_string()).data(position.to_string());
        Some((Ok(event), follower))
    })
}

/// The next position that the page does not know; none when it shall ask again or the service ends.
async fn next(follower: &mut Follower) -> Option<u64> {
    let app = Arc::clone(&follower.app);
    app.shutdown.run_until_cancelled(later(follower)).await.flatten()
}

async fn later(follower: &mut Follower) -> Option<u64> {
    loop {
        let position = *follower.positions.borrow_and_update();
        if position > follower.seen {
            follower.seen = position;
            return Some(position);
        }
        timeout_at(follower.ends_at, follower.positions.changed()).await.ok()?.ok()?;
        // Changes come in showers: one signal for what comes together.
        sleep(follower.app.page.follow_every).await;
    }
}
