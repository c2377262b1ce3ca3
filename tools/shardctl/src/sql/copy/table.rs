//! The table of a load, as the user named it.

use flotilla::error::{Error, Result};

use crate::schema::quoted;

/// A table, perhaps with columns, perhaps with one that gets new ids.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// Its name's parts: schema and table, or table alone.
    parts: Vec<String>,
    /// The columns, where they were named.
    pub(super) columns: Option<Vec<String>>,
    /// The column that gets new row ids.
    pub(super) new_id: Option<String>,
}

impl Table {
    /// Reads `TABLE`, `SCHEMA.TABLE` or either with `(COLUMN, …)`. Names are taken as they are: what
    /// SQL would need quotes for needs none here.
    pub(super) fn parse(text: &str, new_id: Option<&str>) -> Result<Self> {
        let broken = || {
            Error::usage(format!("{text:?} names no table"))
                .hint("Write TABLE, SCHEMA.TABLE, or 'TABLE(COLUMN, COLUMN)'.")
        };
        let (name, columns) = match text.split_once('(') {
            None => (text, None),
            Some((name, rest)) => {
                let list = rest.trim_end().strip_suffix(')').ok_or_else(broken)?;
                (name, Some(list.split(',').map(|c| c.trim().to_owned()).collect::<Vec<_>>()))
            }
        };
        let parts: Vec<String> = name.trim().split('.').map(str::to_owned).collect();
        let all = parts.iter().chain(columns.iter().flatten());
        if parts.len() > 2 || all.clone().any(|n| n.is_empty() || n.contains(['"', '\0'])) {
            return Err(broken());
        }
        let new_id = new_id.map(str::to_owned);
        if let (Some(id), Some(columns)) = (&new_id, &columns)
            && columns.contains(id)
        {
            return Err(Error::usage(format!("column \"{id}\" is named twice"))
                .hint("--new-id fills its column; leave it out of the list."));
        }
        Ok(Self { parts, columns, new_id })
    }

    /// The name as people read it.
    pub(super) fn name(&self) -> String {
        self.parts.join(".")
    }

    /// The COPY statement for these columns. Their names may be keys of the input, so they can be anything.
    pub(super) fn statement(&self, columns: &[String]) -> String {
        let quoted = |name: &String| quoted(name, '"');
        let table = self.parts.iter().map(quoted).collect::<Vec<_>>().join(".");
        let columns = self.new_id.iter().chain(columns).map(quoted).collect::<Vec<_>>().join(", ");
        format!("COPY {table} ({columns}) FROM STDIN")
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn names_are_quoted_and_checked() {
        let table = Table::parse("app.Events( user_id, at )", Some("id")).expect("a table");
        let columns = table.columns.clone().expect("columns");
        assert_eq!(table.statement(&columns), r#"COPY "app"."Events" ("id", "user_id", "at") FROM STDIN"#);
        for bad in ["", "a.b.c", "t(", "t(a", "t()", r#"t"; DROP"#] {
            assert!(Table::parse(bad, None).is_err(), "{bad:?}");
        }
        assert!(Table::parse("t(id)", Some("id")).is_err());
        let table = Table::parse("t", None).expect("a table");
        let hostile = [r#"a") FROM PROGRAM 'id' --"#.to_owned()];
        assert_eq!(table.statement(&hostile), r#"COPY "t" ("a"") FROM PROGRAM 'id' --") FROM STDIN"#);
    }
}
