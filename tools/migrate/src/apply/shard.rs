//! Applying to one shard: validate, finish what was begun, then what is pending, one after another.

use std::collections::HashMap;

use flotilla::error::{Code, Error, Result};
use flotilla::record::Done;
use flotilla::target::Target;
use flotilla::{Context, clock, failpoint};

use super::{AppliedScript, ApplyResult, Order};
use crate::migrating::rows_or_create;
use crate::run::alone::Begun;
use crate::run::{Events, Job, Runner};
use crate::schema_history::NewRow;
use crate::{plan, reading, resume};
use flotilla::migrations::schema_history::RowType;
use flotilla::migrations::scripts::{Event, Script};
use flotilla::migrations::state::{Migration, Resolved, State, resolve, validate};

/// What piped plan lines say must still be so: a plan's hash for each target that came with one.
pub(crate) struct Plans(HashMap<String, String>);

impl Plans {
    /// The plans among the lines that named these targets.
    pub(super) fn of(targets: &[Target]) -> Result<Self> {
        let mut plans = HashMap::new();
        for target in targets {
            for line in target.lines.iter().filter(|line| is_plan(line)) {
                let hash = line.get("plan").and_then(serde_json::Value::as_str).ok_or_else(|| {
                    Error::input(format!("the plan of {} has no hash", target.name))
                        .hint("Pipe in what `migrate plan` wrote, as it wrote it.")
                })?;
                plans.insert(target.name.clone(), hash.to_owned());
            }
        }
        Ok(Self(plans))
    }

    /// Refuses a target whose plan isn't what would be done now; it is only worked out where there is one.
    fn check(&self, target: &Target, found: impl FnOnce() -> Result<String>) -> Result<()> {
        match self.0.get(&target.name) {
            Some(planned) if *planned != found()? => Err(Error::new(
                Code::StateMoved,
                format!("{} has moved since the plan was made; nothing was touched", target.name),
            )
            .hint("Another run or another version of the scripts came between; plan again.")),
            _ => Ok(()),
        }
    }
}

fn is_plan(line: &serde_json::Map<String, serde_json::Value>) -> bool {
    line.get("schema").and_then(serde_json::Value::as_str).is_some_and(|schema| schema.starts_with("migrate.plan/"))
}

/// Whether anything is to be done on a target; not knowing counts as yes.
pub(super) async fn is_pending(cx: &Context, target: &Target, order: &Order) -> bool {
    let look = async {
        let (database, rows) = reading::read(cx, target, &order.work.settings).await?;
        let rows = rows.unwrap_or_default();
        let scripts = database.scripts(&order.work.set)?;
        let migrations = resolve(&scripts, &rows, &order.rules)?;
        let pending = migrations.all.iter().any(|m| m.state == State::Pending || m.state.is_failed());
        database.close().await;
        Ok::<_, Error>(pending)
    };
    look.await.unwrap_or(true)
}

/// Applies what is pending to one target.
pub(super) async fn apply(cx: &Context, target: &Target, wave: usize, order: &Order) -> Result<Done<ApplyResult>> {
    let runner = order.work.runner(cx, target).await?;
    failpoint::hit("migrate.locked");
    let mut result = ApplyResult { shard: runner.database.shard.clone(), wave: Some(wave), ..ApplyResult::default() };
    let mut applied = Vec::new();
    let ended = runner.guarded(Box::pin(all(&runner, target, order, &mut result, &mut applied))).await;
    runner.close().await;
    let changed = !applied.is_empty();
    result.scripts = Some(applied.iter().map(|script| script.script.clone()).collect());
    result.applied = Some(applied);
    Ok(match ended {
        Ok(()) => Done::new(changed, result),
        Err(error) => Done::failed(changed, result, error),
    })
}

async fn all(
    runner: &Runner,
    target: &Target,
    order: &Order,
    result: &mut ApplyResult,
    applied: &mut Vec<AppliedScript>,
) -> Result<()> {
    let mut is_under_way = false;
    let ended = migrations(runner, target, order, result, applied, &mut is_under_way).await;
    let last = match (&ended, applied.is_empty()) {
        // What was refused has not begun.
        (Err(_), _) if !is_under_way => &[][..],
        (Err(_), _) => &[Event::AfterMigrateError],
        (Ok(()), true) => &[Event::AfterMigrate, Event::AfterMigrateOperationFinish],
        (Ok(()), false) => &[Event::AfterMigrateApplied, Event::AfterMigrate, Event::AfterMigrateOperationFinish],
    };
    for event in last {
        match (runner.callbacks_apart(*event).await, &ended) {
            (Err(error), Ok(())) => return Err(error),
            (Err(error), Err(_)) => tracing::warn!("{}", error.message()),
            (Ok(()), _) => {}
        }
    }
    ended
}

