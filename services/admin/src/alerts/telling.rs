//! Telling over each channel what is due there, until it arrives.

use std::time::Instant;

use eventlog::Alerts;
use jiff::Timestamp;
use notifier::{Channel, Error};

use crate::alerts::condition::Condition;
use crate::alerts::message::Style;
use crate::alerts::metrics::Metrics;
use crate::alerts::turn::Turn;
use crate::config::AlertSettings;

/// The ways to people, and how each last went.
pub(crate) struct Teller {
    alerts: Alerts,
    settings: AlertSettings,
    lines: Vec<Line>,
    metrics: Metrics,
}

struct Line {
    channel: Channel,
    failures: u32,
    retry_at: Option<Instant>,
}

impl Teller {
    pub(crate) fn new(alerts: Alerts, settings: AlertSettings, channels: Vec<Channel>, metrics: Metrics) -> Self {
        let lines = channels.into_iter().map(|channel| Line { channel, failures: 0, retry_at: None }).collect();
        Self { alerts, settings, lines, metrics }
    }

    /// Tells what is due now, as long as it is this replica's turn.
    pub(crate) async fn tell(&mut self, now: Timestamp, turn: &Turn) -> eventlog::Result<()> {
        let Self { alerts, settings, lines, metrics } = self;
        let except: Vec<&str> = settings.quiet.except.iter().copied().map(Condition::as_str).collect();
        let only = settings.quiet.holds_at(now).then_some(except.as_slice());
        for line in lines.iter_mut().filter(|line| line.retry_at.is_none_or(|at| at <= Instant::now())) {
            let channel = line.channel.name();
            let due = alerts.due(channel, settings.group_wait, only, settings.changes_max.get()).await?;
            if due.changes.is_empty() {
                continue;
            }
            if !turn.take().await? {
                return Ok(());
            }
            let style = Style { name: &settings.name, time_zone: &settings.quiet.time_zone, bytes_max: settings.message_bytes_max.get() };
            let message = style.message(channel, &due);
            let first_tried = alerts.begin_telling(channel, &due.changes).await?;
            let sent = line.channel.send(&message).await;
            metrics.told(channel, sent.is_ok());
            match sent {
                Ok(()) => {
                    alerts.end_telling(channel, &due.changes).await?;
                    (line.failures, line.retry_at) = (0, None);
                    tracing::info!(channel, raised = due.raised.len(), resolved = due.resolved.len(), "told");
                    continue;
                }
                Err(error @ Error::Unknown(_)) => tracing::warn!(channel, %error, "told again later, perhaps a second time"),
                Err(error @ (Error::NotDelivered(_) | Error::Misconfigured(_))) => {
                    tracing::warn!(channel, %error, "told again later");
                    alerts.withdraw_telling(channel, &first_tried).await?;
                }
            }
            line.failures = line.failures.saturating_add(1);
            line.retry_at = Some(Instant::now() + settings.retry.backoff().delay(line.failures, rand::random(), None));
        }
        Ok(())
    }
}
