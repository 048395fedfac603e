//! What an operator types.

use serde_json::Value;

use crate::system::{System, TOKEN};

/// What a command answered.
pub struct Answer {
    pub exit_code: u8,
    pub out: String,
    pub complaints: String,
}

impl Answer {
    /// The JSON objects of its lines, of those that have this key.
    #[must_use]
    pub fn lines(&self, key: &str) -> Vec<Value> {
        let lines = self.out.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter_map(|line| line.get(key).cloned()).collect()
    }

    /// # Errors
    /// When it ended with another exit code.
    pub fn is(self, exit_code: u8) -> anyhow::Result<Self> {
        anyhow::ensure!(self.exit_code == exit_code, "exit code {}: {} {}", self.exit_code, self.out, self.complaints);
        Ok(self)
    }
}

/// Types words behind `mirrorctl --json`.
///
/// # Errors
/// When there is no admin service to ask.
pub async fn typed(system: &System, words: &str) -> anyhow::Result<Answer> {
    shown(system, &format!("--json {words}")).await
}

/// Types words behind `mirrorctl`, as a person does.
///
/// # Errors
/// When there is no admin service to ask.
pub async fn shown(system: &System, words: &str) -> anyhow::Result<Answer> {
    let mut arguments = vec!["mirrorctl".to_owned(), "--token".to_owned(), TOKEN.to_owned()];
    arguments.extend(["--endpoint".to_owned(), system.address("admin", "grpc")?]);
    for service in ["poller", "mapper", "writer", "bridge"] {
        arguments.extend([format!("--control-{service}"), system.address(service, "grpc")?]);
    }
    arguments.extend(words.split(' ').map(str::to_owned));
    let (mut out, mut complaints) = (Vec::new(), Vec::new());
    let exit_code = mirrorctl::run_into(arguments.into_iter().map(Into::into), &mut out, &mut complaints).await;
    Ok(Answer { exit_code, out: String::from_utf8(out)?, complaints: String::from_utf8(complaints)? })
}
