//! How many connections poolers may open to each server, in terms that can be added up by hand.

use std::collections::BTreeMap;

use flotilla::config::Config;

use super::world::{World, bare, is_read_path};
use crate::haproxy::proxy::Proxy;
use crate::pgbouncer::settings::{Named, Settings};

/// What a database leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    /// The primary.
    Write,
    /// Replicas.
    Read,
    /// One server, whatever it is.
    Node,
}

impl Way {
    /// The word for it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Read => "read",
            Self::Node => "node",
        }
    }
}

/// One addend: the pools of a database in a pooler.
#[derive(Clone, Debug)]
pub(crate) struct Term {
    /// The subject's number.
    pub(crate) subject: usize,
    /// The server, or the shard whose servers share it.
    pub(crate) server: String,
    /// What of it.
    pub(crate) way: Way,
    /// The database.
    pub(crate) database: String,
    /// How many users have pools.
    pub(crate) users: i64,
    /// Connections of a pool.
    pub(crate) pool_size: i64,
    /// What a pool may take besides when clients wait.
    pub(crate) reserve: i64,
    /// The cap over all users; 0 is none.
    pub(crate) cap: i64,
    /// How many processes or poolers open as many.
    pub(crate) times: i64,
    /// What it comes to; none where nothing bounds it.
    pub(crate) connections: Option<i64>,
}

/// What a server, or the worst of a shard's, must carry.
#[derive(Clone, Debug)]
pub(crate) struct Sum {
    /// Its name.
    pub(crate) server: String,
    /// How many replicas there are.
    pub(crate) replicas: i64,
    /// Connections for writes.
    pub(crate) writes: i64,
    /// Connections for reads, over all replicas.
    pub(crate) reads: i64,
    /// What the primary carries now.
    pub(crate) now: i64,
    /// What the one that takes over carries when a node is lost.
    pub(crate) after_loss: i64,
}

/// The whole sum.
#[derive(Clone, Debug, Default)]
pub(crate) struct Capacity {
    /// The addends.
    pub(crate) terms: Vec<Term>,
    /// By server.
    pub(crate) sums: Vec<Sum>,
}

impl Capacity {
    /// Adds up what all poolers of the world may open.
    pub(crate) fn of(world: &World<'_>) -> Self {
        let poolers = world.pgbouncers().count();
        // One file stands for all poolers of the topology, for all are rendered alike.
        let alike = world.config.filter(|c| !c.poolers_are_on_nodes()).map_or(1, |c| c.poolers.len());
        let times = if poolers == 1 { i64::try_from(alike).unwrap_or(1).max(1) } else { 1 };
        let mut terms = Vec::new();
        let mut replicas: BTreeMap<String, i64> = BTreeMap::new();
        for (subject, settings) in world.pgbouncers() {
            let logins = users(world.config, settings);
            for database in &settings.databases {
                let (server, way, others) = destination(world, database);
                replicas.insert(server.clone(), others);
                terms.push(term(subject, settings, database, (server, way), logins, times * settings.processes()));
            }
        }
        let sums = replicas.into_iter().map(|(server, replicas)| sum(world, &terms, server, replicas)).collect();
        Self { terms, sums }
    }
}

/// How many users may have pools: those with a password in the file; none where that can't be known.
fn users(config: Option<&Config>, settings: &Settings) -> Option<i64> {
    let consoles = |name: &String| settings.list("admin_users").contains(&name.as_str());
    if let Some(logins) = settings.logins() {
        let count = logins.iter().filter(|name| !consoles(name)).count();
        return i64::try_from(count).ok();
    }
    if settings.get("auth_user").is_some_and(|user| !user.is_empty()) {
        return None;
    }
    // What `shardctl init` makes, and applications besides.
    config.map(|config| {
        let users = &config.users;
        let mut names = vec![&users.app, &users.app_ro, &users.migrator, &users.monitor, &users.backup];
        names.extend(config.applications.iter().map(|app| &app.user));
        names.sort_unstable();
        names.dedup();
        i64::try_from(names.len()).unwrap_or(1)
    })
}

