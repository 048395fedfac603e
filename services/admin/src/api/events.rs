//! From stored events to facts: the one place of this service where payloads are opened.

use domain::{Body, Decode, FieldChange, Recorded, Stored, field_within};
use eventlog::EventLog;

/// An event with what it says, or why that cannot be read.
pub(crate) struct Opened {
    pub(crate) stored: Stored,
    pub(crate) body: Result<Body, Decode>,
}

pub(crate) async fn open(log: &EventLog, events: Vec<Stored>) -> eventlog::Result<Vec<Opened>> {
    let opened = log.open(events.clone()).await?;
    Ok(events.into_iter().zip(opened).map(|(stored, opened)| Opened { stored, body: opened.map(|recorded| recorded.body) }).collect())
}

impl Opened {
    /// Keeps only the changes of these fields; says whether there are any. Of no fields in particular everything is kept.
    pub(crate) fn keep_fields(&mut self, fields: &[String]) -> bool {
        if fields.is_empty() {
            return true;
        }
        let asked = |change: &FieldChange| fields.iter().any(|asked| field_within(&change.field, asked));
        match &mut self.body {
            Ok(Body::Record(fact)) => {
                fact.changes.retain(asked);
                !fact.changes.is_empty()
            }
            Ok(Body::Delivery(_) | Body::Operator(_) | Body::Erased { .. }) | Err(_) => false,
        }
    }

    /// # Errors
    /// The position of what cannot be read.
    pub(crate) fn recorded(self) -> Result<Recorded, u64> {
        let Self { stored, body } = self;
        Ok(Recorded {
            body: body.map_err(|_| stored.seq)?,
            location_id: stored.location_id,
            epoch: stored.epoch,
            seq: stored.seq,
            event_id: stored.event_id,
            contact_id: stored.contact_id,
            record: stored.record,
            occurred_at: stored.occurred_at,
            recorded_at: stored.recorded_at,
            cause: stored.cause,
            traceparent: stored.traceparent,
        })
    }
}
