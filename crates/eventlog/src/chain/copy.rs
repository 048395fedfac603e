//! Many events in one `COPY`.

use domain::Hash;
use proof::Link;
use sqlx::{Postgres, Transaction};

use crate::columns::{epoch_column, signed, stored_instant};
use crate::{Error, Result};

/// What a row begins with: how many fields follow.
const COLUMNS: i16 = 15;
const COPY: &str = "COPY events (location_id, seq, epoch, event_id, contact_id, record_kind, record_id, type, occurred_at, recorded_at, cause, \
                    traceparent, key_id, payload, hash) FROM STDIN (FORMAT binary)";
/// Signature, flags and the length of an extension that is not there.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const END: i16 = -1;
/// About how many bytes a row takes beside its payload.
const ROW_BYTES: usize = 600;

/// Events in PostgreSQL's binary copy format.
pub(crate) struct Rows(Vec<u8>);

impl Rows {
    /// `payload_bytes` are those of all events together.
    pub(crate) fn with_capacity(events: usize, payload_bytes: usize) -> Self {
        let mut bytes = Vec::with_capacity(HEADER.len() + events * ROW_BYTES + payload_bytes);
        bytes.extend_from_slice(HEADER);
        Self(bytes)
    }

    /// What is hashed is what is stored: both are made of the same columns.
    pub(crate) fn push(&mut self, link: &Link<'_>, hash: &Hash) {
        self.0.extend_from_slice(&COLUMNS.to_be_bytes());
        self.field(link.location_id.as_bytes());
        self.field(&signed(link.seq).to_be_bytes());
        self.field(&epoch_column(link.epoch).to_be_bytes());
        self.field(link.event_id.as_bytes());
        self.text(link.contact_id);
        self.text(link.record_kind);
        self.text(link.record_id);
        self.field(link.type_name.as_bytes());
        self.field(&stored_instant(link.occurred_at));
        self.field(&stored_instant(link.recorded_at));
        self.field(link.cause.as_bytes());
        self.text(link.traceparent);
        self.text(link.key_id);
        self.field(link.payload);
        self.field(hash);
    }

    /// How many bytes are held.
    pub(crate) fn bytes(&self) -> usize {
        self.0.len()
    }

    fn text(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.field(text.as_bytes()),
            None => self.0.extend_from_slice(&(-1_i32).to_be_bytes()),
        }
    }

    /// A field longer than the format can say makes the database refuse the row.
    fn field(&mut self, value: &[u8]) {
        self.0.extend_from_slice(&i32::try_from(value.len()).unwrap_or(i32::MAX).to_be_bytes());
        self.0.extend_from_slice(value);
    }

    /// Sends the rows and gives the transaction back.
    ///
    /// Runs in a task of its own, which goes on when the caller is dropped and then rolls back: the answers to a `COPY` that was given
    /// up half way would be taken for those to the connection's next statement.
    pub(crate) async fn insert(mut self, mut transaction: Transaction<'static, Postgres>) -> Result<Transaction<'static, Postgres>> {
        self.0.extend_from_slice(&END.to_be_bytes());
        let sent = tokio::spawn(async move {
            let mut copy = transaction.copy_in_raw(COPY).await?;
            copy.send(self.0).await?;
            copy.finish().await?;
            Ok::<_, sqlx::Error>(transaction)
        });
        match sent.await {
            Ok(sent) => Ok(sent?),
            // The runtime is stopping.
            Err(_) => Err(Error::Unavailable { source: sqlx::Error::WorkerCrashed }),
        }
    }
}
