//! `shardctl sql`: SQL on the shard that owns a key, or on every shard.

mod copy;
mod encode;
mod lag;
mod owner;
mod run;
mod source;

pub use self::copy::row as copy_row;

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use flotilla::Context;
use flotilla::clock::parse_duration;
use flotilla::config::Config;
use flotilla::error::{Error, Result};
use flotilla::pg::Endpoint;
use flotilla::reach;
use flotilla::record::RecordInfo;
use flotilla::target::{Kind, Target};
use flotilla::verb::{Effect, Example, Scope, Verb};

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "sql",
    effect: Effect::Changes,
    scope: Scope::Required,
    exclusive: false,
    records: &[
        RecordInfo::of::<run::RowRecord>(),
        RecordInfo::of::<run::SqlResult>(),
        RecordInfo::of::<copy::CopyResult>(),
    ],
    examples: &[
        Example {
            line: "shardctl sql --key 42 'SELECT * FROM orders WHERE user_id = $1' --param 42",
            does: "Run on the shard that owns a key",
        },
        Example { line: "shardctl sql --all 'SELECT count(*) FROM users'", does: "Run on every shard" },
        Example {
            line: "shardctl sql --all --as migrator -f tables.sql",
            does: "Run a file on every shard, each in one transaction, as the tables' owner",
        },
        Example {
            line: "shardctl route --by key --field user_id < events.jsonl | shardctl sql --copy events --new-id id",
            does: "Load lines into a sharded table, each row on its shard",
        },
    ],
};

/// `sql` that only reads: with `--read-only` or `--max-lag`, or where the statement's first word says so.
pub(crate) const VERB_READ: Verb = Verb {
    name: "sql --read-only",
    effect: Effect::Reads,
    records: &[RecordInfo::of::<run::RowRecord>(), RecordInfo::of::<run::SqlResult>()],
    examples: &[Example {
        line: "shardctl sql --key 42 --max-lag 1s 'SELECT * FROM orders WHERE user_id = $1' --param 42",
        does: "Read from a replica that is no more than a second behind",
    }],
    ..VERB
};

/// What to run, where, and as whom.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The statement
    #[arg(value_name = "SQL", required_unless_present_any = ["file", "copy"], conflicts_with_all = ["file", "copy"])]
    sql: Option<String>,
    /// Run this file instead: its statements are one transaction, and its rows aren't shown
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["copy", "params", "max_lag"])]
    file: Option<PathBuf>,
    /// Run on the shard that owns this key, through the pool
    #[arg(long, value_name = "KEY", conflicts_with_all = ["targets", "all", "copy"], allow_negative_numbers = true)]
    key: Option<String>,
    /// The value of $1, then of $2, …; the server infers the types
    #[arg(long = "param", value_name = "VALUE", allow_hyphen_values = true)]
    params: Vec<String>,
    /// A --param that reads TEXT is NULL
    #[arg(long, value_name = "TEXT", requires = "params")]
    null: Option<String>,
    /// Read from a replica that is behind by no more than this
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, conflicts_with = "copy")]
    max_lag: Option<Duration>,
    /// Run in a transaction that may only read
    #[arg(long, conflicts_with_all = ["file", "copy"])]
    read_only: bool,
    /// Whom to log in as: app goes through the pool, the others to the server
    #[arg(long = "as", value_enum, default_value_t = As::App, value_name = "WHO")]
    role: As,
    /// Load routed lines from standard input into this table: TABLE or 'TABLE(COLUMN, …)'
    #[arg(long, value_name = "TABLE", conflicts_with_all = ["targets", "all"])]
    copy: Option<String>,
    /// Give each loaded row a new row id in this column
    #[arg(long, value_name = "COLUMN", requires = "copy")]
    new_id: Option<String>,
}

/// Whom to log in as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum As {
    /// The application's role
    App,
    /// The role that changes the schema, as the owner of the tables
    Migrator,
    /// The administrator
    Admin,
    /// The role that reads statistics
    Monitor,
}

impl Args {
    /// The parameters, with NULL where they say so.
    fn values(&self) -> Vec<Option<String>> {
        let null = self.null.as_ref();
        self.params.iter().map(|p| (Some(p) != null).then(|| p.clone())).collect()
    }

    fn read_only(&self) -> bool {
        self.read_only || self.max_lag.is_some()
    }

    /// The verb that this call is.
    pub(crate) fn verb(&self) -> &'static Verb {
        let reads = self.read_only() || self.sql.as_deref().is_some_and(source::only_reads);
        if reads { &VERB_READ } else { &VERB }
    }
}

/// Runs the statement, the file, or the load.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    if let Some(table) = &args.copy {
        return copy::run(cx, table, args.new_id.as_deref(), args.role).await;
    }
    let source = source::Source::read(&args)?;
    match &args.key {
        Some(key) => owner::run(cx, key, &args, source).await,
        None => run::run(cx, args, source).await,
    }
}

/// The path to a target for this role: the pool for the application, the server itself for others.
fn path(config: &Config, target: &Target, role: As, replica: bool) -> Result<Endpoint> {
    let users = &config.users;
    match (&target.kind, role) {
        (Kind::Shard(shard), As::App) if replica => reach::reader(config, shard, &users.app_ro),
        (Kind::Shard(shard), As::App) => reach::writer(config, shard, &users.app),
        (Kind::Shard(shard), role) => reach::primary(config, shard, role.user(config)),
        (Kind::Node { node, .. }, role) => reach::node(config, node, role.user(config)),
        _ => Err(Error::usage(format!("\"{}\" is a {}, which runs no SQL", target.name, target.kind_name()))
            .hint("Name shards or nodes; `shardctl targets --kind shard` lists them.")),
    }
}

impl As {
    fn user(self, config: &Config) -> &str {
        match self {
            Self::App => &config.users.app,
            Self::Migrator => &config.users.migrator,
            Self::Admin => &config.users.admin,
            Self::Monitor => &config.users.monitor,
        }
    }
}
