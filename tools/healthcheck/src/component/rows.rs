//! Columns of a row by name: numbers, truths, words.

use tokio_postgres::SimpleQueryRow;

/// A column's text; none where it is null or isn't there.
pub(crate) fn text<'a>(row: &'a SimpleQueryRow, name: &str) -> Option<&'a str> {
    row.try_get(name).ok().flatten()
}

/// A number.
pub(super) fn number(row: &SimpleQueryRow, name: &str) -> Option<f64> {
    text(row, name)?.parse().ok()
}

/// A truth.
pub(super) fn flag(row: &SimpleQueryRow, name: &str) -> Option<bool> {
    match text(row, name)? {
        "t" => Some(true),
        "f" => Some(false),
        _ => None,
    }
}
