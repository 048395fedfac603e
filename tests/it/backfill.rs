//! A large location whose list shows nothing for a while, in the middle of being read for the first time.

use std::time::Duration;

use domain::{Net, RecordKind};
use sandbox::{Limits, Load, SearchSettings, Settings};
use tests::pollers::Pollers;
use tests::truth;
use tests::wait::within;
use toml::toml;

/// Contacts of the location. `BACKFILL_CONTACTS=60000` reads a large one.
fn contacts() -> usize {
    std::env::var("BACKFILL_CONTACTS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000)
}

const EMPTY_PAGES: u32 = 6;
const PATIENCE: Duration = Duration::from_secs(1_200);

#[tokio::test(flavor = "multi_thread")]
async fn six_empty_pages_in_the_middle_are_no_end_of_a_backfill() -> anyhow::Result<()> {
    let contacts = contacts();
    // Nobody else searches meanwhile.
    let patient = toml! {
        bus = { events = { bytes_max = 2000000000 } }
        ghl = { rate = { calls_per_second = 80000.0, window_calls_max = 100000, window = "1s", day_calls_max = 1000000000 } }
        watch = { interval = "1h" }
        sweep = { empty_page_pause = "50ms", interval = "3s", check_interval = "200ms" }
        backfill = { check_interval = "200ms", broken_off_pause = "200ms", broken_off_pause_max = "1s" }
    };
    let settings = Settings { limits: Limits::none(), ..Settings::default() };
    let load = Load::Each { tasks: 0, notes: 0, appointments: 0 };
    let pollers = Pollers::start_with("empty-pages", settings, contacts, load, 1, &patient).await?;
    let (world, location_id) = (pollers.world(), pollers.location()?);
    let seen = async || {
        let progress = pollers.log.passes().progress(&location_id).await.map_err(|error| error.to_string())?;
        Ok::<_, String>(progress.backfill)
    };
    let started_at = within(PATIENCE, "half of them are seen", async || {
        let backfill = seen().await?;
        if usize::try_from(backfill.seen).is_ok_and(|seen| seen >= contacts / 2) {
            Ok(backfill.started_at)
        } else {
            Err(format!("{} seen", backfill.seen))
        }
    })
    .await?;
    world.set_search(SearchSettings { empty_next: EMPTY_PAGES, ..world.search() });
    within(PATIENCE, "the backfill ends", async || {
        let backfill = seen().await?;
        backfill.finished_at.map(drop).ok_or_else(|| format!("{} seen", backfill.seen))
    })
    .await?;
    assert_eq!(world.search().empty_next, 0, "the empty pages were met");
    let backfill = pollers.log.passes().progress(&location_id).await?.backfill;
    assert_eq!((backfill.started_at, usize::try_from(backfill.seen)?), (started_at, contacts), "one backfill");
    let pass = pollers.log.passes().get(&location_id, Net::Backfill.as_str(), RecordKind::Contact).await?;
    assert!(pass.complete_at.is_some(), "it was complete");
    // What no row shows is asked for by the first sweep.
    within(PATIENCE, "the log holds what GHL holds", async || {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let told = truth::of_the_log(&pollers.log, &location_id).await.map_err(|error| error.to_string())?;
        let found = truth::differences(&truth::of_ghl(&world), &told);
        found.first().map_or(Ok(()), |first| Err(format!("{} differences, first {first}", found.len())))
    })
    .await?;
    pollers.stop().await
}
