//! Tests of splitting: cases by hand, and PostgreSQL's own scanner as oracle.

use pg_query::protobuf::{ScanToken, Token};
use proptest::prelude::*;

use super::{Class, split};

fn texts(sql: &str) -> Vec<&str> {
    split(sql).iter().map(|statement| &sql[statement.range.clone()]).collect()
}

#[test]
fn a_semicolon_in_a_string_a_name_a_comment_or_a_body_ends_nothing() {
    let cases = [
        "SELECT ';', E'it\\';s', \"a;b\"",
        "SELECT 1 -- ; no\n + 2",
        "SELECT /* ; /* ; */ ; */ 1",
        "DO $$ BEGIN PERFORM 1; END $$",
        "DO $a$ SELECT ';' $$ ; $b$ ; $a$",
        "CREATE RULE r AS ON INSERT TO t DO ALSO (DELETE FROM a; DELETE FROM b)",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END",
        "CREATE OR REPLACE PROCEDURE p() LANGUAGE sql BEGIN ATOMIC DELETE FROM t; END",
        "SELECT U&'\\0441;', B'01', $1, a$b$c",
    ];
    for one in cases {
        assert_eq!(texts(&format!(" {one} ; SELECT 2;")), [one, "SELECT 2"], "{one}");
    }
}

#[test]
fn begin_alone_opens_no_body() {
    assert_eq!(
        texts("BEGIN; SELECT 1; END; BEGIN ATOMIC; SELECT 2"),
        ["BEGIN", "SELECT 1", "END", "BEGIN ATOMIC", "SELECT 2"]
    );
}

#[test]
fn the_data_of_a_copy_is_no_sql() {
    let sql = "COPY t FROM stdin; -- data\n1\tit's\n;;\n\\.\nSELECT 1;\nCOPY t (a) FROM STDIN WITH (FORMAT csv);\na\n";
    let statements = split(sql);
    assert_eq!(texts(sql), ["COPY t FROM stdin", "SELECT 1", "COPY t (a) FROM STDIN WITH (FORMAT csv)"]);
    assert_eq!(&sql[statements[0].data.clone().expect("data")], "1\tit's\n;;\n");
    assert_eq!(&sql[statements[2].data.clone().expect("data")], "a\n");
    assert_eq!(statements.iter().map(|s| s.line).collect::<Vec<_>>(), [1, 5, 6]);
}

#[test]
fn a_copy_from_a_file_or_to_the_client_has_no_data() {
    for sql in ["COPY t FROM '/f'; SELECT 1", "COPY t TO STDOUT; SELECT 1", "COPY t FROM PROGRAM 'x'; SELECT 1"] {
        assert_eq!(split(sql).len(), 2, "{sql}");
        assert_ne!(split(sql)[0].class, Class::CopyIn, "{sql}");
    }
}

#[test]
fn comments_and_semicolons_alone_are_nothing() {
    assert!(texts(" ;; -- a\n /* b */ ; \u{b}").is_empty());
}

fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("SELECT 1".to_owned()),
        Just(";".to_owned()),
        Just("'".to_owned()),
        Just("\"a\"".to_owned()),
        Just("$$".to_owned()),
        Just("$x$".to_owned()),
        Just("E'\\''".to_owned()),
        Just("(".to_owned()),
        Just(")".to_owned()),
        Just("-- c\n".to_owned()),
        Just("/* ; */".to_owned()),
        Just("a1$".to_owned()),
        Just("U&'x'".to_owned()),
        Just("\n".to_owned()),
        "[ -~]{0,6}",
    ]
}

/// How many statements PostgreSQL's tokens make: runs of them between semicolons outside parentheses.
fn by_tokens(tokens: &[ScanToken]) -> usize {
    let (mut count, mut depth, mut is_open) = (0, 0_usize, false);
    for token in tokens {
        match token.token() {
            Token::SqlComment | Token::CComment => continue,
            Token::Ascii40 => depth += 1,
            Token::Ascii41 => depth = depth.saturating_sub(1),
            Token::Ascii59 if depth == 0 => {
                is_open = false;
                continue;
            }
            _ => {}
        }
        count += usize::from(!is_open);
        is_open = true;
    }
    count
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever PostgreSQL's scanner reads as tokens, a statement ends here where it ends there.
    #[test]
    fn statements_end_where_postgresql_ends_them(pieces in prop::collection::vec(piece(), 0..12)) {
        let sql = pieces.join(" ");
        if let Ok(scan) = pg_query::scan(&sql) {
            prop_assert_eq!(texts(&sql).len(), by_tokens(&scan.tokens), "{:?}", sql);
        }
    }

    /// No text makes it panic, and what it finds lies in order.
    #[test]
    fn any_text_is_taken_apart(sql in "\\PC{0,200}") {
        let mut last = 0;
        for statement in split(&sql) {
            prop_assert!(last <= statement.range.start && statement.range.end <= sql.len());
            last = statement.range.end;
        }
    }
}
