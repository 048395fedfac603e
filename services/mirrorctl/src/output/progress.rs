//! Progress bars, drawn on standard error and only on a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// With a message that says how fast it goes.
pub(crate) fn bar_with_message(length: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:32} {human_pos}/{human_len}{msg}");
    ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// With rate and time left, measured here.
pub(crate) fn bar(length: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:32} {human_pos}/{human_len}  {per_sec}  {eta} left");
    ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
