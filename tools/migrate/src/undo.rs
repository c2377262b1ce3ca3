//! `migrate undo`: takes versions back, the newest first, by their U scripts.
//!
//! The script, and a row that tells Flyway that the version is gone, are one transaction.

use std::sync::Arc;

use clap::ValueEnum;
use flotilla::Context;
use flotilla::consent::Consent;
use flotilla::error::{Code, Error, Result};
use flotilla::record::{Done, Record, RecordInfo};
use flotilla::target::Target;
use flotilla::verb::{Effect, Example, Scope, Verb};
use schemars::JsonSchema;
use serde::Serialize;

use crate::migrating::{self, Work};
use crate::run::{Events, Job, Runner};
use crate::schema_history::NewRow;
use crate::settings::{self, Settings};
use crate::{reading, resume, run, statements};
use flotilla::migrations::schema_history::{Row, RowType};
use flotilla::migrations::scripts::{Event, Script, Set, Version};
use flotilla::migrations::state::{Migration, Migrations, Rules, State, resolve};

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "undo",
    effect: Effect::Destroys,
    scope: Scope::Required,
    exclusive: true,
    records: &[RecordInfo::of::<UndoResult>()],
    examples: &[
        Example { line: "migrate undo --all --dry-run", does: "Say what would be taken back" },
        Example { line: "migrate undo --all --yes", does: "Take the newest version back" },
        Example { line: "migrate undo -t s0 --to 7 --yes", does: "Take back everything after version 7" },
    ],
};

/// What to take back.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    settings: settings::SettingsArgs,
    #[command(flatten)]
    migrating: migrating::LimitArgs,
    /// Version to go back to; it stays. Without it, the newest version is taken back
    #[arg(long, value_name = "VERSION")]
    to: Option<Version>,
    /// Row that says the version is gone; Flyway's free edition refuses histories with `undo-sql`
    #[arg(long, value_enum, value_name = "TYPE", default_value_t, hide_short_help = true)]
    undo_row: UndoRow,
}

/// The row that is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum UndoRow {
    /// `DELETE`: every edition of Flyway understands it.
    #[default]
    Delete,
    /// `UNDO_SQL`: what Flyway's paid edition writes.
    UndoSql,
}

/// What was taken back on one shard.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct UndoResult {
    /// The shard.
    shard: Option<String>,
    /// The highest version in force before.
    from_version: Option<String>,
    /// The highest version in force now; null when there is none.
    to_version: Option<String>,
    /// The versions that were taken back, the newest first.
    undone: Option<Vec<String>>,
    /// The scripts that did it.
    scripts: Option<Vec<String>>,
}

impl Record for UndoResult {
    const KIND: &'static str = "migrate.undo";
    const COLUMNS: &'static [&'static str] = &["from_version", "to_version", "scripts"];
}

/// Takes versions back on each target.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    let targets = cx.targets()?;
    let consent = if cx.global().dry_run {
        None
    } else {
        Some(Arc::new(Consent::by_yes(cx.global(), "drops what the migrations have made")?))
    };
    let work = Work::new(Settings::new(cx, &args.settings)?, args.migrating.limits())?;
    let args = Arc::new(args);
    cx.each(targets, move |target, cx| {
        let (work, args, consent) = (work.clone(), Arc::clone(&args), consent.clone());
        async move {
            match consent {
                None => planned(&cx, &target, &work, &args).await,
                Some(consent) => undo(&cx, &target, &work, &args, &consent).await,
            }
        }
    })
    .await
}

async fn planned(cx: &Context, target: &Target, work: &Work, args: &Args) -> Result<Done<UndoResult>> {
    let (database, rows) = reading::read(cx, target, &work.settings).await?;
    let rows = rows.unwrap_or_default();
    let scripts = database.scripts(&work.set)?;
    let mut result = UndoResult { shard: database.shard.clone(), ..UndoResult::default() };
    let rules = Rules::default();
    result.from_version = resolve(&scripts, &rows, &rules)?.current().map(|version| version.text().to_owned());
    let after = once_ended(&rows);
    let migrations = resolve(&scripts, &after, &rules)?;
    let begun = rows.iter().find(|row| resume::is_begun_undo(row));
    result.say(&steps(begun, &migrations, &work.set, args.to.as_ref())?, &migrations);
    database.close().await;
    Ok(Done::planned(result))
}

/// One version to take back: its row and its U script.
struct Step<'a> {
    row: &'a Row,
    version: &'a Version,
    script: &'a Script,
}

/// The history as it will be once an undo that was begun is ended.
fn once_ended(rows: &[Row]) -> Vec<Row> {
    rows.iter().map(|row| Row { success: row.success || resume::is_begun_undo(row), ..row.clone() }).collect()
}

/// What is to be done. An undo that was begun comes before anything else; where no version was named, it is what
/// was asked for.
fn steps<'a>(
    begun: Option<&'a Row>,
    migrations: &'a Migrations<'_>,
    set: &'a Set,
    to: Option<&Version>,
) -> Result<Vec<Step<'a>>> {
    let Some(row) = begun else { return wanted(migrations, set, to) };
    let mut steps = vec![Step::of(row, set)?];
    if to.is_some() {
        steps.append(&mut wanted(migrations, set, to)?);
    }
    Ok(steps)
}

