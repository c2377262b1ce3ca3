//! `migrate lint --live`: which locks pending scripts take on each shard, and for how long by its tables' sizes.

mod alter;
mod locks;
mod mode;
mod size;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use flotilla::Context;
use flotilla::clock::parse_duration;
use flotilla::error::{Code, Error, Result};
use flotilla::record::{Done, Line, Record, RecordInfo};
use flotilla::target::Target;
use flotilla::verb::{Effect, Example, Scope, Verb};
use schemars::JsonSchema;
use serde::Serialize;

use self::locks::{Lock, On};
use self::mode::{Blocks, Mode, Work};
use self::size::Size;
use super::model::{Catalogue, Made};
use super::prepared::Prepared;
use crate::database::Database;
use crate::reading;
use crate::settings::Settings;
use flotilla::migrations::schema_history::Row;
use flotilla::migrations::scripts::{Script, Set};
use flotilla::migrations::state::{Migration, Rules, resolve};

/// The verb when it looks at shards.
pub(crate) const VERB: Verb = Verb {
    name: "lint --live",
    effect: Effect::Reads,
    scope: Scope::Optional,
    exclusive: false,
    records: &[RecordInfo::of::<LockRecord>(), RecordInfo::of::<LiveRecord>()],
    examples: &[
        Example { line: "migrate lint --live", does: "Say which locks pending scripts take, and for how long" },
        Example {
            line: "migrate lint --live --max-block 200ms --scan-rate 150",
            does: "Say what blocks longer than 200 ms on slow disks",
        },
    ],
};

/// How fast a shard is thought to be, and what is too long.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct LiveArgs {
    /// With --live: how long traffic may be blocked
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = parse_duration, requires = "live")]
    max_block: Duration,
    /// With --live: MB of rows that are read each second
    #[arg(long, value_name = "MB", default_value = "1000", value_parser = clap::value_parser!(u32).range(1..), requires = "live", hide_short_help = true)]
    scan_rate: u32,
    /// With --live: MB of rows that an index is built of each second
    #[arg(long, value_name = "MB", default_value = "70", value_parser = clap::value_parser!(u32).range(1..), requires = "live", hide_short_help = true)]
    index_rate: u32,
    /// With --live: MB of rows and indexes that are written again each second
    #[arg(long, value_name = "MB", default_value = "45", value_parser = clap::value_parser!(u32).range(1..), requires = "live", hide_short_help = true)]
    rewrite_rate: u32,
}

/// One lock of one statement on one shard.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub(crate) struct LockRecord {
    /// The shard.
    shard: Option<String>,
    /// The script's path below its folder.
    script: Option<String>,
    /// The line in it, from 1.
    line: Option<usize>,
    /// The statement, shortened.
    statement: Option<String>,
    /// What is locked; null where nothing is, or only running the statement would tell.
    relation: Option<String>,
    /// How it is locked.
    mode: Option<Mode>,
    /// Who waits meanwhile.
    blocks: Option<Blocks>,
    /// What is done to it meanwhile.
    work: Option<Work>,
    /// How large it is on this shard, its indexes included; 0 where pending scripts make it.
    bytes: Option<u64>,
    /// About how many rows it has; null where the server hasn't counted them yet.
    rows: Option<u64>,
    /// About how long the statement takes.
    estimated_ms: Option<u64>,
    /// About how long the lock is held: to the end of the statement's transaction.
    held_ms: Option<u64>,
    /// How many queries read it and rows are written to it each second, since the server counts.
    traffic_per_second: Option<f64>,
    /// The rule that finds fault with it; null where none does.
    rule: Option<&'static str>,
}

impl Record for LockRecord {
    const KIND: &'static str = "migrate.lock";
    const COLUMNS: &'static [&'static str] =
        &["script", "line", "relation", "mode", "work", "bytes", "estimated_ms", "held_ms", "rule"];
}

/// What a shard's pending scripts come to.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub(crate) struct LiveRecord {
    /// The shard.
    shard: Option<String>,
    /// How many scripts are pending.
    pending_count: Option<usize>,
    /// How many locks block somebody for too long.
    finding_count: Option<usize>,
    /// How many statements can't be foreseen: blocks, calls, what the grammar doesn't know.
    unknown_count: Option<usize>,
    /// About how long all of it takes.
    estimated_ms: Option<u64>,
    /// About how long reading is blocked at most at one go.
    longest_block_of_reads_ms: Option<u64>,
    /// The same for writing.
    longest_block_of_writes_ms: Option<u64>,
}

