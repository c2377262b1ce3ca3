//! `poolcfg diff`: file, running program and topology, laid side by side.

mod balancer;
mod pooler;

use std::path::PathBuf;
use std::time::Duration;

use flotilla::record::{Done, Line, Record, RecordInfo};
use flotilla::target::{Kind, Target};
use flotilla::verb::{Effect, Example, Scope, Verb};
use flotilla::{Code, Context, Error, Result};
use schemars::JsonSchema;
use serde::Serialize;

use crate::render;

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "diff",
    effect: Effect::Reads,
    scope: Scope::Optional,
    exclusive: false,
    records: &[RecordInfo::of::<Difference>(), RecordInfo::of::<Compared>()],
    examples: &[
        Example { line: "poolcfg diff", does: "Say where files, running programs and the topology differ" },
        Example {
            line: "poolcfg diff -t pool-a -o json | jq -r 'select(.takes==\"restart\").key'",
            does: "List what waits for a restart",
        },
    ],
};

/// How to compare.
#[derive(clap::Args, Clone)]
pub(crate) struct Args {
    /// The folder of control sockets [default: `run` beside the topology file]
    #[arg(long, value_name = "FOLDER")]
    run_folder: Option<PathBuf>,
}

/// What brings a value into force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Takes {
    /// Writing the file anew, and a reload: `poolcfg apply`.
    Apply,
    /// A reload: the file has it.
    Reload,
    /// A restart: the file has it, and no reload takes it.
    Restart,
}

/// One key that isn't the same everywhere.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Difference {
    /// The program: `pgbouncer` or `haproxy`.
    pub(crate) program: Option<&'static str>,
    /// The key: `pool_mode`, `databases.s0.port`, `backend s0-primary server s0-a`.
    pub(crate) key: Option<String>,
    /// What the topology renders; null where it doesn't say.
    pub(crate) topology: Option<String>,
    /// What the file says; null where it doesn't say, or isn't on this machine.
    pub(crate) file: Option<String>,
    /// What the program runs with; null where it can't be seen.
    pub(crate) running: Option<String>,
    /// What brings them together.
    pub(crate) takes: Option<Takes>,
}

impl Record for Difference {
    const KIND: &'static str = "poolcfg.difference";
    const COLUMNS: &'static [&'static str] = &["key", "topology", "file", "running", "takes"];
}

/// What was compared of one pooler or balancer.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Compared {
    /// The program: `pgbouncer` or `haproxy`.
    program: Option<&'static str>,
    /// Its release, as it says itself.
    version: Option<String>,
    /// The file; null where the topology names none, or it isn't on this machine.
    file: Option<String>,
    /// How many keys were compared.
    key_count: Option<usize>,
    /// How many differ.
    difference_count: Option<usize>,
    /// How many of these wait for a restart.
    restart_count: Option<usize>,
}

impl Record for Compared {
    const KIND: &'static str = "poolcfg.compared";
    const COLUMNS: &'static [&'static str] =
        &["program", "version", "file", "key_count", "difference_count", "restart_count"];
}

/// What comparing one target yields.
pub(crate) struct Laid {
    pub(crate) program: &'static str,
    pub(crate) version: String,
    pub(crate) file: Option<String>,
    pub(crate) keys: usize,
    pub(crate) differences: Vec<Difference>,
}

/// Compares each target.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    let targets = render::targets(cx)?;
    cx.each(targets, move |target, cx| {
        let args = args.clone();
        async move { one(&cx, &target, &args).await }
    })
    .await
}

async fn one(cx: &Context, target: &Target, args: &Args) -> Result<Done<Compared>> {
    let laid = match &target.kind {
        Kind::Pooler(pooler) => pooler::lay(cx, target, pooler).await?,
        Kind::Balancer(balancer) => balancer::lay(cx, target, balancer, args.run_folder.as_deref()).await?,
        _ => return Err(render::misplaced(target)),
    };
    let restarts = laid.differences.iter().filter(|difference| difference.takes == Some(Takes::Restart)).count();
    let count = laid.differences.len();
    for difference in laid.differences {
        let key = difference.key.clone().unwrap_or_default();
        let error =
            Error::new(Code::Mismatch, format!("\"{key}\" isn't the same everywhere")).hint(hint(difference.takes));
        let line = Line::failed(Some(target.name.clone()), &error, Duration::ZERO).with_body(difference);
        cx.output().line(&line)?;
    }
    let body = Compared {
        program: Some(laid.program),
        version: Some(laid.version),
        file: laid.file,
        key_count: Some(laid.keys),
        difference_count: Some(count),
        restart_count: Some(restarts),
    };
    if count == 0 {
        return Ok(Done::unchanged(body));
    }
    let error = Error::new(Code::Mismatch, format!("{count} keys differ")).hint(hint(None));
    Ok(Done::failed(false, body, error))
}

fn hint(takes: Option<Takes>) -> &'static str {
    match takes {
        Some(Takes::Restart) => "Restart it when its clients can bear that; a reload doesn't take this key.",
        Some(Takes::Reload) => "The file isn't in force: `poolcfg apply` puts it there.",
        Some(Takes::Apply) | None => "`poolcfg apply` brings them together.",
    }
}