async fn migrations(
    runner: &Runner,
    target: &Target,
    order: &Order,
    result: &mut ApplyResult,
    applied: &mut Vec<AppliedScript>,
    is_under_way: &mut bool,
) -> Result<()> {
    let database = &runner.database;
    let known = database.rows().await?;
    let scripts = database.scripts(&order.work.set)?;
    let rows = known.as_deref().unwrap_or_default();
    let migrations = resolve(&scripts, rows, &order.rules)?;
    order.plans.check(target, || plan::fingerprint(database, rows, &migrations))?;

    if let Some(row) = rows.iter().find(|row| resume::is_begun_undo(row)) {
        let version = row.version.as_ref().map_or("?", flotilla::migrations::scripts::Version::text);
        return Err(Error::new(
            Code::Mismatch,
            format!("an undo of version {version} was begun and not ended; nothing was applied"),
        )
        .hint("Finish it with `migrate undo`, then apply."));
    }
    // What was begun here and not ended is for us to finish; anything else that is wrong stops the run.
    let mut begun = Vec::new();
    for migration in migrations.all.iter().filter(|migration| migration.state.is_failed()) {
        begun.push((migration, resume::begun(database, migration).await?));
    }
    runner.callbacks_apart(Event::AfterConnect).await?;
    runner.callbacks_apart(Event::BeforeValidate).await?;
    let valid = refuse(&validate(&migrations, &order.ignored, false), &begun);
    runner.callbacks_after(Event::AfterValidate, Event::AfterValidateError, &valid).await?;
    valid?;
    if known.is_none() && migrations.pending().next().is_some() {
        rows_or_create(runner, false).await?;
    }
    result.from_version = migrations.current().map(|version| version.text().to_owned());
    result.to_version.clone_from(&result.from_version);

    *is_under_way = true;
    runner.callbacks_apart(Event::BeforeMigrate).await?;
    for (migration, begun) in begun {
        one(runner, migration, Some(begun), result, applied).await?;
    }
    let mut versioned = true;
    for migration in migrations.pending() {
        if versioned && migration.version().is_none() {
            versioned = false;
            runner.callbacks_apart(Event::AfterVersioned).await?;
            runner.callbacks_apart(Event::BeforeRepeatables).await?;
        }
        one(runner, migration, None, result, applied).await?;
    }
    if versioned {
        runner.callbacks_apart(Event::AfterVersioned).await?;
    }
    Ok(())
}

/// Validation, apart from what is about to be finished.
fn refuse(findings: &[flotilla::migrations::state::Finding], begun: &[(&Migration<'_>, Begun)]) -> Result<()> {
    let mut findings = findings.iter().filter(|finding| !begun.iter().any(|(m, _)| m.script_name() == finding.script));
    let Some(first) = findings.next() else { return Ok(()) };
    let more = findings.count();
    let more = if more == 0 { String::new() } else { format!(", and {more} more findings") };
    Err(Error::new(Code::Mismatch, format!("{}: {}{more}; nothing was applied", first.script, first.message))
        .hint("`migrate validate` lists every finding."))
}

async fn one(
    runner: &Runner,
    migration: &Migration<'_>,
    begun: Option<Begun>,
    result: &mut ApplyResult,
    applied: &mut Vec<AppliedScript>,
) -> Result<()> {
    if runner.cx.stop().is_asked() {
        return Err(flotilla::signal::cancelled());
    }
    let resolved = migration.script.as_ref().ok_or_else(|| Error::internal("a migration without a script"))?;
    let resumed = begun.is_some();
    let ran = runner.run(&job(resolved), begun).await?;
    let script = resolved.script;
    if let Some(version) = script.version()
        && result.to_version.as_ref().and_then(|known| known.parse().ok()).is_none_or(|known| *version > known)
    {
        result.to_version = Some(version.text().to_owned());
    }
    applied.push(AppliedScript {
        version: script.version().map(|version| version.text().to_owned()),
        description: script.description.clone(),
        script: script.script.clone(),
        statement_count: ran.statements,
        retries: ran.retries,
        resumed,
        execution_time_ms: clock::millis(ran.took),
    });
    Ok(())
}

fn job<'a>(resolved: &'a Resolved<'_>) -> Job<'a> {
    let script: &Script = resolved.script;
    Job {
        script,
        row: NewRow {
            version: script.version().map(flotilla::migrations::scripts::Version::text),
            description: &script.description,
            kind: RowType::of(script),
            script: &script.script,
            checksum: Some(resolved.checksum),
            execution_time_ms: 0,
            success: true,
        },
        events: Events::MIGRATE,
    }
}
