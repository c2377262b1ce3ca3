//! `poolcfg apply`: a new configuration in force, or the old one.

mod balancer;
mod hold;
mod pooler;

use std::path::PathBuf;
use std::time::Duration;

use flotilla::config::Config;
use flotilla::record::{Done, Record, RecordInfo};
use flotilla::target::{self, Kind, Target};
use flotilla::verb::{Effect, Example, Scope, Verb};
use flotilla::{Code, Context, Error, Result, pause};
use schemars::JsonSchema;
use serde::Serialize;

use self::hold::Pause;
use crate::render;

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "apply",
    effect: Effect::Changes,
    scope: Scope::Required,
    exclusive: true,
    records: &[RecordInfo::of::<Applied>()],
    examples: &[
        Example { line: "poolcfg apply --all --dry-run", does: "Say what would change where" },
        Example { line: "poolcfg apply --all", does: "Bring every pooler and balancer of this machine up to date" },
        Example {
            line: "poolcfg apply -t pool-a --file pgbouncer.ini",
            does: "Put a file of your own in force, if the pooler takes it",
        },
    ],
};

/// How to apply.
#[derive(clap::Args, Clone)]
pub(crate) struct Args {
    /// Apply this file instead of what the topology renders; for one target
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The user of PgBouncer's console, one of its `admin_users` [default: `pool_admin` of the topology]
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Don't start the installed PgBouncer with the new file first
    #[arg(long)]
    no_trial: bool,
    /// Which clients of a PgBouncer to hold back while it reads its file again
    #[arg(long, value_enum, value_name = "WHICH", default_value_t)]
    pause: Pause,
    /// How long transactions under way may take to end then, from 100ms to 5s
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = pause::limit)]
    pause_limit: Duration,
    /// The folder of control sockets [default: `run` beside the topology file]
    #[arg(long, value_name = "FOLDER")]
    run_folder: Option<PathBuf>,
}

/// What became of one pooler or balancer.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Applied {
    /// The program: `pgbouncer` or `haproxy`.
    program: Option<&'static str>,
    /// Its release, as it says itself.
    version: Option<String>,
    /// The file.
    file: Option<String>,
    /// Whether the new file was tried aside before it was put in place.
    tried: Option<bool>,
    /// The keys whose running value is another one now, or would be.
    changed_keys: Option<Vec<String>>,
    /// The keys that only a restart brings into force.
    pending_restart: Option<Vec<String>>,
    /// Whether the old file was put back in force.
    restored: Option<bool>,
    /// Whether an earlier run was cut off here, and this one has completed it.
    resumed: Option<bool>,
    /// The databases whose clients were held back, or would be.
    paused: Option<Vec<String>>,
    /// Databases that an earlier run had left paused, and that were let go first.
    repaired: Option<Vec<String>>,
    /// How long clients waited at most, in milliseconds.
    stall_ms: Option<u64>,
    /// Whether clients were let go before it was over, because ten seconds would have passed.
    lease_passed: Option<bool>,
}

impl Record for Applied {
    const KIND: &'static str = "poolcfg.applied";
    const COLUMNS: &'static [&'static str] =
        &["program", "version", "file", "changed_keys", "pending_restart", "restored"];
}

/// Applies to each target.
///
/// Places where a test lets it die: `apply-saved` (the old file is kept aside), `apply-paused` (clients are held
/// back), `apply-written` (the new one is in place), `apply-reloaded` (the program was told), `apply-restored` (the old one is in place again),
/// `apply-verified` (what runs was compared).
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    let config = cx.config()?;
    let targets = targets(cx, config)?;
    if args.file.is_some() && targets.len() != 1 {
        return Err(Error::usage(format!("--file is for one target, and there are {}", targets.len()))
            .hint("Name it with -t NAME."));
    }
    cx.each(targets, move |target, cx| {
        let args = args.clone();
        async move { one(&cx, &target, &args).await }
    })
    .await
}

async fn one(cx: &Context, target: &Target, args: &Args) -> Result<Done<Applied>> {
    let done = match &target.kind {
        Kind::Pooler(pooler) => pooler::apply(cx, target, pooler, args).await,
        Kind::Balancer(balancer) => balancer::apply(cx, target, balancer, args).await,
        _ => return Err(render::misplaced(target)),
    };
    if !cx.global().dry_run {
        let entry = cx.entry(&target.name);
        match &done {
            // A run that found nothing to do leaves no trace.
            Ok(done) if !done.is_changed() && done.error().is_none() => {}
            Ok(done) => {
                let detail = serde_json::to_value(done.body()).unwrap_or_default();
                let entry = entry.detail(detail);
                match done.error() {
                    Some(error) => entry.failed(error).to_file(),
                    None => entry.to_file(),
                }
            }
            Err(error) => entry.failed(error).to_file(),
        }
    }
    done
}

/// The named targets; with `--all`, every pooler and balancer.
fn targets(cx: &Context, config: &Config) -> Result<Vec<Target>> {
    if !cx.global().all {
        return cx.targets();
    }
    let all = target::all(config).into_iter().filter(|t| matches!(t.kind, Kind::Pooler(_) | Kind::Balancer(_)));
    let all: Vec<Target> = all.collect();
    if all.is_empty() {
        return Err(Error::config(format!("{}: there are no poolers and balancers", config.path.display()))
            .hint("Add [[poolers]] and [[balancers]] to the topology."));
    }
    Ok(all)
}

/// The text that is to stand in the file: the given one's, else what the topology renders.
fn intended(config: &Config, target: &Target, args: &Args, versions: crate::version::Versions) -> Result<String> {
    if let Some(path) = &args.file {
        return std::fs::read_to_string(path).map_err(|source| {
            Error::new(Code::Input, format!("could not read {}", path.display()))
                .hint("Is the path right, and readable?")
                .source(source)
        });
    }
    let run_folder = args.run_folder.clone().unwrap_or_else(|| render::run_folder(config));
    let rendered = render::file(config, target, &run_folder, versions)?;
    rendered.map(|file| file.text).ok_or_else(|| render::misplaced(target))
}

/// The file of a target, which the topology must name: nothing is guessed.
fn path<'a>(config: &Config, what: &str, name: &str, path: Option<&'a PathBuf>) -> Result<&'a PathBuf> {
    path.ok_or_else(|| {
        Error::config(format!("{}: {what} \"{name}\" has no config_file", config.path.display()))
            .hint("Name the file that it runs with, as config_file = \"/etc/pgbouncer/pgbouncer.ini\".")
    })
}
