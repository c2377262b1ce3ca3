//! What rules look at: the given files, the topology, and the numbers that neither holds.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use flotilla::config::Config;
use flotilla::{Code, Error, Result};

use super::patroni::Patroni;
use super::pgdog::Pgdog;
use crate::haproxy::cfg::Cfg;
use crate::haproxy::proxy::Proxy;
use crate::pgbouncer::settings::Settings;
use crate::version::{Program, Versions};

/// Everything that is judged together.
pub(crate) struct World<'a> {
    /// The files.
    pub(crate) subjects: Vec<Subject>,
    /// The topology, where there is one.
    pub(crate) config: Option<&'a Config>,
    /// Numbers from flags.
    pub(crate) given: Given,
}

/// Numbers that flags give.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Given {
    /// PostgreSQL's `max_connections`.
    pub(crate) max_connections: Option<i64>,
    /// How many seconds a failover may take until clients are served again.
    pub(crate) rto_seconds: Option<f64>,
}

/// One file.
#[derive(Debug)]
pub(crate) struct Subject {
    /// Where it is, or would be.
    pub(crate) path: PathBuf,
    /// Its text.
    pub(crate) text: String,
    /// Whether it lies on the disk as it is.
    pub(crate) is_file: bool,
    /// What it holds.
    pub(crate) kind: Kind,
}

/// What a file holds.
#[derive(Debug)]
pub(crate) enum Kind {
    /// PgBouncer's settings.
    Pgbouncer(Box<Settings>),
    /// HAProxy's.
    Haproxy(Cfg),
    /// PgDog's.
    Pgdog(Box<Pgdog>),
    /// Patroni's.
    Patroni(Patroni),
}

impl Subject {
    /// Whose file a text is by its name and content, and what it holds.
    pub(crate) fn new(path: &Path, text: String, is_file: bool, versions: Versions) -> Result<Self> {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        let first = |word: &str| text.lines().any(|line| line.split_whitespace().next() == Some(word));
        let section = |name: &str| text.lines().any(|line| line.trim() == name);
        let kind = if matches!(extension, "yml" | "yaml") {
            Kind::Patroni(Patroni::parse(&text).map_err(|e| e.within(path.display()))?)
        } else if extension == "toml" {
            Kind::Pgdog(Box::new(Pgdog::parse(&text).map_err(|e| e.within(path.display()))?))
        } else if section("[pgbouncer]") || section("[databases]") || extension == "ini" {
            Kind::Pgbouncer(Box::new(Settings::new(path, &text, versions.of(Program::Pgbouncer))))
        } else if extension == "cfg" || ["global", "defaults", "frontend", "listen"].into_iter().any(first) {
            Kind::Haproxy(Cfg::parse(&text))
        } else {
            return Err(Error::new(
                Code::Input,
                format!("{}: whose configuration this is can't be seen", path.display()),
            )
            .hint("Give PgBouncer's .ini, HAProxy's .cfg, PgDog's .toml or Patroni's .yml."));
        };
        Ok(Self { path: path.to_owned(), text, is_file, kind })
    }

    /// The file behind a number: itself, or one that it includes.
    pub(crate) fn file(&self, number: usize) -> &Path {
        match &self.kind {
            Kind::Pgbouncer(settings) => settings.ini.files.get(number).unwrap_or(&self.path),
            _ => &self.path,
        }
    }
}

