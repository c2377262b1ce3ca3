//! The verb `check`.

use std::path::PathBuf;
use std::time::Duration;

use flotilla::clock::parse_duration;
use flotilla::config::Config;
use flotilla::record::{Line, Record, RecordInfo};
use flotilla::target;
use flotilla::verb::{Effect, Example, Scope, Verb};
use flotilla::{Code, Context, Error, Result};
use schemars::JsonSchema;
use serde::Serialize;

use super::engine::{self, Checked, Finding, Settings, all_rules};
use super::rule::Severity;
use crate::render;
use crate::version::Versions;

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "check",
    effect: Effect::Reads,
    scope: Scope::None,
    exclusive: false,
    records: &[
        RecordInfo::of::<FindingRecord>(),
        RecordInfo::of::<TermRecord>(),
        RecordInfo::of::<SumRecord>(),
        RecordInfo::of::<RuleRecord>(),
    ],
    examples: &[
        Example {
            line: "poolcfg check /etc/pgbouncer/pgbouncer.ini /etc/haproxy/haproxy.cfg",
            does: "Say what is wrong with a machine's files, and add up what they ask of servers",
        },
        Example { line: "poolcfg check --strict -q", does: "Fail on warnings too, about what the topology renders" },
        Example {
            line: "poolcfg check --rto 30s pgbouncer.ini haproxy.cfg patroni.yml",
            does: "See whether a failover within 30 seconds can be kept",
        },
        Example { line: "poolcfg check --rules", does: "List the rules, and why each is one" },
    ],
};

/// What to look at.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Files of PgBouncer, HAProxy, PgDog or Patroni, looked at together; without any, what the topology renders
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Don't ask this rule; may be repeated
    #[arg(long, value_name = "RULE")]
    exclude: Vec<String>,
    /// Fail on warnings as well as on errors
    #[arg(long)]
    strict: bool,
    /// For this release instead of the installed one; may be repeated
    #[arg(long, value_name = "PROGRAM=VERSION")]
    for_version: Vec<String>,
    /// PostgreSQL's `max_connections`, where neither Patroni's file nor the topology has it
    #[arg(long, value_name = "N")]
    max_connections: Option<u32>,
    /// How long a failover may take until clients are served again, instead of what the topology promises
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    rto: Option<Duration>,
    /// List the rules instead
    #[arg(long, conflicts_with_all = ["files", "exclude", "strict", "for_version", "max_connections", "rto"])]
    rules: bool,
}

/// One finding.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct FindingRecord {
    /// The file; for what isn't written, the place that it would have.
    file: Option<String>,
    /// The line in it, from 1.
    line: Option<usize>,
    /// The rule.
    rule: Option<&'static str>,
    /// How bad it is.
    severity: Option<Severity>,
    /// What was found.
    message: Option<String>,
    /// How to mend it.
    hint: Option<String>,
}

impl Record for FindingRecord {
    const KIND: &'static str = "poolcfg.finding";
    const COLUMNS: &'static [&'static str] = &["file", "line", "severity", "rule", "message", "hint"];
}

/// One term of the sum of connections: a pooler's pools of one database.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct TermRecord {
    /// The pooler's file.
    file: Option<String>,
    /// The database in the pooler.
    database: Option<String>,
    /// The shard that it leads to; without a topology, the servers.
    server: Option<String>,
    /// What of it: `write`, `read`, or `node` where it is one server whatever its role.
    way: Option<&'static str>,
    /// How many users have a pool.
    user_count: Option<i64>,
    /// Connections of one pool.
    pool_size: Option<i64>,
    /// Connections of one pool besides, when clients wait.
    reserve_pool_size: Option<i64>,
    /// The cap over all users of the database; 0 where there is none.
    max_db_connections: Option<i64>,
    /// How many processes and poolers alike open as many.
    multiplier: Option<i64>,
    /// What it comes to; null where nothing bounds it.
    connection_count: Option<i64>,
}

impl Record for TermRecord {
    const KIND: &'static str = "poolcfg.term";
    const COLUMNS: &'static [&'static str] = &[
        "file",
        "database",
        "server",
        "way",
        "user_count",
        "pool_size",
        "reserve_pool_size",
        "max_db_connections",
        "multiplier",
        "connection_count",
    ];
}

/// The sum of connections that poolers may open to a shard's servers.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct SumRecord {
    /// The shard; without a topology, the servers.
    server: Option<String>,
    /// How many replicas there are.
    replica_count: Option<i64>,
    /// For writes.
    write_connection_count: Option<i64>,
    /// For reads, over all replicas.
    read_connection_count: Option<i64>,
    /// What the primary carries.
    primary_connection_count: Option<i64>,
    /// What the one that takes over carries when a node is lost: all writes, and its share of the reads.
    after_loss_connection_count: Option<i64>,
    /// What poolers may take of a server: `max_connections` without those reserved and those past the poolers;
    /// null where it isn't known.
    usable_connection_count: Option<i64>,
}

