//! A piece of advice: what was seen, why that is not good, and what mends it.

use flotilla::record::Record;
use schemars::JsonSchema;
use serde::Serialize;

use super::sight::Counted;

/// What is advised on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// A foreign key whose columns no index leads with.
    ForeignKeyWithoutIndex,
    /// A statement that reads a whole table for a few of its rows.
    SequentialScan,
    /// A statement that compares each row of one table with each of another.
    NestedLoop,
    /// An index that no node has used.
    UnusedIndex,
    /// An index that another one repeats.
    DuplicateIndex,
    /// An index that is the beginning of another one.
    RedundantIndex,
    /// An index that costs and serves nobody: building it has failed.
    InvalidIndex,
    /// A table with much room that no row uses.
    BloatedTable,
    /// The same of an index.
    BloatedIndex,
    /// A table with many rows that are gone and still there.
    DeadRows,
    /// A table that the planner knows nothing of.
    MissingStatistics,
    /// A big table that autovacuum comes to too late.
    AutovacuumScale,
    /// A statement that sorts or hashes on disk.
    TemporaryFiles,
    /// A statement that reads much of what it needs from disk.
    LowCacheHit,
    /// A statement that is now fast and now slow.
    UnsteadyStatement,
    /// A cheap statement that runs so often that it isn't.
    FrequentStatement,
    /// A statement that takes long, for none of these reasons.
    SlowStatement,
    /// A setting that doesn't fit the machine or the load.
    Setting,
}

/// A number that was seen.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Figure {
    /// What it counts or measures.
    name: &'static str,
    /// The number.
    value: f64,
    /// Its unit; empty for a plain number.
    unit: &'static str,
}

/// Something that could not be judged.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Unseen {
    /// What: a kind of advice, or a part of it.
    what: &'static str,
    /// About what; null where it is all of it.
    object: Option<String>,
    /// Why.
    why: String,
    /// What to do to have it judged.
    hint: Option<String>,
}

/// One piece of advice.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Advice {
    /// The shard.
    shard: Option<String>,
    /// What is advised on.
    kind: Option<Kind>,
    /// The index, table, foreign key or setting; of a statement its `queryid`.
    object: Option<String>,
    /// The table that it is about; null where it is about none, or several.
    table: Option<String>,
    /// The statement, with parameters for constants; null where there is none.
    statement: Option<String>,
    /// The nodes that it is about; null where it is about the shard's data, which all nodes share.
    nodes: Option<Vec<String>>,
    /// What was seen.
    seen: Option<Vec<Figure>>,
    /// Why that is not good.
    why: Option<String>,
    /// How what is advised was computed, with its numbers; null where nothing was.
    formula: Option<String>,
    /// What to do, and what to mind.
    remedy: Option<String>,
    /// The SQL that mends it, statement by statement, each run on its own: data's on the primary, settings' on
    /// each of `nodes`. Empty where only the application or a command can mend it.
    sql: Option<Vec<String>>,
    /// Commands that mend it, where SQL is not the way.
    commands: Option<Vec<String>>,
    /// Since when what was seen has been counted, UTC; null where it is no count.
    counted_since: Option<String>,
    /// How long that is, in seconds.
    counted_seconds: Option<f64>,
    #[serde(skip)]
    is_counted: bool,
}

impl Record for Advice {
    const KIND: &'static str = "healthcheck.advice";
    const COLUMNS: &'static [&'static str] = &["kind", "object", "why", "remedy", "sql"];
}

impl Advice {
    /// About this object.
    pub(super) fn new(kind: Kind, object: impl Into<String>) -> Self {
        Self {
            kind: Some(kind),
            object: Some(object.into()),
            seen: Some(Vec::new()),
            sql: Some(Vec::new()),
            commands: Some(Vec::new()),
            ..Self::default()
        }
    }

    /// The table.
    #[must_use]
    pub(super) fn table(mut self, table: &str) -> Self {
        self.table = Some(table.to_owned());
        self
    }

    /// The statement.
    #[must_use]
    pub(super) fn statement(mut self, statement: &str) -> Self {
        self.statement = Some(statement.to_owned());
        self
    }

    /// The nodes.
    #[must_use]
    pub(super) fn nodes(mut self, nodes: Vec<String>) -> Self {
        self.nodes = Some(nodes);
        self
    }

    /// A number that was seen.
    #[must_use]
    pub(super) fn seen(mut self, figure: &'static str, value: f64, unit: &'static str) -> Self {
        let value = (value * 1e3).round() / 1e3;
        self.seen.get_or_insert_default().push(Figure { name: figure, value, unit });
        self
    }

    /// Why it is not good.
    #[must_use]
    pub(super) fn why(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }

    /// How it was computed.
    #[must_use]
    pub(super) fn formula(mut self, formula: impl Into<String>) -> Self {
        self.formula = Some(formula.into());
        self
    }

    /// What to do.
    #[must_use]
    pub(super) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// The SQL that mends it.
    #[must_use]
    pub(super) fn sql(mut self, sql: Vec<String>) -> Self {
        self.sql = Some(sql);
        self
    }

    /// The commands that mend it.
    #[must_use]
    pub(super) fn commands(mut self, commands: Vec<String>) -> Self {
        self.commands = Some(commands);
        self
    }

    /// What was seen is a count since the server's statistics began.
    #[must_use]
    pub(super) fn counted(mut self) -> Self {
        self.is_counted = true;
        self
    }

    /// What was seen is a count that has a beginning of its own.
    #[must_use]
    pub(super) fn counted_by(mut self, counted: &Counted) -> Self {
        self.counted_since = Some(counted.since.clone());
        self.counted_seconds = Some(counted.seconds);
        self
    }

    /// Whether it is about this statement.
    pub(super) fn is_about(&self, statement: &str) -> bool {
        self.statement.as_deref() == Some(statement)
    }

    /// Whether what mends it makes an index on these columns.
    pub(super) fn makes_index(&self, table: &str, columns: &[String]) -> bool {
        let list = format!("({})", columns.join(", "));
        self.table.as_deref() == Some(table)
            && self.sql.iter().flatten().any(|sql| sql.starts_with("CREATE INDEX") && sql.ends_with(&list))
    }

    /// Fills in what all advice on a shard shares.
    pub(super) fn complete(&mut self, shard: &str, counted: &Counted) {
        self.shard = Some(shard.to_owned());
        if self.is_counted && self.counted_since.is_none() {
            self.counted_since = Some(counted.since.clone());
            self.counted_seconds = Some(counted.seconds);
        }
    }
}

/// What was found on a shard so far.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The advice.
    pub(super) advice: Vec<Advice>,
    /// What could not be judged.
    pub(super) unseen: Vec<Unseen>,
}

impl Found {
    /// Takes a piece of advice.
    pub(super) fn push(&mut self, advice: Advice) {
        self.advice.push(advice);
    }

    /// Names what could not be judged.
    pub(super) fn unseen(
        &mut self,
        what: &'static str,
        object: Option<&str>,
        why: impl Into<String>,
        hint: Option<&str>,
    ) {
        let (object, hint) = (object.map(str::to_owned), hint.map(str::to_owned));
        self.unseen.push(Unseen { what, object, why: why.into(), hint });
    }
}
