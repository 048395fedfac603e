//! Proving that the log is what was written.

use domain::{Hash, LocationId, event_id};

use crate::chain::BEGINNING;
use crate::columns::signed;
use crate::log::Head;
use crate::read::{Line, select_events};
use crate::{Error, EventLog, Result};

/// How many events are held at once while walking.
const PAGE_EVENTS: u64 = 500;

/// A log whose places, hashes and head fit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The last position; also the number of events.
    pub head: u64,
    /// The hash of the last event, which stands for the whole log.
    pub hash: Hash,
}

impl EventLog {
    /// Walks the chain of a location from its first event to the head as it is now.
    ///
    /// # Errors
    /// `Corrupt` names the first place that does not fit, `NotFound` a location that was never connected.
    pub async fn verify(&self, location_id: &LocationId) -> Result<Verified> {
        let head = Head::look(&self.pool, location_id).await?;
        let corrupt = |seq, problem| Error::Corrupt { location_id: location_id.clone(), seq, problem };
        let (mut seq, mut hash) = (0, BEGINNING);
        while seq < head.seq {
            let page = self.lines(location_id, seq, head.seq.min(seq + PAGE_EVENTS)).await?;
            if page.is_empty() {
                return Err(corrupt(seq + 1, "the event is missing"));
            }
            for line in page {
                seq += 1;
                hash = next(&line, seq, &hash).map_err(|problem| corrupt(seq, problem))?;
            }
        }
        if hash != head.hash {
            return Err(corrupt(head.seq, "the head holds another hash"));
        }
        Ok(Verified { head: head.seq, hash })
    }

    async fn lines(&self, location_id: &LocationId, after: u64, through: u64) -> Result<Vec<Line>> {
        let rows = sqlx::query(select_events!("WHERE location_id = $1 AND seq > $2 AND seq <= $3 ORDER BY seq"))
            .bind(location_id.as_str())
            .bind(signed(after))
            .bind(signed(through))
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(Line::read).collect()
    }
}

fn next(line: &Line, seq: u64, previous: &Hash) -> Result<Hash, &'static str> {
    if line.seq != seq {
        return Err("the event is missing");
    }
    let hash = line.chained_to(previous);
    if line.hash != hash {
        return Err("the hash is another");
    }
    let location_id = LocationId::new(line.location_id.as_str()).map_err(|_| "the location is none")?;
    if line.event_id != event_id(&location_id, line.epoch, seq).0 {
        return Err("the event id is another");
    }
    Ok(hash)
}
