//! Files that a person names.

use std::path::Path;

use crate::problem::Problem;

/// What is in a file that was named.
pub(super) fn text_of(file: &Path) -> Result<String, Problem> {
    std::fs::read_to_string(file).map_err(|error| Problem::Usage(format!("cannot read {}: {error}", file.display())))
}
