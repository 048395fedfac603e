//! How far everything has arrived, and whether the bus has lost something: then the log is published again from there.

use std::collections::BTreeMap;
use std::sync::Arc;

use bus::Stream;
use chassis::Shutdown;
use domain::LocationId;
use eventlog::StreamSeen;

use crate::Poller;
use crate::context::{Tools, rest};

/// The streams that carry work. Losing deliveries loses nothing that is not in the log.
const WATCHED: [Stream; 3] = [Stream::Hints, Stream::Events, Stream::Intents];

/// A mark on its way: these positions are settled once both consumers have passed what was in their streams when it was noted.
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

pub(crate) async fn run(poller: Arc<Poller>, shutdown: Shutdown) -> anyhow::Result<()> {
    let mut mark = Mark::None;
    while rest(&shutdown, poller.tools.config.settled.interval).await {
        match turn(&poller, std::mem::take(&mut mark)).await {
            Ok(next) => mark = next,
            Err(error) => tracing::warn!(%error, "not noted how far everything has arrived"),
        }
    }
    Ok(())
}

async fn turn(poller: &Poller, mark: Mark) -> anyhow::Result<Mark> {
    if look_for_loss(poller).await? {
        // What was passed in a stream that is gone says nothing about the one there is now.
        return Ok(Mark::None);
    }
    advance(poller, mark).await
}

async fn advance(poller: &Poller, mark: Mark) -> anyhow::Result<Mark> {
    let tools = &poller.tools;
    match mark {
        Mark::None => {
            // Positions first: what is published after them may be counted in, never the other way round.
            let positions = tools.log.relay_positions().await?;
            let events = tools.bus.stream_seen(Stream::Events).await?.last_sequence;
            Ok(Mark::Mapping { positions, events })
        }
        Mark::Mapping { positions, events } if has_passed(tools, Stream::Events, events).await? => {
            let intents = tools.bus.stream_seen(Stream::Intents).await?.last_sequence;
            Ok(Mark::Writing { positions, intents })
        }
        Mark::Writing { positions, intents } if has_passed(tools, Stream::Intents, intents).await? => {
            // A bus that was emptied just now has nothing left to do either.
            if !look_for_loss(poller).await? {
                tools.log.save_settled(&positions).await?;
            }
            Ok(Mark::None)
        }
        waiting @ (Mark::Mapping { .. } | Mark::Writing { .. }) => Ok(waiting),
    }
}

/// A consumer's floor stays behind messages that are not its own, such as those of another lane; having nothing left to do says as much.
async fn has_passed(tools: &Tools, stream: Stream, sequence: u64) -> Result<bool, bus::Error> {
    Ok(tools.bus.ack_floor(stream).await? >= sequence || tools.bus.backlog(stream).await? == 0)
}

/// Compares the streams with what is remembered of them; true when one has lost something. Then everything since the settled mark is
/// published again, and after a loss of hints every contact is looked at again.
async fn look_for_loss(poller: &Poller) -> anyhow::Result<bool> {
    let tools = &poller.tools;
    let mut seen = Vec::new();
    for stream in WATCHED {
        let now = match tools.bus.stream_seen(stream).await {
            Ok(now) => now,
            Err(error) => {
                // A server that lost everything has no streams.
                tools.bus.ensure_streams().await.map_err(|_| error)?;
                tools.bus.stream_seen(stream).await?
            }
        };
        // The log keeps microseconds.
        let created_at = jiff::Timestamp::from_microsecond(now.created_at.as_microsecond())?;
        let now = StreamSeen { created_at, last_sequence: now.last_sequence };
        seen.push((stream, now, tools.log.remembered_stream(stream.name()).await?));
    }
    let lost: Vec<Stream> =
        seen.iter().filter(|(_, now, known)| known.is_some_and(|known| has_lost(&known, now))).map(|lost| lost.0).collect();
    if !lost.is_empty() {
        start_over(poller, &lost).await?;
    }
    // Remembered last: whoever stops before it starts over once more.
    for (stream, now, known) in seen {
        if known != Some(now) {
            tools.log.remember_stream(stream.name(), &now).await?;
        }
    }
    Ok(!lost.is_empty())
}

fn has_lost(known: &StreamSeen, now: &StreamSeen) -> bool {
    now.created_at != known.created_at || now.last_sequence < known.last_sequence
}

async fn start_over(poller: &Poller, lost: &[Stream]) -> anyhow::Result<()> {
    let tools = &poller.tools;
    for stream in lost {
        tracing::warn!(stream = stream.name(), "the bus has lost messages, publishing again");
        tools.metrics.stream_lost();
    }
    tools.log.rewind_relay().await?;
    if lost.contains(&Stream::Hints) {
        tools.log.restart_backfills().await?;
        for connection in poller.held() {
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
    fn a_stream_that_is_younger_or_shorter_has_lost_something() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let known = StreamSeen { created_at: at(100), last_sequence: 50 };
        assert!(!has_lost(&known, &StreamSeen { created_at: at(100), last_sequence: 50 }));
        assert!(!has_lost(&known, &StreamSeen { created_at: at(100), last_sequence: 51 }));
        assert!(has_lost(&known, &StreamSeen { created_at: at(100), last_sequence: 49 }));
        assert!(has_lost(&known, &StreamSeen { created_at: at(200), last_sequence: 60 }));
    }
}
