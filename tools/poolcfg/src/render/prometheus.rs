//! `prometheus.yml` and its rules: what the topology names is scraped, under names that every part knows.

use std::collections::BTreeMap;
use std::path::Path;

use flotilla::config::{Config, Exporter, ExporterKind, Redis, RedisRole};
use flotilla::reach::host_and_port;
use flotilla::target::{self, Kind, Target};
use flotilla::{Error, Result};
use serde::Serialize;

use super::{template, text};

/// The two files.
pub(crate) struct Files {
    /// `prometheus.yml`.
    pub(crate) settings: String,
    /// The rules.
    pub(crate) rules: String,
}

#[derive(Serialize)]
struct Values<'a> {
    config: &'a str,
    name: &'a str,
    jobs: Vec<Job<'a>>,
}

/// What is scraped alike.
#[derive(Serialize)]
struct Job<'a> {
    name: &'static str,
    scheme: &'a str,
    path: &'a str,
    /// The authority that signed what answers; empty for plain HTTP.
    authority: &'a str,
    /// The folder of the client certificate that it wants; empty where it wants none.
    client: &'a str,
    targets: Vec<Scraped>,
    /// The exporter that is asked for each of the targets; empty where they are asked themselves.
    through: String,
}

/// One address with what is known of it.
#[derive(Serialize)]
struct Scraped {
    address: String,
    labels: BTreeMap<&'static str, String>,
}

/// The files of this topology.
pub(crate) fn prometheus(config: &Config) -> Result<Files> {
    let authority = match &config.connect.sslrootcert {
        Some(path) if path != Path::new("system") => text(path)?,
        _ => "",
    };
    let folder = config.connect.sslrootcert.as_deref().and_then(Path::parent).unwrap_or(Path::new("."));
    let folder = text(folder)?;
    let mut jobs = Vec::new();
    let all = target::all(config);
    jobs.extend(patroni(config, authority)?);
    jobs.extend(haproxy(config));
    jobs.extend(etcd(config, authority, folder));
    jobs.extend(minio(config, authority)?);
    for kind in [
        ExporterKind::Postgresql,
        ExporterKind::Pgbouncer,
        ExporterKind::Redis,
        ExporterKind::Clickhouse,
        ExporterKind::Kafka,
        ExporterKind::Node,
        ExporterKind::Other,
    ] {
        jobs.extend(exporters(config, &all, kind, authority)?);
    }
    if jobs.is_empty() {
        return Err(Error::config(format!("{}: there is nothing to scrape", config.path.display()))
            .hint("Name Patroni's URLs, balancers' stats_port, etcd, or [[exporters]]."));
    }
    let values = Values { config: text(&config.path)?, name: &config.cluster.name, jobs };
    Ok(Files {
        settings: template::fill(include_str!("prometheus.yml.j2"), &values)?,
        rules: template::fill(include_str!("prometheus_rules.yml.j2"), &values)?,
    })
}

/// Patroni's own metrics: the role of each node.
fn patroni<'a>(config: &Config, authority: &'a str) -> Result<Option<Job<'a>>> {
    let mut targets = Vec::new();
    let mut scheme = "https";
    for shard in &config.shards {
        for node in &shard.nodes {
            let Some(url) = &node.patroni else { continue };
            let endpoint = super::patroni_endpoint(url).ok_or_else(|| {
                Error::config(format!("{}: node \"{}\": {url:?} is no URL", config.path.display(), node.name))
            })?;
            scheme = if endpoint.tls { "https" } else { "http" };
            let labels = [("shard", shard.name.clone()), ("node", node.name.clone())].into();
            targets.push(Scraped { address: format!("{}:{}", endpoint.address, endpoint.port), labels });
        }
    }
    Ok(job("patroni", scheme, "/metrics", authority, targets))
}

/// HAProxy shows metrics by itself, beside its statistics.
fn haproxy(config: &Config) -> Option<Job<'static>> {
    let target = |balancer: &flotilla::config::Balancer| {
        let host = balancer.hostaddr.map_or_else(|| balancer.host.clone(), |address| address.to_string());
        let labels = [("node", balancer.name.clone())].into();
        Some(Scraped { address: format!("{host}:{}", balancer.stats_port?), labels })
    };
    job("haproxy", "http", "/metrics", "", config.balancers.iter().filter_map(target).collect())
}

/// etcd lets in who has a client certificate.
fn etcd<'a>(config: &Config, authority: &'a str, folder: &'a str) -> Option<Job<'a>> {
    let target = |member: &flotilla::config::Etcd| {
        let (host, port) = host_and_port(&member.url);
        let labels = [("node", member.name.clone())].into();
        Scraped { address: format!("{host}:{}", port.unwrap_or(2379)), labels }
    };
    let scheme = if config.etcd.iter().any(|member| member.url.starts_with("https://")) { "https" } else { "http" };
    let mut job = job("etcd", scheme, "/metrics", authority, config.etcd.iter().map(target).collect())?;
    job.client = if scheme == "https" { folder } else { "" };
    Some(job)
}

