//! The cluster that a file of the WAL belongs to, by the files beside it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flotilla::config::Shard;
use flotilla::record::{Line, Record};
use flotilla::target::Target;
use flotilla::{Code, Context, Error, Result};
use flotilla_archive::Archive;
use flotilla_archive::archive::Pin;
use flotilla_archive::backup::Control;

/// The one shard that this call is about; see [`one_target`].
pub(crate) fn one_shard<R: Record>(cx: &Context) -> Result<Option<Shard>> {
    one_target::<R>(cx)?.as_ref().map(|target| Archive::shard_of(target).cloned()).transpose()
}

/// The one target that this call is about. Lines that came with a failure are passed on; none when there
/// were no others.
pub(crate) fn one_target<R: Record>(cx: &Context) -> Result<Option<Target>> {
    let (failed, mut good): (Vec<_>, Vec<_>) =
        cx.targets()?.into_iter().partition(|target| target.upstream_failure.is_some());
    let target = good.pop();
    if !good.is_empty() {
        return Err(Error::usage("this is about one shard").hint("Name it with -t SHARD."));
    }
    for target in &failed {
        let error = target.upstream_error().unwrap_or_else(|| Error::internal("a failure without one"));
        cx.output().line(&Line::<R>::failed(Some(target.name.clone()), &error, Duration::ZERO))?;
    }
    Ok(target)
}

/// The cluster whose data folder a file lies in.
pub(crate) struct Cluster {
    /// What `global/pg_control` says.
    pub(crate) control: Control,
    /// PostgreSQL's major version, as `PG_VERSION` says.
    pub(crate) major: u32,
}

impl Cluster {
    /// The cluster of the data folder in which `file` lies in `pg_wal`; none where `file` lies elsewhere.
    pub(crate) fn beside(file: &Path) -> Result<Option<Self>> {
        let Some(data) = data_folder(file) else { return Ok(None) };
        let Some(control) = read_if_there(&data.join("global/pg_control"))? else { return Ok(None) };
        let control = Control::parse(&control).map_err(|e| Error::from(e).within(data.display()))?;
        let version = read_if_there(&data.join("PG_VERSION"))?.unwrap_or_default();
        let major = std::str::from_utf8(&version).ok().and_then(|text| text.trim().parse().ok()).ok_or_else(|| {
            Error::new(Code::Mismatch, format!("{} has no PG_VERSION", data.display())).hint("Is it a data folder?")
        })?;
        Ok(Some(Self { control, major }))
    }

    /// What an archive of this cluster is pinned to.
    pub(crate) fn pin(&self) -> Pin {
        Pin::new(self.control.system_identifier, self.major, self.control.segment_size.bytes())
    }
}

fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::new(Code::Io, format!("could not read {}", path.display()))
            .hint("This runs as the server's own user, called by the server.")
            .source(e)),
    }
}

/// Two above the file: PostgreSQL gives paths as `pg_wal/NAME`, from its data folder.
fn data_folder(file: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(file).ok()?;
    Some(absolute.parent()?.parent()?.to_owned())
}
