//! What a location gives with its token, in the words of whoever has to put it right.

use std::time::Duration;

use domain::LocationId;
use poller::{FirstReading, Found, Survey};

use crate::failure::Failure;
use crate::settings::Settings;

/// A table of the scopes: which are there, and what each that is missing costs.
pub(crate) fn scopes(survey: &Survey) -> String {
    let mut text = format!("{:<15}{:<34}{:<11}WITHOUT IT\n", "WHAT", "SCOPE", "ANSWERED");
    for need in &survey.needs {
        let (answered, cost) = match need.found {
            Found::Answered => ("yes", ""),
            Found::Refused => ("MISSING", need.cost),
            Found::Failing => ("no answer", need.cost),
            Found::NotAsked => ("not asked", "there is none yet to ask for"),
        };
        let line = format!("{:<15}{:<34}{answered:<11}{cost}", need.area.as_str().replace('_', " "), need.scope);
        text += line.trim_end();
        text.push('\n');
    }
    if survey.needs.iter().any(|need| need.found == Found::Refused) {
        text += "\nA scope that is missing is ticked at GHL under Settings, Private Integrations, in this location. It counts at once, also later.\n";
    }
    text
}

/// The time zone and the size.
pub(crate) fn size(survey: &Survey) -> String {
    let count = |count: Option<u64>| count.map_or_else(|| "not known".to_owned(), grouped);
    let zone = survey.zone.as_deref().unwrap_or("not known: local times stay texts");
    let reading = survey.first_reading.map_or_else(|| "not known".to_owned(), reading);
    let lines = [
        ("time zone", zone.to_owned()),
        ("contacts", count(survey.contacts)),
        ("tasks", count(survey.tasks)),
        ("calendars", count(survey.calendars)),
        ("first reading", reading),
    ];
    lines.map(|(name, value)| format!("{name:<15}{value}\n")).concat()
}

/// Why nothing could be found out, and what to do.
pub(crate) fn failure(error: anyhow::Error, location_id: &LocationId, settings: &Settings) -> Failure {
    match error.downcast_ref::<ghl::Error>() {
        Some(refused @ ghl::Error::Unauthorized { .. }) => Failure::NotAccepted(format!(
            "location {location_id}: {refused}. Make a private integration in this very location (Settings, Private Integrations), not in the agency or \
             another location, and give its token"
        )),
        Some(inactive @ ghl::Error::LocationInactive { .. }) => {
            Failure::NotAccepted(format!("location {location_id}: {inactive}. Switch it on there, then run this again"))
        }
        Some(error) if error.is_transient() => {
            Failure::Unavailable(format!("{error}. Is {} reached from this machine? Try again", settings.ghl.base_url))
        }
        Some(error) => Failure::NotAccepted(format!("location {location_id}: {error}. Is this the id of the location?")),
        None => Failure::Failed(error),
    }
}

fn reading(FirstReading { calls, within }: FirstReading) -> String {
    format!("about {} calls to GHL, {}", grouped(calls), about(within))
}

/// A length of time, as a person would say it.
fn about(within: Duration) -> String {
    match within.as_secs() {
        ..60 => "less than a minute".to_owned(),
        seconds @ 60..7_200 => format!("about {} minutes", seconds.div_ceil(60)),
        seconds @ 7_200..172_800 => format!("about {} hours", seconds.div_ceil(3_600)),
        seconds => format!("about {} days", seconds.div_ceil(86_400)),
    }
}

/// A count with separators: 1,234,567.
fn grouped(count: u64) -> String {
    indicatif::HumanCount(count).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_as_people_say_them() {
        for (seconds, said) in [(5, "less than a minute"), (61, "about 2 minutes"), (7_200, "about 2 hours"), (200_000, "about 3 days")] {
            assert_eq!(about(Duration::from_secs(seconds)), said);
        }
        assert_eq!(
            reading(FirstReading { calls: 12_345, within: Duration::from_secs(1_500) }),
            "about 12,345 calls to GHL, about 25 minutes"
        );
    }
}
