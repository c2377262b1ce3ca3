//! Where a statement stops being SQL. PostgreSQL's parser says what is wrong; the crate around it
//! doesn't say where, so the place is found by giving it more and more of the statement.

/// What is wrong, and where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    /// As PostgreSQL words it.
    pub(crate) message: String,
    /// The byte in the statement.
    pub(crate) at: usize,
}

/// What is wrong with a statement that can't be parsed.
pub(crate) fn error(sql: &str) -> SyntaxError {
    let message = message(sql).unwrap_or_else(|| "syntax error".to_owned());
    let at = if let Ok(tokens) = pg_query::scan_tokens(sql) {
        let places: Vec<(usize, usize)> = tokens
            .iter()
            .filter_map(|token| Some((usize::try_from(token.start).ok()?, usize::try_from(token.end).ok()?)))
            .collect();
        // The first token with which the text can't be completed any more. A text cut short is wrong
        // "at end of input", which more text may mend.
        let bad = places.partition_point(|&(_, end)| is_beginning(&sql[..end]));
        places.get(bad).map_or(sql.len(), |&(start, _)| start)
    } else {
        // A string or comment that isn't closed: what is quoted in the message begins there.
        let near = message.split_once(" near \"").map(|(_, near)| near.lines().next().unwrap_or_default());
        near.and_then(|near| sql.rfind(near.trim_end_matches(['"', '…']))).unwrap_or_default()
    };
    SyntaxError { message, at }
}

fn message(sql: &str) -> Option<String> {
    match pg_query::parse(sql, 0) {
        Err(pg_query::Error::Parse(message) | pg_query::Error::Scan(message)) => {
            // An unclosed string is quoted to its end, with whatever it holds.
            let first = message.lines().next().unwrap_or_default();
            Some(if first.len() < message.len() || first.len() > 120 {
                let cut: String = first.chars().take(60).collect();
                format!("{cut}…")
            } else {
                message
            })
        }
        Err(other) => Some(other.to_string()),
        Ok(_) => None,
    }
}

/// Whether this may be the beginning of something right.
fn is_beginning(sql: &str) -> bool {
    match pg_query::parse(sql, 0) {
        Ok(_) => true,
        Err(error) => error.to_string().contains("at end of input"),
    }
}

#[cfg(test)]
mod tests {
    use super::error;

    #[test]
    fn the_place_is_that_of_the_token_that_is_too_much() {
        let cases = [
            ("CREATE TABEL t (a int)", "TABEL"),
            ("CREATE TABLE t (a int b int)", "b int"),
            ("SELECT 1 FROM a, WHERE x", "WHERE"),
            ("ALTER TABLE t ADD COLUMN a int DEFAULT", ""),
            ("SELECT 'ü', 1 1", "1"),
        ];
        for (sql, wrong) in cases {
            let found = error(sql);
            let rest = &sql[found.at..];
            assert!(rest.starts_with(wrong) && (!wrong.is_empty() || rest.is_empty()), "{sql}: {found:?}");
        }
        assert_eq!(error("SELECT 'open").at, 7);
    }
}
