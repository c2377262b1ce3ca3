//! The parts of the architecture. Each is one file: what it needs, what it writes, what it runs,
//! and how it is seen to work. A new part is a new file and a line in [`all`].

mod ask;
mod copier;
mod etcd;
mod haproxy;
mod minio;
mod patroni;
mod pgbouncer;
mod prometheus;
mod redis;
mod standby;
pub(crate) mod watchdog;

pub(crate) use standby::second_topology;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use flotilla::{Code, Error, Result};

use crate::authority::Certificate;
use crate::change::Change;
use crate::files::File;
use crate::plan::Plan;
use crate::secrets::Secrets;

/// A part: one kind of server, of which there are one or more.
pub trait Part: Sync {
    /// What the table calls it.
    fn name(&self) -> &'static str;

    /// The programs it runs and is asked with.
    fn needs(&self, plan: &Plan) -> Vec<Need>;

    /// Its servers.
    fn members(&self, plan: &Plan) -> Vec<Member>;

    /// Its lines of the topology file.
    fn topology(&self, plan: &Plan) -> Result<String>;

    /// A member's configuration files.
    fn files(&self, plan: &Plan, secrets: &Secrets, member: &Member) -> Result<Vec<File>>;

    /// What a running member has to do to take a new certificate.
    fn takes(&self, what: Renewed) -> Change;

    /// The command of `sv` that makes a member reload its configuration.
    fn reload_by(&self) -> &'static str {
        "hup"
    }

    /// Whether its members stop one after the other rather than all at once.
    fn stops_one_by_one(&self) -> bool {
        false
    }

    /// What runs a member, in the foreground.
    fn command(&self, plan: &Plan, member: &Member) -> Result<Launch>;

    /// Asks a member whether it does its work; the answer is what the table shows, the error is why
    /// not yet.
    fn probe(&self, plan: &Plan, secrets: &Secrets, member: &Member) -> Result<String, String>;

    /// Makes what a member that answers needs inside, before others start; true when anything was made.
    fn furnish(&self, _: &Plan, _: &Secrets, _: &Member) -> Result<bool> {
        Ok(false)
    }

    /// Brings what servers hold in common in line once all of them answer; true when anything differed.
    fn settle(&self, _: &Plan) -> Result<bool> {
        Ok(false)
    }

    /// The command that prints the version.
    fn version(&self, plan: &Plan) -> Command;
}

/// Every part.
pub fn all() -> &'static [&'static dyn Part] {
    &[
        &etcd::Etcd,
        &redis::Redis,
        &minio::Minio,
        &patroni::Patroni,
        &watchdog::Watchdog,
        &pgbouncer::PgBouncer,
        &haproxy::Haproxy,
        &copier::Copier,
        &standby::Standby,
        &prometheus::Prometheus,
    ]
}

/// What was renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewed {
    /// The member's own certificate, with its key.
    Own,
    /// The authority's certificate.
    Authority,
}

/// A program that must be installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// Where it is, or its name on the PATH.
    pub program: PathBuf,
    /// The Debian package that it is in.
    pub package: &'static str,
}

impl Need {
    fn new(program: impl Into<PathBuf>, package: &'static str) -> Self {
        Self { program: program.into(), package }
    }
}

/// When a member starts; they stop the other way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// What others can't start without.
    Foundation,
    /// The databases.
    Database,
    /// What connects to databases for clients.
    Pool,
    /// What clients' connections go through.
    Balance,
    /// What carries archives to the second region.
    Copy,
    /// What follows from there.
    SecondRegion,
}

/// One server process under supervision.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its name: of its folders, its certificate, and as a target.
    pub name: String,
    /// What it is among its kind, as the table shows it.
    pub role: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// Its ports, and what each is for.
    pub ports: Vec<(&'static str, u16)>,
    /// When it starts.
    pub stage: Stage,
    /// How long it may take to stop.
    pub patience: Duration,
    /// The certificate it needs; none where it only asks others.
    pub certificate: Option<Certificate>,
}

/// A command line. Its environment is PATH, HOME, LANG and the stack's mark, never the caller's.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The program and its arguments.
    pub argv: Vec<String>,
}

impl Launch {
    fn new(program: &Path) -> Result<Self> {
        Ok(Self { argv: vec![crate::plan::text(program)?.to_owned()] })
    }

    fn arg(mut self, arg: impl Into<String>) -> Self {
        self.argv.push(arg.into());
        self
    }

    fn path(mut self, path: &Path) -> Result<Self> {
        self.argv.push(crate::plan::text(path)?.to_owned());
        Ok(self)
    }
}

/// The version that a part's program states: the first word that looks like one.
pub fn version(part: &dyn Part, plan: &Plan) -> Result<String> {
    let mut command = part.version(plan);
    let output = command.current_dir("/").output().map_err(|source| {
        Error::new(Code::NotFound, format!("could not run {}", command.get_program().to_string_lossy())).source(source)
    })?;
    let text = String::from_utf8_lossy(&output.stdout);
    let number = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.');
    let word = text.split(|c: char| c.is_whitespace() || c == '=' || c == ',').find(number);
    Ok(word.map_or("unknown", |word| word.split('-').next().unwrap_or(word)).to_owned())
}
