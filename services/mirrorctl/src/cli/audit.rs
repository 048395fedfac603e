//! `history`, `blame`, `as-of`, `diff`, `export`, `access-log` and `watch`.

use clap::{Args, Subcommand, ValueEnum};
use domain::RecordKind;

use super::time::{By, Instant, Moment};

const CAUSES: [&str; 6] = ["webhook", "poll", "sweep", "backfill", "operator", "writer"];

/// Which events are shown.
#[derive(Args)]
#[command(next_help_heading = "Which events")]
pub(crate) struct FilterArgs {
    /// Only changes of this field or a part of it, for instance city or `custom_fields`; may be repeated.
    #[arg(long = "field", value_name = "FIELD")]
    pub(crate) fields: Vec<String>,
    /// Only of records of this kind; may be repeated.
    #[arg(long = "kind", value_name = "KIND", value_parser = RecordKind::ALL.map(RecordKind::as_str))]
    pub(crate) kinds: Vec<String>,
    /// Only what was noticed this way; may be repeated.
    #[arg(long = "cause", value_name = "CAUSE", value_parser = CAUSES)]
    pub(crate) causes: Vec<String>,
    /// Only of this type (task.changed) or group of types (task, delivery); may be repeated.
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) types: Vec<String>,
    /// Only from this time on: 2026-03-01, 2026-03-01T09:30Z or 2h (ago).
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<Instant>,
    /// Only before this time.
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<Instant>,
    /// Which of an event's times --since and --until refer to.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) by: By,
}

#[derive(Args)]
pub(crate) struct HistoryArgs {
    /// The GHL contact id.
    pub(crate) contact_id: String,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// How many events at most.
    #[arg(long, default_value_t = 50)]
    pub(crate) limit: usize,
    /// The whole history.
    #[arg(long, conflicts_with = "limit")]
    pub(crate) all: bool,
    /// The output format; --json means jsonl.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Table,
    /// One JSON object on each line.
    Jsonl,
    /// One row for each changed field. An apostrophe is put before text that a spreadsheet would run as a formula.
    Csv,
}

#[derive(Args)]
pub(crate) struct BlameArgs {
    /// The GHL contact id.
    pub(crate) contact_id: String,
    /// The field, for instance city or `custom_fields.<id>`; `custom_fields` stands for all of its parts.
    pub(crate) field: String,
    /// The kind of record.
    #[arg(long, value_parser = RecordKind::ALL.map(RecordKind::as_str), default_value = "contact")]
    pub(crate) kind: String,
    /// This record only.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    pub(crate) record: String,
    /// How many values at most.
    #[arg(long, default_value_t = 50)]
    pub(crate) limit: usize,
    /// All of them.
    #[arg(long, conflicts_with = "limit")]
    pub(crate) all: bool,
}

#[derive(Args)]
pub(crate) struct AsOfArgs {
    /// The GHL contact id.
    pub(crate) contact_id: String,
    /// A position of the log or a time: 1234, 2026-03-01, 2026-03-01T09:30Z or 2h (ago).
    pub(crate) at: Moment,
    /// Which of an event's times counts.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) by: By,
}

#[derive(Args)]
pub(crate) struct DiffArgs {
    /// The GHL contact id.
    pub(crate) contact_id: String,
    /// The first moment: a position of the log or a time. Defaults to before anything was seen.
    #[arg(long, value_name = "MOMENT")]
    pub(crate) from: Option<Moment>,
    /// The second moment. Defaults to now.
    #[arg(long, value_name = "MOMENT")]
    pub(crate) to: Option<Moment>,
    /// Which of an event's times counts.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) by: By,
}

#[derive(Subcommand)]
pub(crate) enum Export {
    /// Exports every contact of the location as it was, or what differs between two moments: one JSON object on each line, by contact id.
    Location(ExportArgs),
}

#[derive(Args)]
pub(crate) struct ExportArgs {
    /// As of this moment: a position of the log or a time. Defaults to now.
    #[arg(long, value_name = "MOMENT", conflicts_with_all = ["from", "to"])]
    pub(crate) at: Option<Moment>,
    /// Only what differs from this moment on.
    #[arg(long, value_name = "MOMENT")]
    pub(crate) from: Option<Moment>,
    /// Only what differs until this moment. Defaults to now.
    #[arg(long, value_name = "MOMENT", requires = "from")]
    pub(crate) to: Option<Moment>,
    /// Which of an event's times counts.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) by: By,
    /// Continues after this contact.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    pub(crate) after: String,
}

#[derive(Args)]
pub(crate) struct AccessArgs {
    /// Only accesses to this contact, exports of the whole location included.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    pub(crate) contact: String,
    /// Only accesses by this person.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub(crate) asked_by: String,
    /// Only from this time on.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<Instant>,
    /// Only before this time.
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<Instant>,
    /// How many to list at most.
    #[arg(long, default_value_t = 100)]
    pub(crate) limit: usize,
    /// All of them.
    #[arg(long, conflicts_with = "limit")]
    pub(crate) all: bool,
}

#[derive(Args)]
pub(crate) struct WatchArgs {
    /// Starts after this position of the log (0: from the beginning) instead of with the next event.
    #[arg(long, value_name = "POSITION")]
    pub(crate) after: Option<u64>,
    /// Only events of this contact.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    pub(crate) contact: String,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// Ends after this many events.
    #[arg(long)]
    pub(crate) count: Option<u64>,
}
