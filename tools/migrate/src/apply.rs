//! `migrate apply`: what is pending, on every shard, in waves.

mod gates;
mod shard;
mod waves;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use flotilla::Context;
use flotilla::clock::parse_duration;
use flotilla::error::Result;
use flotilla::record::{Record, RecordInfo};
use flotilla::verb::{Effect, Example, Scope, Verb};
use schemars::JsonSchema;
use serde::Serialize;

use self::gates::Gates;
use self::shard::Plans;
use self::waves::Waves;
use crate::migrating::{self, Work};
use crate::plan::{self, PlanRecord};
use crate::settings::Settings;
use crate::{goal, settings};
use flotilla::migrations::state::{IgnorePattern, Rules};

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "apply",
    effect: Effect::Changes,
    scope: Scope::Required,
    exclusive: true,
    records: &[RecordInfo::of::<ApplyResult>(), RecordInfo::of::<PlanRecord>()],
    examples: &[
        Example { line: "migrate apply --all", does: "Bring every shard up to date" },
        Example {
            line: "migrate apply --all --waves 1,50%,100% --verify checks.sql --max-lag 10s",
            does: "One shard first, then half, then all; stop at the first that fails",
        },
        Example { line: "migrate plan | migrate apply", does: "Apply exactly what is planned" },
        Example { line: "migrate apply -t s0 --to 12 --reason 'ticket 4711'", does: "Go to a version, and say why" },
    ],
};

/// How to apply.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    settings: settings::SettingsArgs,
    #[command(flatten)]
    goal: goal::GoalArgs,
    #[command(flatten)]
    migrating: migrating::LimitArgs,
    /// How many shards to be done after each wave, as numbers or percentages
    #[arg(long, value_name = "N[,N…]", default_value = "100%")]
    waves: Waves,
    /// File of queries that must all be true on each shard of a wave before the next begins; may be repeated
    #[arg(long, value_name = "FILE")]
    verify: Vec<PathBuf>,
    /// Don't begin a wave while one of its replicas is further behind
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    max_lag: Option<Duration>,
    /// Don't begin a wave while more sessions than this wait for locks on one of its shards
    #[arg(long, value_name = "N")]
    max_waiting: Option<u32>,
    /// How long to wait for lag and locks to go down
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = parse_duration, hide_short_help = true)]
    gate_wait: Duration,
    /// How long to watch a wave before the next begins
    #[arg(long, value_name = "DURATION", default_value = "0", value_parser = parse_duration, hide_short_help = true)]
    soak: Duration,
    /// How many shards may fail before no further wave begins
    #[arg(long, value_name = "N", default_value_t = 0, hide_short_help = true)]
    max_failed: u64,
}

/// What was applied to one shard.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub(crate) struct ApplyResult {
    /// The shard.
    pub(crate) shard: Option<String>,
    /// The wave, from 1.
    pub(crate) wave: Option<usize>,
    /// The highest version in force before; null when there was none.
    pub(crate) from_version: Option<String>,
    /// The highest version in force now.
    pub(crate) to_version: Option<String>,
    /// What was applied, in order; when the run failed, what was applied before.
    pub(crate) applied: Option<Vec<AppliedScript>>,
    /// The names of the scripts that were applied.
    pub(crate) scripts: Option<Vec<String>>,
}

impl Record for ApplyResult {
    const KIND: &'static str = "migrate.result";
    const COLUMNS: &'static [&'static str] = &["wave", "from_version", "to_version", "scripts"];
}

/// One migration that was applied.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct AppliedScript {
    /// Its version; null for repeatable ones.
    pub(crate) version: Option<String>,
    /// What it says it does.
    pub(crate) description: String,
    /// The script's path below its folder.
    pub(crate) script: String,
    /// How many statements it has.
    pub(crate) statement_count: usize,
    /// How often it was tried again because of a lock.
    pub(crate) retries: u32,
    /// Whether an earlier run had begun it.
    pub(crate) resumed: bool,
    /// How long it took, in milliseconds.
    pub(crate) execution_time_ms: u64,
}

/// What each shard's work needs.
#[derive(Clone)]
pub(super) struct Order {
    pub(super) work: Work,
    pub(super) rules: Arc<Rules>,
    pub(super) ignored: Arc<[IgnorePattern]>,
    pub(super) plans: Arc<Plans>,
}

/// Applies, wave after wave.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    let gates = Gates {
        max_lag: args.max_lag,
        max_waiting: args.max_waiting,
        wait: args.gate_wait,
        soak: args.soak,
        queries: gates::queries(&args.verify)?,
        max_failed: args.max_failed,
    };
    let targets = cx.targets_with_lines()?;
    let order = Order {
        plans: Arc::new(Plans::of(&targets)?),
        work: Work::new(Settings::new(cx, &args.settings)?, args.migrating.limits())?,
        rules: Arc::new(args.goal.rules()),
        ignored: args.goal.ignored().into(),
    };
    if cx.global().dry_run {
        return plan::each(cx, targets, order.work.settings, order.work.set, order.rules).await;
    }
    waves::run(cx, targets, &args.waves, &gates, order).await
}
