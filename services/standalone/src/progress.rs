//! Progress for people: bars on a terminal, lines elsewhere. Always on standard error; standard output is for the result.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The shortest time between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(2);

/// Where progress is shown.
#[derive(Clone)]
pub(crate) struct Progress {
    bars: Option<MultiProgress>,
}

impl Progress {
    pub(crate) fn on_stderr() -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        Self { bars: is_terminal.then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10))) }
    }

    /// Prints a line that stays on the screen.
    pub(crate) fn say(&self, line: &str) {
        match &self.bars {
            Some(bars) => bars.suspend(|| write_line(line)),
            None => write_line(line),
        }
    }

    /// Begins a step, which has an end.
    pub(crate) fn step(&self, name: &'static str) -> Step {
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::no_length());
            bar.set_style(style(false));
            bar.set_prefix(name);
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Step { name, bar, shown: None }
    }
}

fn style(has_length: bool) -> ProgressStyle {
    let template = if has_length { "{prefix:>10} [{bar:30}] {pos}/{len} {msg}" } else { "{prefix:>10} {spinner} {msg}" };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("=> ")
}

pub(crate) struct Step {
    name: &'static str,
    bar: Option<ProgressBar>,
    shown: Option<(Instant, String)>,
}

impl Step {
    pub(crate) fn at(&mut self, position: u64, length: Option<u64>, note: &str) {
        if let Some(bar) = &self.bar {
            if bar.length() != length
                && let Some(length) = length
            {
                bar.set_length(length);
                bar.set_style(style(true));
            }
            bar.set_position(position);
            bar.set_message(note.to_owned());
            return;
        }
        let of = length.map_or_else(String::new, |length| format!("/{length}"));
        let line = format!("{}: {position}{of} {note}", self.name);
        let is_due = self.shown.as_ref().is_none_or(|(at, shown)| at.elapsed() >= LINE_EVERY && *shown != line);
        if is_due {
            write_line(&line);
            self.shown = Some((Instant::now(), line));
        }
    }

    pub(crate) fn done(self, note: &str) {
        match self.bar {
            Some(bar) => bar.finish_with_message(note.to_owned()),
            None => write_line(&format!("{}: {note}", self.name)),
        }
    }
}

fn write_line(line: &str) {
    // If nobody reads it, that is no reason to stop.
    drop(writeln!(std::io::stderr().lock(), "{line}"));
}
