//! The kinds of servers and facts that can be asked. A new one is a new file and a line in [`all`].

mod backup;
mod certificate;
mod client;
mod disk;
mod etcd;
mod haproxy;
mod job;
mod migration;
mod patroni;
mod pgbouncer;
mod postgresql;
mod redis;
mod rows;
mod shard;
mod store;

use std::fmt;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use flotilla::config::{ArchiveStore, Config, Node};
use flotilla::fanout::BoxFuture;
use flotilla::pg::{Canceller, Session};
use flotilla::target::{self, Kind, Target};
use flotilla::tls::Identity;
use flotilla::{Code, Context, Error, Result, http, reach};
use tokio::time::Instant;

pub(crate) use backup::{last_good, newest as newest_backup, seconds_since};
pub(crate) use client::shard;
pub(crate) use disk::{is_here, is_ours};
pub(crate) use haproxy::balancer;
pub(crate) use patroni::Believed;
pub(crate) use pgbouncer::pooler;
pub(crate) use postgresql::{Heard, Seen, node};
pub(crate) use redis::{login as redis_login, server as redis_server};
pub(crate) use rows::text;

use crate::board::Board;
use crate::check::Check;
use crate::kept::Kept;

/// Something that can be asked how it is.
pub(crate) trait Component: Send + Sync {
    /// Its name, as `--component` takes it.
    fn name(&self) -> &'static str;

    /// Of these subjects, those that it can ask, with where it would ask them.
    fn instance(&self, config: &Config, subject: &Subject) -> Option<String>;

    /// Asks one. It uses one connection at a time, and ends before [`Asking::until`].
    fn ask<'a>(&'a self, asking: &'a Asking, instance: &'a Instance) -> BoxFuture<'a, Result<Found>>;

    /// How long to leave it alone at least between two probes, for what changes slowly and costs more.
    fn pause(&self) -> Duration {
        Duration::ZERO
    }

    /// Told when an instance has been asked, and why it didn't answer.
    fn ended(&self, _: &Board, _: &Instance, _: Option<&Error>) {}

    /// Components whose answers about the same shard it draws its conclusions from.
    fn rests_on(&self) -> &'static [&'static str] {
        &[]
    }
}

/// Every component, in the order of the page.
pub(crate) fn all() -> &'static [&'static dyn Component] {
    &[
        &shard::Shard,
        &postgresql::PostgreSql,
        &patroni::Patroni,
        &client::Client,
        &pgbouncer::PgBouncer,
        &haproxy::Haproxy,
        &etcd::Etcd,
        &redis::Redis,
        &store::Store,
        &backup::Backup,
        &job::Job,
        &migration::Migration,
        &certificate::Certificate,
    ]
}

/// The names of all.
pub(crate) fn names() -> Vec<&'static str> {
    all().iter().map(|component| component.name()).collect()
}

/// What is asked about: a target of the topology, or something in it that is none.
#[derive(Clone, Debug)]
pub(crate) enum Subject {
    /// A target.
    Target(Box<Target>),
    /// A store of archives.
    Store(Box<ArchiveStore>),
}

impl Subject {
    /// Its name in the topology.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Target(target) => &target.name,
            Self::Store(store) => &store.name,
        }
    }

    /// What this run is to ask about, and the targets that a tool before this one has failed on. A shard stands
    /// for its nodes as well; without any name everything is asked.
    pub(crate) fn named(cx: &Context) -> Result<(Vec<Self>, Vec<Target>)> {
        let config = cx.config()?;
        let Some(named) = cx.named_targets()? else { return Ok((Self::all(config), Vec::new())) };
        let (skipped, named): (Vec<Target>, Vec<Target>) =
            named.into_iter().partition(|target| target.upstream_failure.is_some());
        let is_meant = |target: &Target| {
            let of_shard =
                |one: &Target| matches!(one.kind, Kind::Shard(_)) && target.shard().is_some_and(|s| s.name == one.name);
            named.iter().any(|one| one.name == target.name || of_shard(one))
        };
        let subjects = target::all(config).into_iter().filter(is_meant).map(|target| Self::Target(Box::new(target)));
        Ok((subjects.collect(), skipped))
    }

    /// Everything in the topology.
    pub(crate) fn all(config: &Config) -> Vec<Self> {
        let targets = target::all(config).into_iter().map(|target| Self::Target(Box::new(target)));
        let stores = config.archive.stores.iter().map(|store| Self::Store(Box::new(store.clone())));
        targets.chain(stores).collect()
    }
}

