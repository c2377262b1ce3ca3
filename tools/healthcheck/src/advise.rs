//! `healthcheck advise`: what would make a shard faster or smaller, each with its evidence and what mends it.

mod advice;
mod bloat;
mod checkpoints;
mod filter;
mod foreign_key;
mod index;
mod machine;
mod memory;
mod mending;
mod plan;
mod scan;
mod schema;
mod settings;
mod sight;
mod spill;
mod statement;
mod twins;
mod unused;
mod vacuum;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use flotilla::clock::parse_duration;
use flotilla::config::{Config, Shard};
use flotilla::record::{Done, Line, Record, RecordInfo};
use flotilla::target::Target;
use flotilla::verb::{Effect, Example, Scope, Verb};
use flotilla::{Code, Context, Error, Result};
use schemars::JsonSchema;
use serde::Serialize;

use self::advice::{Advice, Found, Unseen};
use self::schema::Schema;
use self::sight::Sight;

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "advise",
    effect: Effect::Reads,
    scope: Scope::Optional,
    exclusive: false,
    records: &[RecordInfo::of::<Advice>(), RecordInfo::of::<AdviceEnd>()],
    examples: &[
        Example { line: "healthcheck advise", does: "Advise on every shard" },
        Example {
            line: "healthcheck advise -t s0 -o json | jq -r 'select(.sql != null) | .sql[] + \";\"'",
            does: "Show the SQL that mends what was found on one shard",
        },
        Example {
            line: "healthcheck advise -o json | jq -c 'select(.unseen != null) | .unseen[]'",
            does: "Say what could not be judged, and why",
        },
    ],
};

/// What is evidence, and what is too small to matter.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Args {
    /// How long an index must have gone unused, on every node
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "14d")]
    least_window: Duration,
    /// Tables and indexes below this size are left alone
    #[arg(long, value_name = "MIB", default_value_t = 10)]
    least_mib: u32,
    /// Statements that ran less often are left alone
    #[arg(long, value_name = "N", default_value_t = 10)]
    least_calls: u32,
    /// How many of the statements that took the most time are looked at
    #[arg(long, value_name = "N", default_value_t = 50)]
    statements: u32,
}

impl Args {
    /// Below this size nothing is advised.
    fn least_bytes(&self) -> f64 {
        f64::from(self.least_mib) * 1_048_576.0
    }
}

/// The end of a shard's advice: what was looked at, and what could not be.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct AdviceEnd {
    /// The shard.
    shard: Option<String>,
    /// How many pieces of advice were given.
    advice_count: Option<usize>,
    /// The nodes whose statistics were read.
    nodes: Option<Vec<String>>,
    /// Since when the primary has counted, UTC.
    counted_since: Option<String>,
    /// How long that is, in seconds.
    counted_seconds: Option<f64>,
    /// How many tables were looked at.
    table_count: Option<usize>,
    /// How many indexes.
    index_count: Option<usize>,
    /// How many statements.
    statement_count: Option<usize>,
    /// How many of their plans.
    plan_count: Option<usize>,
    /// How much could not be judged.
    unseen_count: Option<usize>,
    /// What that is, and why.
    unseen: Option<Vec<Unseen>>,
}

impl Record for AdviceEnd {
    const KIND: &'static str = "healthcheck.advice_end";
    const COLUMNS: &'static [&'static str] =
        &["advice_count", "counted_since", "statement_count", "plan_count", "unseen_count"];
}

/// Writes the advice on each shard, and a line at its end. A node stands for its shard.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    let mut seen = HashSet::new();
    let mut targets = cx.targets()?;
    targets.retain(|target| {
        target.upstream_failure.is_some() || target.shard().is_none_or(|shard| seen.insert(shard.name.clone()))
    });
    let args = Arc::new(args);
    cx.each(targets, move |target, cx| {
        let args = Arc::clone(&args);
        async move {
            let config = cx.config()?;
            let shard = target.shard().ok_or_else(|| no_shard(&target))?;
            let (found, end) = look(&cx, config, shard, &args).await?;
            for advice in found.advice {
                cx.output().line(&Line::ok(Some(target.name.clone()), false, advice, Duration::ZERO))?;
            }
            Ok(Done::unchanged(end))
        }
    })
    .await
}

async fn look(cx: &Context, config: &Config, shard: &Shard, args: &Args) -> Result<(Found, AdviceEnd)> {
    let mut found = Found::default();
    let sight = Sight::open(cx, config, shard, &mut found).await?;
    let schema = Schema::read(cx, sight.primary()).await?;
    foreign_key::advise(&schema, args, &mut found);
    index::invalid(&schema, &mut found);
    twins::advise(&schema, &mut found);
    unused::advise(cx, &sight, &schema, args, &mut found).await?;
    vacuum::advise(&schema, sight.primary(), args, &mut found);
    let application = sight::application(cx, config, shard, &mut found).await?;
    bloat::advise(cx, &sight, application.as_ref(), &schema, args, &mut found).await?;
    let machines = settings::read(cx, config, &sight, &mut found).await?;
    let statements = statement::read(cx, config, &sight, args, &mut found).await?;
    let plans = plan::explain(cx, application.as_ref(), &statements, &mut found).await?;
    scan::advise(&schema, &statements, &plans, args, &mut found);
    spill::advise(cx, &sight, &statements, &plans, &machines, &mut found).await?;
    statement::advise(&statements, &plans, &machines, &mut found);
    settings::advise(shard, &machines, &schema, &mut found);
    let counted = &sight.primary().counted;
    for advice in &mut found.advice {
        advice.complete(&shard.name, counted);
    }
    let end = AdviceEnd {
        shard: Some(shard.name.clone()),
        advice_count: Some(found.advice.len()),
        nodes: Some(sight.seats.iter().map(|seat| seat.node.name.clone()).collect()),
        counted_since: Some(counted.since.clone()),
        counted_seconds: Some(counted.seconds),
        table_count: Some(schema.tables.len()),
        index_count: Some(schema.indexes.len()),
        statement_count: Some(statements.len()),
        plan_count: Some(plans.len()),
        unseen_count: Some(found.unseen.len()),
        unseen: Some(std::mem::take(&mut found.unseen)),
    };
    sight.close().await;
    if let Some(session) = application {
        session.close().await;
    }
    Ok((found, end))
}

fn no_shard(target: &Target) -> Error {
    Error::new(Code::Unsupported, format!("a {} has no tables to advise on", target.kind_name()))
        .hint("Name shards or nodes; `poolcfg advise` advises on poolers.")
}
