//! Asks a location once for a little of everything: which scopes its token has, what is missing and what that costs, how large the location
//! is, and how long the first reading takes. Needs neither the log nor the bus, and leaves nothing behind.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use domain::{LocationId, RecordKind};
use ghl::{Area, Client, Spending, Transport, Zone};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

use crate::app::access::{Access, NEEDED, Need, Standing, cost};
use crate::config::Config;
use crate::look::little::{events_of_a_day, list_of, one_contact, one_task};

/// What a location gives with its token.
#[derive(Debug)]
pub struct Survey {
    /// What is needed, in the order of its worth.
    pub needs: Vec<Surveyed>,
    /// The IANA name of its time zone; none where GHL gives none that is known.
    pub zone: Option<String>,
    pub contacts: Option<u64>,
    /// None where GHL does not say.
    pub tasks: Option<u64>,
    pub calendars: Option<u64>,
    /// How far GHL's clock is ahead of this one, to a second; none where its answers have no date.
    pub ahead: Option<SignedDuration>,
    /// None while the number of contacts is not known.
    pub first_reading: Option<FirstReading>,
}

/// One thing that is needed of GHL.
#[derive(Debug)]
pub struct Surveyed {
    pub area: Area,
    pub scope: &'static str,
    pub found: Found,
    /// What is not mirrored, or not as soon, without it.
    pub cost: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    Answered,
    /// For want of the scope.
    Refused,
    /// No answer came, or none of GHL's own.
    Failing,
    /// There was nothing to ask it with: no contact, no calendar or no company.
    NotAsked,
}

/// What the first reading of everything takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstReading {
    pub calls: u64,
    pub within: Duration,
}

impl Survey {
    /// Whether anything can be mirrored at all.
    pub fn has_contacts(&self) -> bool {
        self.needs.iter().any(|need| need.area == Area::Contacts && need.found == Found::Answered)
    }
}

/// Makes about ten calls, within the limits of time and pace of the settings.
///
/// # Errors
/// As GHL answers the search for contacts, unless it refuses a scope: a token or a location that it does not accept, or no answer at all.
pub async fn survey(config: &Config, location_id: &LocationId, token: SecretString) -> anyhow::Result<Survey> {
    let (access, ahead) = (Arc::new(Access::default()), Arc::new(Mutex::new(None)));
    let (noted, clock) = (Arc::clone(&access), Arc::clone(&ahead));
    let on_call = move |call: &ghl::Call<'_>| {
        noted.note(call);
        if let Some(date) = call.date {
            *clock.lock().unwrap_or_else(PoisonError::into_inner) = Some(date.duration_since(Timestamp::now()));
        }
    };
    let transport = Transport::new(config.ghl.clone(), Arc::new(on_call)).context("the HTTP client for GHL")?;
    let client = Client::new(transport, location_id.clone(), token);
    let (contact_id, contacts) = match client.search(&one_contact(), &Zone::UNKNOWN).await {
        Ok(answer) => (answer.value.rows.into_iter().next().map(|row| row.contact_id), answer.value.total),
        Err(ghl::Error::Forbidden { .. }) => (None, None),
        Err(error) => return Err(error.into()),
    };
    // How what follows is answered is noted with every call.
    let location = client.location().await.ok();
    if let Some(company_id) = location.as_ref().and_then(|location| location.company_id.as_deref()) {
        drop(client.users(company_id).await);
    }
    drop(client.custom_fields().await);
    let calendars = client.calendars().await.ok();
    let tasks = client.search_tasks(&one_task(), &Zone::UNKNOWN).await.ok().and_then(|answer| answer.value.total);
    if let Some(contact_id) = &contact_id {
        for kind in [RecordKind::Task, RecordKind::Note, RecordKind::Appointment] {
            drop(list_of(&client, kind, contact_id).await);
        }
    }
    if let Some(calendar) = calendars.as_ref().and_then(|calendars| calendars.keys().next()) {
        drop(events_of_a_day(&client, calendar).await);
    }
    let ahead = *ahead.lock().unwrap_or_else(PoisonError::into_inner);
    let calendars = calendars.map(|calendars| calendars.len() as u64);
    let first_reading = contacts.map(|contacts| {
        let calls = calls_of(config, contacts, tasks.unwrap_or(contacts), calendars.unwrap_or_default());
        FirstReading { calls, within: time_of(calls, &client.spending(), config) }
    });
    let zone = location.and_then(|location| location.zone.name().map(str::to_owned));
    Ok(Survey { needs: needs(&access, location_id), zone, contacts, tasks, calendars, ahead, first_reading })
}

