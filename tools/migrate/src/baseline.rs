//! `migrate baseline`: begins the history of a database that has tables already.

use std::sync::Arc;

use flotilla::Context;
use flotilla::error::{Error, Result};
use flotilla::record::{Done, Record, RecordInfo};
use flotilla::target::Target;
use flotilla::verb::{Effect, Example, Scope, Verb};
use schemars::JsonSchema;
use serde::Serialize;

use crate::migrating::{self, Work, rows_or_create};
use crate::reading;
use crate::run::Runner;
use crate::schema_history::NewRow;
use crate::settings::{self, Settings};
use flotilla::migrations::schema_history::{Row, RowType};
use flotilla::migrations::scripts::{Event, Version};

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "baseline",
    effect: Effect::Changes,
    scope: Scope::Required,
    exclusive: true,
    records: &[RecordInfo::of::<BaselineResult>()],
    examples: &[Example {
        line: "migrate baseline --all --version 7",
        does: "Say that everything up to version 7 is there already",
    }],
};

/// Where the history begins.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    settings: settings::SettingsArgs,
    #[command(flatten)]
    migrating: migrating::LimitArgs,
    /// Version that the database is at; what comes after it is applied
    #[arg(long = "version", value_name = "VERSION", default_value = "1")]
    version: Version,
    /// Description of the baseline's row
    #[arg(long, value_name = "TEXT", default_value = "<< Flyway Baseline >>")]
    description: String,
}

/// Where a shard's history begins.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct BaselineResult {
    /// The shard.
    shard: Option<String>,
    /// The baseline's version.
    version: Option<String>,
}

impl Record for BaselineResult {
    const KIND: &'static str = "migrate.baseline";
    const COLUMNS: &'static [&'static str] = &["version"];
}

/// Writes the baseline's row on each target.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    let targets = cx.targets()?;
    let work = Work::new(Settings::new(cx, &args.settings)?, args.migrating.limits())?;
    let args = Arc::new(args);
    cx.each(targets, move |target, cx| {
        let (work, args) = (work.clone(), Arc::clone(&args));
        async move {
            if cx.global().dry_run {
                planned(&cx, &target, &work, &args).await
            } else {
                one(&cx, &target, &work, &args).await
            }
        }
    })
    .await
}

async fn planned(cx: &Context, target: &Target, work: &Work, args: &Args) -> Result<Done<BaselineResult>> {
    let (database, rows) = reading::read(cx, target, &work.settings).await?;
    is_done(rows.as_deref().unwrap_or_default(), args)?;
    let shard = database.shard.clone();
    database.close().await;
    Ok(Done::planned(BaselineResult { shard, version: Some(args.version.text().to_owned()) }))
}

async fn one(cx: &Context, target: &Target, work: &Work, args: &Args) -> Result<Done<BaselineResult>> {
    let runner = work.runner(cx, target).await?;
    let done = runner.guarded(Box::pin(baseline(&runner, args))).await;
    let shard = runner.database.shard.clone();
    runner.close().await;
    Ok(Done::new(done?, BaselineResult { shard, version: Some(args.version.text().to_owned()) }))
}

async fn baseline(runner: &Runner, args: &Args) -> Result<bool> {
    let rows = rows_or_create(runner, true).await?;
    if is_done(&rows, args)? {
        return Ok(false);
    }
    runner.callbacks_apart(Event::BeforeBaseline).await?;
    let ended = write(runner, args).await;
    runner.callbacks_after(Event::AfterBaseline, Event::AfterBaselineError, &ended).await?;
    ended.map(|()| true)
}

/// Writes the row and its trace.
async fn write(runner: &Runner, args: &Args) -> Result<()> {
    let row = NewRow {
        version: Some(args.version.text()),
        description: &args.description,
        kind: RowType::Baseline,
        script: &args.description,
        checksum: None,
        execution_time_ms: 0,
        success: true,
    };
    runner.database.transaction(runner.limits.lock_timeout, runner.record(&row)).await
}

/// Whether this very baseline is there; another one, or migrations, refuse it.
fn is_done(rows: &[Row], args: &Args) -> Result<bool> {
    if let Some(known) = rows.iter().find(|row| row.kind == RowType::Baseline) {
        if known.version.as_ref() == Some(&args.version) && known.description == args.description {
            return Ok(true);
        }
        let version = known.version.as_ref().map_or("?", Version::text);
        return Err(Error::refused(format!(
            "the history has a baseline already, version {version}; nothing was touched"
        ))
        .hint("A history begins once. `migrate info` shows it."));
    }
    if rows.iter().any(|row| row.kind != RowType::Schema) {
        return Err(Error::refused("the history has migrations already; nothing was touched")
            .hint("A baseline is for a database without history; `migrate info` shows what there is."));
    }
    Ok(false)
}
