//! Random stories: scripts of all kinds, what becomes of them between runs, and where each run is killed.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::{Index, select};

/// A file of a set: its name below the folder, and its text.
pub(super) type File = (String, String);

/// What the scripts of a story work on, made before it begins.
pub(super) const GROUND: &str = "\
    CREATE SCHEMA base AUTHORIZATION owner; SET ROLE owner; \
    CREATE TABLE base.ground (x int, y int); INSERT INTO base.ground SELECT n, n FROM generate_series(1, 50) AS n; \
    CREATE INDEX ground_x ON base.ground (x); \
    CREATE TABLE base.parts (x int) PARTITION BY RANGE (x); \
    DO $$ BEGIN FOR n IN 1..9 LOOP EXECUTE format('CREATE TABLE base.parts_%s PARTITION OF base.parts \
      FOR VALUES FROM (%s) TO (%s)', n, n, n + 1); END LOOP; END $$; \
    INSERT INTO base.parts SELECT generate_series(1, 9); \
    CREATE TABLE base.calls (event text PRIMARY KEY); \
    CREATE TABLE base.counter (n int); INSERT INTO base.counter VALUES (0);";

/// What a versioned script does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    Table,
    Column,
    Copy,
    Index,
    Concurrently,
    Steps,
    Reindex,
    Detach,
}

const WHOLE: &[Body] = &[Body::Table, Body::Column, Body::Copy, Body::Index];
const ALONE: &[Body] = &[Body::Concurrently, Body::Steps, Body::Reindex, Body::Detach];

impl Body {
    fn is_whole(self) -> bool {
        WHOLE.contains(&self)
    }

    /// The script of this version, and its way back.
    fn sql(self, n: usize) -> (String, String) {
        let (there, back) = match self {
            Self::Table => (
                format!(
                    "CREATE TABLE t{n} (x int PRIMARY KEY, y text);\nINSERT INTO t{n} SELECT g, 'row;' || g FROM generate_series(1, 20) AS g;\nANALYZE t{n};"
                ),
                format!("DROP TABLE t{n};"),
            ),
            Self::Column => (
                format!(
                    "ALTER TABLE base.ground ADD COLUMN c{n} int;\nUPDATE base.ground SET c{n} = x + {n};\nUPDATE base.ground SET y = y + 1;"
                ),
                format!("UPDATE base.ground SET y = y - 1;\nALTER TABLE base.ground DROP COLUMN c{n};"),
            ),
            Self::Copy => (
                format!(
                    "CREATE TABLE d{n} (x int, y text);\nCOPY d{n} FROM STDIN;\n1\tone; two\n2\t\\N\n\\.\nINSERT INTO d{n} VALUES (3, 'three');"
                ),
                format!("DROP TABLE d{n};"),
            ),
            Self::Index => (format!("CREATE INDEX k{n} ON base.ground (x, y);"), format!("DROP INDEX base.k{n};")),
            Self::Concurrently => (
                format!(
                    "CREATE INDEX CONCURRENTLY i{n} ON base.ground (x);\nCREATE INDEX CONCURRENTLY j{n} ON base.ground (y);"
                ),
                format!("DROP INDEX CONCURRENTLY base.j{n};\nDROP INDEX CONCURRENTLY base.i{n};"),
            ),
            Self::Steps => (
                format!("UPDATE base.ground SET y = y + 1;\nVACUUM base.ground;\nUPDATE base.ground SET y = y + {n};"),
                format!("UPDATE base.ground SET y = y - {n};\nVACUUM base.ground;\nUPDATE base.ground SET y = y - 1;"),
            ),
            Self::Reindex => ("REINDEX TABLE CONCURRENTLY base.ground;".to_owned(), "VACUUM base.ground;".to_owned()),
            Self::Detach => (
                format!("ALTER TABLE base.parts DETACH PARTITION base.parts_{n} CONCURRENTLY;"),
                format!("ALTER TABLE base.parts ATTACH PARTITION base.parts_{n} FOR VALUES FROM ({n}) TO ({n} + 1);"),
            ),
        };
        (there, back)
    }

    fn files(self, n: usize) -> Vec<File> {
        let (there, back) = self.sql(n);
        let mut files = vec![(format!("V{n}__v.sql"), there), (format!("U{n}__v.sql"), back)];
        if self == Self::Steps {
            let options = "executeInTransaction=false".to_owned();
            files.extend(["V", "U"].map(|kind| (format!("{kind}{n}__v.sql.conf"), options.clone())));
        }
        files
    }
}

