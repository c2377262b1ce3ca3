//! `migrate repair`: makes the history say what the scripts say.
//!
//! As Flyway's: rows of what failed are removed, scripts that are gone get a DELETE row, and rows whose
//! script has changed get its checksum, description and type. The database's tables aren't touched.

use std::sync::Arc;

use flotilla::Context;
use flotilla::error::{Error, Result};
use flotilla::record::{Done, Record, RecordInfo};
use flotilla::target::Target;
use flotilla::verb::{Effect, Example, Scope, Verb};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::migrating::{self, Work};
use crate::run::Runner;
use crate::run::trace::Trace;
use crate::schema_history::{self as history, NewRow};
use crate::settings::{self, Settings};
use crate::{goal, reading};
use flotilla::migrations::schema_history::{Row, RowType, abbreviated};
use flotilla::migrations::scripts::{Event, Version};
use flotilla::migrations::state::{Goal, Migration, Migrations, Rules, State, resolve};

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "repair",
    effect: Effect::Changes,
    scope: Scope::Required,
    exclusive: true,
    records: &[RecordInfo::of::<RepairResult>()],
    examples: &[
        Example { line: "migrate repair --all --dry-run", does: "Say what would be repaired" },
        Example { line: "migrate repair -t s0", does: "Accept the scripts as they are now" },
    ],
};

/// What to repair.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    settings: settings::SettingsArgs,
    #[command(flatten)]
    goal: goal::GoalArgs,
    #[command(flatten)]
    migrating: migrating::LimitArgs,
}

/// What was repaired in one shard's history.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct RepairResult {
    /// The shard.
    shard: Option<String>,
    /// Scripts whose failed row was removed.
    removed: Option<Vec<String>>,
    /// Scripts that are gone and were marked as deleted.
    deleted: Option<Vec<String>>,
    /// Scripts whose row got the present checksum, description and type.
    aligned: Option<Vec<String>>,
}

impl Record for RepairResult {
    const KIND: &'static str = "migrate.repair";
    const COLUMNS: &'static [&'static str] = &["removed", "deleted", "aligned"];
}

impl RepairResult {
    fn is_empty(&self) -> bool {
        [&self.removed, &self.deleted, &self.aligned].into_iter().flatten().all(Vec::is_empty)
    }
}

/// Repairs each target's history.
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

async fn planned(cx: &Context, target: &Target, work: &Work, args: &Args) -> Result<Done<RepairResult>> {
    let (database, rows) = reading::read(cx, target, &work.settings).await?;
    let rows = rows.unwrap_or_default();
    let rules = rules();
    let kept: Vec<Row> = rows.iter().filter(|row| row.success).cloned().collect();
    let scripts = database.scripts(&work.set)?;
    let migrations = resolve(&scripts, &kept, &rules)?;
    let result = judge(&rows, &migrations.all, args, database.shard.clone());
    database.close().await;
    Ok(Done::planned(result))
}

async fn one(cx: &Context, target: &Target, work: &Work, args: &Args) -> Result<Done<RepairResult>> {
    let runner = work.runner(cx, target).await?;
    let done = runner.guarded(Box::pin(repair(&runner, work, args))).await;
    runner.close().await;
    let result = done?;
    Ok(Done::new(!result.is_empty(), result))
}

async fn repair(runner: &Runner, work: &Work, args: &Args) -> Result<RepairResult> {
    let database = &runner.database;
    let shard = database.shard.clone();
    let Some(rows) = database.rows().await? else { return Ok(RepairResult { shard, ..RepairResult::default() }) };
    let rules = rules();
    let kept: Vec<Row> = rows.iter().filter(|row| row.success).cloned().collect();
    let scripts = database.scripts(&work.set)?;
    let migrations = resolve(&scripts, &kept, &rules)?;
    let result = judge(&rows, &migrations.all, args, shard);
    runner.callbacks_apart(Event::BeforeRepair).await?;
    let ended = if result.is_empty() {
        Ok(())
    } else {
        // In one transaction, so that a history is never repaired by halves.
        database.transaction(runner.limits.lock_timeout, write_all(runner, &migrations, args, &result)).await
    };
    runner.callbacks_after(Event::AfterRepair, Event::AfterRepairError, &ended).await?;
    ended.map(|()| result)
}

async fn write_all(runner: &Runner, migrations: &Migrations<'_>, args: &Args, result: &RepairResult) -> Result<()> {
    let database = &runner.database;
    history::remove_failed(&database.session, &database.table).await?;
    for migration in &migrations.all {
        write(runner, migration, args).await?;
    }
    let detail = json!({ "table": database.table.to_string(), "removed": result.removed, "deleted": result.deleted,
                         "aligned": result.aligned });
    Trace::leave(&runner.cx, database, detail).await
}

/// Everything counts, whatever the order in which it was applied.
fn rules() -> Rules {
    Rules { goal: Goal::Latest, out_of_order: true }
}

fn judge(rows: &[Row], all: &[Migration<'_>], args: &Args, shard: Option<String>) -> RepairResult {
    let names = |of: &dyn Fn(&Migration<'_>) -> bool| {
        Some(all.iter().filter(|m| of(m)).map(|m| m.script_name().to_owned()).collect())
    };
    RepairResult {
        shard,
        removed: Some(rows.iter().filter(|row| !row.success).map(|row| row.script.clone()).collect()),
        deleted: names(&|m| is_gone(m, args)),
        aligned: names(&is_stale),
    }
}

async fn write(runner: &Runner, migration: &Migration<'_>, args: &Args) -> Result<()> {
    let Some(row) = migration.row else { return Ok(()) };
    let database = &runner.database;
    if is_gone(migration, args) {
        let new = NewRow {
            version: row.version.as_ref().map(Version::text),
            description: &row.description,
            kind: RowType::Delete,
            script: &row.script,
            checksum: row.checksum,
            execution_time_ms: 0,
            success: true,
        };
        history::add(&database.session, &database.table, &new).await?;
    } else if is_stale(migration) {
        let resolved = migration.script.as_ref().ok_or_else(|| Error::internal("a changed script that is gone"))?;
        let new = NewRow {
            version: None,
            description: &resolved.script.description,
            kind: RowType::of(resolved.script),
            script: &resolved.script.script,
            checksum: Some(resolved.checksum),
            execution_time_ms: 0,
            success: true,
        };
        history::align(&database.session, &database.table, row, &new).await?;
    }
    Ok(())
}

fn is_gone(migration: &Migration<'_>, args: &Args) -> bool {
    let kind = migration.row.map(|row| &row.kind);
    matches!(migration.state, State::Missing | State::Future | State::MissingFailed | State::FutureFailed)
        && kind.is_some_and(|kind| !kind.is_synthetic() && !kind.is_undo())
        && !args.goal.ignored().iter().any(|p| p.covers(migration.version().is_some(), migration.state))
}

/// Whether a row differs from its script: of a versioned one in anything, of a repeatable one in having
/// the checksum of the text before placeholders.
fn is_stale(migration: &Migration<'_>) -> bool {
    let (Some(row), Some(resolved)) = (migration.row, &migration.script) else { return false };
    if row.kind.is_synthetic() || matches!(migration.state, State::Undone | State::Ignored) {
        return false;
    }
    if row.version.is_none() {
        return row.checksum == Some(resolved.script.checksum) && row.checksum != Some(resolved.checksum);
    }
    !resolved.matches(row.checksum)
        || abbreviated(&resolved.script.description) != row.description
        || RowType::of(resolved.script) != row.kind
}
