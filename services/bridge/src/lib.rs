//! Keeps the Pagico workspace: a REST contract to write and read it, a feed of its changes, and a page to look at it.
//!
//! It does not know where the objects come from: neither GoHighLevel, nor the event log, nor what an intent is.

mod api;
mod app;
mod config;
mod object;
mod page;
mod request;
mod store;
mod upkeep;

use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::middleware::from_fn_with_state;
use chassis::{Chassis, Shutdown};

pub use config::{Config, Database, Limits, Page};

use app::App;

/// Serves until shutdown. Without its database it stays alive, says that it is not ready, and answers 503.
pub async fn run(config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
    let chassis = Chassis::new("bridge");
    let app = App::new(&config, Arc::clone(&chassis), shutdown.clone()).context("database.url")?;
    chassis.register(|registry| app.metrics.register(registry));
    chassis.ready("database", Err("not asked yet".to_owned()));
    let upkeep = tokio::spawn(upkeep::run(Arc::clone(&app), config.clone(), shutdown.clone()));
    let served = chassis.serve(&config.server, router(&app), Router::new(), None, &[], shutdown.clone()).await;
    // Serving also ends when it fails; what runs beside it ends with it.
    shutdown.cancel();
    upkeep.await.context("upkeep")?;
    app.store.close().await;
    served
}

fn router(app: &Arc<App>) -> Router {
    let counted = from_fn_with_state(Arc::clone(app), api::count);
    page::router(app).merge(api::router(app)).layer(counted)
}
