//! What happened, in figures: a table for people, one line of JSON for programs.

use serde::Serialize;

/// Figures count from the first start on this data, unless they say otherwise.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Summary {
    pub(crate) in_sync: bool,
    /// Contacts, tasks, notes and appointments in GHL, as far as is known.
    pub(crate) records: u64,
    /// Events in the log, deliveries included.
    pub(crate) events: u64,
    /// Intents put on the bus.
    pub(crate) intents: u64,
    /// Objects in the workspace, by the ledger.
    pub(crate) delivered: u64,
    pub(crate) parked: u64,
    /// How many seconds the oldest change that is not yet in the workspace has waited; 0 when everything is.
    pub(crate) lag: f64,
    /// Calls that GHL answered since this start.
    pub(crate) ghl_calls: u64,
    /// How long this start took until now.
    pub(crate) seconds: f64,
}

impl Summary {
    /// The figures as lines of a table.
    #[must_use]
    pub(crate) fn table(&self) -> String {
        let rows: [(&str, String); 8] = [
            ("records seen", self.records.to_string()),
            ("events", self.events.to_string()),
            ("intents", self.intents.to_string()),
            ("delivered", self.delivered.to_string()),
            ("parked", self.parked.to_string()),
            ("lag", format!("{:.1} s", self.lag)),
            ("GHL calls", self.ghl_calls.to_string()),
            ("took", format!("{:.1} s", self.seconds)),
        ];
        rows.into_iter().map(|(name, value)| format!("  {name:<14}{value:>10}\n")).collect()
    }
}
