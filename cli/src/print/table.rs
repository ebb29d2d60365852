//! Tables of aligned columns, as Go's text/tabwriter prints them: each column as wide as its widest cell plus
//! padding, the last cell of a line as it is.

use crate::term::is_unsafe;

/// Rows of cells; the first row is usually the header.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new<'h>(header: impl IntoIterator<Item = &'h str>) -> Table {
        Table { rows: vec![header.into_iter().map(str::to_owned).collect()] }
    }
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }
    /// The table as comma-separated values (RFC 4180).
    pub fn csv(&self) -> String {
        let mut out = String::new();
        for row in &self.rows {
            for (i, cell) in row.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                if cell.contains([',', '"', '\n', '\r']) {
                    out.push('"');
                    push_safe(&mut out, &cell.replace('"', "\"\""));
                    out.push('"');
                } else {
                    push_safe(&mut out, cell);
                }
            }
            out.push('\n');
        }
        out
    }
    /// The table as text, with `padding` blanks between columns.
    pub fn render(&self, padding: usize) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut widths = vec![0; columns];
        for row in &self.rows {
            for (i, cell) in row.iter().enumerate().take(row.len().saturating_sub(1)) {
                widths[i] = widths[i].max(width(cell));
            }
        }
        let mut out = String::with_capacity(self.rows.len() * (widths.iter().sum::<usize>() + columns * padding + 16));
        for row in &self.rows {
            for (i, cell) in row.iter().enumerate() {
                push_safe(&mut out, cell);
                if i + 1 < row.len() {
                    let fill = widths[i] + padding - width(cell);
                    out.extend(std::iter::repeat_n(' ', fill));
                }
            }
            out.push('\n');
        }
        out
    }
}

fn width(cell: &str) -> usize {
    if cell.is_ascii() { cell.len() } else { cell.chars().count() }
}

/// Text from outside never reaches a terminal with control characters in it.
fn push_safe(out: &mut String, cell: &str) {
    out.extend(cell.chars().map(|c| if is_unsafe(c) { '\u{fffd}' } else { c }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_the_last_cell_is_left_alone() {
        let mut t = Table::new(["NAME", "TYPE"]);
        t.row(vec!["a-long-name".into(), "EDS".into()]);
        t.row(vec!["b\u{1b}[0m".into(), String::new()]);
        assert_eq!(t.render(1), "NAME        TYPE\na-long-name EDS\nb\u{fffd}[0m       \n");
    }
}
