//! The files of schema `flotilla`, and the values that are written into them.
//!
//! The placeholders are psql's: `:name` for a number, `:'name'` for a literal, `:"name"` for an
//! identifier. So a file can be tried with psql alone, and as psql does, nothing is replaced in
//! quotes, dollar quotes and comments.

use flotilla::config::Config;
use flotilla::error::{Error, Result};
use flotilla::placement::IdLayout;

/// The release of the schema: a server that holds a later one is refused.
pub(crate) const RELEASE: i32 = 1;

/// The name of the file that is applied again after any other: a function made anew has no grants.
pub(crate) const PRIVILEGES: &str = "013_privileges.sql";

/// A file of the schema.
#[derive(Clone, Copy, Debug)]
pub(crate) struct File {
    /// Its name, which orders it.
    pub(crate) name: &'static str,
    /// Its text, with placeholders.
    text: &'static str,
    /// What it is for, where the rest works without it; none where the rest needs it. Such files need
    /// rights that a managed service may not give.
    pub(crate) extra: Option<&'static str>,
}

macro_rules! file {
    ($name:literal) => {
        File { name: $name, text: include_str!(concat!("../sql/", $name)), extra: None }
    };
    ($name:literal, $extra:literal) => {
        File { name: $name, text: include_str!(concat!("../sql/superuser/", $name)), extra: Some($extra) }
    };
}

/// All files, in order.
pub(crate) const FILES: &[File] = &[
    file!("001_roles.sql"),
    file!("002_schema.sql"),
    file!("003_buckets.sql"),
    file!("004_registry.sql"),
    file!("005_ownership.sql"),
    file!("006_refusal.sql"),
    file!("007_protectable.sql"),
    file!("008_fence.sql"),
    file!("009_ids.sql"),
    file!("010_ledger.sql"),
    file!("011_barrier.sql"),
    file!("012_history.sql"),
    file!("013_privileges.sql"),
    file!("101_statements.sql", "statistics of statements"),
    file!("102_amcheck.sql", "checks of indexes"),
    file!("103_audit.sql", "the server's audit trail"),
    file!("104_backup.sql", "physical backups by role backup"),
    file!("105_seal.sql", "sealing of new partitions"),
    file!("106_posture.sql", "what an audit has to see"),
];

