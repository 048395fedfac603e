//! Tables for people.

use std::collections::BTreeSet;
use std::io::{self, Write};

use super::colour::Style;

/// Columns as wide as their widest cell, two spaces apart. Cells hold no control characters: what GHL's users type must not control the
/// terminal.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    /// Rows that stand out.
    alarming: BTreeSet<usize>,
    to_the_right: Vec<bool>,
}

impl Table {
    /// A heading that begins with `>` makes a column of figures, aligned to the right.
    pub(crate) fn new(headings: &[&str]) -> Self {
        let to_the_right = headings.iter().map(|heading| heading.starts_with('>')).collect();
        let headings = headings.iter().map(|heading| heading.trim_start_matches('>').to_owned()).collect();
        Self { rows: vec![headings], alarming: BTreeSet::new(), to_the_right }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.iter().map(|cell| printable(cell)).collect());
    }

    /// A row that a person must act on.
    pub(crate) fn alarming_row<const N: usize>(&mut self, cells: [String; N]) {
        self.alarming.insert(self.rows.len());
        self.row(cells);
    }

    pub(crate) fn write(&self, out: &mut (dyn Write + Send)) -> io::Result<()> {
        self.write_styled(Style::default(), out)
    }

    pub(crate) fn write_styled(&self, style: Style, out: &mut (dyn Write + Send)) -> io::Result<()> {
        let columns = self.to_the_right.len();
        let width = |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (number, row) in self.rows.iter().enumerate() {
            let cells = row.iter().zip(&widths).zip(&self.to_the_right);
            let cells: Vec<String> =
                cells.map(|((cell, width), right)| if *right { format!("{cell:>width$}") } else { format!("{cell:<width$}") }).collect();
            let line = cells.join("  ");
            let line = line.trim_end();
            if self.alarming.contains(&number) { writeln!(out, "{}", style.alarm(line))? } else { writeln!(out, "{line}")? }
        }
        Ok(())
    }
}

/// Replaces control characters and those that change the writing direction.
pub(crate) fn printable(text: &str) -> String {
    let is_control = |c: char| c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if is_control(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_lines_up_and_cannot_control_the_terminal() {
        let mut table = Table::new(&["NAME", ">BEHIND"]);
        table.row(["a".to_owned(), "7".to_owned()]);
        table.row(["long \u{1b}[2J".to_owned(), "12".to_owned()]);
        let mut text = Vec::new();
        table.write(&mut text).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), "NAME       BEHIND\na               7\nlong \u{fffd}[2J      12\n");
    }

    #[test]
    fn an_alarming_row_is_red_where_colours_are() {
        let mut table = Table::new(&["NAME"]);
        table.row(["fine".to_owned()]);
        table.alarming_row(["not".to_owned()]);
        let mut text = Vec::new();
        table.write_styled(Style::new(true, None, None), &mut text).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), "NAME\nfine\n\u{1b}[1;31mnot\u{1b}[0m\n");
    }
}
