//! `healthcheck agent`: tells HAProxy about a node, in the protocol of its agent checks.
//!
//! HAProxy connects, may send a line (`agent-send`), reads one line, and closes. What it reads outweighs nothing
//! that Patroni says: it adds what Patroni can't know, such as a second primary.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use flotilla::clock::parse_duration;
use flotilla::target::{self, Kind, Target};
use flotilla::verb::{Effect, Example, Scope, Verb};
use flotilla::{Code, Context, Error, Result, log};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::check::{Check, Health};
use crate::component::Subject;
use crate::report::Report;
use crate::serve::SHORTEST;
use crate::silence::Silences;
use crate::sweep::jobs;
use crate::watched::{Watched, Watching};

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "agent",
    effect: Effect::Reads,
    scope: Scope::Optional,
    exclusive: false,
    records: &[],
    examples: &[
        Example { line: "healthcheck agent -t s0-a --listen 127.0.0.11:9187", does: "Speak for one node, beside it" },
        Example {
            line: "healthcheck agent --all",
            does: "Speak for every node; HAProxy names the one with agent-send \"s0-a\\n\"",
        },
    ],
};

/// Where, and how often is asked.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9187")]
    listen: SocketAddr,
    /// Nodes that a silence of this file names are put into maintenance
    #[arg(long, value_name = "FILE")]
    silence_file: Option<PathBuf>,
    /// How often to ask [default: `health.interval_ms`]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    interval: Option<Duration>,
    /// How long one probe may take [default: `health.timeout_ms`]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    timeout: Option<Duration>,
}

/// How long a caller may take to say whom it means.
const PATIENCE: Duration = Duration::from_secs(1);
/// A name is no longer than this.
const NAME_LIMIT: u64 = 256;

struct Agent {
    watched: Arc<Watched>,
    /// The nodes that it speaks for, each with its shard.
    nodes: HashMap<String, String>,
    silence_file: Option<PathBuf>,
}

/// Answers until a signal or the deadline.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    let config = cx.config()?;
    let nodes = nodes(cx)?;
    let shards: Vec<&String> = nodes.values().collect();
    let is_needed = |target: &Target| target.shard().is_some_and(|shard| shards.contains(&&shard.name));
    let subjects: Vec<Subject> =
        target::all(config).into_iter().filter(is_needed).map(|target| Subject::Target(Box::new(target))).collect();
    let jobs = jobs(cx, &subjects, &["shard".to_owned(), "postgresql".to_owned()])?;
    // A file that can't be read is seen now rather than at the first question.
    Silences::read(args.silence_file.as_deref())?;
    let listener = TcpListener::bind(args.listen).await.map_err(|e| {
        Error::new(Code::Io, format!("could not listen on {}", args.listen))
            .source(e)
            .hint("Is another process using the port?")
    })?;
    let address = listener.local_addr().map_err(|e| Error::internal("the listener has no address").source(e))?;
    let limit = args.timeout.unwrap_or(Duration::from_millis(config.health.timeout_ms));
    let interval = args.interval.unwrap_or(Duration::from_millis(config.health.interval_ms)).max(SHORTEST);
    let (_watching, watched) = Watching::begin(cx, jobs, limit, interval)?;
    if !cx.global().quiet {
        log::say(&format!("{}: answering HAProxy's agent checks at {address}", cx.tool()));
    }
    let agent = Arc::new(Agent { watched, nodes, silence_file: args.silence_file });
    let mut callers = JoinSet::new();
    let answering = async {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(callers.spawn(answer(stream, Arc::clone(&agent)))),
                Err(error) => {
                    tracing::warn!("a connection was not taken: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
            while callers.try_join_next().is_some() {}
        }
    };
    tokio::select! {
        () = answering => Ok(()),
        () = cx.stop().asked() => Ok(()),
        () = cx.deadline_passed() => Ok(()),
    }
}

