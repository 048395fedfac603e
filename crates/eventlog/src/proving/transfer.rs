//! A whole log going out and coming in, hash for hash.

use domain::{Hash, LocationId};
use futures::TryStreamExt;
use jiff::Timestamp;
use proof::{BEGINNING, ChainVerifier, Header, Link, Problem};
use sqlx::{Postgres, Transaction};

use crate::chain::Head;
use crate::chain::copy::Rows;
use crate::columns::signed;
use crate::locations::{self, Locations};
use crate::proving::verify::stored_hash;
use crate::proving::{Chain, rebuild};
use crate::read::{link, select_events};
use crate::{Error, Result};

impl Chain {
    /// What there is to export of a location now. What is appended later is not part of it.
    ///
    /// # Errors
    /// `NotFound` when the location was never connected.
    pub async fn header(&self, location_id: &LocationId) -> Result<Header> {
        let location = Locations { pool: self.pool.clone() }.find(location_id).await?.ok_or(Error::NotFound)?;
        let head = Head::look(&self.pool, location_id).await?;
        Ok(Header {
            location_id: location_id.clone(),
            connected_at: location.connected_at,
            epoch: head.epoch,
            head: head.seq,
            hash: head.hash,
            exported_at: Timestamp::now(),
        })
    }

    /// Hands the events between two positions to `take`, in order and in stored form: one row is held at a time.
    ///
    /// # Errors
    /// `Corrupt` when one is missing; nothing else is verified here, because what is wrong must go out as it is. Whatever `take` gives.
    pub async fn export<E: From<Error>>(
        &self,
        location_id: &LocationId,
        (after, through): (u64, u64),
        mut take: impl FnMut(&Link<'_>, &Hash) -> Result<(), E>,
    ) -> Result<(), E> {
        let corrupt = |seq, problem| Error::Corrupt { location_id: location_id.clone(), seq, problem };
        let mut rows = sqlx::query(select_events!("WHERE location_id = $1 AND seq > $2 AND seq <= $3 ORDER BY seq"))
            .bind(location_id.as_str())
            .bind(signed(after))
            .bind(signed(through))
            .fetch(&self.pool);
        let mut seq = after;
        while let Some(row) = rows.try_next().await.map_err(Error::from)? {
            seq += 1;
            let link = link(&row)?;
            if link.seq != seq {
                return Err(corrupt(seq, Problem::Missing.as_str()).into());
            }
            let hash = stored_hash(&row)?.try_into().map_err(|_| corrupt(seq, Problem::OtherHash.as_str()))?;
            take(&link, &hash)?;
        }
        if seq < through {
            return Err(corrupt(seq + 1, Problem::Missing.as_str()).into());
        }
        Ok(())
    }

    /// Begins to import the log that a header announces: all of it or nothing.
    ///
    /// # Errors
    /// `NotEmpty` when the location has events.
    pub async fn import(&self, header: &Header) -> Result<Import> {
        let mut transaction = self.pool.begin().await?;
        locations::begin(&mut transaction, &header.location_id, header.connected_at).await?;
        let mut head = Head::lock(&mut *transaction, &header.location_id).await?;
        let stray = sqlx::query("SELECT FROM events WHERE location_id = $1 LIMIT 1")
            .bind(header.location_id.as_str())
            .fetch_optional(&mut *transaction)
            .await?;
        if head.seq > 0 || stray.is_some() {
            return Err(Error::NotEmpty);
        }
        (head.epoch, head.hash) = (header.epoch, BEGINNING);
        Ok(Import { chain: self.clone(), header: header.clone(), head, transaction })
    }
}

/// Events that came in and fit together, not yet stored.
pub struct ImportBatch {
    rows: Rows,
    before: (u64, Hash),
    last: (u64, Hash),
}

impl ImportBatch {
    /// The last position.
    pub fn seq(&self) -> u64 {
        self.last.0
    }
}

/// Collects events that come in one after the other, and checks each against the one before it.
pub struct ImportBuffer {
    verifier: ChainVerifier,
    batch: ImportBatch,
}

impl ImportBuffer {
    /// From the first event of a location on.
    pub fn of(location_id: LocationId) -> Self {
        let beginning = (0, BEGINNING);
        Self {
            verifier: ChainVerifier::after(location_id, 0, BEGINNING),
            batch: ImportBatch { rows: Rows::with_capacity(0, 0), before: beginning, last: beginning },
        }
    }

    /// # Errors
    /// What is wrong with the event, which is then left out.
    pub fn push(&mut self, link: &Link<'_>, hash: &Hash) -> Result<(), Problem> {
        self.verifier.step(link, hash)?;
        self.batch.rows.push(link, hash);
        self.batch.last = (self.verifier.seq(), self.verifier.hash());
        Ok(())
    }

    /// The position of the last event that was taken in.
    pub fn seq(&self) -> u64 {
        self.verifier.seq()
    }

    /// How many bytes are held.
    pub fn bytes(&self) -> usize {
        self.batch.rows.bytes()
    }

    /// Gives what is held, to be stored.
    pub fn take(&mut self) -> ImportBatch {
        let last = self.batch.last;
        let next = ImportBatch { rows: Rows::with_capacity(0, self.bytes()), before: last, last };
        std::mem::replace(&mut self.batch, next)
    }
}

/// An import under way. Dropping it before `finish` leaves nothing.
pub struct Import {
    chain: Chain,
    header: Header,
    head: Head,
    transaction: Transaction<'static, Postgres>,
}

impl Import {
    /// Stores a batch of events.
    ///
    /// # Errors
    /// `Corrupt` when it does not begin where the last ended.
    pub async fn store(mut self, batch: ImportBatch) -> Result<Self> {
        let corrupt = |seq, problem| Error::Corrupt { location_id: self.header.location_id.clone(), seq, problem };
        if batch.before != (self.head.seq, self.head.hash) {
            return Err(corrupt(self.head.seq + 1, Problem::Missing.as_str()));
        }
        if batch.last != batch.before {
            self.transaction = batch.rows.insert(self.transaction).await?;
            (self.head.seq, self.head.hash) = batch.last;
        }
        Ok(self)
    }

    /// Sets the head, and builds what is known and what was delivered from the log. Gives the last position.
    ///
    /// # Errors
    /// `Corrupt` when the log does not end as its header says.
    pub async fn finish(mut self) -> Result<u64> {
        let Header { location_id, head, hash, epoch, .. } = &self.header;
        if (self.head.seq, self.head.hash) != (*head, *hash) {
            let problem = if self.head.seq < *head { Problem::Missing.as_str() } else { "the head has another hash than the last event" };
            return Err(Error::Corrupt { location_id: location_id.clone(), seq: self.head.seq.min(*head - 1) + 1, problem });
        }
        self.head.save(&mut self.transaction, location_id).await?;
        sqlx::query("UPDATE log_head SET epoch = $2 WHERE location_id = $1")
            .bind(location_id.as_str())
            .bind(crate::columns::epoch_column(*epoch))
            .execute(&mut *self.transaction)
            .await?;
        rebuild::from_log(&self.chain.keys, &mut self.transaction, location_id, *head).await?;
        self.transaction.commit().await?;
        self.chain.appended.notify(1);
        Ok(*head)
    }
}
