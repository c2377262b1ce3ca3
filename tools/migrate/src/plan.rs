//! `migrate plan`: what `apply` would do. Its sessions can't write; its lines can be piped into `apply`,
//! which then does exactly that or refuses.

use std::sync::Arc;

use flotilla::Context;
use flotilla::error::Result;
use flotilla::record::{Done, Record, RecordInfo};
use flotilla::target::Target;
use flotilla::verb::{Effect, Example, Scope, Verb};
use schemars::JsonSchema;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::database::Database;
use crate::fingerprint::short_hex;
use crate::run::in_transaction;
use crate::settings::Settings;
use crate::{goal, reading, settings, statements};
use flotilla::migrations::schema_history::{Row, RowType};
use flotilla::migrations::scripts::Set;
use flotilla::migrations::state::{Migration, Migrations, Rules, resolve};

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "plan",
    effect: Effect::Reads,
    scope: Scope::Optional,
    exclusive: false,
    records: &[RecordInfo::of::<PlanRecord>()],
    examples: &[
        Example { line: "migrate plan", does: "Show what would be applied where" },
        Example {
            line: "migrate plan > plan.jsonl; migrate apply < plan.jsonl",
            does: "Apply what was planned, or nothing",
        },
    ],
};

/// What to plan.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    settings: settings::SettingsArgs,
    #[command(flatten)]
    goal: goal::GoalArgs,
}

/// What would be applied to one shard.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub(crate) struct PlanRecord {
    /// The shard.
    pub(crate) shard: Option<String>,
    /// The highest version in force; null when there is none.
    pub(crate) version: Option<String>,
    /// What would be applied, in order.
    pub(crate) steps: Option<Vec<Step>>,
    /// The scripts' names, in order.
    pub(crate) scripts: Option<Vec<String>>,
    /// A hash over the history and all that would be run; `apply` refuses the plan when it has changed.
    pub(crate) plan: Option<String>,
}

impl Record for PlanRecord {
    const KIND: &'static str = "migrate.plan";
    const COLUMNS: &'static [&'static str] = &["version", "scripts"];
}

/// One migration that would be applied.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Step {
    /// Its version; null for repeatable ones.
    pub(crate) version: Option<String>,
    /// What it says it does.
    pub(crate) description: String,
    /// Flyway's type.
    pub(crate) r#type: String,
    /// The script's path below its folder.
    pub(crate) script: String,
    /// The checksum that the history would get.
    pub(crate) checksum: i32,
    /// How many statements it has.
    pub(crate) statement_count: usize,
    /// Whether it is one transaction.
    pub(crate) in_transaction: bool,
    /// Whether it has a script that takes it back.
    pub(crate) undoable: bool,
}

/// Plans each target.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    let targets = cx.targets()?;
    let settings = Arc::new(Settings::new(cx, &args.settings)?);
    let set = settings.scripts()?;
    each(cx, targets, settings, set, Arc::new(args.goal.rules())).await
}

/// Writes the plan of each of these targets.
pub(crate) async fn each(
    cx: &Context,
    targets: Vec<Target>,
    settings: Arc<Settings>,
    set: Arc<Set>,
    rules: Arc<Rules>,
) -> Result<()> {
    cx.each(targets, move |target, cx| {
        let (settings, set, rules) = (Arc::clone(&settings), Arc::clone(&set), Arc::clone(&rules));
        async move {
            let (database, rows) = reading::read(&cx, &target, &settings).await?;
            let record = plan(&database, &set, rows.as_deref().unwrap_or_default(), &rules)?;
            database.close().await;
            Ok(Done::planned(record))
        }
    })
    .await
}

/// What would be applied to a database with this history.
fn plan(database: &Database, set: &Set, rows: &[Row], rules: &Rules) -> Result<PlanRecord> {
    let scripts = database.scripts(set)?;
    let migrations = resolve(&scripts, rows, rules)?;
    let steps = migrations.pending().map(|migration| step(database, set, migration)).collect::<Result<Vec<_>>>()?;
    Ok(PlanRecord {
        shard: database.shard.clone(),
        version: migrations.current().map(|version| version.text().to_owned()),
        scripts: Some(steps.iter().map(|step| step.script.clone()).collect()),
        plan: Some(fingerprint(database, rows, &migrations)?),
        steps: Some(steps),
    })
}

fn step(database: &Database, set: &Set, migration: &Migration<'_>) -> Result<Step> {
    let resolved = migration
        .script
        .as_ref()
        .ok_or_else(|| flotilla::error::Error::internal("a pending migration without a script"))?;
    let sql = resolved.script.sql(&database.placeholders)?;
    let statements = statements::split(&sql);
    Ok(Step {
        version: migration.version().map(|version| version.text().to_owned()),
        description: migration.description().to_owned(),
        r#type: RowType::of(resolved.script).text().to_owned(),
        script: migration.script_name().to_owned(),
        checksum: resolved.checksum,
        statement_count: statements.len(),
        in_transaction: in_transaction(resolved.script, &sql, &statements)?,
        undoable: migration.version().is_some_and(|version| set.undo.contains_key(version)),
    })
}

/// The hash of a plan: of what is in the history, and of the text that would be run.
pub(crate) fn fingerprint(database: &Database, rows: &[Row], migrations: &Migrations<'_>) -> Result<String> {
    let mut hash = Sha256::new();
    for row in rows {
        hash.update(format!("{}\0{}\0{:?}\0{}\n", row.rank, row.script, row.checksum, row.success));
    }
    for migration in migrations.pending() {
        if let Some(resolved) = &migration.script {
            hash.update(format!("{}\0{}\0", resolved.script.script, resolved.checksum));
            hash.update(resolved.script.sql(&database.placeholders)?);
            hash.update("\0");
        }
    }
    Ok(short_hex(hash))
}