/// The nodes to speak for: those named, those of shards named, or all.
fn nodes(cx: &Context) -> Result<HashMap<String, String>> {
    let targets = match cx.named_targets()? {
        Some(named) => named,
        None => target::all(cx.config()?),
    };
    let mut nodes = HashMap::new();
    for target in targets {
        match target.kind {
            Kind::Node { shard, node } => drop(nodes.insert(node.name, shard.name)),
            Kind::Shard(shard) => nodes.extend(shard.nodes.iter().map(|node| (node.name.clone(), shard.name.clone()))),
            _ if cx.global().targets.contains(&target.name) => {
                return Err(Error::usage(format!("\"{}\" is a {}, not a node", target.name, target.kind_name()))
                    .hint("The agent speaks for nodes; name nodes or shards."));
            }
            _ => {}
        }
    }
    if nodes.is_empty() {
        return Err(Error::config("there is no node to speak for").hint("Add [[shards]] to the topology."));
    }
    Ok(nodes)
}

async fn answer(mut stream: TcpStream, agent: Arc<Agent>) {
    let node = match agent.nodes.keys().next().filter(|_| agent.nodes.len() == 1) {
        Some(only) => Some(only.clone()),
        None => named(&mut stream).await,
    };
    // Nothing at all leaves the server as it is, which is right for whom nobody knows.
    let Some(line) = node.and_then(|node| agent.line(&node)) else { return };
    let _ = tokio::time::timeout(PATIENCE, async {
        stream.write_all(line.as_bytes()).await?;
        stream.shutdown().await
    })
    .await;
}

/// The name that the caller sends; HAProxy may send a server's, with or without its backend: `s0-replicas/s0-b`.
async fn named(stream: &mut TcpStream) -> Option<String> {
    let mut line = String::new();
    let mut reader = BufReader::new(stream).take(NAME_LIMIT);
    tokio::time::timeout(PATIENCE, reader.read_line(&mut line)).await.ok()?.ok()?;
    line.trim().rsplit('/').next().map(str::to_owned)
}

impl Agent {
    /// The line for a node; none where nobody can tell, for then a guess would be worse.
    fn line(&self, node: &str) -> Option<String> {
        let shard = self.nodes.get(node)?;
        let silences = Silences::read(self.silence_file.as_deref()).unwrap_or_default();
        if silences.cover_node(shard, node) {
            return Some("maint\n".to_owned());
        }
        let reports = self.watched.reports();
        let find = |component: &str, instance: &str| {
            reports.iter().find(|report| report.component == component && report.instance.name == instance)
        };
        let (server, whole) = (find("postgresql", node)?, find("shard", shard));
        verdict(server, whole.map(AsRef::as_ref), node)
    }
}

/// What HAProxy is told. A bare `up` doesn't end `drain` and `maint`, so it is always `ready up`; and without the
/// blank before `#` HAProxy passes over `down`.
fn verdict(server: &Report, whole: Option<&Report>, node: &str) -> Option<String> {
    let check = |name: &str| server.checks.iter().find(|check| check.check == name);
    let is = |name: &str, health: Health| check(name).is_some_and(|check| check.status == health);
    let claimants = whole.and_then(|whole| whole.checks.iter().find(|check| check.check == "primaries"));
    let two = claimants.and_then(Check::value).is_some_and(|count| count > 1.0);
    if server.checks.iter().any(|check| check.check == "fresh") || is("up", Health::Unknown) {
        return None;
    }
    let line = if two && server.role.as_deref() == Some("primary") {
        "down #two primaries".to_owned()
    } else if is("up", Health::Fail) {
        format!("down #{node} doesn't answer")
    } else if is("commit", Health::Fail) {
        format!("down #{node} can't commit")
    } else if is("login", Health::Fail) || is("lag_bytes", Health::Fail) || is("lag_seconds", Health::Fail) {
        // Sessions that are open go on.
        "drain".to_owned()
    } else {
        "ready up 100%".to_owned()
    };
    Some(line + "\n")
}
