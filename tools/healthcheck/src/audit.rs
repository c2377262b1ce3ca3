//! `healthcheck audit`: rules of safety, asked of live servers.
//!
//! Each component has a file: what is looked at, as facts, and the rules that judge them. A rule sees facts
//! alone, so that it can be held against made-up ones; where a fact is missing it can't tell, and nothing that
//! can't be told is taken for well.

mod backup;
mod etcd;
mod facts;
mod haproxy;
mod line;
mod login;
mod patroni;
mod pgbouncer;
mod postgresql;
mod redis;
mod rule;
mod store;
mod verb;
mod waiver;

use flotilla::Result;
use flotilla::config::Config;
use flotilla::fanout::BoxFuture;

use crate::component::{Asking, Instance, Subject};

pub use self::facts::{Facts, Unseen};
pub use self::rule::{Judged, Rule, Severity, Verdict};
pub(crate) use self::verb::{Args, VERB, run};

/// What is seen of an instance, as soon as it has been looked at.
pub(crate) type Looking<'a> = BoxFuture<'a, Result<Facts>>;

/// Something whose safety can be judged.
pub(crate) trait Auditor: Send + Sync {
    /// Its name, as `--component` takes it.
    fn name(&self) -> &'static str;

    /// Of these subjects, those that it can look at, with where it would look.
    fn instance(&self, config: &Config, subject: &Subject) -> Option<String>;

    /// What it is held against.
    fn rules(&self) -> Vec<&'static Rule>;

    /// Looks at one, and tries what must not succeed there. It changes nothing that stays.
    fn look<'a>(&'a self, asking: &'a Asking, instance: &'a Instance) -> Looking<'a>;
}

/// Every auditor.
fn all() -> &'static [&'static dyn Auditor] {
    &[
        &postgresql::PostgreSql,
        &pgbouncer::PgBouncer,
        &haproxy::Haproxy,
        &patroni::Patroni,
        &etcd::Etcd,
        &redis::Redis,
        &store::Store,
        &backup::Backup,
    ]
}

/// The names of their components.
fn names() -> Vec<&'static str> {
    all().iter().map(|auditor| auditor.name()).collect()
}

/// Every rule, with the component that it is about.
pub fn rules() -> impl Iterator<Item = (&'static str, &'static Rule)> {
    all().iter().flat_map(|auditor| auditor.rules().into_iter().map(|rule| (auditor.name(), rule)))
}

/// What a rule says to facts.
pub fn judge(rule: &Rule, facts: &Facts) -> Judged {
    (rule.judge)(facts)
}
