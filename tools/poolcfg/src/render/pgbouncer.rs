//! `pgbouncer.ini` of one pooler.

use std::net::IpAddr;

use flotilla::config::Config;
use flotilla::{Error, Result, availability};
use serde::Serialize;

use super::{Certificates, template, text, unknown};
use crate::pgbouncer::keys::Key;
use crate::version::Version;

#[derive(Serialize)]
struct Values<'a> {
    name: &'a str,
    config: &'a str,
    version: String,
    on_node: bool,
    prepared: bool,
    shards: Vec<Shard<'a>>,
    hosts: String,
    dbname: String,
    address: String,
    port: u16,
    verifiers: &'a str,
    admin: &'a str,
    monitor: &'a str,
    tls: &'a str,
    authority: &'a str,
    pgbouncer: Settings<'a>,
}

#[derive(Serialize)]
struct Shard<'a> {
    name: &'a str,
    write_port: Option<u16>,
    read_port: Option<u16>,
}

#[derive(Serialize)]
struct Settings<'a> {
    pool_mode: &'a str,
    max_client_conn: u32,
    default_pool_size: u32,
    server_lifetime: u32,
    server_login_retry: u32,
    query_wait_timeout: u32,
}

/// The configuration of the pooler of this name, for a release.
pub fn pgbouncer<'a>(config: &'a Config, name: &'a str, version: Version) -> Result<String> {
    let pooler = config.poolers.iter().find(|p| p.name == name).ok_or_else(|| unknown(config, "pooler", name))?;
    let at = config.path.display();
    if config.balancers.is_empty() && pooler.node.is_none() {
        return Err(Error::config(format!("{at}: there are no balancers"))
            .hint("A pooler reaches the shards through [[balancers]]; add one."));
    }
    let verifiers = config.secrets.verifiers.as_deref().ok_or_else(|| {
        Error::config(format!("{at}: secrets.verifiers is not set"))
            .hint("PgBouncer lets clients in by SCRAM verifiers; name their file.")
    })?;
    let certificates = Certificates::of(config)?;
    // PgBouncer has no hostaddr: it connects to addresses, and certificates carry those too.
    let address = |host: &str, hostaddr: Option<IpAddr>| hostaddr.map_or_else(|| host.to_owned(), |a| a.to_string());
    let (hosts, shards) = match &pooler.node {
        None => {
            let hosts = config.balancers.iter().map(|b| address(&b.host, b.hostaddr)).collect();
            let shard = |s: &'a flotilla::config::Shard| Shard {
                name: &s.name,
                write_port: s.write_port,
                read_port: s.read_port,
            };
            (hosts, config.shards.iter().map(shard).collect())
        }
        // Beside a node it leads to that one alone: who gets what is the balancers' choice.
        Some(name) => {
            let nodes = config.shards.iter().flat_map(|shard| shard.nodes.iter().map(move |node| (shard, node)));
            let mut own = nodes.filter(|(_, node)| node.name == *name);
            let (shard, node) = own.next_back().ok_or_else(|| unknown(config, "node", name))?;
            let port = Some(node.port);
            let shard = Shard { name: &shard.name, write_port: port, read_port: port };
            (vec![address(&node.host, node.hostaddr)], vec![shard])
        }
    };
    let hosts: Vec<String> = hosts;
    let (settings, waits) = (&config.pgbouncer, availability::waits(config));
    template::fill(
        include_str!("pgbouncer.ini.j2"),
        &Values {
            name,
            config: text(&config.path)?,
            version: version.to_string(),
            on_node: pooler.node.is_some(),
            prepared: Key::find("max_prepared_statements").is_some_and(|key| key.is_in(version)),
            shards,
            hosts: hosts.join(","),
            dbname: quoted(&config.cluster.dbname),
            address: address(&pooler.host, pooler.hostaddr),
            port: pooler.port,
            verifiers: text(verifiers)?,
            admin: &config.users.pool_admin,
            monitor: &config.users.monitor,
            tls: text(certificates.folder)?,
            authority: text(certificates.authority)?,
            pgbouncer: Settings {
                pool_mode: &settings.pool_mode,
                max_client_conn: settings.max_client_conn,
                default_pool_size: settings.default_pool_size,
                server_lifetime: settings.server_lifetime,
                server_login_retry: waits.server_login_retry,
                query_wait_timeout: waits.query_wait_timeout,
            },
        },
    )
}

/// A value of a connection string, in quotes where it needs them.
fn quoted(value: &str) -> String {
    let plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if plain { value.to_owned() } else { format!("'{}'", value.replace('\'', "''")) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn odd_names_are_quoted() {
        assert_eq!(super::quoted("app"), "app");
        assert_eq!(super::quoted("it's"), "'it''s'");
    }
}
