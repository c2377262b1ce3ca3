//! `migrate validate`: is what is applied what the scripts say, and is it the same on every shard?

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use flotilla::Context;
use flotilla::error::{Code, Error, Result};
use flotilla::record::{Done, Line, Record, RecordInfo};
use flotilla::target::Target;
use flotilla::verb::{Effect, Example, Scope, Verb};
use schemars::JsonSchema;
use serde::Serialize;

use crate::fingerprint::{self, Difference, Fingerprint};
use crate::settings::{self, Settings};
use crate::{goal, reading};
use flotilla::migrations::scripts::Set;
use flotilla::migrations::state::{Finding, resolve, validate};

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "validate",
    effect: Effect::Reads,
    scope: Scope::Optional,
    exclusive: false,
    records: &[RecordInfo::of::<Validation>(), RecordInfo::of::<Difference>()],
    examples: &[
        Example { line: "migrate validate", does: "Check every shard against the scripts and against the others" },
        Example { line: "migrate validate --ignore '*:pending'", does: "Let pass what isn't applied yet" },
    ],
};

/// What to validate.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    settings: settings::SettingsArgs,
    #[command(flatten)]
    goal: goal::GoalArgs,
    /// Compare only with the scripts, not the shards with each other
    #[arg(long)]
    no_compare: bool,
}

/// Whether one shard is what the scripts say.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Validation {
    /// The shard.
    shard: Option<String>,
    /// How many migrations were looked at.
    migration_count: Option<usize>,
    /// What is wrong.
    findings: Option<Vec<Finding>>,
    /// A hash over all objects of the schema; equal on shards that are alike. Null when not compared.
    fingerprint: Option<String>,
}

impl Record for Validation {
    const KIND: &'static str = "migrate.validation";
    const COLUMNS: &'static [&'static str] = &["migration_count", "fingerprint"];
}

/// What each target is looked at with.
struct Work {
    settings: Settings,
    set: Arc<Set>,
    args: Args,
    fingerprints: Mutex<BTreeMap<String, Fingerprint>>,
}

/// Validates each target, then compares them.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    let targets = cx.targets()?;
    let settings = Settings::new(cx, &args.settings)?;
    let set = settings.scripts()?;
    let work = Arc::new(Work { settings, set, args, fingerprints: Mutex::default() });
    let each = Arc::clone(&work);
    cx.each(targets, move |target, cx| {
        let work = Arc::clone(&each);
        async move { one(&cx, &target, &work).await }
    })
    .await?;
    let fingerprints = std::mem::take(&mut *work.fingerprints.lock().unwrap_or_else(PoisonError::into_inner));
    for difference in fingerprint::compare(&fingerprints) {
        let error = Error::new(Code::Mismatch, "the object isn't the same on every shard")
            .hint("Find out what was changed by hand, and bring it back with a migration.");
        cx.output().line(&Line::failed(None, &error, Duration::ZERO).with_body(difference))?;
    }
    Ok(())
}

async fn one(cx: &Context, target: &Target, work: &Work) -> Result<Done<Validation>> {
    let (database, rows) = reading::read(cx, target, &work.settings).await?;
    let (rows, rules) = (rows.unwrap_or_default(), work.args.goal.rules());
    let scripts = database.scripts(&work.set)?;
    let migrations = resolve(&scripts, &rows, &rules)?;
    let findings = validate(&migrations, work.args.goal.ignored(), true);
    let mut hash = None;
    if !work.args.no_compare {
        let shard = database.shard.clone().unwrap_or_else(|| target.name.clone());
        let shards: Vec<&str> = cx.config()?.shards.iter().map(|shard| shard.name.as_str()).collect();
        let read = Fingerprint::read(&database.session, &shards);
        let fingerprint = cx.guarded(database.session.canceller(), read).await?;
        hash = Some(fingerprint.hash());
        work.fingerprints.lock().unwrap_or_else(PoisonError::into_inner).insert(shard, fingerprint);
    }
    let result = Validation {
        shard: database.shard.clone(),
        migration_count: Some(migrations.all.len()),
        fingerprint: hash,
        findings: Some(findings.clone()),
    };
    database.close().await;
    let Some(first) = findings.first() else { return Ok(Done::unchanged(result)) };
    let more = match findings.len() - 1 {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let error = Error::new(Code::Mismatch, format!("{}: {}{more}", first.script, first.message))
        .hint("`findings` in the line, or -o json, has them all.");
    Ok(Done::failed(false, result, error))
}
