//! Where a restored shard lies: a folder of its own with data, tablespaces, socket, log, and a note of
//! how far the restore has come. Until that says `done`, what is there is no restored shard.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use flotilla::error::{Code, Error, Result};
use serde::{Deserialize, Serialize};

/// The longest path of a Unix socket that Linux takes.
const LONGEST_SOCKET: usize = 107;
const NOTE: &str = "restore.json";

/// How far a restore has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// The backup is being fetched.
    Fetching,
    /// The server replays the WAL.
    Recovering,
    /// The copy is being cut off from everything outside.
    Isolating,
    /// It is what was asked for.
    Done,
}

/// The note.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    /// The shape of this document; 1.
    pub(crate) version: u32,
    /// The shard.
    pub(crate) shard: String,
    /// How far it has come.
    pub(crate) stage: Stage,
    /// The plan's hash.
    pub(crate) plan: String,
    /// Where recovery stops, as a WAL position.
    pub(crate) stop_lsn: String,
}

/// The folder of one restored shard.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    root: PathBuf,
    /// Who everything is given to and whom the server runs as, when this runs as root.
    pub(crate) account: Option<(u32, u32)>,
}

impl Place {
    /// The folder of a shard below the one that was named. Nothing is touched.
    pub(crate) fn of(into: &Path, shard: &str, port: u16) -> Result<Self> {
        let into = absolute(into)?;
        let there = if into.exists() { into.as_path() } else { into.parent().unwrap_or(&into) };
        let owner = fs::metadata(there).map_err(|e| {
            Error::usage(format!("{} can't be made; nothing was touched", into.display()))
                .hint("The folder in which it lies must be there.")
                .source(e)
        })?;
        let account = if rustix::process::geteuid().is_root() { Some((owner.uid(), owner.gid())) } else { None };
        if account.is_some_and(|(uid, _)| uid == 0) {
            return Err(Error::refused(format!(
                "{} belongs to root, and PostgreSQL doesn't run as root; nothing was touched",
                there.display()
            ))
            .hint("Name a folder of the account that the restored server is to run as, such as postgres, or run this as that account."));
        }
        let place = Self { root: into.join(shard), account };
        let socket = place.socket_folder().join(format!(".s.PGSQL.{port}"));
        if socket.as_os_str().len() > LONGEST_SOCKET {
            return Err(Error::usage(format!("the path {} is too long for a Unix socket", socket.display()))
                .hint("Name a folder with a shorter path."));
        }
        place.vacant(&into)?;
        Ok(place)
    }

    /// Refuses a folder that holds anything but restored shards, and this one's if there is anything.
    fn vacant(&self, into: &Path) -> Result<()> {
        if let Some(note) = self.note()? {
            let what = match note.stage {
                Stage::Done => format!("{} holds a restored shard already; nothing was touched", self.root.display()),
                stage => format!(
                    "{} holds a restore that was cut off while {}; nothing was touched",
                    self.root.display(),
                    stage.words()
                ),
            };
            return Err(Error::refused(what)
                .hint(format!("Name another folder, or remove this one: rm -r {}", self.root.display())));
        }
        for entry in entries(into)? {
            let path = into.join(&entry);
            if path == self.root && entries(&path)?.is_empty() {
                continue;
            }
            if !path.join(NOTE).is_file() {
                return Err(Error::refused(format!("{} is not empty; nothing was touched", into.display()))
                    .hint("A restore never writes over what is there. Name a new or an empty folder."));
            }
        }
        Ok(())
    }

