//! Checksums and texts of odd bytes: what one tool has applied is what the other would have.

use super::cases::File;
use super::sides::{FLYWAY, MIGRATE, Sides};

fn scripts() -> Vec<File> {
    let texts: &[(&str, &[u8])] = &[
        ("V1__windows.sql", b"SELECT 1;\r\nSELECT 2;\r\n"),
        ("V2__lone_returns.sql", b"SELECT 1; -- one\rSELECT 2;\r"),
        ("V3__mark.sql", b"\xef\xbb\xbfSELECT 1;\n"),
        ("V4__no_end.sql", b"SELECT 1"),
        ("V5__emoji.sql", "SELECT '🦀 naïve';\n".as_bytes()),
        ("V6__empty.sql", b""),
        ("V7__only_a_mark.sql", b"\xef\xbb\xbf"),
        ("V8__blank_lines.sql", b"\n\r\n\nSELECT 1;\n\n \n\t\n"),
        ("V9__mixed_ends.sql", b"SELECT 1;\r\r\nSELECT 2;\n\rSELECT 3;\n"),
        ("V10__other_ends.sql", "SELECT '\u{85} \u{2028} \u{b} \u{c}';\n".as_bytes()),
        ("V11__a_mark_within.sql", "SELECT 1;\nSELECT '\u{feff}';\n".as_bytes()),
        ("V12__latin.sql", b"SELECT 'na\xefve';\n"),
        ("V12__latin.sql.conf", b"encoding=ISO-8859-1\n"),
        ("V13__wide.sql", b"S\0E\0L\0E\0C\0T\0 \0\x31\0;\0\n\0"),
        ("V13__wide.sql.conf", b"encoding = UTF-16LE\r\n"),
        ("V14__no_placeholders.sql", b"CREATE TABLE raw AS SELECT '${not} ${greeting}' AS x;\n"),
        ("V14__no_placeholders.sql.conf", b"placeholderReplacement=false"),
        ("V15__alone.sql", b"CREATE TABLE alone (x int);\nINSERT INTO alone VALUES (1);\nVACUUM alone;\n"),
        ("V15__alone.sql.conf", b"# by hand\nexecuteInTransaction=false\n"),
        ("V16__data.sql", b"CREATE TABLE data (x int, y text);\r\nCOPY data FROM STDIN;\r\n1\tit's;\r\n2\t\\N\r\n\\.\r\nINSERT INTO data VALUES (3, 'end');\r\n"),
        ("R__in_comment.sql", b"-- ${greeting}\r\nSELECT '${flyway:filename} ${FLYWAY:TABLE}';\r\n"),
        ("R__none.sql", b"\xef\xbb\xbfSELECT '${greeting}'"),
        ("R__raw.sql", b"SELECT '${greeting}'"),
        ("R__raw.sql.conf", b"placeholderReplacement=false"),
    ];
    texts.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect()
}

#[test]
fn odd_bytes_have_the_same_checksums_and_effects() {
    let sides = Sides::new();
    sides.scripts(&scripts());
    let answer = sides.flyway(&["migrate", "-outOfOrder=true"]);
    assert!(answer.is_ok(), "{}", answer.text());
    sides.migrate(&["apply"]).ok();
    assert_eq!(sides.rows(FLYWAY), sides.rows(MIGRATE));
    for shard in [FLYWAY, MIGRATE] {
        assert_eq!(sides.fleet.sql(shard, "SELECT x FROM raw"), "${not} ${greeting}");
        assert_eq!(sides.fleet.sql(shard, "SELECT count(*) FROM alone"), "1");
        let data = "SELECT string_agg(x || coalesce(y, '-'), ',' ORDER BY x) FROM data";
        assert_eq!(sides.fleet.sql(shard, data), "1it's;,2-,3end");
    }
    // Each finds nothing wrong with what the other has done, and nothing left to do.
    for shard in [FLYWAY, MIGRATE] {
        let answer = sides.flyway_on(shard, &["validate", "migrate"]);
        assert!(answer.is_ok(), "{}", answer.text());
        let outcome = sides.migrate_on(shard, &["apply"]).ok();
        assert_eq!(outcome.lines()[0]["changed"], false, "{}", outcome.transcript());
        sides.migrate_on(shard, &["validate", "--no-compare"]).ok();
    }
    assert_eq!(sides.rows(FLYWAY), sides.rows(MIGRATE));
}