/// What the placeholders stand for.
#[derive(Debug)]
pub(crate) struct Values(Vec<(&'static str, String)>);

impl Values {
    /// The values for a shard of this cluster.
    pub(crate) fn new(config: &Config, shard: &str) -> Result<Self> {
        let history = config.migrate.table()?;
        let cluster = &config.cluster;
        let sequence_bits = IdLayout::new(cluster.buckets).sequence_bits();
        Ok(Self(vec![
            ("app", config.users.app.clone()),
            ("app_ro", config.users.app_ro.clone()),
            ("buckets", cluster.buckets.to_string()),
            ("cluster", cluster.name.clone()),
            ("dbname", cluster.dbname.clone()),
            ("history_schema", history.schema),
            ("history_table", history.name),
            ("key_type", cluster.key_type.name().to_owned()),
            ("migrator", config.users.migrator.clone()),
            ("monitor", config.users.monitor.clone()),
            ("backup", config.users.backup.clone()),
            ("sequence_bits", sequence_bits.to_string()),
            ("shard", shard.to_owned()),
            // 41 bits of milliseconds above the sequence.
            ("tick_max", (i64::MAX >> (22 - sequence_bits)).to_string()),
        ]))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }
}

impl File {
    /// The file's SQL with these values in it.
    pub(crate) fn sql(&self, values: &Values) -> Result<String> {
        let mut sql = String::with_capacity(self.text.len() + 256);
        let mut rest = self.text;
        while let Some(first) = rest.chars().next() {
            let opaque = opaque(rest);
            if opaque > 0 {
                sql.push_str(&rest[..opaque]);
                rest = &rest[opaque..];
            } else if let Some((name, quote, length)) = placeholder(rest) {
                let value =
                    values.get(name).ok_or_else(|| Error::internal(format!("{}: no value for :{name}", self.name)))?;
                match quote {
                    Some(quote) => sql.push_str(&quoted(value, quote)),
                    None => sql.push_str(value),
                }
                rest = &rest[length..];
            } else {
                sql.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
        Ok(sql)
    }
}

/// The text as a literal or an identifier, by its quote. Backslashes are plain characters in both, for
/// `standard_conforming_strings` is on.
pub(crate) fn quoted(text: &str, quote: char) -> String {
    let doubled = text.replace(quote, &format!("{quote}{quote}"));
    format!("{quote}{doubled}{quote}")
}

/// How many bytes at the beginning aren't looked into: a comment, something quoted, or a cast's `::`.
fn opaque(text: &str) -> usize {
    let until = |from: usize, end: &str| text[from..].find(end).map_or(text.len(), |at| from + at + end.len());
    match text.as_bytes() {
        [b'-', b'-', ..] => until(2, "\n"),
        [b':', b':', ..] => 2,
        [b'\'', ..] => until(1, "'"),
        [b'"', ..] => until(1, "\""),
        [b'$', b'$', ..] => until(2, "$$"),
        _ => 0,
    }
}

/// A placeholder at the beginning: its name, its quote, its length.
fn placeholder(text: &str) -> Option<(&str, Option<char>, usize)> {
    let after = text.strip_prefix(':')?;
    let quote = after.chars().next().filter(|c| matches!(c, '\'' | '"'));
    let start = 1 + quote.map_or(0, char::len_utf8);
    let length = text[start..].bytes().take_while(|b| b.is_ascii_lowercase() || *b == b'_').count();
    let end = start + length;
    match quote {
        _ if length == 0 => None,
        None => Some((&text[start..end], None, end)),
        Some(quote) => text[end..].starts_with(quote).then(|| (&text[start..end], Some(quote), end + 1)),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Config, FILES, File, PRIVILEGES, Values};

    fn values() -> Values {
        let text = "[cluster]\nname = 'demo'\ndbname = 'it''s \"app\"'\nbuckets = 64\n\
                    [[shards]]\nname = 's0'\nnodes = [{ name = 's0-a', host = '/tmp' }]";
        let text = text.replace("'it''s \"app\"'", "\"it's \\\"app\\\"\"");
        Values::new(&Config::parse(&text, Path::new("flotilla.toml")).expect("a topology"), "s0").expect("values")
    }

    #[test]
    fn placeholders_are_replaced_as_psql_does() {
        let file = |text| File { name: "x.sql", text, extra: None };
        let sql = |text: &'static str| file(text).sql(&values()).expect(text);
        assert_eq!(sql("RETURN :buckets - 1;"), "RETURN 64 - 1;");
        assert_eq!(sql("a :'shard' b"), "a 's0' b");
        assert_eq!(sql("ON DATABASE :\"dbname\""), "ON DATABASE \"it's \"\"app\"\"\"");
        assert_eq!(sql(":'dbname'"), "'it''s \"app\"'");
        assert_eq!(sql("x::bigint << :sequence_bits"), "x::bigint << 16");
        for unchanged in
            ["':buckets'", "\":buckets\"", "$$ :buckets $$", "-- :buckets\n", "a[1:2]", "x := 1", "'it''s :buckets'"]
        {
            assert_eq!(sql(unchanged), unchanged);
        }
        assert!(file(":nothing").sql(&values()).is_err());
    }

    #[test]
    fn every_file_has_its_values_and_its_place() {
        for file in FILES {
            let sql = file.sql(&values()).expect(file.name);
            assert!(sql.ends_with(";\n"), "{}", file.name);
        }
        assert!(FILES.is_sorted_by_key(|file| file.name));
        let required = FILES.iter().rfind(|file| file.extra.is_none()).map(|file| file.name);
        assert_eq!(required, Some(PRIVILEGES), "rights come last");
    }
}