impl Record for SumRecord {
    const KIND: &'static str = "poolcfg.sum";
    const COLUMNS: &'static [&'static str] = &[
        "server",
        "replica_count",
        "write_connection_count",
        "read_connection_count",
        "primary_connection_count",
        "after_loss_connection_count",
        "usable_connection_count",
    ];
}

/// One rule.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct RuleRecord {
    /// Its name.
    rule: Option<&'static str>,
    /// How bad a finding is.
    severity: Option<Severity>,
    /// Why it is one.
    why: Option<&'static str>,
    /// How to mend what it finds.
    mend: Option<&'static str>,
}

impl Record for RuleRecord {
    const KIND: &'static str = "poolcfg.rule";
    const COLUMNS: &'static [&'static str] = &["rule", "severity", "why"];
}

/// Writes a line for each finding, then the sum of connections.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    if args.rules {
        return rules(cx);
    }
    let settings = Settings {
        exclude: args.exclude,
        versions: Versions::parse(&args.for_version)?,
        max_connections: args.max_connections,
        rto_seconds: args.rto.map(|rto| rto.as_secs_f64()),
    };
    // Files are read without a cluster too; with one, its servers and applications count.
    let (config, subjects) = if args.files.is_empty() {
        let config = cx.config()?;
        (Some(config), engine::subjects(rendered(config, settings.versions)?, &settings)?)
    } else {
        (cx.config_if_any()?, engine::read(&args.files, &settings)?)
    };
    let checked = tokio::task::block_in_place(|| engine::look(subjects, config, &settings))?;
    let limit = if args.strict { Severity::Warning } else { Severity::Error };
    for finding in &checked.findings {
        let body = FindingRecord::from(finding);
        let line = if finding.severity >= limit {
            let error = Error::new(Code::Mismatch, finding.message.clone()).hint(finding.hint.clone());
            Line::failed(None, &error, Duration::ZERO).with_body(body)
        } else {
            Line::ok(None, false, body, Duration::ZERO)
        };
        cx.output().line(&line)?;
    }
    sum(cx, &checked)
}

/// Every file that the topology gives, at the place that it is to have.
fn rendered(config: &Config, versions: Versions) -> Result<Vec<(PathBuf, String)>> {
    let run_folder = render::run_folder(config);
    let mut texts = Vec::new();
    for target in target::all(config) {
        if let Some(file) = render::file(config, &target, &run_folder, versions)? {
            texts.push((file.path, file.text));
        }
    }
    if texts.is_empty() {
        return Err(Error::config(format!("{}: there is nothing to check", config.path.display()))
            .hint("Add [[poolers]] and [[balancers]] to the topology, or name files."));
    }
    Ok(texts)
}

fn sum(cx: &Context, checked: &Checked) -> Result<()> {
    for term in &checked.capacity.terms {
        let body = TermRecord {
            file: Some(checked.file(term.subject)),
            database: Some(term.database.clone()),
            server: Some(term.server.clone()),
            way: Some(term.way.word()),
            user_count: Some(term.users),
            pool_size: Some(term.pool_size),
            reserve_pool_size: Some(term.reserve),
            max_db_connections: Some(term.cap),
            multiplier: Some(term.times),
            connection_count: term.connections,
        };
        cx.output().line(&Line::ok(None, false, body, Duration::ZERO))?;
    }
    for sum in &checked.capacity.sums {
        let body = SumRecord {
            server: Some(sum.server.clone()),
            replica_count: Some(sum.replicas),
            write_connection_count: Some(sum.writes),
            read_connection_count: Some(sum.reads),
            primary_connection_count: Some(sum.now),
            after_loss_connection_count: Some(sum.after_loss),
            usable_connection_count: checked.usable,
        };
        cx.output().line(&Line::ok(None, false, body, Duration::ZERO))?;
    }
    Ok(())
}

fn rules(cx: &Context) -> Result<()> {
    for rule in all_rules() {
        let body = RuleRecord {
            rule: Some(rule.name),
            severity: Some(rule.severity),
            why: Some(rule.why),
            mend: Some(rule.mend),
        };
        cx.output().line(&Line::ok(None, false, body, Duration::ZERO))?;
    }
    Ok(())
}

/// The refusal of a file by the errors that were found in it; none where there are none.
pub(crate) fn refusal(findings: &[Finding]) -> Option<Error> {
    let errors: Vec<&Finding> = findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
    let first = errors.first()?;
    let named = |finding: &&Finding| {
        format!("{}:{}: {} ({})", finding.file.display(), finding.line, finding.message, finding.rule)
    };
    let all = errors.iter().map(named).collect::<Vec<_>>().join("; ");
    Some(Error::refused("the new file has errors; nothing was touched").hint(first.hint.clone()).source(all))
}

impl From<&Finding> for FindingRecord {
    fn from(finding: &Finding) -> Self {
        Self {
            file: Some(finding.file.display().to_string()),
            line: Some(finding.line),
            rule: Some(finding.rule),
            severity: Some(finding.severity),
            message: Some(finding.message.clone()),
            hint: Some(finding.hint.clone()),
        }
    }
}
