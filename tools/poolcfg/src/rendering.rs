//! `poolcfg render`: the files that poolers and balancers should run with.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use flotilla::config::Config;
use flotilla::record::{Done, Line, Record, RecordInfo};
use flotilla::target::{Kind, Target};
use flotilla::verb::{Effect, Example, Scope, Verb};
use flotilla::{Code, Context, Result, availability};
use schemars::JsonSchema;
use serde::Serialize;

use crate::render;
use crate::version::{Program, Versions};

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
        Example {
            line: "poolcfg render pgbouncer --for-version pgbouncer=1.25",
            does: "See what a newer PgBouncer would be given",
        },
        Example {
            line: "poolcfg render prometheus -o json | jq -j 'select(.file==\"prometheus.yml\").text' > prometheus.yml",
            does: "Write Prometheus's configuration",
        },
    ],
};

/// What to render.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only configuration for this program
    #[arg(value_enum)]
    program: Option<Kindred>,
    /// The folder of control sockets [default: `run` beside the topology file]
    #[arg(long, value_name = "FOLDER")]
    run_folder: Option<PathBuf>,
    /// For this release instead of the installed one; may be repeated
    #[arg(long, value_name = "PROGRAM=VERSION")]
    for_version: Vec<String>,
    /// For PgDog: the owners of buckets, as `shardctl map --export` writes them
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kindred {
    Pgbouncer,
    Haproxy,
    Pgdog,
    Prometheus,
}

/// One rendered configuration.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Rendered {
    /// The program that reads it: `pgbouncer`, `haproxy`, `pgdog` or `prometheus`.
    program: Option<&'static str>,
    /// The usual name of the file.
    file: Option<&'static str>,
    /// Its lines, counted.
    lines: Option<usize>,
    /// Its text.
    text: Option<String>,
    /// The release that it is for; null where that makes no difference.
    version: Option<String>,
    /// Where the topology says that the file is; null where it doesn't.
    path: Option<String>,
}

impl Record for Rendered {
    const KIND: &'static str = "poolcfg.rendered";
    const COLUMNS: &'static [&'static str] = &["program", "file", "version", "lines"];
}

impl Rendered {
    fn new(program: &'static str, file: &'static str, text: String) -> Self {
        let lines = Some(text.lines().count());
        Self { program: Some(program), file: Some(file), lines, text: Some(text), ..Self::default() }
    }
}

/// Renders each target's configuration. Reads nothing but the topology, and the versions of what is installed.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    let config = cx.config()?;
    match args.program {
        Some(Kindred::Pgdog) => return pgdog(cx, config, args.map.as_deref()),
        Some(Kindred::Prometheus) => return prometheus(cx, config),
        _ => {}
    }
    let chosen = render::targets_of(cx, |kind| match kind {
        Kind::Pooler(_) => args.program != Some(Kindred::Haproxy),
        Kind::Balancer(_) => args.program != Some(Kindred::Pgbouncer),
        _ => false,
    })?;
    let run_folder = args.run_folder.unwrap_or_else(|| render::run_folder(config));
    let given = Versions::parse(&args.for_version)?;
    let versions =
        Versions { pgbouncer: Some(given.of(Program::Pgbouncer)), haproxy: Some(given.of(Program::Haproxy)) };
    complete(config, &chosen, &run_folder, versions)?;
    cx.each(chosen, move |target, cx| {
        let run_folder = run_folder.clone();
        async move { one(cx.config()?, &target, &run_folder, versions).map(Done::unchanged) }
    })
    .await
}

/// Refuses a topology that lacks what a configuration needs, before the first line is written: half of
/// the files would be worse than none.
fn complete(config: &Config, chosen: &[Target], run_folder: &Path, versions: Versions) -> Result<()> {
    // Timings that break a shard's promise are no timings to give to anybody.
    availability::check(config)?;
    for target in chosen.iter().filter(|target| target.upstream_failure.is_none()) {
        match one(config, target, run_folder, versions) {
            Err(error) if error.code() == Code::Config => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn one(config: &Config, target: &Target, run_folder: &Path, versions: Versions) -> Result<Rendered> {
    let file = render::file(config, target, run_folder, versions)?.ok_or_else(|| render::misplaced(target))?;
    let named = match &target.kind {
        Kind::Pooler(pooler) => pooler.config_file.as_ref(),
        Kind::Balancer(balancer) => balancer.config_file.as_ref(),
        _ => None,
    };
    Ok(Rendered {
        version: file.version.map(|version| version.to_string()),
        path: named.map(|path| path.display().to_string()),
        ..Rendered::new(file.program, file.name, file.text)
    })
}

fn pgdog(cx: &Context, config: &Config, map: Option<&Path>) -> Result<()> {
    let map = map.map(flotilla::ownership::read_file).transpose()?;
    let files = render::pgdog(config, map.as_ref())?;
    for (name, text) in [("pgdog.toml", files.settings), ("users.toml", files.users)] {
        cx.output().line(&Line::ok(None, false, Rendered::new("pgdog", name, text), Duration::ZERO))?;
    }
    Ok(())
}

fn prometheus(cx: &Context, config: &Config) -> Result<()> {
    let files = render::prometheus(config)?;
    for (name, text) in [("prometheus.yml", files.settings), ("flotilla.rules.yml", files.rules)] {
        cx.output().line(&Line::ok(None, false, Rendered::new("prometheus", name, text), Duration::ZERO))?;
    }
    Ok(())
}
