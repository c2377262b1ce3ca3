//! A restore whose files another program unpacks. It gets an empty folder inside of the new one; what it
//! has made is looked at, and only then becomes the cluster.

use std::fs;
use std::future::Future;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use flotilla::{Code, Error, Result};

use super::destination::{CONTROL, Destination, RestoreOptions, Restored};
use crate::Corrupt;
use crate::archive::Archive;
use crate::backup::{BackupLabel, Control};
use crate::catalog::Backup;
use crate::documents::{FileEntry, Visit, read_files};
use crate::names;

const INNER: &str = ".flotilla-outside";

/// Restores a chain by `fill`, which is given an empty folder. The chain must be without tablespaces:
/// where another program would put these, nobody says.
pub async fn restore_by<F, Later>(
    archive: &Archive,
    chain: &[&Backup],
    into: &Path,
    options: &RestoreOptions,
    fill: F,
) -> Result<Restored>
where
    F: FnOnce(PathBuf) -> Later,
    Later: Future<Output = Result<()>>,
{
    let last = *chain.last().ok_or_else(|| Error::internal("a chain without backups"))?;
    let destination = Destination::of(chain, into, options)?;
    if !destination.tablespaces.is_empty() {
        return Err(Error::internal("another program is to restore tablespaces"));
    }
    let names = if last.sentinel.has_files_metadata() {
        let key = names::files_metadata(&last.name);
        let read = archive.read_document(&key, |document| {
            let mut names = Names(Vec::new());
            read_files(document, &mut names).map(|()| names.0)
        });
        read.await?.1
    } else {
        Vec::new()
    };
    let marked = destination.prepare(last)?;
    let inner = destination.data.join(INNER);
    let place = destination.data.display().to_string();
    let unusable = move |e: io::Error| {
        let code = if Corrupt::is_behind(&e) { Code::Mismatch } else { Code::Io };
        Error::new(code, format!("could not use {place}: {e}"))
            .hint("What is there has no global/pg_control, so no server starts on it; the next run clears it away.")
            .source(e)
    };
    fs::DirBuilder::new().mode(0o700).create(&inner).map_err(&unusable)?;
    fill(inner.clone()).await?;
    let system = last.sentinel.system_identifier;
    let finish = move || {
        let found = Found::look(&inner, &names, system)?;
        for entry in fs::read_dir(&inner)? {
            let entry = entry?;
            fs::rename(entry.path(), destination.data.join(entry.file_name()))?;
        }
        fs::remove_dir(&inner)?;
        own(&destination)?;
        destination.finish(&found.control)?;
        drop(marked);
        Ok(found)
    };
    let done =
        tokio::task::spawn_blocking(finish).await.map_err(|e| Error::internal("ending a restore failed").source(e))?;
    let found = done.map_err(&unusable)?;
    Ok(Restored {
        files: found.files,
        bytes: found.bytes,
        parts: 0,
        stored_bytes: chain.iter().map(|backup| u64::try_from(backup.sentinel.compressed_size).unwrap_or(0)).sum(),
        unsummed_parts: 0,
        label: found.label,
    })
}

struct Names(Vec<String>);

impl Visit for Names {
    fn file(&mut self, name: String, _: FileEntry) -> std::result::Result<(), Corrupt> {
        self.0.push(name);
        Ok(())
    }

    fn member(&mut self, _: &str, _: String) -> std::result::Result<(), Corrupt> {
        Ok(())
    }
}

/// What the other program has made.
struct Found {
    control: Vec<u8>,
    label: BackupLabel,
    files: u64,
    bytes: u64,
}

impl Found {
    /// Refuses what isn't the backup: links lead out of the folder, missing files are lost rows, and a map
    /// of tablespaces would lead the server to those of the original. Takes `pg_control` away.
    fn look(folder: &Path, names: &[String], system: Option<u64>) -> io::Result<Self> {
        let wrong = |what: String| io::Error::from(Corrupt::new(what));
        for name in names {
            let path = folder.join(crate::tarball::relative(name)?);
            if !path.exists() {
                return Err(wrong(format!("{name} is in the backup and was not restored")));
            }
        }
        let control = fs::read(folder.join(CONTROL))?;
        let parsed = Control::parse(&control)?;
        if system.is_some_and(|system| system != parsed.system_identifier) {
            return Err(wrong(format!("what was restored is of system {}", parsed.system_identifier)));
        }
        let label = BackupLabel::parse(&fs::read(folder.join("backup_label"))?, parsed.segment_size)?;
        fs::remove_file(folder.join(CONTROL))?;
        match fs::remove_file(folder.join("tablespace_map")) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let (mut files, mut bytes) = (1, control.len() as u64);
        for entry in walkdir::WalkDir::new(folder) {
            let entry = entry?;
            let kind = entry.file_type();
            if kind.is_file() {
                files += 1;
                bytes += entry.metadata()?.len();
            } else if !kind.is_dir() {
                return Err(wrong(format!("{} is neither a file nor a folder", entry.path().display())));
            }
        }
        Ok(Self { control, label, files, bytes })
    }
}

fn own(destination: &Destination) -> io::Result<()> {
    for entry in walkdir::WalkDir::new(&destination.data) {
        destination.own(entry?.path())?;
    }
    Ok(())
}
