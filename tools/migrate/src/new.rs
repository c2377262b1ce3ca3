//! `migrate new`: the next migration and its undo, empty or by one of the patterns that don't stop traffic.

mod facts;
mod folder;
mod next;
mod parameter;
mod pattern;
mod patterns;
mod render;
mod staged;
mod value;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args as ClapArgs;
use flotilla::Context;
use flotilla::config::Config;
use flotilla::error::{Error, Result};
use flotilla::record::{Line, Record, RecordInfo, Status};
use flotilla::verb::{Effect, Example, Scope, Verb};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use self::folder::{File, Folder};
use self::pattern::Pattern;
use self::render::Step;
use self::staged::Staged;
use crate::lint;
use crate::settings::{ScriptArgs, pair};
use flotilla::migrations::scripts::{Set, Version};

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "new",
    effect: Effect::Changes,
    scope: Scope::None,
    exclusive: false,
    records: &[RecordInfo::of::<FileRecord>()],
    examples: &[
        Example { line: "migrate new 'add moods'", does: "Begin a version and its undo" },
        Example {
            line: "migrate new --pattern add-column -p table=users -p column=nickname -p type=text",
            does: "Write a migration that doesn't stop traffic",
        },
        Example {
            line: "migrate new --pattern add-index -p table=users -p columns='lower(email)' --dry-run",
            does: "Show which files a pattern would be",
        },
        Example {
            line: "migrate new 'names of users' --repeatable",
            does: "Begin a script that runs whenever it has changed",
        },
    ],
};

/// The verb when it only lists.
pub(crate) const LIST: Verb = Verb {
    name: "new --list",
    effect: Effect::Reads,
    scope: Scope::None,
    exclusive: false,
    records: &[RecordInfo::of::<PatternRecord>()],
    examples: &[Example { line: "migrate new --list", does: "List the patterns and what each needs to know" }],
};

/// What to write.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// What the migration does, in a few words; a pattern has its own
    #[arg(required_unless_present_any = ["pattern", "list"])]
    description: Option<String>,
    /// Pattern to write the migration by
    #[arg(long, value_name = "NAME", value_parser = pattern::named)]
    pattern: Option<&'static Pattern>,
    /// What the pattern is to know, such as table=users; may be repeated
    #[arg(short, long = "param", value_name = "NAME=VALUE", value_parser = pair, requires = "pattern")]
    parameters: Vec<(String, String)>,
    /// Version to write, instead of the next one
    #[arg(long, value_name = "VERSION", conflicts_with_all = ["timestamp", "repeatable"])]
    version: Option<Version>,
    /// Number the version by the time, UTC
    #[arg(long, conflicts_with = "repeatable")]
    timestamp: bool,
    /// Write a script that runs whenever it has changed, which has neither version nor undo
    #[arg(long, conflicts_with = "pattern")]
    repeatable: bool,
    /// List the patterns instead
    #[arg(long, conflicts_with_all = ["description", "pattern", "version", "timestamp", "repeatable"])]
    list: bool,
    #[command(flatten)]
    scripts: ScriptArgs,
}

impl Args {
    /// What the flags make of the verb.
    pub(crate) fn verb(&self) -> &'static Verb {
        if self.list { &LIST } else { &VERB }
    }

    /// What is asked for, by which a run knows what an interrupted one was about.
    fn request(&self) -> String {
        let pattern = self.pattern.map(|pattern| pattern.name);
        let version = self.version.as_ref().map(Version::text);
        json!([self.description, pattern, self.parameters, version, self.timestamp, self.repeatable]).to_string()
    }
}

/// One file.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct FileRecord {
    /// The file.
    path: Option<PathBuf>,
    /// What it is.
    kind: Option<FileKind>,
    /// Its version; null where it has none.
    version: Option<String>,
    /// What it says it does.
    description: Option<String>,
    /// The pattern that it was written by; null where there was none.
    pattern: Option<String>,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FileKind {
    /// A script that runs once.
    Versioned,
    /// A script that takes a version back.
    Undo,
    /// A script that runs whenever it has changed.
    Repeatable,
    /// What another file's script is to be run like.
    Options,
}

impl Record for FileRecord {
    const KIND: &'static str = "migrate.file";
    const COLUMNS: &'static [&'static str] = &["path", "kind", "version"];
}

