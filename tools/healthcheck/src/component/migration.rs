//! Migrations: scripts that a shard has not been given yet, that failed there, or that aren't what was applied.

use flotilla::config::{Config, HealthSettings, Shard};
use flotilla::fanout::BoxFuture;
use flotilla::migrations::schema_history::{ESSENTIAL, Row, Table, rows};
use flotilla::migrations::scripts::Set;
use flotilla::migrations::state::{FindingCode, IgnorePattern, Migration as One, Migrations, Rules, Scripts};
use flotilla::migrations::state::{resolve, validate};
use flotilla::migrations::values;
use flotilla::ownership::is_not_set_up;
use flotilla::pg::Session;
use flotilla::{Code, Error, Result, reach};

use super::client::shard;
use super::rows::text;
use super::{Asking, Component, Found, Instance, Subject};
use crate::check::{Check, Limit};

/// The migrations of one shard, by the folders of the topology and the shard's history.
pub(crate) struct Migration;

/// The first of its checks, which is unknown where none can be told.
const PENDING: &str = "migrations_pending";

impl Component for Migration {
    fn name(&self) -> &'static str {
        "migration"
    }

    fn instance(&self, config: &Config, subject: &Subject) -> Option<String> {
        let shard = shard(subject)?;
        let has_scripts = config.migrate.dirs.as_ref().is_some_and(|dirs| !dirs.is_empty());
        has_scripts.then(|| format!("the history of {}", shard.name))
    }

    fn pause(&self) -> std::time::Duration {
        std::time::Duration::from_secs(30)
    }

    fn ask<'a>(&'a self, asking: &'a Asking, instance: &'a Instance) -> BoxFuture<'a, Result<Found>> {
        Box::pin(async move {
            let Some(shard) = shard(&instance.subject) else { return Err(Error::internal("a shard was expected")) };
            let config = asking.config()?;
            let table = config.migrate.table()?;
            let endpoint = reach::primary(config, shard, &config.users.monitor)?.connect_timeout(asking.limit);
            let session = asking.cx.connect(endpoint).await?;
            let read = asking.guarded(session.canceller(), history(&session, &table, &config.users.monitor)).await;
            let checks = match read {
                Ok(history) => {
                    match scripts(config).await.and_then(|set| compared(config, shard, &table, &set, &history)) {
                        Ok(checks) => checks,
                        Err(error) => vec![unknown(&error)],
                    }
                }
                // The server's own word: it is there, and doesn't show what is asked for.
                Err(error) if error.state().is_some() || error.code() == Code::Config => vec![unknown(&error)],
                Err(error) => return Err(error),
            };
            Ok(Found { role: None, checks })
        })
    }
}

fn unknown(error: &Error) -> Check {
    let record = error.record();
    let message: Vec<&str> = std::iter::once(&record.message).chain(&record.causes).map(String::as_str).collect();
    let hint = record.hint.as_deref().unwrap_or("`migrate info` says more.");
    Check::unknown(PENDING, message.join(": ")).hint(hint)
}

/// Reads the scripts, aside: a folder may lie on a disk that hangs.
async fn scripts(config: &Config) -> Result<Set> {
    let dirs = config.migrate.dirs.clone().unwrap_or_default();
    let read = tokio::task::spawn_blocking(move || Set::read(&dirs)).await;
    read.map_err(|e| Error::internal("the scripts were not read").source(e))?
}

