//! `shardctl targets`: what the topology holds, as lines for other tools.

use std::time::{Duration, Instant};

use clap::ValueEnum;
use flotilla::Context;
use flotilla::error::{Code, Error, Result};
use flotilla::fanout;
use flotilla::pg::Role;
use flotilla::reach;
use flotilla::record::{Line, Record, RecordInfo};
use flotilla::target::{self, Kind, Target};
use flotilla::verb::{Effect, Example, Scope, Verb};
use schemars::JsonSchema;
use serde::Serialize;

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "targets",
    effect: Effect::Reads,
    scope: Scope::None,
    exclusive: false,
    records: &[RecordInfo::of::<TargetRow>()],
    examples: &[
        Example { line: "shardctl targets", does: "List everything in the topology" },
        Example { line: "shardctl targets --role primary | shardctl init", does: "Pipe the present primaries on" },
        Example {
            line: "psql service=$(shardctl targets --shard s0 --role replica | jq -r .service | head -1)",
            does: "Open psql on a replica of s0",
        },
    ],
};

/// Which targets to list.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only servers that have this role now; asks the servers
    #[arg(long, value_enum)]
    role: Option<RoleFilter>,
    /// Only targets of this kind; may be repeated
    #[arg(long, value_enum)]
    kind: Vec<KindFilter>,
    /// Only this shard and its servers; may be repeated
    #[arg(long, value_name = "NAME")]
    shard: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RoleFilter {
    Primary,
    Replica,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KindFilter {
    Shard,
    Node,
    Pooler,
    Balancer,
    Etcd,
    Redis,
}

/// One target.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct TargetRow {
    /// What it is: shard, node, pooler, balancer, etcd or redis.
    kind: Option<&'static str>,
    /// The shard that it is or belongs to.
    shard: Option<String>,
    /// `primary` or `replica` as the server says now; null when it wasn't asked.
    role: Option<&'static str>,
    /// The name that TLS verifies, or the folder of a Unix socket.
    host: Option<String>,
    /// The port.
    port: Option<u16>,
    /// The database.
    dbname: Option<String>,
    /// The libpq service of this name: `psql service=…`.
    service: Option<String>,
}

impl Record for TargetRow {
    const KIND: &'static str = "shardctl.target";
    const COLUMNS: &'static [&'static str] = &["kind", "shard", "role", "host", "port", "dbname", "service"];
}

/// Lists the targets; with `--role` asks each server first.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    let config = cx.config()?;
    for shard in &args.shard {
        config.shard(shard)?;
    }
    let chosen =
        if cx.global().targets.is_empty() { target::all(config) } else { target::named(config, &cx.global().targets)? };
    let mut chosen: Vec<Target> = chosen.into_iter().filter(|t| wanted(&args, t)).collect();
    let Some(role) = args.role else {
        for target in &chosen {
            let row = row(&config.cluster.dbname, target, None);
            cx.output().line(&Line::ok(Some(target.name.clone()), false, row, Duration::ZERO))?;
        }
        return Ok(());
    };
    chosen.retain(|t| matches!(t.kind, Kind::Node { .. }));
    ask(cx, chosen, role).await
}

fn wanted(args: &Args, target: &Target) -> bool {
    let kind = KindFilter::from_str(target.kind_name(), false).ok();
    let kind_fits = args.kind.is_empty() || kind.is_some_and(|k| args.kind.contains(&k));
    let shard_fits = args.shard.is_empty() || target.shard().is_some_and(|s| args.shard.contains(&s.name));
    kind_fits && shard_fits
}

/// Asks every server for its role, and lists those that have the wanted one. A server that doesn't
/// answer is an error line: leaving it out would say that it has the other role.
async fn ask(cx: &Context, nodes: Vec<Target>, wanted: RoleFilter) -> Result<()> {
    let answers = fanout::ask(cx, nodes, |node, cx| async move {
        let began = Instant::now();
        let role = role_of(&cx, &node).await;
        (node, role, began.elapsed())
    })
    .await;
    for (node, role, took) in answers {
        let name = Some(node.name.clone());
        match role {
            Ok(role)
                if matches!(
                    (role, wanted),
                    (Role::Primary, RoleFilter::Primary) | (Role::Standby, RoleFilter::Replica)
                ) =>
            {
                let row = row(&cx.config()?.cluster.dbname, &node, Some(role));
                cx.output().line(&Line::ok(name, false, row, took))?;
            }
            Ok(_) => {}
            Err(error) => {
                let row = row(&cx.config()?.cluster.dbname, &node, None);
                cx.output().line(&Line::failed(name, &error, took).with_body(row))?;
            }
        }
    }
    Ok(())
}

async fn role_of(cx: &Context, target: &Target) -> Result<Role> {
    let config = cx.config()?;
    let Kind::Node { node, .. } = &target.kind else {
        return Err(Error::new(Code::Unsupported, "only PostgreSQL servers have a role"));
    };
    let session = match cx.connect(reach::node(config, node, &config.users.monitor)?).await {
        // Init makes the role that asks, and may be what these lines are piped to.
        Err(refused) if refused.code() == Code::AuthFailed => {
            let admin = cx.connect(reach::node(config, node, &config.users.admin)?).await;
            let session = admin.map_err(|_| refused)?;
            tracing::info!("{}: asked as \"{}\", for the monitor couldn't log in", target.name, config.users.admin);
            session
        }
        connected => connected?,
    };
    let role = cx.guarded(session.canceller(), session.role()).await?;
    session.close().await;
    Ok(role)
}

/// The word for a role, as `--role` takes it.
const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Primary => "primary",
        Role::Standby => "replica",
    }
}

fn row(dbname: &str, target: &Target, role: Option<Role>) -> TargetRow {
    let mut row = TargetRow {
        kind: Some(target.kind_name()),
        shard: target.shard().map(|s| s.name.clone()),
        role: role.map(role_name),
        ..TargetRow::default()
    };
    let at = match &target.kind {
        Kind::Shard(_) => None,
        Kind::Node { node, .. } => Some((node.host.clone(), Some(node.port))),
        Kind::Pooler(p) => Some((p.host.clone(), Some(p.port))),
        Kind::Balancer(b) => Some((b.host.clone(), b.stats_port)),
        Kind::Redis(r) => Some((r.host.clone(), Some(r.port))),
        Kind::Etcd(e) => Some(reach::host_and_port(&e.url)),
    };
    if let Some((host, port)) = at {
        (row.host, row.port) = (Some(host), port);
    }
    if matches!(target.kind, Kind::Shard(_) | Kind::Node { .. }) {
        row.dbname = Some(dbname.to_owned());
        row.service = Some(target.name.clone());
    }
    row
}