impl World<'_> {
    /// Every PgBouncer's settings, with the subject's number.
    pub(crate) fn pgbouncers(&self) -> impl Iterator<Item = (usize, &Settings)> {
        self.subjects.iter().enumerate().filter_map(|(at, subject)| match &subject.kind {
            Kind::Pgbouncer(settings) => Some((at, settings.as_ref())),
            _ => None,
        })
    }

    /// Every HAProxy's file.
    pub(crate) fn haproxies(&self) -> impl Iterator<Item = (usize, &Cfg)> {
        self.subjects.iter().enumerate().filter_map(|(at, subject)| match &subject.kind {
            Kind::Haproxy(cfg) => Some((at, cfg)),
            _ => None,
        })
    }

    /// Every proxy of these kinds in every HAProxy's file.
    pub(crate) fn proxies<'b>(&'b self, kinds: &'b [&'b str]) -> impl Iterator<Item = (usize, Proxy<'b>)> {
        self.haproxies().flat_map(move |(at, cfg)| Proxy::all(cfg, kinds).map(move |proxy| (at, proxy)))
    }

    /// Every PgDog's file.
    pub(crate) fn pgdogs(&self) -> impl Iterator<Item = (usize, &Pgdog)> {
        self.subjects.iter().enumerate().filter_map(|(at, subject)| match &subject.kind {
            Kind::Pgdog(pgdog) => Some((at, pgdog.as_ref())),
            _ => None,
        })
    }

    /// Every Patroni's file.
    pub(crate) fn patronis(&self) -> impl Iterator<Item = (usize, &Patroni)> {
        self.subjects.iter().enumerate().filter_map(|(at, subject)| match &subject.kind {
            Kind::Patroni(patroni) => Some((at, patroni)),
            _ => None,
        })
    }

    /// PostgreSQL's `max_connections`: by flag, by Patroni's file, by the topology.
    pub(crate) fn max_connections(&self) -> Option<i64> {
        let patroni = || self.patronis().filter_map(|(_, patroni)| patroni.max_connections).min();
        let topology = || self.config.and_then(|config| config.postgresql.max_connections).map(i64::from);
        self.given.max_connections.or_else(patroni).or_else(topology)
    }

    /// What poolers may take of a server's connections.
    pub(crate) fn usable(&self) -> Option<i64> {
        let defaults = flotilla::config::PostgresqlSettings::default();
        let settings = self.config.map_or(&defaults, |config| &config.postgresql);
        let kept = i64::from(settings.superuser_reserved_connections) + i64::from(settings.direct_connections);
        self.max_connections().map(|most| most - kept)
    }

    /// How many seconds a failover may take: what was promised. Shards may promise differently, and files
    /// don't say whose they are; the longest is what none of them may break.
    pub(crate) fn rto_seconds(&self) -> Option<f64> {
        let promised = || self.config.and_then(|config| config.shards.iter().map(|shard| shard.rto_seconds).max());
        self.given.rto_seconds.or_else(|| promised().map(f64::from))
    }

    /// How many seconds a failover takes at worst until a node is the primary and balancers know it: by
    /// Patroni's file and HAProxy's. What was promised, where there are none.
    pub(crate) fn failover_seconds(&self) -> Option<f64> {
        let lease = self.patronis().map(|(_, patroni)| patroni.ttl()).max();
        #[expect(clippy::cast_precision_loss, reason = "seconds and milliseconds of configuration are small")]
        let lease = lease.map(|ttl| ttl as f64 + self.detection_seconds());
        lease.or(self.rto_seconds())
    }

    /// How many seconds balancers take to see a change at worst.
    pub(crate) fn detection_seconds(&self) -> f64 {
        let backends = self.proxies(&["backend", "listen"]);
        let writing = backends.filter(|(_, proxy)| proxy.checked_path().is_some_and(is_write_path));
        let millis = writing.flat_map(|(_, proxy)| proxy.servers()).map(|server| {
            let inter = server.millis("inter").unwrap_or(2000);
            let count = |word, default| server.value(word).and_then(|n| n.parse::<u64>().ok()).unwrap_or(default);
            inter.saturating_mul(count("fall", 3).max(count("rise", 2)))
        });
        #[expect(clippy::cast_precision_loss, reason = "seconds and milliseconds of configuration are small")]
        let seconds = millis.max().unwrap_or(0) as f64 / 1000.0;
        seconds
    }

    /// The ports at which poolers listen that balancers may lead to.
    pub(crate) fn pooler_ports(&self) -> Vec<u16> {
        let mut ports: Vec<u16> =
            self.pgbouncers().filter_map(|(_, settings)| u16::try_from(settings.number("listen_port")).ok()).collect();
        ports.extend(self.config.into_iter().flat_map(|config| &config.poolers).map(|pooler| pooler.port));
        // What PgBouncer takes where nothing is said.
        ports.push(6432);
        ports
    }

    /// The least `statement_timeout` of an application, in seconds.
    pub(crate) fn statement_timeouts(&self) -> impl Iterator<Item = u32> {
        let apps = self.config.into_iter().flat_map(|config| &config.applications);
        apps.filter_map(|app| app.statement_timeout_seconds).filter(|seconds| *seconds > 0)
    }
}

/// Whether a path of Patroni's answers well on the primary alone.
pub(crate) fn is_write_path(path: &str) -> bool {
    matches!(bare(path), "/" | "/primary" | "/read-write" | "/leader" | "/master")
}

/// Whether it answers well on replicas.
pub(crate) fn is_read_path(path: &str) -> bool {
    matches!(
        bare(path),
        "/replica"
            | "/read-only"
            | "/sync"
            | "/synchronous"
            | "/quorum"
            | "/async"
            | "/asynchronous"
            | "/read-only-sync"
            | "/read-only-quorum"
    )
}

/// A path without what is asked of it.
pub(crate) fn bare(path: &str) -> &str {
    path.split('?').next().unwrap_or(path)
}

/// Whether nobody but this machine can come by this host; a Unix socket too.
pub(crate) fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.is_empty()
        || host.starts_with('/')
        || host == "localhost"
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether a host has to be looked up.
pub(crate) fn is_name(host: &str) -> bool {
    !host.is_empty() && !host.starts_with('/') && host != "localhost" && host.parse::<IpAddr>().is_err()
}