/// MinIO's metrics of its cluster, where the service isn't Amazon's.
fn minio<'a>(config: &Config, authority: &'a str) -> Result<Option<Job<'a>>> {
    let mut targets = Vec::new();
    let mut scheme = "https";
    for store in &config.archive.stores {
        let Some(endpoint) = &store.endpoint else { continue };
        scheme = if endpoint.starts_with("https://") { "https" } else { "http" };
        let (host, port) = host_and_port(endpoint);
        if host.is_empty() {
            return Err(Error::config(format!(
                "{}: store \"{}\": {endpoint:?} is no URL",
                config.path.display(),
                store.name
            )));
        }
        let port = port.unwrap_or(if scheme == "https" { 443 } else { 80 });
        targets.push(Scraped { address: format!("{host}:{port}"), labels: [("node", store.name.clone())].into() });
    }
    Ok(job("minio", scheme, "/minio/v2/metrics/cluster", authority, targets))
}

fn exporters<'a>(
    config: &'a Config,
    all: &[Target],
    kind: ExporterKind,
    authority: &'a str,
) -> Result<Option<Job<'a>>> {
    let mut targets = Vec::new();
    let (mut scheme, mut path) = ("http", "/metrics");
    let of_many = |exporter: &&Exporter| exporter.kind == ExporterKind::Redis && exporter.of.is_none();
    if let Some(exporter) = config.exporters.iter().filter(|e| e.kind == kind).find(of_many) {
        return redis(config, exporter, authority);
    }
    for exporter in config.exporters.iter().filter(|exporter| exporter.kind == kind) {
        let (own, rest) = exporter.url.split_once("://").unwrap_or(("http", &exporter.url));
        let address = rest.split('/').next().unwrap_or(rest);
        let behind = rest.get(address.len()..).filter(|path| !path.is_empty()).unwrap_or("/metrics");
        if !targets.is_empty() && (own, behind) != (scheme, path) {
            return Err(Error::config(format!(
                "{}: exporters of kind {} differ in scheme or path",
                config.path.display(),
                kind.word()
            ))
            .hint("Prometheus scrapes a job in one way: give them the same scheme and path."));
        }
        (scheme, path) = (own, behind);
        let of = exporter.of.as_ref().and_then(|of| all.iter().find(|target| target.name == *of));
        targets.push(Scraped { address: address.to_owned(), labels: labels(of) });
    }
    let authority = if scheme == "https" { authority } else { "" };
    Ok(job(kind.word(), scheme, path, authority, targets))
}

/// One exporter that is asked for each Redis server by address.
fn redis<'a>(config: &'a Config, exporter: &'a Exporter, authority: &'a str) -> Result<Option<Job<'a>>> {
    if config.exporters.iter().filter(|other| other.kind == ExporterKind::Redis).count() > 1 {
        return Err(Error::config(format!(
            "{}: one exporter of kind redis is for all servers, and there are others",
            config.path.display()
        ))
        .hint("Say of which target each is, or name one alone."));
    }
    // The servers are reached as the tools reach them: by TLS where there is an authority.
    let redis = if authority.is_empty() { "redis" } else { "rediss" };
    let target = |server: &Redis| {
        let host = server.hostaddr.map_or_else(|| server.host.clone(), |address| address.to_string());
        let labels = [("node", server.name.clone())].into();
        Scraped { address: format!("{redis}://{host}:{}", server.port), labels }
    };
    let servers = config.redis.iter().filter(|server| server.role != RedisRole::Sentinel);
    let (scheme, rest) = exporter.url.split_once("://").unwrap_or(("http", &exporter.url));
    let address = rest.split('/').next().unwrap_or(rest);
    let path = rest.get(address.len()..).filter(|path| path.len() > 1).unwrap_or("/scrape");
    let job = job("redis", scheme, path, authority, servers.map(target).collect());
    Ok(job.map(|job| Job { through: address.to_owned(), ..job }))
}

/// Which node of which shard it is about.
fn labels(of: Option<&Target>) -> BTreeMap<&'static str, String> {
    let mut labels = BTreeMap::new();
    if let Some(target) = of {
        labels.insert("node", target.name.clone());
        if let (Kind::Node { .. }, Some(shard)) = (&target.kind, target.shard()) {
            labels.insert("shard", shard.name.clone());
        }
    }
    labels
}

fn job<'a>(
    name: &'static str,
    scheme: &'a str,
    path: &'a str,
    authority: &'a str,
    targets: Vec<Scraped>,
) -> Option<Job<'a>> {
    let authority = if scheme == "https" { authority } else { "" };
    (!targets.is_empty()).then_some(Job { name, scheme, path, authority, client: "", targets, through: String::new() })
}
