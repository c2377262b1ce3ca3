//! Tables for people. Their shape may change in any release.

use std::collections::BTreeMap;

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

/// Which keys a table shows, and how.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    /// The own keys that are columns.
    pub(super) columns: &'static [&'static str],
    /// The key that fills a column for each target, and the one that marks a cell.
    pub(super) pivot: Option<(&'static str, &'static str)>,
}

/// Rows of one record type.
struct Group {
    schema: Value,
    shape: Shape,
    rows: Vec<Value>,
}

impl Rows {
    pub(super) fn push(&mut self, shape: Shape, row: Value) {
        // A matrix is whole only at the end; its lines are one target's migrations, not endless input.
        self.count += usize::from(shape.pivot.is_none());
        match self.groups.iter_mut().find(|g| g.schema == row["schema"]) {
            Some(group) => group.rows.push(row),
            None => self.groups.push(Group { schema: row["schema"].clone(), shape, rows: vec![row] }),
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
        match self.shape.pivot {
            Some((cell, mark)) => self.render_matrix(cell, mark),
            None => self.render_rows(),
        }
    }

    /// A row for what lines have in common, a column for each target.
    fn render_matrix(&self, key: &str, mark: &str) -> String {
        let mut targets: Vec<String> = Vec::new();
        let mut lines: Vec<(Vec<String>, BTreeMap<String, String>)> = Vec::new();
        for row in &self.rows {
            let target = cell(&row["target"]);
            if !targets.contains(&target) {
                targets.push(target.clone());
            }
            let heads: Vec<String> = self.shape.columns.iter().map(|c| cell(&row[*c])).collect();
            let shown =
                if row[mark] == Value::Bool(true) { format!("{}, {mark}", cell(&row[key])) } else { cell(&row[key]) };
            match lines.iter_mut().find(|(known, _)| *known == heads) {
                Some((_, cells)) => drop(cells.insert(target, shown)),
                None => lines.push((heads, BTreeMap::from([(target, shown)]))),
            }
        }
        targets.sort();
        let mut heads: Vec<String> = self.shape.columns.iter().map(|c| c.replace('_', " ").to_uppercase()).collect();
        heads.extend(targets.iter().cloned());
        let rows = lines.into_iter().map(|(mut row, mut cells)| {
            row.extend(targets.iter().map(|target| cells.remove(target).unwrap_or_else(|| "-".to_owned())));
            row
        });
        text(heads, rows)
    }

    fn render_rows(&self) -> String {
        let nested = self.nested_columns();
        let targets = self.rows.iter().any(|r| !r["target"].is_null());
        let failed = self.rows.iter().any(|r| !r["error"].is_null());
        let mut heads: Vec<String> = Vec::new();
        if targets {
            heads.push("TARGET".to_owned());
        }
        heads.extend(self.shape.columns.iter().map(|c| c.replace('_', " ").to_uppercase()));
        heads.extend(nested.iter().cloned());
        heads.push("STATUS".to_owned());
        if failed {
            heads.push("ERROR".to_owned());
        }
        let rows = self.rows.iter().map(|row| {
            let mut cells: Vec<String> = Vec::new();
            if targets {
                cells.push(cell(&row["target"]));
            }
            cells.extend(self.shape.columns.iter().map(|c| cell(&row[*c])));
            cells.extend(nested.iter().map(|c| row["row"].get(c).map_or_else(|| "-".to_owned(), cell)));
            cells.push(status(row));
            if failed {
                cells.push(error(&row["error"]));
            }
            cells
        });
        text(heads, rows)
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

fn text(heads: Vec<String>, rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_header(heads);
    for row in rows {
        table.add_row(row);
    }
    table.lines().fold(String::new(), |mut text, line| {
        text.push_str(line.trim_end());
        text.push('\n');
        text
    })
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
