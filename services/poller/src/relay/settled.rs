//! The settled mark: the positions up to which everything is mapped and written. When the bus has lost messages, the log is published again
//! from there.

use std::collections::BTreeMap;
use std::sync::Arc;

use bus::{Bus, Stream};
use chassis::Shutdown;
use chassis::tasks::sleep;
use domain::LocationId;
use eventlog::StreamState;

use crate::context::Context;
use crate::look::connection::Connections;

/// The streams that carry work. Deliveries are not among them: nobody works on them, and the log has them.
const WATCHED: [Stream; 3] = [Stream::Hints, Stream::Events, Stream::Intents];

/// The next settled mark: its positions are settled once both consumers have passed what was in their streams when it was made.
#[derive(Debug, Default)]
enum Mark {
    #[default]
    None,
    Mapping {
        positions: BTreeMap<LocationId, u64>,
        events: u64,
    },
    Writing {
        positions: BTreeMap<LocationId, u64>,
        intents: u64,
    },
}

pub(crate) async fn run(context: Arc<Context>, connections: Arc<Connections>, stop: Shutdown) -> anyhow::Result<()> {
    let mut mark = Mark::None;
    while sleep(&stop, *context.config.settled.interval).await {
        match check_and_advance(&context, &connections, std::mem::take(&mut mark)).await {
            Ok(next) => mark = next,
            Err(error) => tracing::warn!(%error, "the settled mark could not be updated"),
        }
    }
    Ok(())
}

async fn check_and_advance(context: &Context, connections: &Connections, mark: Mark) -> anyhow::Result<Mark> {
    if look_for_loss(context, connections).await? {
        // Sequence numbers of a lost stream mean nothing in the new one.
        return Ok(Mark::None);
    }
    advance(context, connections, mark).await
}

async fn advance(context: &Context, connections: &Connections, mark: Mark) -> anyhow::Result<Mark> {
    match mark {
        Mark::None => {
            // Positions first: events published in between may be waited for unnecessarily, but none is missed.
            let positions = context.log.relay().positions().await?;
            let events = context.bus.stream_seen(Stream::Events).await?.last_sequence;
            Ok(Mark::Mapping { positions, events })
        }
        Mark::Mapping { positions, events } if has_passed(&context.bus, Stream::Events, events).await? => {
            let intents = context.bus.stream_seen(Stream::Intents).await?.last_sequence;
            Ok(Mark::Writing { positions, intents })
        }
        Mark::Writing { positions, intents } if has_passed(&context.bus, Stream::Intents, intents).await? => {
            // A bus that was emptied just now has no backlog either, so it is checked for losses first.
            if !look_for_loss(context, connections).await? {
                context.log.relay().save_settled(&positions).await?;
            }
            Ok(Mark::None)
        }
        waiting @ (Mark::Mapping { .. } | Mark::Writing { .. }) => Ok(waiting),
    }
}

/// A consumer's ack floor stays below messages of other consumers, such as those of another lane. An empty backlog proves the same.
async fn has_passed(bus: &Bus, stream: Stream, sequence: u64) -> Result<bool, bus::Error> {
    Ok(bus.ack_floor(stream).await? >= sequence || bus.backlog(stream).await? == 0)
}

/// Compares the streams with what is remembered of them; true when one has lost messages. In that case everything since the settled mark
/// is published again, and if hints were lost, every contact is looked at again.
async fn look_for_loss(context: &Context, connections: &Connections) -> anyhow::Result<bool> {
    let mut seen = Vec::new();
    for stream in WATCHED {
        // What is remembered comes first: another replica may remember a newer state at any time, beside which an older look at the stream
        // would seem to be a loss.
        let remembered = context.log.relay().stream(stream.name()).await?;
        let now = match context.bus.stream_seen(stream).await {
            Ok(now) => now,
            Err(error) => {
                // A server that lost everything has no streams.
                context.bus.ensure_streams().await.map_err(|_| error)?;
                context.bus.stream_seen(stream).await?
            }
        };
        // The database stores microseconds.
        let created_at = jiff::Timestamp::from_microsecond(now.created_at.as_microsecond())?;
        seen.push((stream, StreamState { created_at, last_sequence: now.last_sequence }, remembered));
    }
    let lost: Vec<Stream> = seen
        .iter()
        .filter(|(_, now, remembered)| remembered.is_some_and(|remembered| has_lost(&remembered, now)))
        .map(|lost| lost.0)
        .collect();
    if !lost.is_empty() {
        start_over(context, connections, &lost).await?;
    }
    // Saved last: after a crash in between, the loss is found again.
    for (stream, now, remembered) in seen {
        if remembered != Some(now) {
            context.log.relay().remember_stream(stream.name(), &now).await?;
        }
    }
    Ok(!lost.is_empty())
}

fn has_lost(remembered: &StreamState, now: &StreamState) -> bool {
    now.created_at != remembered.created_at || now.last_sequence < remembered.last_sequence
}

async fn start_over(context: &Context, connections: &Connections, lost: &[Stream]) -> anyhow::Result<()> {
    for stream in lost {
        tracing::warn!(stream = stream.name(), "the bus has lost messages, publishing again from the settled mark");
        context.metrics.stream_lost();
        context.log.alerts().note_lost_stream(stream.name()).await?;
    }
    context.log.relay().rewind().await?;
    if lost.contains(&Stream::Hints) {
        context.log.passes().restart_backfills().await?;
        for connection in connections.all() {
            connection.backfill_wanted.notify_one();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn a_stream_that_is_newer_or_shorter_than_remembered_has_lost_messages() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let remembered = StreamState { created_at: at(100), last_sequence: 50 };
        assert!(!has_lost(&remembered, &StreamState { created_at: at(100), last_sequence: 50 }));
        assert!(!has_lost(&remembered, &StreamState { created_at: at(100), last_sequence: 51 }));
        assert!(has_lost(&remembered, &StreamState { created_at: at(100), last_sequence: 49 }));
        assert!(has_lost(&remembered, &StreamState { created_at: at(200), last_sequence: 60 }));
    }
}
