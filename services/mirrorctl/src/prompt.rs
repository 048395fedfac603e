//! Questions to a person at a terminal.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use crate::problem::Problem;

/// Goes on only if the answer is `yes`.
pub(crate) fn confirm(question: &str) -> Result<(), Problem> {
    if ask(&format!("{question}\n  Only 'yes' is accepted: "))? == "yes" { Ok(()) } else { Err(Problem::Declined) }
}

/// What a person types in answer to a question, which is shown on standard error.
pub(crate) fn ask(question: &str) -> Result<String, Problem> {
    let mut shown = std::io::stderr();
    if !std::io::stdin().is_terminal() || !shown.is_terminal() {
        return Err(Problem::Usage("this needs confirmation: run it on a terminal, or give --yes".to_owned()));
    }
    write!(shown, "{question}")?;
    shown.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim().to_owned())
}
