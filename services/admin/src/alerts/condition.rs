//! What can be the matter, and what to do about it.

use serde::{Deserialize, Serialize};

/// A condition that a person must know of. Its name is stored, is a label of metrics and is typed by operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Condition {
    TokenDead,
    ScopeMissing,
    BackfillStuck,
    SweepOverdue,
    Parked,
    Lag,
    StreamLost,
    CallsNearlySpent,
    DiskNearlyFull,
    LogNotProved,
    NoPoller,
    VanishingHeld,
    Drift,
}

impl Condition {
    pub(crate) const ALL: [Self; 13] = [
        Self::TokenDead,
        Self::ScopeMissing,
        Self::BackfillStuck,
        Self::SweepOverdue,
        Self::Parked,
        Self::Lag,
        Self::StreamLost,
        Self::CallsNearlySpent,
        Self::DiskNearlyFull,
        Self::LogNotProved,
        Self::NoPoller,
        Self::VanishingHeld,
        Self::Drift,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::TokenDead => "token_dead",
            Self::ScopeMissing => "scope_missing",
            Self::BackfillStuck => "backfill_stuck",
            Self::SweepOverdue => "sweep_overdue",
            Self::Parked => "parked",
            Self::Lag => "lag",
            Self::StreamLost => "stream_lost",
            Self::CallsNearlySpent => "calls_nearly_spent",
            Self::DiskNearlyFull => "disk_nearly_full",
            Self::LogNotProved => "log_not_proved",
            Self::NoPoller => "no_poller",
            Self::VanishingHeld => "vanishing_held",
            Self::Drift => "drift",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|condition| condition.as_str() == name)
    }

    /// A few words for a heading.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::TokenDead => "a location is not read",
            Self::ScopeMissing => "a scope is missing",
            Self::BackfillStuck => "the backfill is stuck",
            Self::SweepOverdue => "the sweep is overdue",
            Self::Parked => "work waits for a person",
            Self::Lag => "changes arrive late",
            Self::StreamLost => "the bus lost messages",
            Self::CallsNearlySpent => "the day's calls are nearly spent",
            Self::DiskNearlyFull => "a disk is nearly full",
            Self::LogNotProved => "the log is not proved",
            Self::NoPoller => "no poller is alive",
            Self::VanishingHeld => "unusually much vanished",
            Self::Drift => "changes were missed",
        }
    }

    /// What a person does about it.
    pub(crate) fn cure(self) -> &'static str {
        match self {
            Self::TokenDead => {
                "Where the cause says that the location is not active, switch it on at GHL. Otherwise make a new private integration token at \
                 GHL with every scope and write it into its token file or give it to `mirrorctl location add`, or install the app again by /oauth/start of the poller: \
                 `mirrorctl credentials list` and `mirrorctl status` say which. Until then nothing of it is \
                 mirrored; afterwards everything is caught up."
            }
            Self::ScopeMissing => {
                "Add the scope to the private integration at GHL, or to oauth.app.scopes and to the app, and install the app again. \
                 Everything else is mirrored meanwhile; what was missed is caught up by itself."
            }
            Self::BackfillStuck => {
                "`mirrorctl budget` says whether calls are left, `mirrorctl status` whether GHL refuses something; the poller's log says \
                 why the last page failed. It goes on by itself where it stopped."
            }
            Self::SweepOverdue => {
                "Deletions and silent edits are found late. `mirrorctl coverage` says when each kind was last complete, `mirrorctl budget` \
                 whether calls are left; the poller's log says why passes broke off."
            }
            Self::Parked => "`mirrorctl parked` lists it with reasons. Mend the reason, then `mirrorctl redrive --all`.",
            Self::Lag => {
                "`mirrorctl status` shows which service is not ready or paused. Nothing is lost: what waits is delivered when it is back."
            }
            Self::StreamLost => {
                "Find out why NATS lost its data: its disk, its volume, somebody's command. The mirror publishes again from the log and \
                 reads every location anew by itself; this is over when both are done."
            }
            Self::CallsNearlySpent => {
                "Webhooks are still looked into; watch, sweep and backfill wait for tomorrow. `mirrorctl budget` says what spends the \
                 calls; other programs that use the location's calls count as well."
            }
            Self::DiskNearlyFull => "Free some space or enlarge the disk before it is full: then nothing can be recorded.",
            Self::LogNotProved => {
                "Stop and look: `mirrorctl log verify` says from which position on the log is not what was signed. Where it is damaged, \
                 restore it from a backup; docs/answer-an-auditor.md says how to prove it."
            }
            Self::VanishingHeld => {
                "Look into GHL whether it is really gone. If so, `mirrorctl release` lets it vanish in Pagico, too; if not, nothing needs to \
                 be done once GHL shows it again. Until then nothing that no webhook announced vanishes in this location."
            }
            Self::Drift => {
                "What differed was put right. `mirrorctl coverage` says how much may differ elsewhere, `mirrorctl verify source` compares \
                 everything. Webhooks that do not arrive are the most frequent reason: see MISSED there."
            }
            Self::NoPoller => "Start the poller. Webhooks are refused meanwhile; GHL sends most again, and the sweep finds the rest.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_condition_is_read_by_the_name_that_is_stored() {
        for condition in Condition::ALL {
            assert_eq!(Condition::parse(condition.as_str()), Some(condition));
            assert_eq!(serde_json::to_value(condition).unwrap(), condition.as_str());
        }
        assert_eq!(Condition::parse("unheard_of"), None);
    }
}
