//! Settings of servers, held against their machines and their load.

use std::collections::BTreeMap;

use flotilla::config::{Config, Disk, Shard};
use flotilla::{Context, Result};
use serde::Deserialize;

use super::advice::{Advice, Found, Kind};
use super::machine::Machine;
use super::schema::Schema;
use super::sight::{Counted, Sight};
use super::{checkpoints, memory, mending};

/// What a server says of itself. Sizes are in bytes.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Server {
    #[serde(skip)]
    pub(super) node: String,
    #[serde(skip)]
    pub(super) machine: Machine,
    #[serde(skip)]
    counted: Option<Counted>,
    pub(super) shared_buffers: f64,
    pub(super) effective_cache_size: f64,
    pub(super) work_mem: f64,
    pub(super) maintenance_work_mem: f64,
    pub(super) connections: f64,
    /// How large all its databases are.
    pub(super) data: f64,
    pub(super) random_page_cost: f64,
    pub(super) huge_pages: String,
    pub(super) shared_huge_pages: f64,
    pub(super) autovacuum: String,
    pub(super) max_wal_size: f64,
    pub(super) checkpoint_seconds: f64,
    pub(super) completion: f64,
    pub(super) timed: f64,
    pub(super) requested: f64,
    pub(super) wal: f64,
    pub(super) wal_counted: f64,
    folder: Option<String>,
    pub(super) is_standby: bool,
}

impl Server {
    /// What of its machine's memory is this server's.
    pub(super) fn memory(&self) -> Option<f64> {
        self.machine.memory
    }
}

const SQL: &str = "\
SELECT pg_size_bytes(current_setting('shared_buffers')) AS shared_buffers, \
 pg_size_bytes(current_setting('effective_cache_size')) AS effective_cache_size, \
 pg_size_bytes(current_setting('work_mem')) AS work_mem, \
 pg_size_bytes(current_setting('maintenance_work_mem')) AS maintenance_work_mem, \
 current_setting('max_connections')::float8 AS connections, \
 (SELECT sum(pg_database_size(oid)) FROM pg_database WHERE NOT datistemplate) AS data, \
 current_setting('random_page_cost')::float8 AS random_page_cost, current_setting('huge_pages') AS huge_pages, \
 coalesce(nullif(current_setting('shared_memory_size_in_huge_pages', true), ''), '-1')::float8 AS shared_huge_pages, \
 current_setting('autovacuum') AS autovacuum, pg_size_bytes(current_setting('max_wal_size')) AS max_wal_size, \
 (SELECT setting::float8 FROM pg_settings WHERE name = 'checkpoint_timeout') AS checkpoint_seconds, \
 current_setting('checkpoint_completion_target')::float8 AS completion, \
 b.checkpoints_timed AS timed, b.checkpoints_req AS requested, \
 w.wal_bytes AS wal, extract(epoch FROM clock_timestamp() - w.stats_reset) AS wal_counted, \
 current_setting('data_directory', true) AS folder, pg_is_in_recovery() AS is_standby \
FROM pg_stat_bgwriter AS b, pg_stat_wal AS w";

/// Reads each node's.
pub(super) async fn read(cx: &Context, config: &Config, sight: &Sight, found: &mut Found) -> Result<Vec<Server>> {
    let mut servers = Vec::new();
    for seat in &sight.seats {
        for mut server in seat.rows::<Server>(cx, SQL).await? {
            server.machine = Machine::of(cx, config, seat, server.folder.as_deref(), found).await?;
            server.node.clone_from(&seat.node.name);
            server.counted = Some(seat.counted.clone());
            servers.push(server);
        }
    }
    Ok(servers)
}

/// A setting that should be another.
pub(super) struct Change {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) restarts: bool,
    pub(super) seen: Vec<(&'static str, f64, &'static str)>,
    pub(super) why: String,
    pub(super) formula: String,
    /// What was seen has been counted since the statistics began.
    pub(super) is_counted: bool,
    /// What has to be done to the machine before.
    pub(super) commands: Vec<String>,
}

/// A change, since when its evidence has been counted, and the nodes that need it.
type Wanted = (Change, Option<Counted>, Vec<String>);

/// Advises on each setting; nodes that need the same share a line.
pub(super) fn advise(shard: &Shard, servers: &[Server], schema: &Schema, found: &mut Found) {
    let mut changes: BTreeMap<(&'static str, String), Wanted> = BTreeMap::new();
    for server in servers {
        let all = memory::changes(server, schema).into_iter().chain(checkpoints::change(server)).chain(others(server));
        for change in all {
            let key = (change.name, change.value.clone());
            let nodes = &mut changes.entry(key).or_insert((change, server.counted.clone(), Vec::new())).2;
            nodes.push(server.node.clone());
        }
    }
    for (change, counted, nodes) in changes.into_values() {
        let (sql, by_patroni) = mending::set(shard, change.name, &change.value, change.restarts);
        let mut advice = Advice::new(Kind::Setting, change.name)
            .nodes(nodes)
            .why(change.why)
            .formula(change.formula)
            .remedy(mending::setting(shard, change.restarts))
            .sql(sql)
            .commands(change.commands.into_iter().chain(by_patroni).collect());
        for (figure, value, unit) in change.seen {
            advice = advice.seen(figure, value, unit);
        }
        found.push(match counted.filter(|_| change.is_counted) {
            Some(counted) => advice.counted_by(&counted),
            None => advice,
        });
    }
}

/// Where reading here and there is as fast as in a row, it costs nearly as much.
const SOLID_STATE_COST: f64 = 1.1;

fn others(server: &Server) -> Vec<Change> {
    let mut changes = Vec::new();
    if server.machine.disk == Some(Disk::SolidState) && server.random_page_cost > 2.0 {
        changes.push(Change {
            name: "random_page_cost",
            value: SOLID_STATE_COST.to_string(),
            restarts: false,
            seen: vec![("random_page_cost", server.random_page_cost, "")],
            why: "the data lies on a solid-state disk, and the planner avoids indexes as if its head had to move"
                .to_owned(),
            formula: format!("a page here and there costs {SOLID_STATE_COST} times one in a row on such disks"),
            is_counted: false,
            commands: Vec::new(),
        });
    }
    if server.autovacuum == "off" {
        changes.push(Change {
            name: "autovacuum",
            value: "on".to_owned(),
            restarts: false,
            seen: Vec::new(),
            why: "dead rows stay, statistics grow old, and the server stops when transaction ids run out".to_owned(),
            formula: "on, always".to_owned(),
            is_counted: false,
            commands: Vec::new(),
        });
    }
    changes
}
