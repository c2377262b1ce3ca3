//! `poolcfg stats`: what poolers and balancers are doing, as lines.

use std::path::PathBuf;
use std::time::Duration;

use flotilla::config::{Balancer, Config, Pooler};
use flotilla::fanout;
use flotilla::record::{Line, Record, RecordInfo};
use flotilla::target::{Kind, Target};
use flotilla::verb::{Effect, Example, Scope, Verb};
use flotilla::{Context, Error, Result};
use schemars::JsonSchema;
use serde::Serialize;

use crate::haproxy::socket;
use crate::pgbouncer::console::{Console, Row};
use crate::render;

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "stats",
    effect: Effect::Reads,
    scope: Scope::Optional,
    exclusive: false,
    records: &[RecordInfo::of::<Pool>(), RecordInfo::of::<Traffic>(), RecordInfo::of::<Server>()],
    examples: &[
        Example { line: "poolcfg stats", does: "Show pools, traffic and servers" },
        Example {
            line: "poolcfg stats -o json | jq -c 'select(.client_waiting_count>0)'",
            does: "Find the pools in which clients wait",
        },
    ],
};

/// Where to ask.
#[derive(clap::Args, Clone)]
pub(crate) struct Args {
    /// The folder of control sockets [default: `run` beside the topology file]
    #[arg(long, value_name = "FOLDER")]
    run_folder: Option<PathBuf>,
}

/// One pool: of a database and a user, as `SHOW POOLS` has it.
#[expect(clippy::struct_field_names, reason = "as PgBouncer names them")]
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Pool {
    /// The database.
    database: Option<String>,
    /// The user.
    user: Option<String>,
    /// When a server connection is given back.
    pool_mode: Option<String>,
    /// Clients that have a server, or need none right now.
    client_active_count: Option<i64>,
    /// Clients that wait for a server.
    client_waiting_count: Option<i64>,
    /// How long the first of them has waited, in milliseconds.
    longest_wait_ms: Option<i64>,
    /// Servers that work for a client.
    server_active_count: Option<i64>,
    /// Servers that are free.
    server_idle_count: Option<i64>,
    /// Servers that were free for so long that they are tried before their next use.
    server_used_count: Option<i64>,
    /// Servers that are being reset or tried.
    server_tested_count: Option<i64>,
    /// Servers that are logging in.
    server_login_count: Option<i64>,
}

impl Record for Pool {
    const KIND: &'static str = "poolcfg.pool";
    const COLUMNS: &'static [&'static str] = &[
        "database",
        "user",
        "client_active_count",
        "client_waiting_count",
        "longest_wait_ms",
        "server_active_count",
        "server_idle_count",
    ];
}

/// The traffic of a database since its pooler started, as `SHOW STATS` and `SHOW DATABASES` have it.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Traffic {
    /// The database.
    database: Option<String>,
    /// Transactions.
    transaction_count: Option<i64>,
    /// Queries.
    query_count: Option<i64>,
    /// What clients have sent.
    received_bytes: Option<i64>,
    /// What clients were sent.
    sent_bytes: Option<i64>,
    /// How long transactions took altogether, in milliseconds.
    transaction_time_ms: Option<i64>,
    /// How long queries took altogether, in milliseconds.
    query_time_ms: Option<i64>,
    /// How long clients waited for servers altogether, in milliseconds.
    wait_time_ms: Option<i64>,
    /// Server connections.
    connection_count: Option<i64>,
    /// Server connections at most; 0 is no limit.
    max_connection_count: Option<i64>,
    /// Whether it is paused.
    paused: Option<bool>,
    /// Whether it is disabled.
    disabled: Option<bool>,
}

impl Record for Traffic {
    const KIND: &'static str = "poolcfg.traffic";
    const COLUMNS: &'static [&'static str] = &[
        "database",
        "transaction_count",
        "query_count",
        "wait_time_ms",
        "connection_count",
        "max_connection_count",
        "paused",
    ];
}

/// One server of a balancer's backend, as `show stat` has it.
#[expect(clippy::struct_field_names, reason = "as HAProxy names them")]
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Server {
    /// The backend.
    backend: Option<String>,
    /// The server.
    server: Option<String>,
    /// Its state, as HAProxy writes it.
    state: Option<String>,
    /// The last check, as HAProxy writes it.
    check: Option<String>,
    /// What the last check found, in words.
    check_description: Option<String>,
    /// Sessions now.
    session_count: Option<i64>,
    /// Sessions at most, since the worker started.
    session_peak_count: Option<i64>,
    /// Sessions altogether.
    session_total_count: Option<i64>,
    /// Connections that wait for it.
    queued_count: Option<i64>,
    /// Connections to it that failed.
    connect_error_count: Option<i64>,
    /// Checks that failed while it was up.
    check_failure_count: Option<i64>,
    /// How often it went down.
    down_count: Option<i64>,
    /// How long it has been in this state, in seconds.
    state_seconds: Option<i64>,
}

impl Record for Server {
    const KIND: &'static str = "poolcfg.server";
    const COLUMNS: &'static [&'static str] = &[
        "backend",
        "server",
        "state",
        "check",
        "session_count",
        "queued_count",
        "connect_error_count",
        "state_seconds",
    ];
}

/// What one target says.
enum Said {
    Pools(Vec<Pool>, Vec<Traffic>),
    Servers(Vec<Server>),
}

