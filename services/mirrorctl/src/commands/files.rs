//! Files named on the command line.

use std::path::Path;

use crate::problem::Problem;

/// The text of a file.
pub(super) fn text_of(file: &Path) -> Result<String, Problem> {
    std::fs::read_to_string(file).map_err(|error| Problem::Usage(format!("cannot read {}: {error}", file.display())))
}