fn needs(access: &Access, location_id: &LocationId) -> Vec<Surveyed> {
    let known = access.of(location_id);
    let surveyed = |need: Need| Surveyed {
        area: need.0,
        scope: need.1,
        found: match known.get(&need) {
            Some(Standing::Answered) => Found::Answered,
            Some(Standing::Refused { .. }) => Found::Refused,
            Some(Standing::Failing { .. }) => Found::Failing,
            None => Found::NotAsked,
        },
        cost: cost(&[need]),
    };
    let mut needs: Vec<Surveyed> = NEEDED.into_iter().map(surveyed).collect();
    needs.sort_by_key(|need| need.area);
    needs
}

/// The pages of contacts, the notes of each contact, the pages of tasks, one list for each calendar, and the names.
fn calls_of(config: &Config, contacts: u64, tasks: u64, calendars: u64) -> u64 {
    /// Of the location, its users, custom fields and calendars.
    const NAMES: u64 = 4;
    let of_contact = if config.backfill.contact_by_id { 2 } else { 1 };
    let task_rows = u64::from(config.tasks.page_rows.get()).saturating_sub(config.tasks.overlap_rows).max(1);
    let pages = contacts.div_ceil(u64::from(config.backfill.page_rows.get())) + tasks.div_ceil(task_rows);
    pages.saturating_add(contacts.saturating_mul(of_contact)).saturating_add(calendars).saturating_add(NAMES)
}

/// At the pace of the budget as long as plenty of the day's calls is left, then at that which spreads them over the day.
fn time_of(calls: u64, spending: &Spending, config: &Config) -> Duration {
    const DAY: f64 = 86_400.0;
    let rate = &config.ghl.rate;
    let number = |count: u64| u32::try_from(count).map_or(4_294_967_295.0, f64::from);
    let (calls, a_day) = (number(calls), number(spending.day_calls_max));
    let quick = (number(spending.left_today) - a_day * rate.spread_below).clamp(0.0, calls);
    let spread = (a_day * (1.0 - rate.hints_reserve) / DAY).clamp(f64::MIN_POSITIVE, spending.calls_per_second);
    let seconds = quick / spending.calls_per_second + (calls - quick) / spread;
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        let given = "log.url = \"postgres://mirror:x@127.0.0.1/log\"\nserver.token = \"t\"".parse().expect("a table");
        chassis::load_table(&given, |defaults| defaults).expect("settings")
    }

    fn spending(left_today: u64) -> Spending {
        let (calls_per_second, day_calls_max) = (8.0, 200_000);
        let held_for = Duration::ZERO;
        Spending { calls_per_second, at_once: 1, pace: 1.0, held_for, left_today, day_calls_max, throttled: 0, lanes: Vec::new() }
    }

    #[test]
    fn the_first_reading_costs_little_more_than_a_call_for_each_contact() {
        let config = config();
        assert_eq!(calls_of(&config, 10_000, 9_000, 3), 100 + 100 + 10_000 + 3 + 4);
        assert_eq!(calls_of(&config, 0, 0, 0), 4);
    }

    #[test]
    fn a_first_reading_that_does_not_fit_into_the_day_is_spread() {
        let config = config();
        assert_eq!(time_of(8_000, &spending(200_000), &config), Duration::from_secs(1_000));
        // 100,000 at 8 a second, and as many at 160,000 a day.
        assert_eq!(time_of(200_000, &spending(200_000), &config), Duration::from_secs(12_500 + 54_000));
        assert_eq!(time_of(160_000, &spending(0), &config), Duration::from_secs(86_400));
    }
}
