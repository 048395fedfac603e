//! Colours on a terminal.

/// Colours or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Style {
    on: bool,
}

impl Style {
    /// Colours on a terminal that wants them: see <https://no-color.org>.
    pub(crate) fn new(terminal: bool, no_color: Option<&str>, term: Option<&str>) -> Self {
        Self { on: terminal && no_color.is_none_or(str::is_empty) && term != Some("dumb") }
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(crate) fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// What is gone or was before.
    pub(crate) fn gone(self, text: &str) -> String {
        self.paint("31", text)
    }

    /// What a person must act on.
    pub(crate) fn alarm(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    /// What is new or came after.
    pub(crate) fn new_text(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// What is different.
    pub(crate) fn changed(self, text: &str) -> String {
        self.paint("33", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.on { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_need_a_terminal_that_wants_them() {
        assert_eq!(Style::new(true, None, Some("xterm")).gone("x"), "\u{1b}[31mx\u{1b}[0m");
        for plain in [Style::new(false, None, None), Style::new(true, Some("1"), None), Style::new(true, None, Some("dumb"))] {
            assert_eq!(plain.gone("x"), "x");
        }
        assert_eq!(Style::new(true, Some(""), None), Style::new(true, None, None));
    }
}
