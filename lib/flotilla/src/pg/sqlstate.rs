//! From a SQLSTATE to a typed code: one table.

use crate::error::Code;

/// SQLSTATEs of Flotilla's own, raised by the fence in the database. PostgreSQL has no class `FL`.
pub mod fence {
    /// The shard doesn't own the row's bucket.
    pub const NOT_OWNER: &str = "FL001";
    /// The session's epoch is older than the shard's.
    pub const STALE_EPOCH: &str = "FL002";
    /// The session's epoch is newer than the shard's.
    pub const FUTURE_EPOCH: &str = "FL003";
}

/// What a SQLSTATE means to a caller.
#[derive(Clone, Copy, Debug)]
pub struct Meaning {
    /// A whole SQLSTATE, or the first characters of a class.
    pub prefix: &'static str,
    /// The typed code.
    pub code: Code,
    /// Whether trying again may help, where that isn't what the code says.
    pub retryable: Option<bool>,
    /// What to do next, where the server gives no hint of its own.
    pub hint: Option<&'static str>,
}

const fn means(prefix: &'static str, code: Code) -> Meaning {
    Meaning { prefix, code, retryable: None, hint: None }
}

const fn hinted(prefix: &'static str, code: Code, hint: &'static str) -> Meaning {
    Meaning { prefix, code, retryable: None, hint: Some(hint) }
}

const fn retry(prefix: &'static str, code: Code) -> Meaning {
    Meaning { prefix, code, retryable: Some(true), hint: None }
}

/// The table; the longest prefix that matches counts, and what matches none is a failed query.
pub const TABLE: &[Meaning] = &[
    hinted(fence::NOT_OWNER, Code::NotOwner, "Fetch the map again and send the row to the shard that owns its bucket."),
    hinted(fence::STALE_EPOCH, Code::NotOwner, "Fetch the map again and repeat the statement with its epoch."),
    hinted(fence::FUTURE_EPOCH, Code::NotOwner, "Retry in a moment; if it stays so, run \"shardctl map\"."),
    means("FL", Code::NotOwner),
    means("08", Code::Unreachable),
    means("08P01", Code::QueryFailed),
    means("0A000", Code::Unsupported),
    hinted("25006", Code::WrongRole, "Send what writes to the primary; this session may only read."),
    means("25P03", Code::Timeout),
    means("28", Code::AuthFailed),
    hinted("3D000", Code::NotFound, "Create the database, or name another one."),
    retry("40001", Code::QueryFailed),
    retry("40P01", Code::QueryFailed),
    hinted("53300", Code::Unreachable, "Raise max_connections or go through the pooler."),
    hinted("55P03", Code::LockTimeout, "Try again later, or wait longer with --lock-timeout."),
    hinted("57014", Code::Timeout, "Raise statement_timeout, or look at the plan with EXPLAIN."),
    means("57P01", Code::Unreachable),
    means("57P02", Code::Unreachable),
    means("57P03", Code::Unreachable),
    means("57P04", Code::NotFound),
    means("57P05", Code::Timeout),
];

/// What this SQLSTATE means.
pub fn meaning(sqlstate: &str) -> Meaning {
    TABLE
        .iter()
        .filter(|row| sqlstate.starts_with(row.prefix))
        .max_by_key(|row| row.prefix.len())
        .copied()
        .unwrap_or(means("", Code::QueryFailed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_counts() {
        for (sqlstate, code) in [
            ("FL001", Code::NotOwner),
            ("28P01", Code::AuthFailed),
            ("28000", Code::AuthFailed),
            ("08006", Code::Unreachable),
            ("08P01", Code::QueryFailed),
            ("55P03", Code::LockTimeout),
            ("42601", Code::QueryFailed),
            ("57P01", Code::Unreachable),
            ("25006", Code::WrongRole),
        ] {
            assert_eq!(meaning(sqlstate).code, code, "{sqlstate}");
        }
        assert_eq!(meaning("40P01").retryable, Some(true));
    }
}
