//! Verifying that the log is what was written.

use std::collections::{BTreeMap, BTreeSet};
use std::num::{NonZeroU64, NonZeroUsize};

use domain::{Hash, LocationId};
use futures::{StreamExt, TryStreamExt, stream};
use proof::{BEGINNING, ChainVerifier};
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};
use tokio_util::task::AbortOnDropHandle;

use crate::chain::Head;
use crate::columns::{signed, unsigned};
use crate::proving::Chain;
use crate::read::{link, select_events};
use crate::{Error, Result};

/// How a log is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// A position whose hash is known, and that hash: the walk begins after it.
    pub after: (u64, Hash),
    /// How many events one statement reads; progress is told after each.
    pub range_events: NonZeroU64,
    /// How many ranges are read and hashed at once, each over a connection of the pool.
    pub workers: NonZeroUsize,
    /// Positions whose hashes are wanted, for instance because a checkpoint names them.
    pub wanted: BTreeSet<u64>,
}

impl Default for Verification {
    fn default() -> Self {
        Self {
            after: (0, BEGINNING),
            range_events: const { NonZeroU64::new(20_000).unwrap() },
            workers: const { NonZeroUsize::new(2).unwrap() },
            wanted: BTreeSet::new(),
        }
    }
}

/// A log whose positions, hashes and head fit together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The last position; also the number of events.
    pub head: u64,
    /// The hash of the last event, which stands for the whole log.
    pub hash: Hash,
    /// The hashes that were wanted, where the log has such positions.
    pub hashes: BTreeMap<u64, Hash>,
}

impl Chain {
    /// Walks the chain from a position whose hash is known to the head as it is now, several ranges at once. Each range begins with the hash that
    /// is stored before it, which is the one that the range before it ends with, or that range is found to be broken. `progress` is told the
    /// position that is reached and the head. Takes no more memory than one row for each worker.
    ///
    /// # Errors
    /// `Corrupt` names the first position that does not fit, `NotFound` a location that was never connected.
    pub async fn verify(&self, location_id: &LocationId, how: &Verification, mut progress: impl FnMut(u64, u64)) -> Result<Verified> {
        let (after, hash) = how.after;
        let head = self.head_and_end(location_id).await?;
        let corrupt = |seq, problem| Error::Corrupt { location_id: location_id.clone(), seq, problem };
        if head.seq < after {
            return Err(corrupt(head.seq + 1, "the log ends before the position to begin after"));
        }
        let range_events = how.range_events.get();
        let begins = (after..head.seq).step_by(usize::try_from(range_events).unwrap_or(usize::MAX));
        let ranges = begins.map(|begin| {
            let range = Range {
                location_id: location_id.clone(),
                begin,
                end: head.seq.min(begin.saturating_add(range_events)),
                known: (begin == after).then_some(hash),
                wanted: how.wanted.range(begin + 1..).take_while(|seq| **seq <= begin.saturating_add(range_events)).copied().collect(),
            };
            let pool = self.pool.clone();
            // Spawned, so that hashing uses every core, when its turn has come.
            async move { AbortOnDropHandle::new(tokio::spawn(range.walk(pool))).await }
        });
        let mut ranges = stream::iter(ranges).buffered(how.workers.get());
        let mut verified = Verified { head: head.seq, hash, hashes: BTreeMap::new() };
        if how.wanted.contains(&after) {
            verified.hashes.insert(after, hash);
        }
        while let Some(walked) = ranges.next().await {
            let walked = walked.map_err(|_| Error::Unavailable { source: sqlx::Error::WorkerCrashed })??;
            progress(walked.end, head.seq);
            verified.hash = walked.hash;
            verified.hashes.extend(walked.hashes);
        }
        if verified.hash != head.hash {
            return Err(corrupt(head.seq, "the head has another hash than the last event"));
        }
        Ok(verified)
    }

    /// The head, if nothing stands after it.
    async fn head_and_end(&self, location_id: &LocationId) -> Result<Head> {
        let mut snapshot = self.pool.begin().await?;
        sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY").execute(&mut *snapshot).await?;
        let head = Head::look(&mut *snapshot, location_id).await?;
        let past = sqlx::query("SELECT seq FROM events WHERE location_id = $1 AND seq > $2 ORDER BY seq LIMIT 1")
            .bind(location_id.as_str())
            .bind(signed(head.seq))
            .fetch_optional(&mut *snapshot)
            .await?;
        snapshot.rollback().await?;
        match past {
            None => Ok(head),
            Some(row) => Err(Error::Corrupt {
                location_id: location_id.clone(),
                seq: unsigned(row.try_get(0)?),
                problem: "the event is after the head",
            }),
        }
    }
}

/// The events after `begin` to `end`.
struct Range {
    location_id: LocationId,
    begin: u64,
    end: u64,
    /// The hash at `begin`; without one the stored one counts, which the range before checks.
    known: Option<Hash>,
    wanted: Vec<u64>,
}

struct Walked {
    end: u64,
    hash: Hash,
    hashes: BTreeMap<u64, Hash>,
}

impl Range {
    async fn walk(self, pool: PgPool) -> Result<Walked> {
        let corrupt = |seq, problem| Error::Corrupt { location_id: self.location_id.clone(), seq, problem };
        let first = if self.known.is_some() { self.begin } else { self.begin - 1 };
        let mut rows = sqlx::query(select_events!("WHERE location_id = $1 AND seq > $2 AND seq <= $3 ORDER BY seq"))
            .bind(self.location_id.as_str())
            .bind(signed(first))
            .bind(signed(self.end))
            .fetch(&pool);
        let hash = match self.known {
            Some(hash) => hash,
            None => match rows.try_next().await? {
                Some(row) if unsigned(row.try_get(1)?) == self.begin => stored_hash(&row)?.try_into().unwrap_or(BEGINNING),
                _ => return Err(corrupt(self.begin, "the event is missing")),
            },
        };
        let mut verifier = ChainVerifier::after(self.location_id.clone(), self.begin, hash);
        let mut hashes = BTreeMap::new();
        while let Some(row) = rows.try_next().await? {
            let seq = verifier.seq() + 1;
            verifier.step(&link(&row)?, stored_hash(&row)?).map_err(|problem| corrupt(seq, problem.as_str()))?;
            if self.wanted.contains(&seq) {
                hashes.insert(seq, verifier.hash());
            }
        }
        if verifier.seq() < self.end {
            return Err(corrupt(verifier.seq() + 1, "the event is missing"));
        }
        Ok(Walked { end: self.end, hash: verifier.hash(), hashes })
    }
}

pub(crate) fn stored_hash(row: &PgRow) -> Result<&[u8]> {
    Ok(row.try_get(14)?)
}