fn term(
    subject: usize,
    settings: &Settings,
    database: &Named,
    (server, way): (String, Way),
    logins: Option<i64>,
    times: i64,
) -> Term {
    let pool_size =
        database.number("pool_size").filter(|n| *n >= 0).unwrap_or_else(|| settings.number("default_pool_size"));
    let reserve = database.number("reserve_pool_size").or_else(|| database.number("reserve_pool"));
    let reserve = reserve.unwrap_or_else(|| settings.number("reserve_pool_size")).max(0);
    let cap = database.number("max_db_connections").unwrap_or_else(|| settings.number("max_db_connections"));
    let forced = database.get("user").is_some();
    let users = if forced { Some(1) } else { logins };
    let per_user = settings.number("max_user_connections");
    let pool = pool_size.saturating_add(reserve);
    let pool = if per_user > 0 { pool.min(per_user) } else { pool };
    // From 1.24 on a pool of size 0 has no limit of its own.
    let open = pool_size == 0 && settings.version >= crate::version::Version::new(1, 24);
    let all = users.map(|users| users.saturating_mul(pool)).filter(|_| !open);
    let wild = database.name == "*";
    let one = match (all, cap > 0) {
        // Any number of databases, each with its own cap.
        _ if wild => users.filter(|_| per_user > 0 && cap > 0).map(|users| users.saturating_mul(per_user)),
        (Some(all), true) => Some(all.min(cap)),
        (None, true) => Some(cap),
        (all, false) => all,
    };
    Term {
        subject,
        server,
        way,
        database: database.name.clone(),
        users: users.unwrap_or(0),
        pool_size,
        reserve,
        cap: cap.max(0),
        times,
        connections: one.map(|one| one.saturating_mul(times)),
    }
}

/// The server that a database leads to, what of it, and how many replicas that has.
fn destination(world: &World<'_>, database: &Named) -> (String, Way, i64) {
    let port = database.number("port").and_then(|port| u16::try_from(port).ok()).unwrap_or(5432);
    let hosts = database.hosts();
    if let Some(config) = world.config {
        let is_balancer = |host: &&str| {
            config.balancers.iter().any(|b| b.host == **host || b.hostaddr.is_some_and(|a| a.to_string() == **host))
        };
        let balanced = hosts.iter().any(is_balancer);
        for shard in &config.shards {
            let replicas = i64::try_from(shard.nodes.len().saturating_sub(1)).unwrap_or(0);
            if balanced && shard.write_port == Some(port) {
                return (shard.name.clone(), Way::Write, replicas);
            }
            if balanced && shard.read_port == Some(port) {
                return (shard.name.clone(), Way::Read, replicas);
            }
            let is_node = |node: &&flotilla::config::Node| {
                let host = node.hostaddr.map_or_else(|| node.host.clone(), |a| a.to_string());
                node.port == port && hosts.iter().any(|own| *own == node.host || *own == host)
            };
            if let Some(node) = shard.nodes.iter().find(is_node) {
                return (node.name.clone(), Way::Node, 0);
            }
        }
    }
    let front =
        world.proxies(&["frontend", "listen"]).find(|(_, proxy)| proxy.binds().iter().any(|(_, own)| *own == port));
    if let Some((_, front)) = front {
        let backends = front.leads_to();
        let path = backends.iter().filter_map(|backend| backend.checked_path()).find(|path| is_read_path(bare(path)));
        let mut servers: Vec<String> =
            backends.iter().copied().flat_map(Proxy::servers).map(|s| s.host.to_owned()).collect();
        servers.sort_unstable();
        servers.dedup();
        if !servers.is_empty() {
            let replicas = i64::try_from(servers.len() - 1).unwrap_or(0);
            return (servers.join("+"), if path.is_some() { Way::Read } else { Way::Write }, replicas);
        }
    }
    let host = if hosts.is_empty() { "the local socket".to_owned() } else { hosts.join("+") };
    (format!("{host}:{port}"), Way::Node, 0)
}

fn sum(world: &World<'_>, terms: &[Term], server: String, replicas: i64) -> Sum {
    let of = |way: Way| -> i64 {
        let own = terms.iter().filter(|term| term.server == server && term.way == way);
        // What all databases of a pooler take together, no user may exceed.
        let mut by_pooler: BTreeMap<usize, i64> = BTreeMap::new();
        for term in own {
            *by_pooler.entry(term.subject).or_default() += term.connections.unwrap_or(0);
        }
        let capped = by_pooler.into_iter().map(|(subject, all)| {
            let limit =
                world.pgbouncers().find(|(at, _)| *at == subject).map(|(_, s)| s.number("max_user_connections"));
            let term = terms.iter().find(|term| term.subject == subject && term.server == server);
            match (limit, term) {
                (Some(limit), Some(term)) if limit > 0 && term.users > 0 => all.min(limit * term.users * term.times),
                _ => all,
            }
        });
        capped.sum()
    };
    let (writes, reads, node) = (of(Way::Write), of(Way::Read), of(Way::Node));
    let now = node + writes + if replicas == 0 { reads } else { 0 };
    // The one that takes over has its share of the reads still, and now all writes.
    let after_loss = node + writes + reads / (replicas - 1).max(1);
    Sum { server, replicas, writes: writes + node, reads, now, after_loss }
}
