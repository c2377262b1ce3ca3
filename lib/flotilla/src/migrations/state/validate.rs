//! Validation: what keeps a run from being what its scripts say. Flyway's rules, words of our own.

use std::str::FromStr;

use crate::error::{Error, Result};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Migration, Migrations, State};
use crate::migrations::schema_history::{RowType, abbreviated};

/// What kind of finding it is. Flyway's error codes, in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FindingCode {
    /// A versioned migration failed.
    FailedVersionedMigration,
    /// A repeatable migration failed.
    FailedRepeatableMigration,
    /// A versioned migration was applied whose script is gone.
    AppliedVersionedMigrationNotResolved,
    /// A repeatable migration was applied whose script is gone.
    AppliedRepeatableMigrationNotResolved,
    /// A versioned script isn't applied.
    ResolvedVersionedMigrationNotApplied,
    /// A repeatable script isn't applied.
    ResolvedRepeatableMigrationNotApplied,
    /// A repeatable script has changed since it was applied.
    OutdatedRepeatableMigration,
    /// The script isn't of the kind that was applied.
    TypeMismatch,
    /// The script isn't the text that was applied.
    ChecksumMismatch,
    /// The script is called otherwise than what was applied.
    DescriptionMismatch,
    /// Another shard's schema differs.
    SchemaMismatch,
}

/// One thing that is wrong.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Finding {
    /// What kind of finding it is.
    pub code: FindingCode,
    /// The migration's version; null for repeatable ones.
    pub version: Option<String>,
    /// What it says it does.
    pub description: String,
    /// The script, or the object in the schema.
    pub script: String,
    /// What is wrong, and what to do.
    pub message: String,
}

/// `kind:state`, Flyway's pattern of what validation lets pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IgnorePattern {
    versioned: Option<bool>,
    state: Option<&'static str>,
}

impl IgnorePattern {
    /// What Flyway ignores unless told otherwise.
    pub fn future() -> Self {
        Self { versioned: None, state: Some("future") }
    }

    /// Whether a migration in this state may pass. `*` is every state; a name is that state and not the
    /// failed one, but for `*:future`, which passes what failed as well.
    pub fn covers(&self, versioned: bool, state: State) -> bool {
        let name = match state {
            State::Missing => Some("missing"),
            State::Pending => Some("pending"),
            State::Ignored => Some("ignored"),
            State::Future => Some("future"),
            State::FutureFailed if self.versioned.is_none() => Some("future"),
            _ => None,
        };
        self.versioned.is_none_or(|wanted| wanted == versioned) && self.state.is_none_or(|wanted| Some(wanted) == name)
    }
}

impl FromStr for IgnorePattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let malformed = || {
            Error::usage(format!("invalid pattern: \"{text}\""))
                .hint("Write kind:state, with repeatable, versioned or * and missing, pending, ignored, future or *.")
        };
        let (kind, state) = text.split_once(':').ok_or_else(malformed)?;
        let versioned = match kind.trim().to_ascii_lowercase().as_str() {
            "*" => None,
            "versioned" => Some(true),
            "repeatable" => Some(false),
            _ => return Err(malformed()),
        };
        let state = match state.trim().to_ascii_lowercase().as_str() {
            "*" => None,
            "missing" => Some("missing"),
            "pending" => Some("pending"),
            "ignored" => Some("ignored"),
            "future" => Some("future"),
            _ => return Err(malformed()),
        };
        Ok(Self { versioned, state })
    }
}

/// What is wrong with a database's migrations. `pending` says whether what isn't applied yet counts.
pub fn validate(migrations: &Migrations<'_>, ignored: &[IgnorePattern], pending: bool) -> Vec<Finding> {
    // What is pending may pass: then what is outdated may, too.
    let passes = |versioned| ignored.iter().any(|pattern| pattern.covers(versioned, State::Pending));
    let pending = pending && !(passes(true) && passes(false));
    migrations.all.iter().filter_map(|migration| one(migration, migrations, ignored, pending)).collect()
}

