//! What `init` asks on a terminal. A token is never shown, and never taken from the command line, where others could read it.

use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::path::Path;

use anyhow::Context as _;
use console::Term;
use domain::LocationId;
use secrecy::SecretString;

use crate::failure::Failure;

/// The longest token that is read, in bytes. GHL's private ones have about forty.
const TOKEN_BYTES_MAX: u64 = 8 * 1024;

pub(super) fn location() -> Result<String, Failure> {
    ask("The id of the location, as the address of its pages at GHL has it (…/location/ID/…): ", "--location ID")
}

/// From a file, from standard input for `-`, or typed unseen.
pub(super) fn token(file: Option<&Path>, location_id: &LocationId) -> Result<SecretString, Failure> {
    let read = match file {
        Some(file) if file == Path::new("-") => text_of(std::io::stdin().lock(), "standard input")?,
        Some(file) => {
            text_of(std::fs::File::open(file).with_context(|| format!("opening {}", file.display()))?, &file.display().to_string())?
        }
        None => {
            is_terminal("--token-file FILE")?;
            let question = format!("The token of a private integration in location {location_id} (it is not shown): ");
            let mut terminal = Term::stderr();
            write!(terminal, "{question}").context("asking for the token")?;
            terminal.flush().context("asking for the token")?;
            terminal.read_secure_line().context("reading the token")?
        }
    };
    let token = read.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Failure::Usage("the token must be one word of letters, digits and signs, as GHL shows it once".to_owned()));
    }
    Ok(SecretString::from(token))
}

fn text_of(from: impl std::io::Read, name: &str) -> Result<String, Failure> {
    let mut text = String::new();
    from.take(TOKEN_BYTES_MAX).read_to_string(&mut text).with_context(|| format!("reading the token from {name}"))?;
    Ok(text)
}

/// Goes on only if the answer is `yes`.
pub(super) fn confirm(question: &str) -> Result<(), Failure> {
    let answer = ask(&format!("{question} [yes/no] "), "--yes")?;
    if answer.eq_ignore_ascii_case("yes") { Ok(()) } else { Err(Failure::Declined("nothing was written".to_owned())) }
}

fn ask(question: &str, instead: &str) -> Result<String, Failure> {
    is_terminal(instead)?;
    let mut shown = std::io::stderr();
    write!(shown, "{question}").and_then(|()| shown.flush()).context("asking")?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).context("reading the answer")?;
    Ok(answer.trim().to_owned())
}

fn is_terminal(instead: &str) -> Result<(), Failure> {
    if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
        return Ok(());
    }
    Err(Failure::Usage(format!("there is no terminal to ask on: give {instead}")))
}
