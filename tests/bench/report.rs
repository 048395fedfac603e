//! What a bench prints: a table for people, one JSON object a line for programs.

use std::io::Write as _;

use serde::Serialize;

/// One measured figure.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) bench: &'static str,
    pub(crate) metric: &'static str,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// The limit or peer measured in the same run, in the same unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reference: Option<f64>,
    /// `value / reference`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ratio: Option<f64>,
    pub(crate) conditions: String,
}

impl Figure {
    pub(crate) fn new(bench: &'static str, metric: &'static str, value: f64, unit: &'static str, conditions: impl Into<String>) -> Self {
        Self { bench, metric, value, unit, reference: None, ratio: None, conditions: conditions.into() }
    }

    pub(crate) fn against(self, reference: f64) -> Self {
        Self { ratio: Some(self.value / reference), reference: Some(reference), ..self }
    }
}

/// Collects figures and shows each as it comes.
pub(crate) struct Report {
    json: bool,
    figures: Vec<Figure>,
}

impl Report {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, figures: Vec::new() }
    }

    pub(crate) fn add(&mut self, figure: Figure) -> anyhow::Result<()> {
        if self.json {
            writeln!(std::io::stdout().lock(), "{}", serde_json::to_string(&figure)?)?;
        } else {
            writeln!(std::io::stderr().lock(), "  {} {}: {} {}", figure.bench, figure.metric, round(figure.value), figure.unit)?;
        }
        self.figures.push(figure);
        Ok(())
    }

    pub(crate) fn finish(self) -> anyhow::Result<()> {
        if self.json {
            return Ok(());
        }
        let mut out = std::io::stdout().lock();
        writeln!(out, "{:<10} {:<34} {:>12} {:<10} {:>12} {:>6}  conditions", "bench", "metric", "value", "unit", "reference", "ratio")?;
        for figure in &self.figures {
            let reference = figure.reference.map(round).unwrap_or_default();
            let ratio = figure.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
            let Figure { bench, metric, value, unit, conditions, .. } = figure;
            writeln!(out, "{bench:<10} {metric:<34} {:>12} {unit:<10} {reference:>12} {ratio:>6}  {conditions}", round(*value))?;
        }
        Ok(())
    }
}

fn round(value: f64) -> String {
    if value.abs() >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

/// The value below which `share` of the samples lie.
pub(crate) fn percentile(samples: &mut [f64], share: f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    let last = samples.len().saturating_sub(1);
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index into few samples")]
    let index = (last as f64 * share).round() as usize;
    samples.get(index).copied().unwrap_or(f64::NAN)
}
