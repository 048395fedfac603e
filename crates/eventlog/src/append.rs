//! Appending: what was observed and what was done becomes events.

use domain::{Body, LocationId, Observation, Recorded, observe};

use crate::chain::{Entry, Head, Prepared};
use crate::keys::ring::is_erased;
use crate::known::remained::append_remained;
use crate::known::{Known, batches, compared, coverage};
use crate::ledger::parked;
use crate::{EventLog, Lease, Result, leases};

impl EventLog {
    /// Appends what the observations say has changed; what is unchanged appends nothing. Gives the new events in order. Only the holder
    /// of a location's lease observes it.
    ///
    /// A long slice becomes several transactions: after an error some may have been appended, and observing the same again
    /// appends only the rest. A contact whose known records can be read neither in the projection nor in the log is parked, the
    /// others are observed.
    ///
    /// # Errors
    /// `NotFound` when the location was never connected, `Superseded` when the lease is not held any more.
    pub async fn observe(&self, lease: &Lease, observations: &[Observation]) -> Result<Vec<Recorded>> {
        let mut recorded = Vec::new();
        for batch in batches(observations, self.transaction_records_max.get()) {
            recorded.append(&mut self.observe_batch(lease, batch).await?);
        }
        Ok(recorded)
    }

    async fn observe_batch(&self, lease: &Lease, observations: &[Observation]) -> Result<Vec<Recorded>> {
        let location_id = &lease.location_id;
        let mut transaction = self.pool.begin().await?;
        let mut head = Head::lock(&mut *transaction, location_id).await?;
        leases::check(&mut transaction, lease).await?;
        let erased = self.keys().ring.locked_erased(&mut transaction, location_id, head.erasures).await?;
        let observations = observations.iter().filter(|seen| seen.location_id == *location_id && !is_erased(&erased, &seen.contact_id));
        let wanted = compared(observations.clone());
        let mut known = Known::load(self.keys(), &mut transaction, location_id, &wanted).await?;
        let mut fresh = Vec::new();
        for seen in observations {
            if known.unreadable.contains_key(&seen.contact_id) {
                continue;
            }
            let observed = observe(known.of(&seen.contact_id), seen);
            known.take(seen, &observed, head.after(fresh.len()));
            for draft in observed.drafts {
                fresh.push(Prepared::new(Entry {
                    contact_id: Some(seen.contact_id.clone()),
                    record: Some((draft.fact.record.kind(), draft.record_id)),
                    occurred_at: draft.occurred_at,
                    cause: seen.cause.clone(),
                    traceparent: seen.traceparent.clone(),
                    body: Body::Record(Box::new(draft.fact)),
                })?);
            }
        }
        let keys = self.keys().seal_fresh(&mut transaction, location_id, &head, &mut fresh).await?;
        let (mut transaction, mut recorded) = head.insert_all(transaction, location_id, fresh).await?;
        coverage::count(&mut transaction, location_id, &recorded).await?;
        known.save(&mut transaction, location_id).await?;
        for (contact_id, revision) in &known.unreadable {
            let parking = parked::unreadable_contact(location_id, contact_id, *revision);
            recorded.extend(parked::park(&mut transaction, &mut head, &parking).await?.1);
        }
        recorded.extend(append_remained(self.keys(), &mut transaction, location_id, &mut head, &recorded).await?);
        if !recorded.is_empty() {
            head.save(&mut transaction, location_id).await?;
        }
        transaction.commit().await?;
        self.keys().keep_fresh(location_id, &keys);
        self.appended.notify(recorded.len());
        Ok(recorded)
    }

    /// Appends these entries as they are, in one transaction, and gives the events in order. What happened to records of an erased
    /// contact is left out.
    ///
    /// # Errors
    /// `NotFound` when the location was never connected.
    pub async fn append(&self, location_id: &LocationId, entries: Vec<Entry>) -> Result<Vec<Recorded>> {
        // Encoded before the lock is taken: other appenders of the location wait for it.
        let mut fresh = entries.into_iter().map(Prepared::new).collect::<Result<Vec<_>>>()?;
        let mut transaction = self.pool.begin().await?;
        let mut head = Head::lock(&mut *transaction, location_id).await?;
        let keys = self.keys().seal_fresh(&mut transaction, location_id, &head, &mut fresh).await?;
        let (mut transaction, recorded) = head.insert_all(transaction, location_id, fresh).await?;
        head.save(&mut transaction, location_id).await?;
        transaction.commit().await?;
        self.keys().keep_fresh(location_id, &keys);
        self.appended.notify(recorded.len());
        Ok(recorded)
    }
}
