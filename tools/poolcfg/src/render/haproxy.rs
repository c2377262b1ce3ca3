//! `haproxy.cfg` of one balancer.

use std::net::Ipv6Addr;
use std::path::Path;

use flotilla::config::{Balancer, Config, Node, Shard};
use flotilla::{Error, Result, availability};
use serde::Serialize;

use super::{Certificates, template, text, unknown};
use crate::version::Version;

#[derive(Serialize)]
struct Values<'a> {
    name: &'a str,
    config: &'a str,
    version: String,
    /// Whether the release hands listeners over only when told to.
    expose_fd: bool,
    socket: String,
    maxconn: u32,
    address: String,
    stats_port: Option<u16>,
    stats_allow: String,
    authority: &'a str,
    shards: Vec<ShardValues<'a>>,
    haproxy: Settings,
}

#[derive(Serialize)]
struct ShardValues<'a> {
    name: &'a str,
    write_port: Option<u16>,
    read_port: Option<u16>,
    /// How the pooler on a node and Patroni beside it are asked in one; none where nodes are led to.
    probe: Option<Probe>,
    nodes: Vec<NodeValues<'a>>,
}

#[derive(Serialize)]
struct Probe {
    port: u16,
    tls: bool,
}

#[derive(Serialize)]
struct NodeValues<'a> {
    name: &'a str,
    host: &'a str,
    address: String,
    port: u16,
    patroni: Endpoint,
}

/// Where Patroni's REST interface is.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    /// Whether it is asked by https.
    pub tls: bool,
    /// Its host.
    pub address: String,
    /// Its port.
    pub port: u16,
}

#[derive(Serialize)]
struct Settings {
    max_lag_bytes: u64,
    inter_ms: u32,
    fastinter_ms: u32,
    fall: u32,
    rise: u32,
}

/// The configuration, for a release, of the balancer of this name; its control socket lies in `run`.
pub fn haproxy(config: &Config, name: &str, run: &Path, version: Version) -> Result<String> {
    let balancer = config.balancers.iter().find(|b| b.name == name).ok_or_else(|| unknown(config, "balancer", name))?;
    let checks = availability::checks(config);
    let shards: Result<Vec<_>> = config.shards.iter().map(|shard| values(config, shard)).collect();
    template::fill(
        include_str!("haproxy.cfg.j2"),
        &Values {
            name,
            config: text(&config.path)?,
            version: version.to_string(),
            expose_fd: version < Version::new(3, 1),
            socket: text(&balancer.stats_socket.clone().unwrap_or_else(|| run.join(format!("{name}.sock"))))?
                .to_owned(),
            maxconn: connections(config),
            address: balancer.hostaddr.map_or_else(|| balancer.host.clone(), |a| a.to_string()),
            stats_port: balancer.stats_port,
            stats_allow: allowed(config, balancer)?,
            authority: text(Certificates::of(config)?.authority)?,
            shards: shards?,
            haproxy: Settings {
                max_lag_bytes: config.haproxy.max_lag_bytes,
                inter_ms: checks.inter_ms,
                fastinter_ms: checks.fastinter_ms,
                fall: checks.fall,
                rise: checks.rise,
            },
        },
    )
}

/// Every server connection that all poolers may open, and as much again for direct clients.
fn connections(config: &Config) -> u32 {
    let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    let databases = count(config.shards.len()).saturating_mul(2);
    let pooled = config.pgbouncer.default_pool_size.saturating_mul(2);
    count(config.poolers.len()).saturating_mul(databases).saturating_mul(pooled).saturating_mul(2).max(1000)
}

/// The networks that may see a balancer's statistics, where that must be said: past a loopback address
/// everybody may come by.
fn allowed(config: &Config, balancer: &Balancer) -> Result<String> {
    let given = config.haproxy.stats_allow.clone();
    let is_loopback = balancer.hostaddr.is_some_and(|address| address.is_loopback()) || balancer.host == "localhost";
    let networks = match given {
        Some(networks) => networks,
        None if is_loopback => Vec::new(),
        None => vec!["127.0.0.0/8".to_owned(), "::1".to_owned()],
    };
    let plain =
        |network: &String| !network.is_empty() && network.bytes().all(|b| b.is_ascii_hexdigit() || b".:/".contains(&b));
    match networks.iter().find(|network| !plain(network)) {
        Some(bad) => {
            Err(Error::config(format!("{}: haproxy.stats_allow: {bad:?} is no network", config.path.display()))
                .hint("Write addresses or networks, as \"10.0.0.0/8\"."))
        }
        None => Ok(networks.join(" ")),
    }
}

