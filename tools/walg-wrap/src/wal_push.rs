//! `walg-wrap wal-push`: puts a file of the WAL into the archive.
//!
//! PostgreSQL deletes the file once this ends with 0, so 0 means: the archive holds exactly this
//! content, durably, under this name. What is there with other content is never replaced. Of the last
//! segment of a timeline it means so of the log in it: see [`Left`].

use std::fs;
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};

use flotilla::Context;
use flotilla::error::{Code, Error, Result};
use flotilla::record::{Line, Record, RecordInfo};
use flotilla::verb::{Effect, Example, Scope, Verb};
use flotilla_archive::archive::{Form, Kept};
use flotilla_archive::digest::{Content, Passed};
use flotilla_archive::documents::Sidecar;
use flotilla_archive::wal::{PAGE_SIZE, WalFile};
use flotilla_archive::{Archive, names};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::cluster::{self, Cluster};
use crate::left::Left;

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "wal-push",
    effect: Effect::Changes,
    scope: Scope::Required,
    exclusive: false,
    records: &[RecordInfo::of::<PushedWal>()],
    examples: &[Example {
        line: "walg-wrap wal-push -q -t s0 pg_wal/000000010000000000000042",
        does: "What archive_command calls, as: walg-wrap wal-push -q -t s0 %p",
    }],
};

/// What is read of it at a time.
const PIECE: usize = 256 << 10;

/// What is archived.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The file, `%p` of `archive_command`; its name is the one in the archive
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Archive into this store instead of the first
    #[arg(long, value_name = "NAME")]
    store: Option<String>,
}

/// A file of the WAL that is in the archive.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct PushedWal {
    /// The shard.
    shard: Option<String>,
    /// The store.
    store: Option<String>,
    /// What carried it: always `embedded`.
    engine: Option<String>,
    /// The file's name.
    file: Option<String>,
    /// The object's key below the shard's prefix.
    object: Option<String>,
    /// The file's size, in bytes.
    size_bytes: Option<u64>,
    /// The object's size, in bytes; null where it was there already.
    stored_bytes: Option<u64>,
}

impl Record for PushedWal {
    const KIND: &'static str = "walg-wrap.wal_pushed";
    const COLUMNS: &'static [&'static str] = &["file", "store", "size_bytes", "stored_bytes"];
}

/// Archives one file.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    let began = Instant::now();
    let Some(shard) = cluster::one_shard::<PushedWal>(cx)? else { return Ok(()) };
    let file = File::read(&args.path)?;
    let archive = Archive::open(cx.config()?, &shard, args.store.as_deref()).await?;
    let key = names::wal(file.name, archive.codec());
    let mut body = PushedWal {
        shard: Some(shard.name.clone()),
        store: Some(archive.store().name().to_owned()),
        engine: Some(crate::engine::EMBEDDED.to_owned()),
        file: Some(file.name.to_string()),
        object: Some(key.clone()),
        size_bytes: Some(file.length),
        stored_bytes: None,
    };
    if cx.global().dry_run {
        let line = Line::ok(Some(shard.name), false, body, began.elapsed());
        return cx.output().line(&line.with_status(flotilla::record::Status::Planned));
    }
    let stored = tokio::select! {
        stored = file.push(&archive, &key) => stored?,
        () = cx.deadline_passed() => return Err(cx.deadline_error()),
    };
    body.stored_bytes = stored.map(|stored| stored.bytes);
    cx.output().line(&Line::ok(Some(shard.name), stored.is_some(), body, began.elapsed()))
}

/// A file that may be archived.
struct File {
    name: WalFile,
    path: PathBuf,
    length: u64,
    /// The first page, or less where there is less.
    first: Vec<u8>,
    cluster: Cluster,
}

impl File {
    fn read(path: &Path) -> Result<Self> {
        let cluster = Cluster::beside(path)?.ok_or_else(|| {
            Error::input(format!("{} lies in no data folder", path.display()))
                .hint("Give a file of pg_wal where it is: whose it is says ../global/pg_control.")
        })?;
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let name = WalFile::parse(name, cluster.control.segment_size)
            .map_err(|e| Error::input(e.to_string()).hint("This is %p of archive_command."))?;
        let (length, first) = open(path).map_err(|e| unreadable(path, e))?;
        let file = Self { name, path: path.to_owned(), length, first, cluster };
        file.check()?;
        Ok(file)
    }

