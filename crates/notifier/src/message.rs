//! What is sent.

/// A message in plain text. Each channel gives it the form that it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The same for the same message sent again, so that receivers can tell; letters, digits and hyphens.
    pub id: String,
    /// One line.
    pub subject: String,
    /// Each of one line or several.
    pub paragraphs: Vec<String>,
}

impl Message {
    /// How long its text is, in bytes.
    #[must_use]
    pub fn text_bytes(&self) -> usize {
        self.subject.len() + self.paragraphs.iter().map(|paragraph| paragraph.len() + 2).sum::<usize>()
    }

    /// The paragraphs with an empty line between them.
    pub(crate) fn text(&self) -> String {
        self.paragraphs.join("\n\n")
    }
}