impl Record for LiveRecord {
    const KIND: &'static str = "migrate.live";
    const COLUMNS: &'static [&'static str] =
        &["pending_count", "finding_count", "estimated_ms", "longest_block_of_reads_ms", "longest_block_of_writes_ms"];
}

/// The rule about whoever reads.
const READS: &str = "blocks-reads-too-long";
/// The rule about whoever writes.
const WRITES: &str = "blocks-writes-too-long";

/// Foresees the locks on each target.
pub(crate) async fn run(cx: &Context, settings: Settings, args: LiveArgs) -> Result<()> {
    let targets = cx.targets()?;
    let set = settings.scripts()?;
    let (settings, args) = (Arc::new(settings), Arc::new(args));
    cx.each(targets, move |target, cx| {
        let (settings, set, args) = (Arc::clone(&settings), Arc::clone(&set), Arc::clone(&args));
        async move { one(&cx, &target, &settings, &set, &args).await }
    })
    .await
}

async fn one(
    cx: &Context,
    target: &Target,
    settings: &Settings,
    set: &Set,
    args: &LiveArgs,
) -> Result<Done<LiveRecord>> {
    let (database, rows) = reading::read(cx, target, settings).await?;
    let scripts = foresee(&database, set, rows.as_deref().unwrap_or_default())?;
    database.take_search_path().await?;
    let (mut findings, mut unknown, mut total, mut reads, mut writes) = (0, 0, 0, 0, 0);
    for script in &scripts {
        let measure = measured(&database, script, args);
        let (records, took) = cx.guarded(database.session.canceller(), measure).await?;
        total += took;
        unknown += script.steps.iter().filter(|step| step.locks.is_none()).count();
        for record in records {
            findings += usize::from(record.rule.is_some());
            let held = record.held_ms.unwrap_or_default();
            match record.blocks {
                Some(Blocks::Reads) => reads = reads.max(held),
                Some(Blocks::Writes) => writes = writes.max(held),
                _ => {}
            }
            write(cx, target, record, args)?;
        }
    }
    let live = LiveRecord {
        shard: database.shard.clone(),
        pending_count: Some(scripts.len()),
        finding_count: Some(findings),
        unknown_count: Some(unknown),
        estimated_ms: Some(total),
        longest_block_of_reads_ms: Some(reads),
        longest_block_of_writes_ms: Some(writes.max(reads)),
    };
    database.close().await;
    Ok(Done::unchanged(live))
}

/// A pending script and what its statements lock.
struct Foreseen {
    script: String,
    in_transaction: bool,
    steps: Vec<Step>,
}

/// A statement; its locks are none where only its running would tell.
struct Step {
    line: usize,
    statement: Option<String>,
    locks: Option<Vec<Lock>>,
}

/// Goes through all scripts, for what a statement does depends on the schema that it finds.
fn foresee(database: &Database, set: &Set, rows: &[Row]) -> Result<Vec<Foreseen>> {
    let scripts = database.scripts(set)?;
    let rules = Rules::default();
    let migrations = resolve(&scripts, rows, &rules)?;
    let pending: BTreeSet<&str> = migrations.pending().map(Migration::script_name).collect();
    let first = set.versioned.keys().next();
    let begins = |script: &&Script| pending.contains(&*script.script) || script.version() < first;
    let in_order = set.baselines.values().filter(begins).chain(set.versioned.values()).chain(set.repeatable.values());
    let (mut schema, mut foreseen) = (Catalogue::default(), Vec::new());
    for (number, script) in in_order.enumerate() {
        let prepared = Prepared::new(number, script, &database.placeholders);
        let mut steps = Vec::new();
        for statement in &prepared.statements {
            let (line, _) = prepared.text.place(statement.range.start);
            let locks = statement.node.as_ref().and_then(|node| locks::locks(node, &schema));
            steps.push(Step { line, statement: prepared.excerpt(statement), locks });
            if let Some(node) = &statement.node {
                schema.apply(node, Made { script: number, statement: statement.number });
            }
        }
        if pending.contains(&*script.script) {
            foreseen.push(Foreseen { script: script.script.clone(), in_transaction: prepared.in_transaction, steps });
        }
    }
    Ok(foreseen)
}

