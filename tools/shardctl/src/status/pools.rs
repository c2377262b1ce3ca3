//! The poolers: clients served, clients waiting, servers in use.

use std::time::{Duration, Instant};

use flotilla::Context;
use flotilla::config::Pooler;
use flotilla::error::Result;
use flotilla::fanout;
use flotilla::reach;
use flotilla::record::{Line, Record};
use schemars::JsonSchema;
use serde::Serialize;

/// One pool of one pooler.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub(crate) struct PoolStatus {
    /// The pooler's database: a shard, or a shard with `_ro`.
    database: Option<String>,
    /// The role that the pool belongs to.
    user: Option<String>,
    /// Clients that have a server, or need none now.
    clients_active: Option<u64>,
    /// Clients that wait for a server.
    clients_waiting: Option<u64>,
    /// Server connections in use.
    servers_active: Option<u64>,
    /// Server connections at rest.
    servers_idle: Option<u64>,
    /// How long the first client in the queue has waited, in milliseconds.
    max_wait_ms: Option<u64>,
}

impl Record for PoolStatus {
    const KIND: &'static str = "shardctl.pool";
    const COLUMNS: &'static [&'static str] =
        &["database", "user", "clients_active", "clients_waiting", "servers_active", "servers_idle", "max_wait_ms"];
}

/// What one pooler said.
pub(super) struct Answer {
    pooler: String,
    took: Duration,
    pools: Result<Vec<PoolStatus>>,
}

/// Asks every pooler's console.
pub(super) async fn read(cx: &Context) -> Result<Vec<Answer>> {
    let answers = fanout::ask(cx, cx.config()?.poolers.clone(), |pooler, cx| async move {
        let began = Instant::now();
        let pools = ask(&cx, &pooler).await;
        Answer { pooler: pooler.name, took: began.elapsed(), pools }
    })
    .await;
    cx.stop().check()?;
    Ok(answers)
}

/// Writes a line for each pool; a pooler that didn't answer is an error line.
pub(super) fn write(cx: &Context, answers: Vec<Answer>) -> Result<()> {
    for answer in answers {
        let target = Some(answer.pooler);
        match answer.pools {
            Ok(pools) => {
                for pool in pools {
                    cx.output().line(&Line::ok(target.clone(), false, pool, answer.took))?;
                }
            }
            Err(error) => cx.output().line(&Line::<PoolStatus>::failed(target, &error, answer.took))?,
        }
    }
    Ok(())
}

/// Reads columns by name: their set differs from one version of PgBouncer to the next.
async fn ask(cx: &Context, pooler: &Pooler) -> Result<Vec<PoolStatus>> {
    let config = cx.config()?;
    let session = cx.connect(reach::console(config, pooler, &config.users.monitor)?).await?;
    let rows = cx.guarded(session.canceller(), session.simple("SHOW POOLS")).await?;
    let pools = rows.iter().map(|row| {
        let text = |name: &str| row.try_get(name).ok().flatten();
        let number = |name: &str| text(name).and_then(|n| n.parse::<u64>().ok());
        PoolStatus {
            database: text("database").map(str::to_owned),
            user: text("user").map(str::to_owned),
            clients_active: number("cl_active"),
            clients_waiting: number("cl_waiting"),
            servers_active: number("sv_active"),
            servers_idle: number("sv_idle"),
            max_wait_ms: waiting(text("maxwait"), text("maxwait_us")),
        }
    });
    Ok(pools.filter(|p| p.database.as_deref() != Some("pgbouncer")).collect())
}

/// Whole seconds and the microseconds past them, as milliseconds.
pub fn waiting(seconds: Option<&str>, microseconds: Option<&str>) -> Option<u64> {
    let (seconds, microseconds) = (seconds?.parse::<u64>().ok()?, microseconds.and_then(|text| text.parse().ok()));
    Some(seconds.saturating_mul(1000).saturating_add(microseconds.unwrap_or(0_u64) / 1000))
}
