//! Configuration files from the topology: the same topology gives the same bytes.

mod haproxy;
mod pgbouncer;
mod template;

use std::path::{Path, PathBuf};

use flotilla::config::Config;
use flotilla::{Code, Error, Result};

#[doc(hidden)]
pub use haproxy::endpoint as patroni_endpoint;
pub use haproxy::haproxy;
pub use pgbouncer::pgbouncer;

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
