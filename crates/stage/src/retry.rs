//! Trying again.

use std::fmt::Display;
use std::num::NonZeroU32;
use std::time::Duration;

use chassis::Shutdown;
use chassis::tasks::sleep;
use domain::Backoff;
use serde::{Deserialize, Serialize};
use settings::{Check, Period, Problems};

use crate::message::Fate;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetrySettings {
    pub first: Period,
    pub longest: Period,
    /// A message that was delivered more often than this without ever having an effect parks.
    pub deliveries_max: NonZeroU32,
}

impl Check for RetrySettings {
    fn check(&self, problems: &mut Problems) {
        problems.check(self.first <= self.longest, "first", "must not be longer than longest");
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub enum NotAnswered<E> {
    /// It was time to stop first.
    Stopped,
    /// Asking again would not help.
    Refused(E),
}

impl RetrySettings {
    pub fn backoff(&self) -> Backoff {
        Backoff { first: *self.first, longest: *self.longest }
    }

    /// How long to wait after so many failures.
    pub fn delay(&self, failures: u32) -> Duration {
        self.backoff().delay(failures, rand::random(), None)
    }

    /// What becomes of a message because of an answer that did not come: what was refused is tried again much later.
    pub fn fate<E>(&self, not_answered: &NotAnswered<E>) -> Fate {
        match not_answered {
            NotAnswered::Stopped => Fate::Left,
            NotAnswered::Refused(_) => Fate::Retry(*self.longest),
        }
    }

    /// Asks again and again, with growing delays, as long as what went wrong `is_transient`.
    ///
    /// # Errors
    /// When it is time to stop, or asking again would not help.
    pub async fn until_answered<T, E: Display, F: Future<Output = Result<T, E>> + Send>(
        &self,
        doing: &'static str,
        stop: &Shutdown,
        is_transient: impl Fn(&E) -> bool + Send,
        mut ask: impl FnMut() -> F + Send,
    ) -> Result<T, NotAnswered<E>> {
        let mut failures = 0;
        loop {
            let error = match ask().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            failures += 1;
            tracing::warn!(%error, failures, doing, "not answered yet");
            if !is_transient(&error) {
                return Err(NotAnswered::Refused(error));
            }
            drop(error);
            if !sleep(stop, self.delay(failures)).await {
                return Err(NotAnswered::Stopped);
            }
        }
    }
}
