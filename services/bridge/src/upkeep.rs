//! Background work: making the tables, watching the database, noticing what other processes wrote, removing what is old.

use std::sync::Arc;
use std::time::Duration;

use chassis::Shutdown;
use secrecy::ExposeSecret;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::app::App;
use crate::config::Config;
use crate::object::sha256;
use crate::store::{Leaving, Result, Scope};

const PREPARE_AGAIN_FIRST: Duration = Duration::from_millis(200);
const PREPARE_AGAIN_LAST: Duration = Duration::from_secs(5);
/// How often the database is asked whether it is there.
const PING_EVERY: Duration = Duration::from_secs(2);
/// Pages that follow an alias beyond this many do not notice a switch; loaded again, they show the right workspace.
const ALIASES_FOLLOWED_MAX: u32 = 10_000;
/// How often the objects are counted for the metrics.
const COUNT_EVERY: Duration = Duration::from_secs(5);

pub(crate) async fn run(app: Arc<App>, config: Config, shutdown: Shutdown) {
    shutdown.run_until_cancelled(work(&app, &config)).await;
}

async fn work(app: &App, config: &Config) {
    prepare(app, config).await;
    let limits = &app.limits;
    let mut ping = every(PING_EVERY);
    let mut look = every(*app.page.look_every);
    let mut count = every(COUNT_EVERY);
    let mut prune = every(*limits.prune_every);
    let mut sweep = every(*limits.retire_every);
    loop {
        // Each branch is a few statements with a time limit; one after the other is soon enough.
        let outcome = tokio::select! {
            _ = ping.tick() => watch(app).await,
            _ = look.tick() => look_around(app).await,
            _ = count.tick() => count_objects(app).await,
            _ = prune.tick() => remove_old(app).await,
            _ = sweep.tick() => remove_retired(app).await,
        };
        if let Err(error) = outcome {
            tracing::warn!(error = error.for_log(), "upkeep");
        }
    }
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Makes the tables and the configured keys, however long the database takes to start.
async fn prepare(app: &App, config: &Config) {
    let (mut pause, started) = (PREPARE_AGAIN_FIRST, Instant::now());
    while let Err(error) = try_prepare(app, config).await {
        tracing::warn!(error = error.for_log(), waited_s = started.elapsed().as_secs(), "the database could not be prepared, trying again");
        app.chassis.ready("database", Err(error.for_log()));
        sleep(pause).await;
        pause = (pause * 2).min(PREPARE_AGAIN_LAST);
    }
    app.chassis.ready("database", Ok(()));
}

async fn try_prepare(app: &App, config: &Config) -> Result<()> {
    app.store.migrate().await?;
    let key = config.bootstrap_key.expose_secret();
    if !key.is_empty() {
        app.store.keep_key("bootstrap", sha256(key.as_bytes()), Scope::Write).await?;
    }
    for (name, key) in &config.reader_keys {
        app.store.keep_key(name, sha256(key.expose_secret().as_bytes()), Scope::Read).await?;
    }
    Ok(())
}

async fn watch(app: &App) -> Result<()> {
    let answer = app.store.ping().await;
    app.chassis.ready("database", answer.as_ref().map(|&()| ()).map_err(ToString::to_string));
    Ok(())
}

async fn look_around(app: &App) -> Result<()> {
    let followed = app.live.followed();
    if followed.is_empty() {
        return Ok(());
    }
    let positions = app.store.positions(&followed).await?;
    let gone = followed.iter().filter(|name| positions.iter().all(|(workspace, _)| workspace != *name));
    gone.for_each(|workspace| app.live.forget(workspace));
    for (workspace, position) in positions {
        app.live.advance(&workspace, position);
    }
    let aliases = app.store.aliases(None, ALIASES_FOLLOWED_MAX).await?;
    app.live.know(aliases.into_iter().map(|alias| (alias.alias, alias.workspace)).collect());
    Ok(())
}

async fn count_objects(app: &App) -> Result<()> {
    let totals = app.store.totals().await?;
    app.metrics.counted(&totals);
    app.chassis.control().set_figure("objects", totals.total());
    Ok(())
}

/// Removes a batch of rows of each workspace that is being removed, whichever process began it.
async fn remove_retired(app: &App) -> Result<()> {
    for workspace in app.store.leaving().await? {
        if app.store.sweep(&workspace, app.limits.retire_rows_max.get()).await? == Leaving::Gone {
            tracing::info!(workspace, "all rows of a retired workspace are removed");
        }
    }
    Ok(())
}

async fn remove_old(app: &App) -> Result<()> {
    let limits = &app.limits;
    let answers = app.store.prune_answers(*limits.idempotency_kept, limits.prune_rows_max.get()).await?;
    let changes = app.store.prune_changes(*limits.changes_kept, limits.prune_rows_max.get()).await?;
    if answers + changes > 0 {
        tracing::info!(answers, changes, "removed what is old");
    }
    Ok(())
}
