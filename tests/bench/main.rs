//! Measures the mirror on its own servers: `just bench`. Figures are meant as ratios to what the machine can do, measured in the same
//! run; the absolute ones hold for this machine on this day.

mod audit;
mod log;
mod many;
mod path;
mod replay;
mod report;
mod source;
mod sweep;

use clap::{Parser, ValueEnum};

use crate::report::Report;

#[derive(Parser)]
#[command(about = "Measures pagico-mirror on servers of its own.")]
struct Arguments {
    /// One JSON object a line: bench, metric, value, unit, reference, ratio, conditions.
    #[arg(long)]
    json: bool,
    /// Only this bench.
    #[arg(value_enum)]
    only: Option<Bench>,
    /// Events, changes or contacts of the larger benches.
    #[arg(long, default_value_t = 100_000)]
    size: usize,
    /// Locations of the bench of many.
    #[arg(long, default_value_t = 1_000)]
    locations: usize,
    /// How long the latency is measured, in seconds.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Is this service with these settings instead, in a process of its own.
    #[arg(long, hide = true, num_args = 2, value_names = ["SERVICE", "FILE"])]
    serve: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Bench {
    /// Append, read, relay and map.
    Log,
    /// Looking back at a contact.
    Audit,
    /// From a change to the workspace: throughput.
    Changes,
    /// From a webhook to the workspace: latency.
    Latency,
    /// Planning, proving and applying a replay.
    Replay,
    /// What it costs to see everything in GHL: calls, webhooks, silent changes, and what has not changed.
    Source,
    /// What a location of many contacts takes of the poller's memory.
    Sweep,
    /// What many locations cost while nothing happens, and how soon they are taken over.
    Many,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let [service, settings] = arguments.serve.as_slice() {
        return tests::apart::serve(service, settings.as_ref()).await;
    }
    let mut report = Report::new(arguments.json);
    let wanted = |bench| arguments.only.is_none_or(|only| only == bench);
    if wanted(Bench::Log) {
        log::measure(&mut report, arguments.size).await?;
    }
    if wanted(Bench::Audit) {
        audit::measure(&mut report).await?;
    }
    if wanted(Bench::Changes) {
        path::changes(&mut report, arguments.size / 2).await?;
    }
    if wanted(Bench::Latency) {
        path::latency(&mut report, arguments.seconds).await?;
    }
    if wanted(Bench::Source) {
        source::backfill(&mut report, arguments.size / 10).await?;
        source::silent(&mut report).await?;
        source::webhooks(&mut report, arguments.size / 5, arguments.seconds).await?;
        source::unchanged(&mut report, arguments.size).await?;
        source::bulk(&mut report, arguments.size / 2).await?;
    }
    if wanted(Bench::Sweep) {
        sweep::measure(&mut report, arguments.size).await?;
    }
    if wanted(Bench::Many) {
        many::measure(&mut report, arguments.locations, arguments.seconds).await?;
    }
    if wanted(Bench::Replay) {
        replay::measure(&mut report, arguments.size, arguments.seconds).await?;
    }
    report.finish()
}