    /// A segment must be one, and this cluster's: nothing else may become part of its history.
    fn check(&self) -> Result<()> {
        let (WalFile::Segment(segment) | WalFile::Partial(segment)) = self.name else { return Ok(()) };
        let wrong = |what: String| {
            Err(Error::new(Code::Mismatch, format!("{} is not the segment that its name says: {what}", self.name))
                .hint("It was not archived. Find out what wrote to pg_wal."))
        };
        segment.check(&self.first, self.length, Some(self.cluster.control.system_identifier)).or_else(wrong)
    }

    /// Puts it there; none when the same was there already.
    async fn push(&self, archive: &Archive, key: &str) -> Result<Option<Passed>> {
        let system = Some(self.cluster.control.system_identifier);
        // Packing takes the processor, asking whose archive it is the network: the object comes to its end only where
        // the answer allows it.
        let (allow, allowed) = oneshot::channel();
        let content = self.content();
        let fill = move |sink: &mut dyn Write| {
            content(sink)?;
            allowed.blocking_recv().map_err(|_| io::ErrorKind::PermissionDenied.into())
        };
        let claim = async {
            archive.claim(&self.cluster.pin()).await?;
            let _ = allow.send(());
            Ok(())
        };
        let ((), (kept, ())) = tokio::try_join!(claim, archive.write_new(key, Form::Summed, system, fill))?;
        match kept {
            Kept::Written(sealed) => Ok(Some(sealed.stored)),
            Kept::Exists(content) => {
                self.compare(archive, key, content, system).await?;
                Ok(None)
            }
        }
    }

    /// Writes its content, piece by piece: a piece stays in the processor's cache until it is packed.
    fn content(&self) -> impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static {
        let (path, length) = (self.path.clone(), self.length);
        move |sink| {
            let mut reader = io::BufReader::with_capacity(PIECE, fs::File::open(&path)?);
            let copied = io::copy(&mut reader, sink)?;
            if copied == length { Ok(()) } else { Err(io::Error::other("the file changes while it is read")) }
        }
    }

    /// What is there under this name must have the same content. Every server of a shard archives, so
    /// this is the common case: the sums beside the object say so, and its size that it is the one that
    /// they were made of. Where there are none, it is read.
    async fn compare(&self, archive: &Archive, key: &str, content: Content, system: Option<u64>) -> Result<()> {
        let (meta, sums) = tokio::try_join!(async { Ok(archive.store().head(key).await?) }, archive.sums(key))?;
        let known = sums.filter(|sums| sums.bytes == meta.size).and_then(|sums| sums.is_content(content));
        let same = if let Some(same) = known {
            same
        } else {
            let read = archive.read(key, archive.codec(), |reader| std::io::copy(reader, &mut std::io::sink()));
            let (opened, _) = read.await?;
            let same = Content::from(opened.content) == content;
            if same {
                archive.write_sums(&Sidecar::new(key, opened.stored, Some(content), system)).await?;
            }
            same
        };
        if same || self.is_left_alike(archive, key).await? {
            return Ok(());
        }
        Err(Error::new(Code::Mismatch, format!("the archive holds another {} already", self.name))
            .hint("It was not replaced. Two servers archive into one place: give each cluster its own prefix.")
            .retryable(false))
    }

    /// Whether it is the last segment of a timeline, and nothing of the log in it would be lost.
    async fn is_left_alike(&self, archive: &Archive, key: &str) -> Result<bool> {
        let (WalFile::Segment(segment) | WalFile::Partial(segment)) = self.name else { return Ok(false) };
        let Some(left) = Left::find(&self.path, segment, self.cluster.control.system_identifier)? else {
            return Ok(false);
        };
        left.is_held(archive, key, archive.codec()).await
    }
}

/// Its length and its first page.
fn open(path: &Path) -> io::Result<(u64, Vec<u8>)> {
    let file = fs::File::open(path)?;
    let length = file.metadata()?.len();
    let mut first = Vec::new();
    file.take(PAGE_SIZE as u64).read_to_end(&mut first)?;
    Ok((length, first))
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    Error::new(Code::Io, format!("could not read {}", path.display())).hint("Is the path right?").source(error)
}
