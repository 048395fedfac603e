//! The first complete look at a location, page by page, resumed where it stopped; and again when hints may have been lost.

use std::sync::Arc;

use chassis::Shutdown;
use domain::Net;

use crate::context::{Tools, rest};
use crate::look::connection::Connection;
use crate::nets::compare::{Bulk, Errand};
use crate::nets::error::Trouble;
use crate::nets::pass::{Walked, conclude, finish, now, walk};

/// Runs a backfill whenever one is wanted, until it is time to stop.
pub(crate) async fn run(tools: Arc<Tools>, connection: Arc<Connection>, shutdown: Shutdown) -> anyhow::Result<()> {
    let mut attempt = 0;
    loop {
        if !connection.wait_until_askable(&shutdown).await {
            return Ok(());
        }
        let in_flight_max = tools.config.backfill.contacts_in_flight_max;
        let errand = Errand { tools: &tools, connection: &connection, shutdown: &shutdown, net: &Net::Backfill, in_flight_max };
        let pause = match fill(errand).await {
            Ok(()) => {
                attempt = 0;
                tools.config.backfill.check_interval
            }
            Err(Trouble::Stopped) => return Ok(()),
            Err(trouble) => {
                attempt += 1;
                let delay = trouble.delay(&tools, &connection, attempt);
                tracing::warn!(location.id = %connection.location_id, %trouble, attempt, "backfill goes on later");
                delay
            }
        };
        tokio::select! {
            () = connection.backfill_wanted.notified() => {}
            going = rest(&shutdown, pause) => if !going { return Ok(()) },
        }
    }
}

/// From where the last one stopped to the end; nothing when the last one came to its end.
async fn fill(errand: Errand<'_>) -> Result<(), Trouble> {
    let Errand { tools, connection, .. } = errand;
    let backfill = tools.log.progress(&connection.location_id).await?.backfill;
    tools.metrics.backfill(&connection.location_id, backfill.seen, backfill.total);
    if backfill.finished_at.is_some() {
        return Ok(());
    }
    let since = match backfill.started_at {
        Some(since) => since,
        None => {
            let since = now();
            connection.change_progress(&tools.log, |progress| progress.backfill.started_at = Some(since)).await?;
            since
        }
    };
    tracing::info!(location.id = %connection.location_id, seen = backfill.seen, "backfill begins");
    // Contacts first: what belongs to them is taken in where they are known.
    for bulk in Bulk::ALL {
        let pass = tools.log.pass(&connection.location_id, errand.net.as_str(), bulk.kind()).await?;
        if pass.started_at.is_none() && pass.ended_at.is_some_and(|ended| ended >= since) {
            continue;
        }
        let span = tools.config.appointments.span();
        let walked = walk(errand, bulk, since, span).await?;
        match &walked {
            Walked::Complete(complete) => conclude(errand, bulk, complete, span).await?,
            Walked::BrokenOff => {}
            Walked::Superseded => return Ok(()),
        }
        finish(errand, bulk, &walked).await?;
    }
    let finished_at = now();
    let progress = connection
        .change_progress(&tools.log, |progress| {
            if progress.backfill.started_at == Some(since) {
                progress.backfill.finished_at = Some(finished_at);
            }
        })
        .await?;
    if progress.backfill.finished_at == Some(finished_at) {
        tracing::info!(location.id = %connection.location_id, seen = progress.backfill.seen, "backfill is complete");
    }
    Ok(())
}
