//! Looks at the notes of every contact in turn, since GHL lists notes only by contact.

use std::time::{Duration, Instant};

use domain::Net;
use eventlog::NotesDue;
use jiff::{SignedDuration, Timestamp};

use crate::context::Context;
use crate::look::connection::Connection;
use crate::look::request::{ContactPart, RecordParts};
use crate::nets::compare::look_at;
use crate::nets::error::Result;
use crate::nets::scope::{ListKind, Rounds, Scope};

/// Looks first at the notes that have not been looked at for longest, fast enough to see all within the configured time.
pub(crate) async fn run(context: &Context, connection: &Connection) -> anyhow::Result<()> {
    let settings = &context.config.sweep;
    let scope = Scope { context, connection, net: &Net::Sweep, in_flight_max: settings.contacts_in_flight_max.get(), found: None };
    let mut rotation = Rotation::default();
    let mut rounds = Rounds::new(scope, "the rotation of notes", None);
    while rounds.begin().await {
        let round = look_at_notes(scope, &mut rotation).await;
        rounds.end(round).await;
    }
    Ok(())
}

/// Where the rotation is.
#[derive(Default)]
struct Rotation {
    /// The last of the round before; none where a turn begins, with whom waited longest.
    after: Option<NotesDue>,
    /// How many were taken in this turn.
    taken: u64,
    /// How many contacts there were, when they were last counted.
    counted: Option<(Instant, u64)>,
}

impl Rotation {
    /// Counting reads them all, so it is done a few times in a rotation and not in every round.
    async fn contacts(&mut self, scope: Scope<'_>) -> Result<u64> {
        let Scope { context, connection, .. } = scope;
        if let Some((_, contacts)) = self.counted.filter(|(at, _)| at.elapsed() < counted_every(*context.config.sweep.notes_within)) {
            return Ok(contacts);
        }
        let contacts = context.log.known().contacts_present(&connection.location_id).await?;
        self.counted = Some((Instant::now(), contacts));
        Ok(contacts)
    }

    /// Goes on behind these. A turn ends when none is due behind the last, and when as many were taken as there are: those that were taken
    /// first are due again by then, and who came meanwhile was never asked for and is before them all.
    fn advance(&mut self, due: &[NotesDue], limit: u32, contacts: u64) {
        self.taken = self.taken.saturating_add(due.len() as u64);
        if due.len() < limit as usize || self.taken >= contacts {
            (self.after, self.taken) = (None, 0);
        } else {
            self.after = due.last().cloned();
        }
    }
}

fn counted_every(within: Duration) -> Duration {
    within / 24
}

/// Takes the next contacts after those of the round before, so that one whose notes cannot be read does not hold up the others. Returns how
/// long to wait before the next round.
async fn look_at_notes(scope: Scope<'_>, rotation: &mut Rotation) -> Result<Duration> {
    let Scope { context, connection, .. } = scope;
    let settings = &context.config.sweep;
    // The backfill looks at the notes of whom it finds; while it cannot go on, theirs are due again.
    if !scope.is_backfilled(ListKind::Contacts).await? && !scope.has_broken_off(ListKind::Contacts).await? {
        return Ok(*settings.notes_interval);
    }
    let contacts = rotation.contacts(scope).await?;
    let limit = batch_size(contacts, *settings.notes_interval, *settings.notes_within);
    // Notes seen within the last tenth of that time wait, even if no others are due.
    let age_min = SignedDuration::try_from(*settings.notes_within / 10).unwrap_or_default();
    let before = Timestamp::now().checked_sub(age_min).unwrap_or(Timestamp::MIN);
    let due = context.log.known().notes_due(&connection.location_id, before, rotation.after.as_ref(), limit).await?;
    rotation.advance(&due, limit, contacts);
    let request = |due: NotesDue| scope.request(due.contact_id, ContactPart::Skip, RecordParts::NOTES);
    look_at(scope, due.into_iter().map(request).collect()).await?;
    Ok(pause(contacts, *settings.notes_interval, *settings.notes_within))
}

/// How long to the next round: longer where one contact at a time is more than enough.
fn pause(contacts: u64, interval: Duration, within: Duration) -> Duration {
    let each = within / u32::try_from(contacts).unwrap_or(u32::MAX).max(1);
    interval.max(each.min(counted_every(within)))
}

/// How many contacts a round takes, so that all have been looked at within the given time.
fn batch_size(contacts: u64, interval: Duration, within: Duration) -> u32 {
    let part = interval.as_secs_f64() / within.as_secs_f64().max(f64::MIN_POSITIVE);
    let size = (u32::try_from(contacts).map_or(4_294_967_295.0, f64::from) * part.min(1.0)).ceil();
    // The cast saturates.
    (size as u32).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_there_are_few_contacts_rounds_are_rare() {
        let (minute, day) = (Duration::from_secs(60), Duration::from_secs(86_400));
        assert_eq!(pause(1_000_000, minute, day), minute);
        assert_eq!(pause(200, minute, day), Duration::from_secs(432));
        assert_eq!(pause(0, minute, day), Duration::from_secs(3_600), "there may be some when they are counted again");
    }

    #[test]
    fn batches_are_large_enough_to_see_all_notes_in_time() {
        let (minute, day) = (Duration::from_secs(60), Duration::from_secs(86_400));
        assert_eq!(batch_size(0, minute, day), 1);
        assert_eq!(batch_size(100, minute, day), 1);
        assert_eq!(batch_size(1_000_000, minute, day), 695);
        assert_eq!(batch_size(10, day, minute), 10, "never more than there are");
    }
}