/// One thing to ask, by one component.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    /// Its name in the topology.
    pub(crate) name: String,
    /// What it is.
    pub(crate) subject: Subject,
    /// The shard that it is or belongs to.
    pub(crate) shard: Option<String>,
    /// Where it is asked, for people.
    pub(crate) endpoint: String,
}

impl Instance {
    /// What this component would ask of this subject.
    pub(crate) fn of(component: &dyn Component, config: &Config, subject: &Subject) -> Option<Self> {
        Some(Self::at(component.instance(config, subject)?, subject))
    }

    /// A subject that is asked there.
    pub(crate) fn at(endpoint: String, subject: &Subject) -> Self {
        let shard = match subject {
            Subject::Target(target) => target.shard().map(|shard| shard.name.clone()),
            Subject::Store(_) => None,
        };
        Self { name: subject.name().to_owned(), subject: subject.clone(), shard, endpoint }
    }

    /// The name that a line about it carries as its target.
    pub(crate) fn target(&self) -> Option<String> {
        matches!(self.subject, Subject::Target(_)).then(|| self.name.clone())
    }
}

/// What was seen of an instance.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// What it is among its kind right now.
    pub(crate) role: Option<String>,
    /// What was looked at.
    pub(crate) checks: Vec<Check>,
}

/// What a component asks with.
#[derive(Clone)]
pub(crate) struct Asking {
    pub(crate) cx: Context,
    /// How long one probe may take.
    pub(crate) limit: Duration,
    /// When this one must have ended.
    pub(crate) until: Instant,
    /// What others have seen.
    pub(crate) board: Arc<Board>,
    /// Sessions of servers from the probe before.
    pub(crate) kept: Arc<Kept>,
    /// For servers that speak HTTP; made by whoever needs it first.
    pub(crate) client: Arc<OnceLock<http::Client>>,
}

impl Asking {
    /// The topology.
    pub(crate) fn config(&self) -> Result<&Config> {
        self.cx.config()
    }

    /// The client for servers that speak HTTP.
    pub(crate) fn http(&self) -> Result<&http::Client> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let config = self.config()?;
        let identity = match (&config.health.sslcert, &config.health.sslkey) {
            (Some(certificate), Some(key)) => Some(Identity::from_files(certificate, key)?),
            _ => None,
        };
        let client = http::Client::of(config, identity, self.limit)?;
        Ok(self.client.get_or_init(|| client))
    }

    /// The same as somebody whom nobody knows: without a certificate.
    pub(crate) fn stranger(&self) -> Result<http::Client> {
        http::Client::of(self.config()?, None, self.limit)
    }

    /// How long a server may work on a statement: less than the whole, so that its own word comes first.
    pub(crate) fn statement_limit(&self) -> Duration {
        self.limit * 4 / 5
    }

    /// A session with a node as the monitor, whose statements end before the time does.
    pub(crate) async fn log_in(&self, node: &Node) -> Result<Session> {
        let config = self.config()?;
        let milliseconds = self.statement_limit().as_millis().to_string();
        let endpoint = reach::node(config, node, &config.users.monitor)?
            .setting("statement_timeout", &milliseconds)
            .setting("lock_timeout", &milliseconds)
            .connect_timeout(self.limit);
        self.cx.connect(endpoint).await
    }

    /// Work on a server that is told to stop when the time is up, so that nothing piles up there. A commit that
    /// waits for a replica heeds no `statement_timeout`: only this ends it.
    pub(crate) async fn guarded<T>(&self, canceller: Canceller, work: impl Future<Output = Result<T>>) -> Result<T> {
        let work = self.cx.guarded(canceller.clone(), work);
        tokio::select! {
            done = work => done,
            () = tokio::time::sleep_until(self.until - self.limit / 10) => {
                let _ = tokio::time::timeout_at(self.until, canceller.cancel()).await;
                Err(self.late())
            }
        }
    }

    /// The error of a probe whose time is up.
    pub(crate) fn late(&self) -> Error {
        let limit = humantime::format_duration(self.limit);
        Error::new(Code::Timeout, format!("no answer within {limit}"))
            .hint("It may hang, be overloaded, or wait for a replica; give more time with --timeout.")
    }
}

impl fmt::Debug for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Asking(for {:?})", self.limit)
    }
}
