//! A statement with its parameters, and the settings that hold for it alone.

/// A statement to run.
#[derive(Clone, Debug)]
pub struct Query<'a> {
    pub(super) sql: &'a str,
    pub(super) params: &'a [Option<String>],
    read_only: bool,
    settings: Vec<(&'a str, String)>,
}

impl<'a> Query<'a> {
    /// One statement. Without further wishes it runs on its own, so that also what can't run in a
    /// transaction block does.
    pub fn new(sql: &'a str) -> Self {
        Self { sql, params: &[], read_only: false, settings: Vec::new() }
    }

    /// The values of `$1`, `$2` and so on, as text; `None` is NULL.
    #[must_use]
    pub fn params(mut self, params: &'a [Option<String>]) -> Self {
        self.params = params;
        self
    }

    /// Runs it in a transaction that may only read.
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// Sets a setting for this statement alone, which then runs in a transaction.
    #[must_use]
    pub fn setting(mut self, name: &'a str, value: impl Into<String>) -> Self {
        self.settings.push((name, value.into()));
        self
    }

    /// What opens the transaction; `None` when the statement runs on its own.
    pub(super) fn opening(&self) -> Option<String> {
        if !self.read_only && self.settings.is_empty() {
            return None;
        }
        let mut sql = if self.read_only { "BEGIN READ ONLY".to_owned() } else { "BEGIN".to_owned() };
        for (name, value) in &self.settings {
            // set_config takes any name as a value; nothing is pasted as an identifier.
            sql.push_str("; SELECT pg_catalog.set_config(");
            sql.push_str(&literal(name));
            sql.push_str(", ");
            sql.push_str(&literal(value));
            sql.push_str(", true)");
        }
        Some(sql)
    }
}

/// An SQL string constant that doesn't depend on `standard_conforming_strings`.
fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', r"\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::Query;

    #[test]
    fn settings_are_values_never_identifiers() {
        let query = Query::new("select 1").read_only(true).setting("a.b", r"x'; drop \");
        assert_eq!(
            query.opening().as_deref(),
            Some(r"BEGIN READ ONLY; SELECT pg_catalog.set_config(E'a.b', E'x''; drop \\', true)")
        );
        assert_eq!(Query::new("vacuum").opening(), None);
    }
}
