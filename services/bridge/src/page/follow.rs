//! Signals to pages that follow a workspace: the position of its feed, whenever it moves.

use std::convert::Infallible;
use std::future::pending;
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

use super::error_page::ErrorPage;
use super::query::{InPath, Named, named};
use crate::api::ErrorResponse;
use crate::app::Aliases;
use crate::app::App;

#[derive(Deserialize)]
pub(super) struct Since {
    after: Option<u64>,
    /// The workspace that the page shows: an alias may point at another one by now.
    of: Option<String>,
}

const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// A page reconnects after this time, and its key is then checked again.
const FOLLOWED_AT_MOST: Duration = Duration::from_secs(3_600);

pub(super) async fn follow(
    State(app): State<Arc<App>>,
    path: InPath,
    query: Query<Since>,
    headers: HeaderMap,
) -> Result<Response, ErrorPage> {
    // Before the alias is looked up, so that no switch is missed.
    let mut aliases = app.live.aliases();
    aliases.mark_unchanged();
    let Named { alias, workspace, .. } = named(&app, path).await?;
    let full = || ErrorResponse::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "Too many pages follow changes.").retry_after(10);
    let permit = app.followers.acquire().await.ok_or_else(full)?;
    let head = app.store.head(&workspace).await?;
    let mut positions = app.live.follow(&workspace, head.position);
    positions.mark_unchanged();
    let resumed = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let seen = resumed.or(query.after).unwrap_or(head.position);
    let switched = query.of.as_ref().is_some_and(|shown| *shown != workspace);
    let by = alias.map(|alias| By { alias, workspace, aliases });
    let follower = Follower::new(app, positions, by, seen, switched, permit);
    Ok(Sse::new(signals(follower)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

struct Follower {
    app: Arc<App>,
    positions: watch::Receiver<u64>,
    by: Option<By>,
    /// The last position that was sent to the page.
    seen: u64,
    /// The page shows another workspace than it should.
    switched: bool,
    announced: bool,
    ends_at: Instant,
    _permit: OwnedSemaphorePermit,
}

/// How the workspace was found, if by an alias.
struct By {
    alias: String,
    workspace: String,
    aliases: watch::Receiver<Aliases>,
}

enum Signal {
    Position(u64),
    /// The page must be loaded again: the alias points at another workspace. The last signal.
    Switched,
}

impl Follower {
    fn new(
        app: Arc<App>,
        positions: watch::Receiver<u64>,
        by: Option<By>,
        seen: u64,
        switched: bool,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        app.metrics.followers.inc();
        Self { app, positions, by, seen, switched, announced: false, ends_at: Instant::now() + FOLLOWED_AT_MOST, _permit: permit }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.app.metrics.followers.dec();
    }
}

fn signals(follower: Follower) -> impl Stream<Item = Result<Event, Infallible>> {
    unfold(follower, |mut follower| async move {
        let event = match next(&mut follower).await? {
            Signal::Position(position) => Event::default().event("position").id(position.to_string()).data(position.to_string()),
            Signal::Switched => Event::default().event("switched").data("switched"),
        };
        Some((Ok(event), follower))
    })
}

/// The next signal; none when the page has to reconnect or the service ends.
async fn next(follower: &mut Follower) -> Option<Signal> {
    let app = Arc::clone(&follower.app);
    app.shutdown.run_until_cancelled(later(follower)).await.flatten()
}

async fn later(follower: &mut Follower) -> Option<Signal> {
    loop {
        if follower.switched {
            return (!std::mem::replace(&mut follower.announced, true)).then_some(Signal::Switched);
        }
        let position = *follower.positions.borrow_and_update();
        if position > follower.seen {
            follower.seen = position;
            return Some(Signal::Position(position));
        }
        tokio::select! {
            moved = timeout_at(follower.ends_at, follower.positions.changed()) => moved.ok()?.ok()?,
            () = switched(follower.by.as_mut()) => follower.switched = true,
        }
        // Changes come in bursts: one signal for each burst.
        sleep(*follower.app.page.follow_every).await;
    }
}

/// Ends when the alias points elsewhere.
async fn switched(by: Option<&mut By>) {
    let Some(By { alias, workspace, aliases }) = by else { return pending().await };
    // The targets known so far may be older than what the page was made from.
    while aliases.changed().await.is_ok() {
        if aliases.borrow_and_update().get(alias).is_some_and(|target| target != workspace) {
            return;
        }
    }
    // The sender lives as long as the service.
    pending().await
}