fn one(
    migration: &Migration<'_>,
    migrations: &Migrations<'_>,
    ignored: &[IgnorePattern],
    pending: bool,
) -> Option<Finding> {
    use FindingCode as Code;
    let state = migration.state;
    let versioned = migration.version().is_some();
    if matches!(state, State::Undone | State::AboveTarget | State::Deleted)
        || ignored.iter().any(|pattern| pattern.covers(versioned, state))
    {
        return None;
    }
    let by_version = |of_version: Code, otherwise: Code| if versioned { of_version } else { otherwise };
    if state.is_failed() {
        let code = by_version(Code::FailedVersionedMigration, Code::FailedRepeatableMigration);
        return found(migration, code, "it failed; undo what it did by hand, then run `migrate repair`");
    }
    match state {
        State::Missing | State::Future => {
            let code =
                by_version(Code::AppliedVersionedMigrationNotResolved, Code::AppliedRepeatableMigrationNotResolved);
            return found(
                migration,
                code,
                "it was applied, but its script is gone; `migrate repair` marks it as deleted",
            );
        }
        State::Ignored if migration.script.is_some() && !is_baseline_script(migration) => {
            let code = Code::ResolvedVersionedMigrationNotApplied;
            return found(migration, code, "it is older than what was applied last; allow it with --out-of-order");
        }
        State::Pending if pending => {
            let code =
                by_version(Code::ResolvedVersionedMigrationNotApplied, Code::ResolvedRepeatableMigrationNotApplied);
            return found(migration, code, "it isn't applied; run `migrate apply`");
        }
        State::Outdated if pending => {
            return found(migration, Code::OutdatedRepeatableMigration, "it has changed; run `migrate apply`");
        }
        _ => {}
    }
    mismatch(migration, migrations, pending)
}

/// Whether what was applied is what the script is now.
fn mismatch(migration: &Migration<'_>, migrations: &Migrations<'_>, pending: bool) -> Option<Finding> {
    let (script, row) = (migration.script.as_ref()?, migration.row?);
    if row.kind == RowType::Delete || row.kind.is_undo() {
        return None;
    }
    // What a baseline stands for isn't compared.
    let above = row.version.as_ref().is_none_or(|version| migrations.baseline.as_ref().is_none_or(|b| version > b));
    if !above {
        return None;
    }
    let kind = RowType::of(script.script);
    if kind != row.kind {
        let message = format!("it was applied as {}, but is {} now", row.kind.text(), kind.text());
        return found(migration, FindingCode::TypeMismatch, &message);
    }
    let compared =
        row.version.is_some() || (!pending && !matches!(migration.state, State::Outdated | State::Superseded));
    if compared && !script.matches(row.checksum) {
        let applied = row.checksum.map_or_else(|| "none".to_owned(), |checksum| checksum.to_string());
        let message = format!(
            "its checksum was {applied} when it was applied and is {} now; put the script back, or accept it with `migrate repair`",
            script.checksum
        );
        return found(migration, FindingCode::ChecksumMismatch, &message);
    }
    if abbreviated(&script.script.description) != row.description {
        let message = format!("it was applied as \"{}\"; `migrate repair` accepts the new name", row.description);
        return found(migration, FindingCode::DescriptionMismatch, &message);
    }
    None
}

fn is_baseline_script(migration: &Migration<'_>) -> bool {
    migration.script.as_ref().is_some_and(|resolved| RowType::of(resolved.script) == RowType::SqlBaseline)
}

#[expect(clippy::unnecessary_wraps, reason = "reads as the answer that its callers give")]
fn found(migration: &Migration<'_>, code: FindingCode, message: &str) -> Option<Finding> {
    Some(Finding {
        code,
        version: migration.version().map(|version| version.text().to_owned()),
        description: migration.description().to_owned(),
        script: migration.script_name().to_owned(),
        message: message.to_owned(),
    })
}
