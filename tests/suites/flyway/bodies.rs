//! What a script may hold, and how its bytes may be dressed.

use proptest::prelude::*;

/// A script's statements. Each makes names from the script's own number, so that scripts can run in any
/// order and run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    Table,
    Copy,
    DollarQuotes,
    Atomic,
    Placeholders,
    Strings,
    CommentsOnly,
    Empty,
    Letters,
    Loop,
    IndexConcurrently,
    Vacuum,
    /// Fails within its transaction.
    Fails,
    /// Fails outside of one, and leaves something.
    FailsAlone,
}

const SOUND: [Body; 12] = [
    Body::Table,
    Body::Copy,
    Body::DollarQuotes,
    Body::Atomic,
    Body::Placeholders,
    Body::Strings,
    Body::CommentsOnly,
    Body::Empty,
    Body::Letters,
    Body::Loop,
    Body::IndexConcurrently,
    Body::Vacuum,
];

impl Body {
    /// One that succeeds.
    pub(super) fn sound() -> impl Strategy<Value = Self> {
        proptest::sample::select(&SOUND[..])
    }

    /// One that fails.
    pub(super) fn failing() -> impl Strategy<Value = Self> {
        proptest::sample::select(&[Self::Fails, Self::FailsAlone][..])
    }

    /// The statements of the script of this number, in its n-th edition.
    pub(super) fn sql(self, number: usize, edition: usize) -> String {
        let n = number;
        let text = match self {
            Self::Table => format!(
                "CREATE TABLE IF NOT EXISTS t{n} (x int, y text DEFAULT 'a;b');\nINSERT INTO t{n} VALUES (1, 'it''s');\n"
            ),
            Self::Copy => format!(
                "CREATE TABLE IF NOT EXISTS c{n} (x int, y text);\n\nCOPY c{n} (x, y) FROM STDIN;\n1\tit's; fine\n2\t\\N\n3\t$$ -- '\n\\.\n\nINSERT INTO c{n} VALUES (4, 'z');\n"
            ),
            Self::DollarQuotes => format!(
                "CREATE OR REPLACE FUNCTION f{n}() RETURNS text LANGUAGE plpgsql AS $body$\nBEGIN\n  -- a ; in a comment\n  RETURN $$;'$$;\nEND;\n$body$;\nSELECT f{n}();\n"
            ),
            Self::Atomic => format!(
                "CREATE OR REPLACE FUNCTION a{n}() RETURNS int LANGUAGE sql BEGIN ATOMIC\n  SELECT CASE WHEN true THEN 1 ELSE 2 END;\n  SELECT 3;\nEND;\nSELECT a{n}();\n"
            ),
            Self::Placeholders => format!(
                "CREATE OR REPLACE VIEW p{n} AS SELECT '${{greeting}} ${{GREETING}}' AS a, '${{flyway:table}}' AS b, '${{flyway:defaultSchema}}' AS c, '${{flyway:filename}}' AS d, '${{flyway:user}}' AS e;\n"
            ),
            Self::Strings => format!(
                "CREATE TABLE IF NOT EXISTS s{n} (a text);\nINSERT INTO s{n} VALUES (E'\\';'), ('\\'), (';--'), ('/*');\n/* ; */ INSERT INTO s{n} VALUES ('b') -- ;\n;\n"
            ),
            Self::CommentsOnly => "-- nothing; to see\n\n/* here; either */\n".to_owned(),
            Self::Empty => String::new(),
            Self::Letters => format!(
                "CREATE TABLE IF NOT EXISTS \"ü🦀{n}\" (\"a;b\" text);\nCOMMENT ON TABLE \"ü🦀{n}\" IS 'naïve – 日本';\n"
            ),
            Self::Loop => format!(
                "DO $$ BEGIN FOR i IN 1..3 LOOP EXECUTE format('CREATE TABLE IF NOT EXISTS l{n}_%s (x int);', i); END LOOP; END $$;\n"
            ),
            Self::IndexConcurrently => format!("CREATE INDEX CONCURRENTLY IF NOT EXISTS i{n} ON base.ground (x);\n"),
            Self::Vacuum => "VACUUM base.ground;\n".to_owned(),
            Self::Fails => format!("CREATE TABLE gone{n} (x int);\nINSERT INTO nowhere VALUES (1);\n"),
            Self::FailsAlone => format!("CREATE UNIQUE INDEX CONCURRENTLY u{n} ON base.ground (same);\n"),
        };
        match (edition, self) {
            (0, _) => text,
            (_, Self::Empty) => format!("SELECT {edition};\n"),
            _ => format!("-- edition {edition}\n{text}"),
        }
    }
}

/// How a script's bytes are written; none of it changes a checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dress {
    Plain,
    Windows,
    Marked,
    MarkedWindows,
    Unended,
    BlankLines,
}

impl Dress {
    /// Any.
    pub(super) fn any() -> impl Strategy<Value = Self> {
        use Dress::{BlankLines, Marked, MarkedWindows, Plain, Unended, Windows};
        proptest::sample::select(&[Plain, Windows, Marked, MarkedWindows, Unended, BlankLines][..])
    }

    /// The bytes of a text.
    pub(super) fn bytes(self, text: &str) -> Vec<u8> {
        let text = match self {
            Self::Plain => text.to_owned(),
            Self::Windows => text.replace('\n', "\r\n"),
            Self::Marked => format!("\u{feff}{text}"),
            Self::MarkedWindows => format!("\u{feff}{}", text.replace('\n', "\r\n")),
            Self::Unended => text.trim_end_matches('\n').to_owned(),
            Self::BlankLines => format!("{text}\n\n\n"),
        };
        text.into_bytes()
    }
}
