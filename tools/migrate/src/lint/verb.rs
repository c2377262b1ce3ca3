//! The verb `lint`.

use flotilla::Context;
use flotilla::config::Config;
use flotilla::error::{Code, Error, Result};
use flotilla::record::{Line, Record, RecordInfo};
use flotilla::verb::{Effect, Example, Scope, Verb};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Finding, Settings, Severity, Source, all_rules, check};
use crate::settings::{ScriptArgs, Settings as Work, SettingsArgs};
use flotilla::migrations::scripts::{Marks, Placeholders, Set};

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "lint",
    effect: Effect::Reads,
    scope: Scope::None,
    exclusive: false,
    records: &[RecordInfo::of::<FindingRecord>(), RecordInfo::of::<RuleRecord>()],
    examples: &[
        Example { line: "migrate lint", does: "Say what is wrong with the scripts" },
        Example { line: "migrate lint --strict -q", does: "Fail on warnings too, and say only those" },
        Example { line: "migrate lint --rules", does: "List the rules, and why each is one" },
    ],
};

/// What to ask.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Ask this rule besides, which is off; may be repeated
    #[arg(long, value_name = "RULE")]
    include: Vec<String>,
    /// Don't ask this rule; may be repeated
    #[arg(long, value_name = "RULE")]
    exclude: Vec<String>,
    /// Fail on warnings as well as on errors
    #[arg(long)]
    strict: bool,
    /// List the rules instead
    #[arg(long, conflicts_with_all = ["include", "exclude", "strict"])]
    rules: bool,
    /// Say instead which locks pending scripts take on the shards, and for how long
    #[arg(long, conflicts_with_all = ["include", "exclude", "strict", "rules"])]
    live: bool,
    #[command(flatten)]
    lives: super::live::LiveArgs,
}

impl Args {
    /// What the flags make of the verb.
    pub(crate) fn verb(&self) -> &'static Verb {
        if self.live { &super::live::VERB } else { &VERB }
    }
}

/// One finding.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct FindingRecord {
    /// The file.
    file: Option<String>,
    /// The line in it, from 1.
    line: Option<usize>,
    /// The character in the line, from 1.
    column: Option<usize>,
    /// The rule.
    rule: Option<String>,
    /// How bad it is.
    severity: Option<Severity>,
    /// What was found.
    message: Option<String>,
    /// How to mend it.
    hint: Option<String>,
    /// The statement, shortened; null where the finding is about a file.
    statement: Option<String>,
    /// Whose rule it is.
    source: Option<Source>,
}

impl Record for FindingRecord {
    const KIND: &'static str = "migrate.finding";
    const COLUMNS: &'static [&'static str] = &["file", "line", "severity", "rule", "message", "hint"];
}

/// One rule.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct RuleRecord {
    /// Its name.
    rule: Option<String>,
    /// How bad a finding is; null where it is off unless --include names it.
    severity: Option<Severity>,
    /// Whose rule it is.
    source: Option<Source>,
    /// Why it is one; where it is off, why that.
    why: Option<String>,
    /// How to mend what it finds; null where each finding says so itself.
    mend: Option<String>,
}

impl Record for RuleRecord {
    const KIND: &'static str = "migrate.rule";
    const COLUMNS: &'static [&'static str] = &["rule", "severity", "source", "why"];
}

/// Writes a line for each finding.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    if args.live {
        return super::live::run(cx, Work::new(cx, &args.settings)?, args.lives).await;
    }
    if args.rules {
        return rules(cx);
    }
    let settings = Settings { include: args.include, exclude: args.exclude, ..Settings::default() };
    settings.check()?;
    // Scripts are read without a cluster too; with one, its folders and placeholders count.
    let config = cx.config_if_any()?;
    let set = Set::read(&args.settings.scripts.dirs(config))?;
    let found = check(&set, &placeholders(&args.settings.scripts, config), &settings);
    let limit = if args.strict { Severity::Warning } else { Severity::Error };
    let bad = found.iter().filter(|finding| finding.severity >= limit).count();
    for finding in found {
        let is_bad = finding.severity >= limit;
        let error = Error::new(Code::Mismatch, finding.message.clone()).hint(finding.hint.clone());
        let body = FindingRecord::from(finding);
        let line = if is_bad {
            Line::failed(None, &error, std::time::Duration::ZERO).with_body(body)
        } else {
            Line::ok(None, false, body, std::time::Duration::ZERO)
        };
        cx.output().line(&line)?;
    }
    tracing::info!("{} scripts, {bad} findings that count", set.len());
    Ok(())
}

fn rules(cx: &Context) -> Result<()> {
    for rule in all_rules() {
        let body = RuleRecord {
            rule: Some(rule.name.to_owned()),
            severity: rule.severity,
            source: Some(rule.source),
            why: Some(rule.why.to_owned()),
            mend: rule.mend.map(str::to_owned),
        };
        cx.output().line(&Line::ok(None, false, body, std::time::Duration::ZERO))?;
    }
    Ok(())
}

/// The given values, and stand-ins for what only a database knows.
pub(crate) fn placeholders(args: &ScriptArgs, config: Option<&Config>) -> Placeholders {
    let mut placeholders = Placeholders::new(Marks::default());
    for name in ["defaultSchema", "user", "database", "timestamp", "workingDirectory", "table", "environment"] {
        placeholders.set(&format!("flyway:{name}"), name);
    }
    for name in ["cluster", "shard", "buckets"] {
        placeholders.set(&format!("flotilla:{name}"), name);
    }
    for (name, value) in args.values(config) {
        placeholders.set(&name, value);
    }
    placeholders
}

impl From<Finding> for FindingRecord {
    fn from(finding: Finding) -> Self {
        Self {
            file: Some(finding.file),
            line: Some(finding.line),
            column: Some(finding.column),
            rule: Some(finding.rule.to_owned()),
            severity: Some(finding.severity),
            message: Some(finding.message),
            hint: Some(finding.hint),
            statement: finding.statement,
            source: Some(finding.source),
        }
    }
}