/// The locks of a script with the sizes of what they are on, and how long the script takes.
async fn measured(database: &Database, script: &Foreseen, args: &LiveArgs) -> Result<(Vec<LockRecord>, u64)> {
    let mut records: Vec<(usize, LockRecord)> = Vec::new();
    let mut times = vec![0; script.steps.len()];
    for (at, step) in script.steps.iter().enumerate() {
        let base = LockRecord {
            shard: database.shard.clone(),
            script: Some(script.script.clone()),
            line: Some(step.line),
            statement: step.statement.clone(),
            ..LockRecord::default()
        };
        let before = records.len();
        for lock in step.locks.iter().flatten() {
            let size = size::read(&database.session, &lock.on).await?;
            let (Some(relation), size) = (relation(lock, size.as_ref()), size.unwrap_or_default()) else { continue };
            let took = args.estimate(lock.work, &size);
            times[at] = times[at].max(took);
            let record = LockRecord {
                relation: Some(relation),
                mode: Some(lock.mode),
                blocks: Some(lock.mode.blocks()),
                work: Some(lock.work),
                bytes: Some(size.heap_bytes + size.index_bytes),
                rows: size.rows,
                estimated_ms: Some(took),
                traffic_per_second: Some(round(size.reads_per_second + size.writes_per_second)),
                rule: rule(lock.mode, &size),
                ..base.clone()
            };
            records.push((at, record));
        }
        if records.len() == before {
            // Nothing is locked, which takes no time; or it can't be told.
            let took = step.locks.as_ref().map(|_| 0);
            records.push((at, LockRecord { estimated_ms: took, held_ms: took, ..base }));
        }
    }
    let limit = u64::try_from(args.max_block.as_millis()).unwrap_or(u64::MAX);
    for (at, record) in records.iter_mut().filter(|(_, record)| record.mode.is_some()) {
        // What comes after it in the transaction goes on under its lock.
        let held = if script.in_transaction { times[*at..].iter().sum() } else { times[*at] };
        record.held_ms = Some(held);
        record.rule = record.rule.filter(|_| held > limit);
    }
    Ok((records.into_iter().map(|(_, record)| record).collect(), times.iter().sum()))
}

/// What a lock is on; nothing where the shard has no such thing and no pending script makes one.
fn relation(lock: &Lock, size: Option<&Size>) -> Option<String> {
    match (&lock.on, size) {
        (_, Some(size)) => Some(size.relation.clone()),
        (On::Relation(name), None) => Some(name.to_string()),
        (On::TableOf(_) | On::DefaultOf(_), None) => None,
    }
}

/// Who would be kept waiting, if anybody uses the table.
fn rule(mode: Mode, size: &Size) -> Option<&'static str> {
    match mode.blocks() {
        Blocks::Reads if size.reads_per_second + size.writes_per_second > 0.0 => Some(READS),
        Blocks::Writes if size.writes_per_second > 0.0 => Some(WRITES),
        _ => None,
    }
}

fn round(rate: f64) -> f64 {
    (rate * 1000.0).round() / 1000.0
}

impl LiveArgs {
    /// About how many milliseconds the work takes.
    fn estimate(&self, work: Work, size: &Size) -> u64 {
        // MB a second are as many thousand bytes a millisecond.
        let ms = |bytes: u64, rate: u32| bytes / (u64::from(rate) * 1000);
        match work {
            Work::Instant => 0,
            Work::Scan => ms(size.heap_bytes, self.scan_rate),
            Work::Index => ms(size.heap_bytes, self.index_rate),
            Work::Rewrite => ms(size.heap_bytes + size.index_bytes, self.rewrite_rate),
        }
    }
}

fn write(cx: &Context, target: &Target, record: LockRecord, args: &LiveArgs) -> Result<()> {
    let name = Some(target.name.clone());
    let line = match record.rule {
        None => Line::ok(name, false, record, Duration::ZERO),
        Some(rule) => {
            let who = if rule == READS { "nobody can read or write" } else { "nobody can write" };
            let message = format!(
                "{who} {} for about {} ms, which is longer than {} ms",
                record.relation.as_deref().unwrap_or_default(),
                record.held_ms.unwrap_or_default(),
                args.max_block.as_millis()
            );
            let error = Error::new(Code::Mismatch, message)
                .hint("Take the way without the lock: `migrate new --list` has patterns, each of them in small steps.");
            Line::failed(name, &error, Duration::ZERO).with_body(record)
        }
    };
    cx.output().line(&line)
}
