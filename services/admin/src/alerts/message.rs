//! What a message says.

use eventlog::{Alert, Change, Due};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use notifier::Message;
use uuid::Uuid;

use crate::alerts::condition::Condition;

/// How a message looks.
pub(crate) struct Style<'a> {
    /// What the installation is called.
    pub(crate) name: &'a str,
    pub(crate) time_zone: &'a TimeZone,
    pub(crate) bytes_max: usize,
}

impl Style<'_> {
    /// One message about everything that is due, what is raised first. What does not fit is counted.
    pub(crate) fn message(&self, channel: &str, due: &Due) -> Message {
        let raised = due.raised.iter().map(|alert| self.raised(alert));
        let resolved = due.resolved.iter().map(|alert| self.resolved(alert));
        let mut message = Message { id: id_of(channel, &due.changes), subject: self.subject(due), paragraphs: Vec::new() };
        let mut left_out = 0;
        for paragraph in raised.chain(resolved) {
            // Room for the last paragraph.
            if left_out > 0 || message.text_bytes() + paragraph.len() + 100 > self.bytes_max {
                left_out += 1;
            } else {
                message.paragraphs.push(paragraph);
            }
        }
        if left_out > 0 {
            message.paragraphs.push(format!("… and {left_out} more; `mirrorctl alerts` lists what is open"));
        }
        message
    }

    fn subject(&self, due: &Due) -> String {
        let what = match (due.raised.as_slice(), due.resolved.as_slice()) {
            ([only], []) => heading(only),
            ([], [only]) => format!("resolved: {}", heading(only)),
            (raised, []) => format!("{} conditions need a person", raised.len()),
            ([], resolved) => format!("{} conditions are resolved", resolved.len()),
            (raised, resolved) => format!("{} conditions need a person, {} are resolved", raised.len(), resolved.len()),
        };
        format!("{}: {what}", self.name)
    }

    fn raised(&self, alert: &Alert) -> String {
        let cure =
            Condition::parse(&alert.condition).map_or("Upgrade the admin service: it does not know this condition.", Condition::cure);
        format!("RAISED: {}, since {}\n{}.\nWhat to do: {cure}", heading(alert), self.time(alert.since), alert.cause)
    }

    fn resolved(&self, alert: &Alert) -> String {
        let until = alert.gone_at.or(alert.resolved_at).unwrap_or(alert.since);
        format!("RESOLVED: {}, from {} until {}", heading(alert), self.time(alert.since), self.time(until))
    }

    fn time(&self, at: Timestamp) -> String {
        at.to_zoned_datetime(self.time_zone.clone()).strftime("%Y-%m-%d %H:%M %Z").to_string()
    }
}

/// What it is about, with ids only.
fn heading(alert: &Alert) -> String {
    let mut heading = Condition::parse(&alert.condition).map_or_else(|| alert.condition.clone(), |known| known.title().to_owned());
    if !alert.subject.is_empty() {
        heading += &format!(" ({})", alert.subject);
    }
    if let Some(location_id) = &alert.location_id {
        heading += &format!(", location {location_id}");
    }
    heading
}

/// The same for the same changes over the same channel.
fn id_of(channel: &str, changes: &[(Uuid, Change)]) -> String {
    let mut changes = changes.to_vec();
    changes.sort_unstable();
    Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{channel} {changes:?}").as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use domain::LocationId;

    use super::*;

    fn alert(condition: &str, minute: u32) -> Alert {
        let since: Timestamp = format!("2026-01-10T23:{minute:02}:30Z").parse().unwrap();
        Alert {
            id: Uuid::from_u128(u128::from(minute)),
            condition: condition.to_owned(),
            location_id: Some(LocationId::new("loc").unwrap()),
            subject: String::new(),
            since,
            cause: "3 pieces of work wait".to_owned(),
            raised_at: since,
            gone_at: None,
            resolved_at: None,
            silenced_until: None,
        }
    }

    fn due(raised: Vec<Alert>, resolved: Vec<Alert>) -> Due {
        let changes = raised.iter().map(|alert| (alert.id, Change::Raised));
        Due { changes: changes.chain(resolved.iter().map(|alert| (alert.id, Change::Resolved))).collect(), raised, resolved }
    }

    fn message(bytes_max: usize, due: &Due) -> Message {
        let time_zone = TimeZone::get("Europe/Vienna").unwrap();
        Style { name: "mirror", time_zone: &time_zone, bytes_max }.message("mail", due)
    }

    #[test]
    fn a_message_says_what_since_when_why_and_what_to_do() {
        let sent = message(10_000, &due(vec![alert("parked", 5)], Vec::new()));
        assert_eq!(sent.subject, "mirror: work waits for a person, location loc");
        assert_eq!(
            sent.paragraphs,
            ["RAISED: work waits for a person, location loc, since 2026-01-11 00:05 CET\n3 pieces of work wait.\nWhat to do: \
              `mirrorctl parked` lists it with reasons. Mend the reason, then `mirrorctl redrive --all`."]
        );
        let gone = Alert { gone_at: Some("2026-01-10T23:09:00Z".parse().unwrap()), ..alert("parked", 5) };
        let sent = message(10_000, &due(Vec::new(), vec![gone]));
        assert_eq!(sent.subject, "mirror: resolved: work waits for a person, location loc");
        assert_eq!(
            sent.paragraphs,
            ["RESOLVED: work waits for a person, location loc, from 2026-01-11 00:05 CET until 2026-01-11 00:09 CET"]
        );
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let many = due((0..50).map(|minute| alert("parked", minute)).collect(), Vec::new());
        let sent = message(2_000, &many);
        let told = sent.paragraphs.len() - 1;
        assert!(sent.text_bytes() <= 2_000 && told > 0);
        assert_eq!(sent.subject, "mirror: 50 conditions need a person");
        assert_eq!(sent.paragraphs.last().unwrap(), &format!("… and {} more; `mirrorctl alerts` lists what is open", 50 - told));
    }

    #[test]
    fn the_same_changes_have_the_same_id_on_each_channel() {
        let due = due(vec![alert("parked", 1), alert("lag", 2)], vec![alert("lag", 3)]);
        let turned = Due { changes: due.changes.iter().rev().copied().collect(), ..due.clone() };
        assert_eq!(message(9_000, &due).id, message(9_000, &turned).id);
        assert_ne!(id_of("mail", &due.changes), id_of("webhook", &due.changes));
    }
}
