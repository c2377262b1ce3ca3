//! `poolcfg render`: the files that poolers and balancers should run with.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use flotilla::config::Config;
use flotilla::record::{Done, Record, RecordInfo};
use flotilla::target::{self, Kind, Target};
use flotilla::verb::{Effect, Example, Scope, Verb};
use flotilla::{Code, Context, Error, Result, availability};
use schemars::JsonSchema;
use serde::Serialize;

use crate::render;

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "render",
    effect: Effect::Reads,
    scope: Scope::Optional,
    exclusive: false,
    records: &[RecordInfo::of::<Rendered>()],
    examples: &[
        Example {
            line: "poolcfg render -t pool-a -o json | jq -j .text > pgbouncer.ini",
            does: "Write one pooler's configuration to a file",
        },
        Example { line: "poolcfg render haproxy", does: "List what every balancer would be given" },
    ],
};

/// What to render.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only configuration for this program
    #[arg(value_enum)]
    program: Option<Program>,
    /// The folder of control sockets [default: `run` beside the topology file]
    #[arg(long, value_name = "FOLDER")]
    run_folder: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Program {
    Pgbouncer,
    Haproxy,
}

/// One rendered configuration.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Rendered {
    /// The program that reads it: `pgbouncer` or `haproxy`.
    program: Option<&'static str>,
    /// The usual name of the file.
    file: Option<&'static str>,
    /// Its lines, counted.
    lines: Option<usize>,
    /// Its text.
    text: Option<String>,
}

impl Record for Rendered {
    const KIND: &'static str = "poolcfg.rendered";
    const COLUMNS: &'static [&'static str] = &["program", "file", "lines"];
}

/// Renders each target's configuration. Reads nothing but the topology.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    let config = cx.config()?;
    let chosen = chosen(cx, config, args.program)?;
    let run_folder = args.run_folder.unwrap_or_else(|| render::run_folder(config));
    complete(config, &chosen, &run_folder)?;
    cx.each(chosen, move |target, cx| {
        let run_folder = run_folder.clone();
        async move { one(cx.config()?, &target, &run_folder).map(Done::unchanged) }
    })
    .await
}

/// Refuses a topology that lacks what a configuration needs, before the first line is written: half of
/// the files would be worse than none.
fn complete(config: &Config, chosen: &[Target], run_folder: &Path) -> Result<()> {
    // Timings that break a shard's promise are no timings to give to anybody.
    availability::check(config)?;
    for target in chosen.iter().filter(|target| target.upstream_failure.is_none()) {
        match one(config, target, run_folder) {
            Err(error) if error.code() == Code::Config => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn one(config: &Config, target: &Target, run_folder: &Path) -> Result<Rendered> {
    let (program, file, text) = match &target.kind {
        Kind::Pooler(pooler) => ("pgbouncer", "pgbouncer.ini", render::pgbouncer(config, &pooler.name)?),
        Kind::Balancer(balancer) => ("haproxy", "haproxy.cfg", render::haproxy(config, &balancer.name, run_folder)?),
        _ => return Err(misplaced(target)),
    };
    let lines = Some(text.lines().count());
    Ok(Rendered { program: Some(program), file: Some(file), lines, text: Some(text) })
}

/// The named targets; where none are named, every pooler and balancer.
fn chosen(cx: &Context, config: &Config, program: Option<Program>) -> Result<Vec<Target>> {
    let fits = |target: &Target| match target.kind {
        Kind::Pooler(_) => program != Some(Program::Haproxy),
        Kind::Balancer(_) => program != Some(Program::Pgbouncer),
        _ => false,
    };
    let global = cx.global();
    if !global.all {
        if !global.targets.is_empty() {
            return target::named(config, &global.targets);
        }
        if let Some(stdin) = target::piped_stdin() {
            return target::read(config, stdin);
        }
    }
    let found: Vec<Target> = target::all(config).into_iter().filter(fits).collect();
    if found.is_empty() {
        return Err(Error::config(format!("{}: there is nothing to render", config.path.display()))
            .hint("Add [[poolers]] and [[balancers]] to the topology."));
    }
    Ok(found)
}

fn misplaced(target: &Target) -> Error {
    Error::new(Code::Unsupported, format!("a {} has no pool configuration", target.kind_name()))
        .hint("Name poolers and balancers: `shardctl targets --kind pooler --kind balancer | poolcfg render`.")
}
