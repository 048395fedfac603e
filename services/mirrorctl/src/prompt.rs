//! Questions to a person in front of a terminal.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use crate::problem::Problem;

/// Asks a question that only `yes` answers with yes.
pub(crate) fn confirm(question: &str) -> Result<(), Problem> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Problem::Usage("there is nobody to ask: --yes goes on without a question".to_owned()));
    }
    let mut asked = std::io::stderr();
    write!(asked, "{question}\n  Only 'yes' is taken for yes: ")?;
    asked.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if answer.trim() == "yes" { Ok(()) } else { Err(Problem::Declined) }
}
