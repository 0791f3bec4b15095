//! Plain tables: a bold header above a line, without a frame, no space at the ends of lines.

use comfy_table::{Attribute, Cell, CellAlignment, Table, TableComponent, presets::NOTHING};

/// What the line below the header is drawn with.
const LINE: char = '\u{2500}';

/// An empty table with these columns: those at the places `text` hold text, the others numbers.
pub(crate) fn table(header: &[&str], text: &[usize]) -> Table {
    let mut table = Table::new();
    table.load_preset(NOTHING);
    table.set_style(TableComponent::HeaderLines, LINE);
    table.set_style(TableComponent::MiddleHeaderIntersections, LINE);
    // Colours stand in the text: the stream takes them out where they don't belong.
    table.enforce_styling().style_text_only();
    table.set_header(header.iter().map(|name| bold(Cell::new(name))));
    for (place, column) in table.column_iter_mut().enumerate() {
        let is_text = text.contains(&place);
        column.set_cell_alignment(if is_text { CellAlignment::Left } else { CellAlignment::Right });
        column.set_padding((0, 1));
    }
    table
}

/// The cell in bold, as headers and totals are.
pub(crate) fn bold(cell: Cell) -> Cell {
    cell.add_attribute(Attribute::Bold)
}

/// The table's lines, with escape codes.
pub(crate) fn render(table: &Table) -> String {
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;

    #[test]
    fn text_is_on_the_left_and_numbers_on_the_right() {
        let mut table = table(&["what", "n"], &[0]);
        table.add_row(["a", "1"]).add_row(["longer", "100"]);
        let plain = strip_str(&render(&table)).to_string();
        let lines: Vec<_> = plain.lines().collect();
        assert_eq!(lines, ["what      n", "────────────", "a         1", "longer  100"]);
    }
}
