//! Tables for people. Their shape may change in any release.

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

/// Rows held until the end, since a column's width is known only then.
#[derive(Default)]
pub(super) struct Rows {
    groups: Vec<Group>,
    count: usize,
}

/// How many rows are held before they are printed as a table of their own.
const PAGE: usize = 1000;

/// Rows of one record type.
struct Group {
    schema: Value,
    columns: &'static [&'static str],
    rows: Vec<Value>,
}

impl Rows {
    pub(super) fn push(&mut self, columns: &'static [&'static str], row: Value) {
        self.count += 1;
        match self.groups.iter_mut().find(|g| g.schema == row["schema"]) {
            Some(group) => group.rows.push(row),
            None => self.groups.push(Group { schema: row["schema"].clone(), columns, rows: vec![row] }),
        }
    }

    /// Whether a page is full; endless input must not fill the memory.
    pub(super) fn is_page(&self) -> bool {
        self.count >= PAGE
    }

    /// The text of all tables, or nothing when there are no rows.
    pub(super) fn render(&self) -> Option<String> {
        let tables: Vec<String> = self.groups.iter().map(Group::render).collect();
        (!tables.is_empty()).then(|| tables.join("\n"))
    }
}

impl Group {
    fn render(&self) -> String {
        let nested = self.nested_columns();
        let targets = self.rows.iter().any(|r| !r["target"].is_null());
        let failed = self.rows.iter().any(|r| !r["error"].is_null());
        let mut heads: Vec<String> = Vec::new();
        if targets {
            heads.push("TARGET".to_owned());
        }
        heads.extend(self.columns.iter().map(|c| c.replace('_', " ").to_uppercase()));
        heads.extend(nested.iter().cloned());
        heads.push("STATUS".to_owned());
        if failed {
            heads.push("ERROR".to_owned());
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_header(heads);
        for row in &self.rows {
            let mut cells: Vec<String> = Vec::new();
            if targets {
                cells.push(cell(&row["target"]));
            }
            cells.extend(self.columns.iter().map(|c| cell(&row[*c])));
            cells.extend(nested.iter().map(|c| row["row"].get(c).map_or_else(|| "-".to_owned(), cell)));
            cells.push(status(row));
            if failed {
                cells.push(error(&row["error"]));
            }
            table.add_row(cells);
        }
        table.lines().fold(String::new(), |mut text, line| {
            text.push_str(line.trim_end());
            text.push('\n');
            text
        })
    }

    /// The columns of a query's own rows, in the order of their first appearance.
    fn nested_columns(&self) -> Vec<String> {
        let mut columns: Vec<String> = Vec::new();
        for key in self.rows.iter().filter_map(|r| r["row"].as_object()).flat_map(|m| m.keys()) {
            if !columns.contains(key) {
                columns.push(key.clone());
            }
        }
        columns
    }
}

fn status(row: &Value) -> String {
    let text = cell(&row["status"]);
    if row["changed"] == Value::Bool(true) { format!("{text}, changed") } else { text }
}

fn error(error: &Value) -> String {
    let message = error["message"].as_str().unwrap_or_default();
    match error["hint"].as_str() {
        Some(hint) => format!("{message}\n{hint}"),
        None => message.to_owned(),
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
