//! What was found, shown as soon as it is: a line for people, or a JSON object for programs.

use std::io::Write as _;

use anyhow::Context as _;
use serde_json::json;

use crate::failure::Failure;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Ok,
    /// It goes on, with less than there could be.
    Warning,
    /// A person has to act.
    Broken,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Broken => "broken",
        }
    }
}

/// Counts, names of scopes and ids alone: nothing personal.
#[derive(Debug)]
pub(super) struct Finding {
    state: State,
    what: &'static str,
    says: String,
    cure: String,
}

impl Finding {
    pub(super) fn new(state: State, what: &'static str, says: impl Into<String>) -> Self {
        Self { state, what, says: says.into(), cure: String::new() }
    }

    pub(super) fn ok(what: &'static str, says: impl Into<String>) -> Self {
        Self::new(State::Ok, what, says)
    }

    /// Says what to do about it.
    pub(super) fn cured_by(self, cure: impl Into<String>) -> Self {
        Self { cure: cure.into(), ..self }
    }
}

pub(super) struct Findings {
    json: bool,
    broken: usize,
}

impl Findings {
    pub(super) fn new(json: bool) -> Self {
        Self { json, broken: 0 }
    }

    pub(super) fn broken(&self) -> usize {
        self.broken
    }

    /// # Errors
    /// When it cannot be shown.
    pub(super) fn add(&mut self, finding: Finding) -> Result<(), Failure> {
        self.broken += usize::from(finding.state == State::Broken);
        let Finding { state, what, says, cure } = finding;
        let text = if self.json {
            format!("{}\n", json!({"state": state.as_str(), "what": what, "says": says, "cure": cure}))
        } else {
            let cure = if cure.is_empty() { String::new() } else { format!("{:<23}→ {cure}\n", "") };
            format!("{:<9}{what:<14}{says}\n{cure}", state.as_str())
        };
        std::io::stdout().lock().write_all(text.as_bytes()).context("showing what was found")?;
        Ok(())
    }
}
