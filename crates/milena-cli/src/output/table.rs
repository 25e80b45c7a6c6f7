//! Plain tables: a line of titles, aligned columns, two spaces between them.

/// A table that is being put together.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

#[derive(Debug)]
struct Column {
    title: &'static str,
    is_number: bool,
}

impl Table {
    /// Titles; those that begin with `#` (which is not shown) are of numbers, which stand right.
    pub(crate) fn new(titles: &[&'static str]) -> Self {
        let column = |title: &&'static str| match title.strip_prefix('#') {
            Some(title) => Column { title, is_number: true },
            None => Column { title, is_number: false },
        };
        Self { columns: titles.iter().map(column).collect(), rows: Vec::new() }
    }

    /// Adds a row: as many cells as there are titles. Control characters do not reach the terminal.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        debug_assert_eq!(N, self.columns.len());
        let clean = |cell: String| {
            let mut out = Vec::with_capacity(cell.len());
            super::push_text(&mut out, cell.as_bytes());
            String::from_utf8_lossy(&out).into_owned()
        };
        self.rows.push(cells.into_iter().map(clean).collect());
    }

    /// Whether it has no row.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Appends its lines.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let cells = |index: usize| self.rows.iter().filter_map(move |row| row.get(index));
        let width = |(index, column): (usize, &Column)| {
            cells(index).map(|cell| cell.chars().count()).fold(column.title.len(), usize::max)
        };
        let widths: Vec<usize> = self.columns.iter().enumerate().map(width).collect();
        self.write_row(out, &widths, self.columns.iter().map(|column| column.title));
        for row in &self.rows {
            self.write_row(out, &widths, row.iter().map(String::as_str));
        }
    }

    fn write_row<'a>(&self, out: &mut Vec<u8>, widths: &[usize], cells: impl Iterator<Item = &'a str>) {
        let mut line = String::new();
        for ((cell, column), &width) in cells.zip(&self.columns).zip(widths) {
            if !line.is_empty() {
                line.push_str("  ");
            }
            match column.is_number {
                true => line.push_str(&format!("{cell:>width$}")),
                false => line.push_str(&format!("{cell:<width$}")),
            }
        }
        out.extend_from_slice(line.trim_end().as_bytes());
        out.push(b'\n');
    }
}

/// A cell for what may not be known.
pub(crate) fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stands_left_and_numbers_right() {
        let mut table = Table::new(&["TOPIC", "#LAG", "HOST"]);
        table.row(["orders".to_owned(), "7".to_owned(), "a\n".to_owned()]);
        table.row(["kůň".to_owned(), "12345".to_owned(), or_dash(None::<i32>)]);
        let mut out = Vec::new();
        table.write(&mut out);
        let wanted = "TOPIC     LAG  HOST\norders      7  a\\n\nkůň     12345  -\n";
        assert_eq!(String::from_utf8(out).unwrap(), wanted);
    }
}