fn values<'a>(config: &'a Config, shard: &'a Shard) -> Result<ShardValues<'a>> {
    let nodes: Result<Vec<_>> = shard.nodes.iter().map(|node| node_values(config, node)).collect();
    let nodes = nodes?;
    let probe = if config.poolers_are_on_nodes() { Some(probe(config, shard, &nodes)?) } else { None };
    Ok(ShardValues { name: &shard.name, write_port: shard.write_port, read_port: shard.read_port, probe, nodes })
}

/// One check of pooler and role for all servers of a backend: that needs Patroni at the address that clients
/// are led to, and at one port.
fn probe(config: &Config, shard: &Shard, nodes: &[NodeValues<'_>]) -> Result<Probe> {
    let at = config.path.display();
    let first = nodes.first().map(|node| (node.patroni.port, node.patroni.tls));
    let (port, tls) = first.ok_or_else(|| Error::config(format!("{at}: shard \"{}\" has no nodes", shard.name)))?;
    for node in nodes {
        if node.patroni.address != node.address {
            return Err(Error::config(format!(
                "{at}: node \"{}\": Patroni is at {}, the pooler at {}",
                node.name, node.patroni.address, node.address
            ))
            .hint("Where poolers run on the nodes, one check asks both: give them one address."));
        }
        if (node.patroni.port, node.patroni.tls) != (port, tls) {
            return Err(Error::config(format!(
                "{at}: Patroni's REST interfaces of shard \"{}\" differ in their ports",
                shard.name
            ))
            .hint("Where poolers run on the nodes, one check is made for all of a shard: give them one port."));
        }
    }
    Ok(Probe { port, tls })
}

fn node_values<'a>(config: &'a Config, node: &'a Node) -> Result<NodeValues<'a>> {
    let at = config.path.display();
    let url = node.patroni.as_deref().ok_or_else(|| {
        Error::config(format!("{at}: node \"{}\" has no patroni URL", node.name))
            .hint("HAProxy asks Patroni which node is the primary; set `patroni`, as \"https://10.0.0.1:8008\".")
    })?;
    let patroni = endpoint(url).ok_or_else(|| {
        Error::config(format!("{at}: node \"{}\": {url:?} is not a URL of Patroni's REST interface", node.name))
            .hint("Write it as \"https://10.0.0.1:8008\".")
    })?;
    // Clients are led to the pooler where one runs on the node, and see its certificate.
    let pooler = config.pooler_on(&node.name);
    Ok(NodeValues {
        name: &node.name,
        host: &node.host,
        address: node.hostaddr.map_or_else(|| node.host.clone(), |a| a.to_string()),
        port: pooler.map_or(node.port, |pooler| pooler.port),
        patroni,
    })
}

/// Scheme, host and port of a URL without a path.
pub fn endpoint(url: &str) -> Option<Endpoint> {
    let (tls, rest) = match url.split_once("://")? {
        ("https", rest) => (true, rest),
        ("http", rest) => (false, rest),
        _ => return None,
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (address, port) = match rest.strip_prefix('[') {
        // An IPv6 address keeps its brackets, with a port or without.
        Some(_) => rest.split_at(rest.find(']')? + 1),
        None => rest.split_at(rest.find(':').unwrap_or(rest.len())),
    };
    let port = match port.strip_prefix(':') {
        Some(port) => port.parse().ok()?,
        None if port.is_empty() => 8008,
        None => return None,
    };
    // What stands in another program's configuration must not be able to end its word there.
    let good = match address.strip_prefix('[').and_then(|address| address.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => !address.is_empty() && address.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)),
    };
    good.then(|| Endpoint { tls, address: address.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, endpoint};

    #[test]
    fn urls_of_patroni_are_read_or_refused() {
        let https = Endpoint { tls: true, address: "127.0.0.11".to_owned(), port: 15008 };
        assert_eq!(endpoint("https://127.0.0.11:15008"), Some(https));
        let plain = Endpoint { tls: false, address: "node".to_owned(), port: 8008 };
        assert_eq!(endpoint("http://node/"), Some(plain));
        let sixth = Endpoint { tls: true, address: "[fe80::a:1]".to_owned(), port: 8008 };
        assert_eq!(endpoint("https://[fe80::a:1]"), Some(sixth));
        for bad in [
            "node:8008",
            "ftp://node",
            "https://",
            "https://node:x",
            "https://u@node:1",
            "https://node/path",
            "https://[::",
            "https://[::1]x",
            "https://::1",
            "https://node\tbackup",
            "https://node\n",
        ] {
            assert_eq!(endpoint(bad), None, "{bad}");
        }
    }
}
