//! How answers are shown: tables for people, JSON and CSV for programs.

pub(crate) mod colour;
pub(crate) mod csv;
pub(crate) mod format;
pub(crate) mod progress;
pub(crate) mod table;

use std::io::Write;

use serde_json::Value;

use crate::problem::Problem;
use colour::Style;
use table::printable;

/// Where answers go, and in which form.
pub(crate) struct Output<'a> {
    pub(crate) out: &'a mut (dyn Write + Send),
    pub(crate) json: bool,
    pub(crate) style: Style,
}

impl Output<'_> {
    /// What a service answered, as a line of JSON.
    pub(crate) fn answer(&mut self, message: &impl proto::Name) -> Result<(), Problem> {
        let value = proto::json(message)?;
        self.line(&value)
    }

    pub(crate) fn line(&mut self, value: &Value) -> Result<(), Problem> {
        Ok(writeln!(self.out, "{value}")?)
    }

    /// A field before and after, for people.
    pub(crate) fn change(&self, field: &str, before_json: &str, after_json: &str) -> String {
        let [field, before, after] = [field, &format::shortened(before_json), &format::shortened(after_json)].map(printable);
        format!("{field}: {} → {}", self.style.gone(&before), self.style.new_text(&after))
    }
}