    fn note(&self) -> Result<Option<Note>> {
        let path = self.root.join(NOTE);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|e| {
                Error::refused(format!("{} can't be understood; nothing was touched", path.display()))
                    .hint("Name another folder.")
                    .source(e)
            }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(failed(&path, e)),
        }
    }

    /// Makes the folders, and notes what is about to be done.
    pub(crate) fn make(&self, note: &Note) -> Result<()> {
        if let Some(into) = self.root.parent() {
            self.folder(into)?;
        }
        self.folder(&self.root)?;
        self.write_note(note)?;
        for folder in [self.tablespaces(), self.socket_folder(), self.originals()] {
            self.folder(&folder)?;
        }
        Ok(())
    }

    /// Takes back what [`Self::make`] made, as long as nothing else is there.
    pub(crate) fn unmake(&self) {
        for folder in [self.tablespaces(), self.socket_folder(), self.originals()] {
            let _ = fs::remove_dir(folder);
        }
        let _ = fs::remove_file(self.root.join(NOTE));
        let _ = fs::remove_dir(&self.root);
    }

    /// Notes how far it has come, durably.
    pub(crate) fn write_note(&self, note: &Note) -> Result<()> {
        let text = serde_json::to_vec(note).map_err(|e| Error::internal("a note is not JSON").source(e))?;
        self.write(&self.root.join(NOTE), &text)
    }

    /// Writes a file whole or not at all, and gives it to the account.
    pub(crate) fn write(&self, path: &Path, text: &[u8]) -> Result<()> {
        let beside = path.with_extension("new");
        let written = (|| {
            let _ = fs::remove_file(&beside);
            let mut file = File::options().write(true).create_new(true).mode(0o600).open(&beside)?;
            file.write_all(text)?;
            file.sync_all()?;
            self.own(&beside)?;
            fs::rename(&beside, path)?;
            path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
        })();
        written.map_err(|e| failed(path, e))
    }

    fn folder(&self, path: &Path) -> Result<()> {
        match fs::DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => self.own(path).map_err(|e| failed(path, e)),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(e) => Err(failed(path, e)),
        }
    }

    /// Gives a file or folder to the account.
    pub(crate) fn own(&self, path: &Path) -> io::Result<()> {
        let Some((uid, gid)) = self.account else { return Ok(()) };
        chown(path, Some(uid), Some(gid))
    }

    /// Keeps a file of the original aside.
    pub(crate) fn keep_aside(&self, name: &str) -> Result<()> {
        let (from, to) = (self.data().join(name), self.originals().join(name));
        match fs::rename(&from, &to) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(failed(&from, e)),
            _ => Ok(()),
        }
    }

    /// Makes the data folder the server's own, as it demands.
    pub(crate) fn close(&self) -> Result<()> {
        let data = self.data();
        fs::set_permissions(&data, Permissions::from_mode(0o700)).map_err(|e| failed(&data, e))
    }

    /// The folder of everything.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// The folder of the tablespaces.
    pub(crate) fn tablespaces(&self) -> PathBuf {
        self.root.join("tablespaces")
    }

    /// The folder of the socket.
    pub(crate) fn socket_folder(&self) -> PathBuf {
        self.root.join("socket")
    }

    /// The folder of the configuration files that the original had.
    pub(crate) fn originals(&self) -> PathBuf {
        self.root.join("original")
    }

    /// The server's log.
    pub(crate) fn log(&self) -> PathBuf {
        self.root.join("log")
    }
}

impl Stage {
    fn words(self) -> &'static str {
        match self {
            Self::Fetching => "the backup was fetched",
            Self::Recovering => "the WAL was replayed",
            Self::Isolating => "the copy was cut off from the outside",
            Self::Done => "it was done",
        }
    }
}

fn entries(folder: &Path) -> Result<Vec<std::ffi::OsString>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<io::Result<_>>()
            .map_err(|e| failed(folder, e)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(failed(folder, e)),
    }
}

fn absolute(path: &Path) -> Result<PathBuf> {
    let unusable = |e| Error::usage(format!("{} can't be used", path.display())).hint("Name a folder.").source(e);
    let absolute = std::path::absolute(path).map_err(unusable)?;
    if absolute.exists() { fs::canonicalize(&absolute).map_err(unusable) } else { Ok(absolute) }
}

/// An error about a file or folder of the restore.
pub(crate) fn failed(path: &Path, error: io::Error) -> Error {
    Error::new(Code::Io, format!("could not use {}", path.display()))
        .hint("Look at what caused it; what is there already can be removed.")
        .source(error)
}