/// The versions to take back, the newest first; every one needs its script before the first is touched.
fn wanted<'a>(migrations: &'a Migrations<'_>, set: &'a Set, to: Option<&Version>) -> Result<Vec<Step<'a>>> {
    if let Some(failed) = migrations.all.iter().find(|migration| migration.state.is_failed()) {
        return Err(Error::new(Code::Mismatch, format!("{} has failed; nothing was taken back", failed.script_name()))
            .hint("Finish it with `migrate apply`, or remove it with `migrate repair`."));
    }
    if let Some(to) = to
        && !migrations.all.iter().any(|m| m.version() == Some(to) && m.state.is_in_force())
        && to.text() != "0"
    {
        return Err(Error::new(Code::NotFound, format!("version {to} isn't applied; nothing was taken back"))
            .hint("`migrate info` lists what is; --to 0 takes back everything."));
    }
    let in_force = |m: &&Migration<'_>| {
        matches!(m.state, State::Success | State::OutOfOrder | State::Missing | State::Future)
            && m.row.is_some_and(|row| row.version.is_some() && !row.kind.is_synthetic())
    };
    let mut applied: Vec<&Migration<'_>> = migrations.all.iter().filter(in_force).collect();
    // The newest first: the last that was applied, not the one with the highest number.
    applied.sort_by_key(|m| std::cmp::Reverse(m.row.map(|row| row.rank)));
    let wanted: Vec<&Migration<'_>> = match to {
        Some(to) => applied.into_iter().filter(|m| m.version().is_some_and(|version| version > to)).collect(),
        None => applied.into_iter().take(1).collect(),
    };
    wanted.into_iter().filter_map(|m| m.row).map(|row| Step::of(row, set)).collect()
}

impl<'a> Step<'a> {
    fn of(row: &'a Row, set: &'a Set) -> Result<Self> {
        let version = row.version.as_ref().ok_or_else(|| Error::internal("a version without a row"))?;
        if row.kind.is_baseline() {
            return Err(Error::refused(format!("version {version} is a baseline; nothing was taken back"))
                .hint("What a baseline stands for has no way back but a restore."));
        }
        let script = set.undo.get(version).ok_or_else(|| {
            Error::refused(format!("there is no script U{version}__….sql; nothing was taken back"))
                .hint("Write it (`migrate lint` compares it with what it takes back), or restore with pitr.")
        })?;
        Ok(Self { row, version, script })
    }
}

async fn undo(cx: &Context, target: &Target, work: &Work, args: &Args, _consent: &Consent) -> Result<Done<UndoResult>> {
    let runner = work.runner(cx, target).await?;
    let mut result = UndoResult { shard: runner.database.shard.clone(), ..UndoResult::default() };
    let mut undone = 0;
    let ended = runner.guarded(Box::pin(all(&runner, work, args, &mut result, &mut undone))).await;
    runner.close().await;
    Ok(match ended {
        Ok(()) => Done::new(undone > 0, result),
        Err(error) => Done::failed(undone > 0, result, error),
    })
}

async fn all(runner: &Runner, work: &Work, args: &Args, result: &mut UndoResult, undone: &mut usize) -> Result<()> {
    let database = &runner.database;
    let rows = database.rows().await?.unwrap_or_default();
    let scripts = database.scripts(&work.set)?;
    let rules = Rules::default();
    result.from_version = resolve(&scripts, &rows, &rules)?.current().map(|version| version.text().to_owned());
    let mut begun = resume::begun_undo(database, &rows).await?;
    let after = once_ended(&rows);
    let migrations = resolve(&scripts, &after, &rules)?;
    let steps = steps(begun.as_ref().map(|(row, _)| *row), &migrations, &work.set, args.to.as_ref())?;
    for step in &steps {
        // Every script is looked at before the first is run.
        let sql = step.script.sql(&database.placeholders)?;
        run::in_transaction(step.script, &sql, &statements::split(&sql))?;
    }
    runner.callbacks_apart(Event::BeforeUndo).await?;
    let mut ended = Ok(());
    for (at, step) in steps.iter().enumerate() {
        if runner.cx.stop().is_asked() {
            ended = Err(flotilla::signal::cancelled());
            break;
        }
        let begun = begun.take().map(|(_, begun)| begun);
        if let Err(error) = runner.run(&job(step, args.undo_row), begun).await {
            ended = Err(error);
            break;
        }
        *undone = at + 1;
    }
    result.say(&steps[..*undone], &migrations);
    runner.callbacks_after(Event::AfterUndo, Event::AfterUndoError, &ended).await?;
    ended?;
    runner.callbacks_apart(Event::AfterUndoOperationFinish).await
}

/// The row repeats what it takes back, as Flyway's own DELETE rows do.
fn job<'a>(step: &'a Step<'_>, row: UndoRow) -> Job<'a> {
    let row = match row {
        UndoRow::Delete => NewRow {
            version: step.row.version.as_ref().map(Version::text),
            description: &step.row.description,
            kind: RowType::Delete,
            script: &step.row.script,
            checksum: step.row.checksum,
            execution_time_ms: 0,
            success: true,
        },
        UndoRow::UndoSql => NewRow {
            version: step.row.version.as_ref().map(Version::text),
            description: &step.script.description,
            kind: RowType::UndoSql,
            script: &step.script.script,
            checksum: Some(step.script.checksum),
            execution_time_ms: 0,
            success: true,
        },
    };
    Job { script: step.script, row, events: Events::UNDO }
}

impl UndoResult {
    fn say(&mut self, steps: &[Step<'_>], migrations: &Migrations<'_>) {
        let gone = |version: &Version| steps.iter().any(|step| step.version == version);
        let left = migrations.all.iter().filter(|m| m.state.is_in_force()).filter_map(Migration::version);
        self.to_version = left.filter(|version| !gone(version)).max().map(|version| version.text().to_owned());
        self.undone = Some(steps.iter().map(|step| step.version.text().to_owned()).collect());
        self.scripts = Some(steps.iter().map(|step| step.script.script.clone()).collect());
    }
}