/// One pattern.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct PatternRecord {
    /// Its name.
    pattern: Option<String>,
    /// What it does, and how.
    does: Option<String>,
    /// What it must be told, unless the scripts tell it.
    needs: Option<Vec<String>>,
    /// What it may be told.
    takes: Option<Vec<String>>,
    /// What each of them means.
    parameters: Option<Vec<ParameterRecord>>,
}

/// One thing that a pattern is told.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct ParameterRecord {
    /// Its name.
    name: String,
    /// What it means.
    about: String,
    /// What it is where nothing is given; null where that comes from the scripts, or nothing is meant.
    default: Option<String>,
}

impl Record for PatternRecord {
    const KIND: &'static str = "migrate.pattern";
    const COLUMNS: &'static [&'static str] = &["pattern", "does", "needs", "takes"];
}

/// Writes the files, or lists the patterns.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    if args.list {
        return list(cx);
    }
    let config = cx.config_if_any()?;
    let dirs = args.scripts.dirs(config);
    let dry = cx.global().dry_run;
    let folder = if dry { Folder::to_look_at(&dirs) } else { Folder::to_write(&dirs, cx.global().lock_wait)? };
    let request = args.request();
    if let Some(left) = folder.left()? {
        if !dry {
            left.place(folder.path())?;
        }
        if left.request == request {
            return say(cx, args, &left.paths(folder.path()), left.files);
        }
        tracing::warn!(
            "an interrupted run's files {} in {}",
            if dry { "are still to be put" } else { "were put" },
            folder.path().display()
        );
    }
    let files = files(args, config, &folder.scripts()?)?;
    let staged = Staged { request, files };
    if dry {
        folder.check(&staged.files)?;
    } else {
        folder.write(&staged)?;
    }
    say(cx, args, &staged.paths(folder.path()), staged.files)
}

/// The files that are asked for, numbered after those that are there.
fn files(args: &Args, config: Option<&Config>, set: &Set) -> Result<Vec<File>> {
    let (description, steps) = match args.pattern {
        Some(pattern) => {
            let schema = lint::schema(set, &lint::placeholders(&args.scripts, config));
            let facts = facts::Facts::new(schema, config);
            let written = pattern.write(&args.parameters, facts)?;
            (args.description.clone().unwrap_or(written.description), written.steps)
        }
        None => (args.description.clone().unwrap_or_default(), vec![Step::empty()]),
    };
    if args.repeatable {
        return Ok(vec![File::repeatable(&description)?]);
    }
    let versions = next::versions(set, args.version.as_ref(), args.timestamp, steps.len())?;
    let files = steps.iter().zip(&versions).map(|(step, version)| step.files(&description, version));
    Ok(files.collect::<Result<Vec<_>>>()?.concat())
}

fn say(cx: &Context, args: &Args, paths: &[PathBuf], files: Vec<File>) -> Result<()> {
    let dry = cx.global().dry_run;
    for (path, file) in paths.iter().zip(files) {
        let body = FileRecord {
            path: Some(path.clone()),
            kind: Some(file.kind),
            version: file.version,
            description: Some(file.description),
            pattern: args.pattern.map(|pattern| pattern.name.to_owned()),
        };
        let line = Line::ok(None, !dry, body, Duration::ZERO);
        cx.output().line(&if dry { line.with_status(Status::Planned) } else { line })?;
    }
    Ok(())
}

fn list(cx: &Context) -> Result<()> {
    for pattern in patterns::ALL {
        let names = |needed: bool| {
            let of = pattern.parameters.iter().filter(|parameter| parameter.is_needed() == needed);
            Some(of.map(|parameter| parameter.name.to_owned()).collect())
        };
        let body = PatternRecord {
            pattern: Some(pattern.name.to_owned()),
            does: Some(pattern.does.to_owned()),
            needs: names(true),
            takes: names(false),
            parameters: Some(pattern.parameters.iter().map(parameter::Parameter::record).collect()),
        };
        cx.output().line(&Line::ok(None, false, body, Duration::ZERO))?;
    }
    Ok(())
}

/// A description as a part of a file's name: words between underscores.
fn slug(description: &str) -> Result<String> {
    let words: Vec<&str> = description.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let slug = words.join("_");
    match slug.len() {
        0 => Err(Error::usage(format!("the description \"{description}\" has no word to name a file by"))
            .hint("Say in a few words what the migration does.")),
        // Flyway's history has room for 200 characters, a file's name for 255 bytes with what goes around it.
        1..=180 => Ok(slug),
        _ => Err(Error::usage("the description is longer than 180 bytes")
            .hint("Say it shorter; the script has room for more.")),
    }
}
