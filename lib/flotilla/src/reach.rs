//! Which path leads where: direct to a node, to a shard's primary, or through the poolers.
//!
//! Applications, and tools that stand in for them, go through PgBouncer and HAProxy. Whatever sets
//! up, watches or repairs a server goes to it directly, with several hosts and
//! `target_session_attrs`, and checks the role again on connect: a piped target may be stale.

use std::path::Path;
use std::time::Duration;

use crate::config::{Balancer, Config, Node, Shard};
use crate::error::{Code, Error, Result};
use crate::pg::{Endpoint, Host, SessionAttrs, Ssl, SslMode};
use crate::target::{Kind, Target};

/// Direct to one server, whatever its role.
pub fn node(config: &Config, node: &Node, user: &str) -> Result<Endpoint> {
    endpoint(config, vec![host(node)], user, &config.cluster.dbname)
}

/// Direct to the shard's primary, wherever it is now.
pub fn primary(config: &Config, shard: &Shard, user: &str) -> Result<Endpoint> {
    let hosts = shard.nodes.iter().map(host).collect();
    Ok(endpoint(config, hosts, user, &config.cluster.dbname)?.session_attrs(SessionAttrs::Primary))
}

/// Direct to the primary of a target: of the shard, or the node itself, which must then be one.
pub fn primary_of(config: &Config, target: &Target, user: &str) -> Result<Endpoint> {
    match &target.kind {
        Kind::Shard(shard) => primary(config, shard, user),
        Kind::Node { node, .. } => {
            let endpoint = endpoint(config, vec![host(node)], user, &config.cluster.dbname)?;
            Ok(endpoint.session_attrs(SessionAttrs::Primary))
        }
        _ => Err(not_postgres(target)),
    }
}

/// The node of a shard that a session was opened to.
pub fn node_at<'a>(shard: &'a Shard, found: &Host) -> Result<&'a Node> {
    let node = shard.nodes.iter().find(|node| host(node) == *found);
    node.ok_or_else(|| Error::internal(format!("no node of shard \"{}\" is the one that answered", shard.name)))
}

/// As an application writes: through the poolers, or to the primary where there are none.
pub fn writer(config: &Config, shard: &Shard, user: &str) -> Result<Endpoint> {
    if config.poolers.is_empty() {
        return primary(config, shard, user);
    }
    endpoint(config, pooled(config, shard, shard.write_port)?, user, &shard.name)
}

/// As an application reads from replicas: through the poolers, or to a standby where there are none.
pub fn reader(config: &Config, shard: &Shard, user: &str) -> Result<Endpoint> {
    if config.poolers.is_empty() {
        let hosts = shard.nodes.iter().map(host).collect();
        let endpoint = endpoint(config, hosts, user, &config.cluster.dbname)?;
        return Ok(endpoint.session_attrs(SessionAttrs::PreferStandby));
    }
    endpoint(config, pooled(config, shard, shard.read_port)?, user, &format!("{}_ro", shard.name))
}

/// Through the balancers to a shard's port that follows the primary; none where there is no such way.
pub fn balanced_writer(config: &Config, shard: &Shard, user: &str) -> Result<Option<Endpoint>> {
    balanced(config, &config.balancers, shard.write_port, user)
}

/// Through the balancers to a shard's port that spreads over the replicas; none where there is no such way.
pub fn balanced_reader(config: &Config, shard: &Shard, user: &str) -> Result<Option<Endpoint>> {
    balanced(config, &config.balancers, shard.read_port, user)
}

/// Through one balancer to the primary of a shard, which must be one.
pub fn balanced_by(config: &Config, balancer: &Balancer, shard: &Shard, user: &str) -> Result<Option<Endpoint>> {
    let endpoint = balanced(config, std::slice::from_ref(balancer), shard.write_port, user)?;
    Ok(endpoint.map(|endpoint| endpoint.session_attrs(SessionAttrs::Primary)))
}

fn balanced(config: &Config, balancers: &[Balancer], port: Option<u16>, user: &str) -> Result<Option<Endpoint>> {
    let Some(port) = port.filter(|_| !balancers.is_empty()) else { return Ok(None) };
    let hosts = balancers.iter().map(|b| Host::new(&*b.host, b.hostaddr, port)).collect();
    endpoint(config, hosts, user, &config.cluster.dbname).map(Some)
}

/// Direct to a pooler's console.
pub fn console(config: &Config, pooler: &crate::config::Pooler, user: &str) -> Result<Endpoint> {
    endpoint(config, vec![Host::new(&*pooler.host, pooler.hostaddr, pooler.port)], user, "pgbouncer")
}

/// Host and port of a URL, for people to read.
pub fn host_and_port(url: &str) -> (String, Option<u16>) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    match authority.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => (host.to_owned(), port.parse().ok()),
        _ => (authority.to_owned(), None),
    }
}

fn host(node: &Node) -> Host {
    Host::new(&*node.host, node.hostaddr, node.port)
}

/// Where clients find a shard's pools: at the poolers, or at the balancers in front of poolers on the nodes.
fn pooled(config: &Config, shard: &Shard, port: Option<u16>) -> Result<Vec<Host>> {
    if !config.poolers_are_on_nodes() {
        return Ok(config.poolers.iter().map(|p| Host::new(&*p.host, p.hostaddr, p.port)).collect());
    }
    let at = config.path.display();
    let port = port.filter(|_| !config.balancers.is_empty()).ok_or_else(|| {
        Error::config(format!("{at}: poolers are on the nodes, but no balancer leads to shard \"{}\"", shard.name))
            .hint("Add [[balancers]], and write_port and read_port to every shard.")
    })?;
    Ok(config.balancers.iter().map(|b| Host::new(&*b.host, b.hostaddr, port)).collect())
}

fn endpoint(config: &Config, hosts: Vec<Host>, user: &str, dbname: &str) -> Result<Endpoint> {
    let connect = &config.connect;
    let mode = match (&connect.sslmode, &connect.sslrootcert) {
        (Some(mode), _) => mode.parse()?,
        (None, Some(_)) => SslMode::VerifyFull,
        (None, None) => SslMode::Prefer,
    };
    let system = connect.sslrootcert.as_deref() == Some(Path::new("system"));
    let ssl = if system {
        Ssl { mode, roots: Some(crate::pg::RootSource::System), ..Ssl::default() }
    } else {
        Ssl::new(mode, connect.sslrootcert.as_deref())
    };
    Ok(Endpoint::new(hosts, user, dbname)
        .ssl(ssl)
        .connect_timeout(Duration::from_secs(connect.connect_timeout_seconds.max(1))))
}

fn not_postgres(target: &Target) -> Error {
    Error::new(Code::Unsupported, format!("\"{}\" is a {}, not a PostgreSQL server", target.name, target.kind_name()))
        .hint("Name a shard or a node; `shardctl targets --kind shard` lists them.")
}
