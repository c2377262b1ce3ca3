//! `migrate info`: what has become of each migration on each shard, as a matrix.

use std::sync::Arc;

use flotilla::Context;
use flotilla::error::Result;
use flotilla::record::{Done, Line, Record, RecordInfo};
use flotilla::verb::{Effect, Example, Scope, Verb};
use schemars::JsonSchema;
use serde::Serialize;

use crate::settings::Settings;
use crate::{goal, reading, settings};
use flotilla::migrations::scripts::Set;
use flotilla::migrations::state::{Migration, State, resolve};

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "info",
    effect: Effect::Reads,
    scope: Scope::Optional,
    exclusive: false,
    records: &[RecordInfo::of::<MigrationRecord>(), RecordInfo::of::<Summary>()],
    examples: &[
        Example { line: "migrate info", does: "Show each migration on each shard" },
        Example {
            line: "migrate info -o json | jq -r 'select(.drifted) | [.target, .script] | @tsv'",
            does: "List scripts that aren't what was applied",
        },
    ],
};

/// What to look at.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    settings: settings::SettingsArgs,
    #[command(flatten)]
    goal: goal::GoalArgs,
}

/// One migration on one shard.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct MigrationRecord {
    /// The shard.
    shard: Option<String>,
    /// The version, as its file or the history spells it; null for repeatable ones.
    version: Option<String>,
    /// What it says it does.
    description: Option<String>,
    /// Flyway's type: SQL, `SQL_BASELINE`, BASELINE, SCHEMA, DELETE.
    r#type: Option<String>,
    /// The script's path below its folder.
    script: Option<String>,
    /// What has become of it.
    state: Option<State>,
    /// Whether its script isn't what was applied.
    drifted: Option<bool>,
    /// Whether it has a script that takes it back.
    undoable: Option<bool>,
    /// The checksum in the history.
    applied_checksum: Option<i32>,
    /// The checksum of the script now.
    script_checksum: Option<i32>,
    /// The rank in the history.
    rank: Option<i32>,
    /// Who applied it.
    installed_by: Option<String>,
    /// When it was applied, without a zone, as the history has it; UTC where migrate wrote it.
    installed_on: Option<String>,
    /// How long it took, in milliseconds.
    execution_time_ms: Option<i32>,
}

impl Record for MigrationRecord {
    const KIND: &'static str = "migrate.migration";
    const COLUMNS: &'static [&'static str] = &["version", "description", "type"];
    const PIVOT: Option<(&'static str, &'static str)> = Some(("state", "drifted"));
}

/// One shard's history in a line.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Summary {
    /// The shard.
    shard: Option<String>,
    /// The highest version in force; null when there is none.
    version: Option<String>,
    /// How many migrations are applied.
    applied_count: Option<usize>,
    /// How many would be applied.
    pending_count: Option<usize>,
    /// How many failed.
    failed_count: Option<usize>,
    /// How many have another script than what was applied.
    drifted_count: Option<usize>,
}

impl Record for Summary {
    const KIND: &'static str = "migrate.info";
    const COLUMNS: &'static [&'static str] =
        &["version", "applied_count", "pending_count", "failed_count", "drifted_count"];
}

/// Writes each target's migrations, then its summary.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    let targets = cx.targets()?;
    let settings = Arc::new(Settings::new(cx, &args.settings)?);
    let set = settings.scripts()?;
    let args = Arc::new(args);
    cx.each(targets, move |target, cx| {
        let (settings, set, args) = (Arc::clone(&settings), Arc::clone(&set), Arc::clone(&args));
        async move {
            let (database, rows) = reading::read(&cx, &target, &settings).await?;
            let (rows, rules) = (rows.unwrap_or_default(), args.goal.rules());
            let scripts = database.scripts(&set)?;
            let migrations = resolve(&scripts, &rows, &rules)?;
            for migration in &migrations.all {
                let body = MigrationRecord::new(migration, &set, database.shard.as_deref());
                cx.output().line(&Line::ok(Some(target.name.clone()), false, body, std::time::Duration::ZERO))?;
            }
            let count = |of: &dyn Fn(&Migration<'_>) -> bool| Some(migrations.all.iter().filter(|m| of(m)).count());
            let summary = Summary {
                shard: database.shard.clone(),
                version: migrations.current().map(|version| version.text().to_owned()),
                applied_count: count(&|m| m.row.is_some() && m.state.is_in_force()),
                pending_count: count(&|m| m.state == State::Pending),
                failed_count: count(&|m| m.state.is_failed()),
                drifted_count: count(&|m| m.has_drifted()),
            };
            database.close().await;
            Ok(Done::unchanged(summary))
        }
    })
    .await
}

impl MigrationRecord {
    fn new(migration: &Migration<'_>, set: &Set, shard: Option<&str>) -> Self {
        let row = migration.row;
        let installed = row.and_then(|row| row.installed.as_ref());
        let kind = row.map_or_else(
            || {
                migration
                    .script
                    .as_ref()
                    .map(|resolved| flotilla::migrations::schema_history::RowType::of(resolved.script))
            },
            |row| Some(row.kind.clone()),
        );
        Self {
            shard: shard.map(str::to_owned),
            version: migration.version().map(|version| version.text().to_owned()),
            description: Some(migration.description().to_owned()),
            r#type: kind.map(|kind| kind.text().to_owned()),
            script: Some(migration.script_name().to_owned()),
            state: Some(migration.state),
            drifted: Some(migration.has_drifted()),
            undoable: Some(migration.version().is_some_and(|version| set.undo.contains_key(version))),
            applied_checksum: row.and_then(|row| row.checksum),
            script_checksum: migration.script.as_ref().map(|resolved| resolved.checksum),
            rank: row.map(|row| row.rank),
            installed_by: installed.map(|installed| installed.by.clone()),
            installed_on: installed.map(|installed| installed.on.clone()),
            execution_time_ms: installed.map(|installed| installed.execution_time_ms),
        }
    }
}
