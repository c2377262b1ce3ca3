//! `poolcfg advise`: how large pools should be, from what they carried while it looked.

mod sample;
mod sizing;

use std::time::Duration;

use flotilla::clock::parse_duration;
use flotilla::config::{Config, Pooler};
use flotilla::fanout;
use flotilla::record::{Line, Record, RecordInfo};
use flotilla::target::{Kind, Target};
use flotilla::verb::{Effect, Example, Scope, Verb};
use flotilla::{Code, Context, Error, Result};
use schemars::JsonSchema;
use serde::Serialize;

use self::sample::Samples;
use self::sizing::{Confidence, Signal, Sizing, Verdict};
use crate::pgbouncer::console::Console;
use crate::render;

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "advise",
    effect: Effect::Reads,
    scope: Scope::Optional,
    exclusive: false,
    records: &[RecordInfo::of::<Advice>()],
    examples: &[
        Example { line: "poolcfg advise", does: "Look for a minute and advise on every pool" },
        Example {
            line: "poolcfg advise --window 15m --samples 180 -o json | jq -c 'select(.verdict!=\"keep\")'",
            does: "Look for longer, and show the pools that should change",
        },
    ],
};

/// With fewer samples a high percentile says nothing.
const FEWEST_SAMPLES: u32 = 20;

/// How long and how often to look.
#[derive(clap::Args, Clone)]
pub(crate) struct Args {
    /// How long to look
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "1m")]
    window: Duration,
    /// How often to look meanwhile; at least 20
    #[arg(long, value_name = "N", default_value_t = 60)]
    samples: u32,
    /// Fewer transactions than this in a pool's window are no evidence
    #[arg(long, value_name = "N", default_value_t = 100)]
    least_transactions: i64,
}

/// Advice on one pool, with its evidence.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Advice {
    /// The database.
    database: Option<String>,
    /// The user.
    user: Option<String>,
    /// What to do.
    verdict: Option<Verdict>,
    /// The pool's size now.
    pool_size: Option<i64>,
    /// The size that it should have; null where the evidence doesn't tell.
    advised_pool_size: Option<i64>,
    /// How that was computed, with its numbers.
    formula: Option<String>,
    /// What was seen besides.
    signals: Option<Vec<Signal>>,
    /// How much the evidence is worth.
    confidence: Option<Confidence>,
    /// How long it looked, in seconds.
    window_seconds: Option<f64>,
    /// How often it looked.
    sample_count: Option<usize>,
    /// Transactions meanwhile.
    transaction_count: Option<i64>,
    /// Server connections that were needed at a time: half of the time fewer.
    needed_p50: Option<f64>,
    /// The same: 95 % of the time fewer.
    needed_p95: Option<f64>,
    /// The same: the most.
    needed_max: Option<f64>,
    /// Servers at work when it looked: 95 % of the time fewer.
    server_active_p95: Option<f64>,
    /// The part of the samples in which clients waited and no server was free.
    starved_ratio: Option<f64>,
    /// How long clients waited for a server, in milliseconds for each transaction.
    wait_ms_per_transaction: Option<f64>,
    /// How much of a transaction's time queries ran.
    query_time_ratio: Option<f64>,
}

impl Record for Advice {
    const KIND: &'static str = "poolcfg.advice";
    const COLUMNS: &'static [&'static str] =
        &["database", "user", "verdict", "pool_size", "advised_pool_size", "formula", "signals", "confidence"];
}

/// Looks at each pooler and writes a line for each pool.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    if args.samples < FEWEST_SAMPLES {
        return Err(Error::usage(format!("{} samples are too few", args.samples)).hint(format!(
            "Give --samples {FEWEST_SAMPLES} or more: with fewer, the 95th percentile is the largest."
        )));
    }
    if args.window.is_zero() {
        return Err(Error::usage("a window of no length").hint("Give --window 1m or longer."));
    }
    let targets = render::targets_of(cx, |kind| matches!(kind, Kind::Pooler(_)))?;
    let config = cx.config()?;
    let answers = fanout::ask(cx, targets, |target, cx| {
        let (config, args) = (config.clone(), args.clone());
        async move {
            let seen = match (&target.kind, target.upstream_error()) {
                (_, Some(error)) => Err(error),
                (Kind::Pooler(pooler), None) => cx.unless_ended(look(&cx, &config, pooler, &args)).await,
                _ => Err(no_pools(&target)),
            };
            (target, seen)
        }
    })
    .await;
    for (target, seen) in answers {
        let name = || Some(target.name.clone());
        match seen {
            Ok(sizings) if sizings.is_empty() => {
                let error = Error::refused("the pooler has no pools: nobody has connected")
                    .hint("Look while applications work.");
                cx.output().line(&Line::<Advice>::failed(name(), &error, args.window))?;
            }
            Ok(sizings) => {
                for sizing in sizings {
                    let took = args.window;
                    let error = sizing.too_little();
                    let body = Advice::from(sizing);
                    let line = match error {
                        Some(error) => Line::failed(name(), &error, took).with_body(body),
                        None => Line::ok(name(), false, body, took),
                    };
                    cx.output().line(&line)?;
                }
            }
            Err(error) => cx.output().line(&Line::<Advice>::failed(name(), &error, Duration::ZERO))?,
        }
    }
    Ok(())
}

async fn look(cx: &Context, config: &Config, pooler: &Pooler, args: &Args) -> Result<Vec<Sizing>> {
    let console = Console::open(cx, config, pooler, &config.users.monitor).await?;
    let samples = Samples::take(&console, args.window, args.samples).await?;
    console.close().await;
    Ok(sizing::of(&samples, args.least_transactions))
}

fn no_pools(target: &Target) -> Error {
    Error::new(Code::Unsupported, format!("a {} has no pools", target.kind_name()))
        .hint("Name poolers: `shardctl targets --kind pooler | poolcfg advise`.")
}

impl From<Sizing> for Advice {
    fn from(sizing: Sizing) -> Self {
        Self {
            formula: Some(sizing.formula()),
            advised_pool_size: sizing.advised(),
            verdict: sizing.verdict(),
            confidence: sizing.confidence(),
            signals: Some(sizing.signals()),
            database: Some(sizing.database),
            user: Some(sizing.user),
            pool_size: Some(sizing.pool_size),
            window_seconds: Some(sizing.seconds),
            sample_count: Some(sizing.samples),
            transaction_count: Some(sizing.transactions),
            needed_p50: Some(sizing.needed.p50),
            needed_p95: Some(sizing.needed.p95),
            needed_max: Some(sizing.needed.max),
            server_active_p95: Some(sizing.active.p95),
            starved_ratio: Some(sizing.starved),
            wait_ms_per_transaction: sizing.wait_ms,
            query_time_ratio: sizing.query_share,
        }
    }
}
