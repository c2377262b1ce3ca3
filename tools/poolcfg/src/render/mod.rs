//! Configuration files from the topology: the same topology gives the same bytes.

mod haproxy;
mod pgbouncer;
mod pgdog;
mod prometheus;
mod template;

use std::path::{Path, PathBuf};

use flotilla::config::Config;
use flotilla::target::{self, Kind, Target};
use flotilla::{Code, Context, Error, Result};

use crate::version::{Program, Version, Versions};

#[doc(hidden)]
pub use haproxy::endpoint as patroni_endpoint;
pub use haproxy::haproxy;
pub use pgbouncer::pgbouncer;
pub(crate) use pgdog::pgdog;
pub(crate) use prometheus::prometheus;

/// A file as it is to be.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The program that reads it.
    pub program: &'static str,
    /// Its usual name.
    pub name: &'static str,
    /// Where it is to be.
    pub path: PathBuf,
    /// The release that it is for, where that matters.
    pub version: Option<Version>,
    /// Its text.
    pub text: String,
}

/// The configuration file of a pooler or balancer; none for what has no such file.
pub fn file(config: &Config, target: &Target, run: &Path, versions: Versions) -> Result<Option<Rendered>> {
    let beside = |name: &str| config.path.parent().unwrap_or(Path::new(".")).join(&target.name).join(name);
    Ok(match &target.kind {
        Kind::Pooler(pooler) => {
            let version = versions.of(Program::Pgbouncer);
            let path = pooler.config_file.clone().unwrap_or_else(|| beside("pgbouncer.ini"));
            let text = pgbouncer(config, &pooler.name, version)?;
            Some(Rendered { program: "pgbouncer", name: "pgbouncer.ini", path, version: Some(version), text })
        }
        Kind::Balancer(balancer) => {
            let version = versions.of(Program::Haproxy);
            let path = balancer.config_file.clone().unwrap_or_else(|| beside("haproxy.cfg"));
            let text = haproxy(config, &balancer.name, run, version)?;
            Some(Rendered { program: "haproxy", name: "haproxy.cfg", path, version: Some(version), text })
        }
        _ => None,
    })
}

/// Where the files that a configuration names lie: beside the authority's certificate, each named
/// for its owner.
struct Certificates<'a> {
    authority: &'a Path,
    folder: &'a Path,
}

impl<'a> Certificates<'a> {
    fn of(config: &'a Config) -> Result<Self> {
        let authority = config.connect.sslrootcert.as_deref().ok_or_else(|| {
            Error::config(format!("{}: connect.sslrootcert is not set", config.path.display()))
                .hint("Poolers and balancers verify what they connect to; name the authority's certificate.")
        })?;
        Ok(Self { authority, folder: authority.parent().unwrap_or(Path::new(".")) })
    }
}

/// The folder of run-time files that goes with a topology: `run`, beside it.
pub fn run_folder(config: &Config) -> PathBuf {
    config.path.parent().unwrap_or(Path::new(".")).join("run")
}

fn unknown(config: &Config, what: &str, name: &str) -> Error {
    Error::new(Code::UnknownTarget, format!("there is no {what} \"{name}\" in {}", config.path.display()))
        .hint("`shardctl targets` lists what there is.")
}

/// A path as text; configuration files of other programs are text.
fn text(path: &Path) -> Result<&str> {
    let line = path.to_str().filter(|path| !path.contains(['\n', '"']));
    line.ok_or_else(|| Error::config(format!("the path {} can't stand in a configuration file", path.display())))
}

/// The named poolers and balancers; where none are named, every one.
pub(crate) fn targets(cx: &Context) -> Result<Vec<Target>> {
    targets_of(cx, |kind| matches!(kind, Kind::Pooler(_) | Kind::Balancer(_)))
}

/// The named targets; where none are named, every one of these kinds.
pub(crate) fn targets_of(cx: &Context, fits: impl Fn(&Kind) -> bool) -> Result<Vec<Target>> {
    let config = cx.config()?;
    let global = cx.global();
    if !global.all {
        if !global.targets.is_empty() {
            return target::named(config, &global.targets);
        }
        if let Some(stdin) = target::piped_stdin() {
            return target::read(config, stdin);
        }
    }
    let found: Vec<Target> = target::all(config).into_iter().filter(|target| fits(&target.kind)).collect();
    if found.is_empty() {
        return Err(Error::config(format!(
            "{}: there are no poolers and balancers of this kind",
            config.path.display()
        ))
        .hint("Add [[poolers]] and [[balancers]] to the topology."));
    }
    Ok(found)
}

/// The error of a target that is neither pooler nor balancer.
pub(crate) fn misplaced(target: &Target) -> Error {
    Error::new(Code::Unsupported, format!("a {} has no pool configuration", target.kind_name()))
        .hint("Name poolers and balancers: `shardctl targets --kind pooler --kind balancer | poolcfg render`.")
}