/// What callbacks do. One that counts must be in the script's transaction; elsewhere it may run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Callbacks {
    None,
    Note,
    Count,
}

impl Callbacks {
    fn files(self) -> Vec<File> {
        let (events, sql): (&[&str], _) = match self {
            Self::None => (&[], ""),
            Self::Note => (
                &[
                    "beforeMigrate",
                    "afterMigrate",
                    "afterVersioned",
                    "beforeEachMigrate",
                    "afterEachMigrateStatement",
                    "beforeUndo",
                    "afterEachUndo",
                ],
                "INSERT INTO base.calls VALUES ('EVENT') ON CONFLICT DO NOTHING;",
            ),
            Self::Count => (
                &["beforeEachMigrate", "beforeEachMigrateStatement", "afterEachMigrate", "afterEachUndo"],
                "UPDATE base.counter SET n = n + 1;",
            ),
        };
        events.iter().map(|event| (format!("{event}.sql"), sql.replace("EVENT", event))).collect()
    }
}

/// How a run ends before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kill {
    /// The n-th time that it comes by this failpoint.
    At(&'static str, u32),
    /// After this much of the time that the unkilled run took, in thousandths.
    After(u32),
}

impl Kill {
    /// When it comes, for a run that takes this long.
    pub(super) fn moment(thousandths: u32, whole: Duration) -> Duration {
        whole * thousandths / 1000
    }

    fn any() -> impl Strategy<Value = Self> {
        let often = select(
            &["migrate.statement", "migrate.begun", "migrate.executed", "migrate.recorded", "migrate.committed"][..],
        );
        let steps = select(&["migrate.step_executed", "migrate.step_recorded"][..]);
        let seldom = select(&["migrate.locked", "migrate.intended", "migrate.finishing"][..]);
        prop_oneof![
            4 => (often, 1..6_u32).prop_map(|(name, nth)| Self::At(name, nth)),
            3 => (steps, 1..4_u32).prop_map(|(name, nth)| Self::At(name, nth)),
            2 => (seldom, 1..3_u32).prop_map(|(name, nth)| Self::At(name, nth)),
            3 => (0..1000_u32).prop_map(Self::After),
        ]
    }
}

/// One run of a story.
#[derive(Clone, Debug)]
pub(super) struct Phase {
    /// The scripts that are there.
    pub(super) files: Vec<File>,
    /// The verb and its options.
    pub(super) args: Vec<String>,
    /// How the run is killed, if it is.
    pub(super) kill: Option<Kill>,
}

/// Any story: apply, apply what is new or changed, take back, apply again.
pub(super) fn stories() -> impl Strategy<Value = Vec<Phase>> {
    let body = prop_oneof![
        1 => Just(select(WHOLE).boxed()),
        2 => Just(prop_oneof![select(WHOLE), select(ALONE)].boxed()),
    ];
    let bodies = body.prop_flat_map(|body| prop::collection::vec(body, 2..7));
    let callbacks = select(&[Callbacks::None, Callbacks::Note, Callbacks::Count][..]);
    let kills = prop::collection::vec(prop::option::weighted(0.8, Kill::any()), 4);
    (bodies, 0..3_usize, callbacks, any::<Index>(), any::<Index>(), kills).prop_map(
        |(bodies, views, callbacks, first, to, kills)| {
            let callbacks = match callbacks {
                Callbacks::Count if !bodies.iter().all(|body| body.is_whole()) => Callbacks::Note,
                other => other,
            };
            let set = |count: usize, edition: u8| -> Vec<File> {
                let versions = bodies.iter().take(count).zip(1..).flat_map(|(body, n)| body.files(n));
                let views = (0..views).map(|view| {
                    let sql =
                        format!("CREATE OR REPLACE VIEW r{view} AS SELECT count(*) + {edition} AS n FROM base.ground;");
                    (format!("R__r{view}.sql"), sql)
                });
                versions.chain(views).chain(callbacks.files()).collect()
            };
            let (first, to) = (first.index(bodies.len()) + 1, to.index(bodies.len()));
            let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
            let runs = [
                (set(first, 0), words("apply")),
                (set(bodies.len(), 1), words("apply")),
                (set(bodies.len(), 1), words(&format!("undo --yes --to {to}"))),
                (set(bodies.len(), 1), words("apply")),
            ];
            runs.into_iter().zip(kills).map(|((files, args), kill)| Phase { files, args, kill }).collect()
        },
    )
}