/// The history; empty where there is none yet. `shardctl init` makes a function that shows the monitor what it needs;
/// without one it may have been given the columns themselves.
async fn history(session: &Session, table: &Table, monitor: &str) -> Result<Vec<Row>> {
    let shown = "SELECT (flotilla.history_table())[1] AS schema, (flotilla.history_table())[2] AS name";
    let (sql, hint) = match session.simple(shown).await {
        Ok(answer) => {
            let part = |name| answer.first().and_then(|row| text(row, name)).unwrap_or_default().to_owned();
            let there = Table { schema: part("schema"), name: part("name") };
            if there != *table {
                let message = format!("the shard was set up for the history {there}, and the topology has {table}");
                return Err(
                    Error::config(message).hint("Run `shardctl init` again: it shows the monitor the other one.")
                );
            }
            let hint =
                format!("Give it to role owner, or let role flotilla read it: GRANT SELECT ON {table} TO flotilla.");
            (format!("SELECT {ESSENTIAL} FROM flotilla.schema_history()"), hint)
        }
        Err(error) if is_not_set_up(&error) => {
            let hint = format!("Run `shardctl init`: it shows role \"{monitor}\" what is applied, and no more.");
            (format!("SELECT {ESSENTIAL} FROM {} ORDER BY installed_rank", table.quoted()), hint)
        }
        Err(error) => return Err(error),
    };
    match session.simple(&sql).await {
        Ok(answer) => rows(&answer, table),
        Err(error) if matches!(error.state(), Some("42P01" | "3F000")) => Ok(Vec::new()),
        Err(error) if error.state() == Some("42501") => Err(error.hint(hint)),
        Err(error) => Err(error),
    }
}

/// The scripts beside the history, by the rules that `migrate` goes by.
fn compared(config: &Config, shard: &Shard, table: &Table, set: &Set, history: &[Row]) -> Result<Vec<Check>> {
    let given = config.migrate.placeholders.clone().unwrap_or_default();
    let placeholders = values(config, given, table, config.migrate.owner(), &shard.name);
    let scripts = Scripts::new(set, &placeholders)?;
    let rules = Rules::default();
    Ok(checks(&resolve(&scripts, history, &rules)?, &config.health))
}

fn checks(migrations: &Migrations<'_>, settings: &HealthSettings) -> Vec<Check> {
    let names = |of: &dyn Fn(&One<'_>) -> bool| -> Vec<String> {
        migrations.all.iter().filter(|one| of(one)).map(|one| one.script_name().to_owned()).collect()
    };
    let mut pending: Vec<String> = migrations.pending().map(|one| one.script_name().to_owned()).collect();
    let failed = names(&|one| one.state.is_failed());
    let mut changed = Vec::new();
    // A shard may be ahead of this machine's folder while a release is under way.
    for finding in validate(migrations, &[IgnorePattern::future()], false) {
        match finding.code {
            FindingCode::FailedVersionedMigration | FindingCode::FailedRepeatableMigration => {}
            // Older than what was applied last: it is never applied unless somebody says so.
            FindingCode::ResolvedVersionedMigrationNotApplied => pending.push(finding.script),
            _ => changed.push(finding.script),
        }
    }
    vec![
        of(PENDING, &pending, settings.migrations_pending_warn, settings.migrations_pending_fail)
            .message(format!("not applied: {}", listed(&pending)))
            .hint("`migrate plan` shows what would be applied, `migrate apply` applies it."),
        of("migrations_failed", &failed, None, settings.migrations_failed_fail)
            .message(format!("failed: {}", listed(&failed)))
            .hint("Undo by hand what it did, then run `migrate repair`; `migrate info` shows where it stands."),
        of("migrations_changed", &changed, settings.migrations_changed_warn, settings.migrations_changed_fail)
            .message(format!("not what was applied, or gone: {}", listed(&changed)))
            .hint("`migrate validate` says what differs. Put the scripts back, or accept them with `migrate repair`."),
    ]
}

fn of(check: &'static str, which: &[String], warn: impl Into<Option<u32>>, fail: u32) -> Check {
    #[expect(clippy::cast_precision_loss, reason = "no folder holds 2^53 files")]
    let count = which.len() as f64;
    Check::number(check, Some(count), "migrations", Limit::above(warn.into().map(f64::from), f64::from(fail)))
}

/// The first few, and how many there are beside.
fn listed(which: &[String]) -> String {
    const SHOWN: usize = 3;
    let first = which.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match which.len().saturating_sub(SHOWN) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}