/// Asks each target and writes a line for each pool, database and server.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    let targets = render::targets(cx)?;
    let config = cx.config()?;
    let answers = fanout::ask(cx, targets, |target, cx| {
        let (config, args) = (config.clone(), args.clone());
        async move {
            let said = match target.upstream_error() {
                Some(error) => Err(error),
                None => ask(&cx, &config, &target, &args).await,
            };
            (target, said)
        }
    })
    .await;
    for (target, said) in answers {
        match said {
            Ok(Said::Pools(pools, traffic)) => {
                for body in pools {
                    cx.output().line(&Line::ok(Some(target.name.clone()), false, body, Duration::ZERO))?;
                }
                for body in traffic {
                    cx.output().line(&Line::ok(Some(target.name.clone()), false, body, Duration::ZERO))?;
                }
            }
            Ok(Said::Servers(servers)) => {
                for body in servers {
                    cx.output().line(&Line::ok(Some(target.name.clone()), false, body, Duration::ZERO))?;
                }
            }
            Err(error) => failed(cx, &target, &error)?,
        }
    }
    Ok(())
}

fn failed(cx: &Context, target: &Target, error: &Error) -> Result<()> {
    let name = Some(target.name.clone());
    match target.kind {
        Kind::Balancer(_) => cx.output().line(&Line::<Server>::failed(name, error, Duration::ZERO)),
        _ => cx.output().line(&Line::<Pool>::failed(name, error, Duration::ZERO)),
    }
}

async fn ask(cx: &Context, config: &Config, target: &Target, args: &Args) -> Result<Said> {
    match &target.kind {
        Kind::Pooler(pooler) => cx.unless_ended(pools(cx, config, pooler)).await,
        Kind::Balancer(balancer) => cx.unless_ended(servers(config, balancer, args)).await,
        _ => Err(render::misplaced(target)),
    }
}

async fn pools(cx: &Context, config: &Config, pooler: &Pooler) -> Result<Said> {
    let console = Console::open(cx, config, pooler, &config.users.monitor).await?;
    let (pools, stats, databases) =
        (console.show("POOLS").await?, console.show("STATS").await?, console.show("DATABASES").await?);
    console.close().await;
    let is_own = |row: &&Row, column: &str| row.get(column) != Some("pgbouncer");
    let pools = pools.iter().filter(|row| is_own(row, "database")).map(Pool::from).collect();
    let traffic = databases.iter().filter(|row| is_own(row, "name")).map(|database| {
        let name = database.text("name");
        let stat = stats.iter().find(|row| row.get("database") == Some(&name));
        Traffic::new(name, database, stat)
    });
    Ok(Said::Pools(pools, traffic.collect()))
}

impl From<&Row> for Pool {
    fn from(row: &Row) -> Self {
        let waited = |row: &Row| Some(row.number("maxwait")? * 1000 + row.number("maxwait_us").unwrap_or(0) / 1000);
        Self {
            database: Some(row.text("database")),
            user: Some(row.text("user")),
            pool_mode: row.get("pool_mode").map(str::to_owned),
            client_active_count: row.number("cl_active"),
            client_waiting_count: row.number("cl_waiting"),
            longest_wait_ms: waited(row),
            server_active_count: row.number("sv_active"),
            server_idle_count: row.number("sv_idle"),
            server_used_count: row.number("sv_used"),
            server_tested_count: row.number("sv_tested"),
            server_login_count: row.number("sv_login"),
        }
    }
}

impl Traffic {
    fn new(name: String, database: &Row, stat: Option<&Row>) -> Self {
        let number = |column: &str| stat.and_then(|row| row.number(column));
        let millis = |column: &str| number(column).map(|micros| micros / 1000);
        let switch = |column: &str| database.number(column).map(|on| on != 0);
        Self {
            database: Some(name),
            transaction_count: number("total_xact_count"),
            query_count: number("total_query_count"),
            received_bytes: number("total_received"),
            sent_bytes: number("total_sent"),
            transaction_time_ms: millis("total_xact_time"),
            query_time_ms: millis("total_query_time"),
            wait_time_ms: millis("total_wait_time"),
            connection_count: database.number("current_connections"),
            max_connection_count: database.number("max_connections"),
            paused: switch("paused"),
            disabled: switch("disabled"),
        }
    }
}

async fn servers(config: &Config, balancer: &Balancer, args: &Args) -> Result<Said> {
    let run_folder = args.run_folder.clone().unwrap_or_else(|| render::run_folder(config));
    let socket = balancer.stats_socket.clone().unwrap_or_else(|| run_folder.join(format!("{}.sock", balancer.name)));
    let rows = socket::stats(&socket).await?;
    let server = |row: &socket::Stat| {
        let text = |column: &str| row.get(column).filter(|value| !value.is_empty()).cloned();
        let number = |column: &str| row.get(column).and_then(|value| value.parse().ok());
        Server {
            backend: text("pxname"),
            server: text("svname"),
            state: text("status"),
            check: text("check_status"),
            check_description: text("check_desc"),
            session_count: number("scur"),
            session_peak_count: number("smax"),
            session_total_count: number("stot"),
            queued_count: number("qcur"),
            connect_error_count: number("econ"),
            check_failure_count: number("chkfail"),
            down_count: number("chkdown"),
            state_seconds: number("lastchg"),
        }
    };
    let is_server = |row: &&socket::Stat| row.get("type").is_some_and(|kind| kind == "2");
    Ok(Said::Servers(rows.iter().filter(is_server).map(server).collect()))
}
