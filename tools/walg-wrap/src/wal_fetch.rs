//! `walg-wrap wal-fetch`: gets a file of the WAL out of the archive.
//!
//! PostgreSQL's recovery takes any failure of `restore_command` up to 125 for the end of the archive,
//! and promotes with what it has. So for a restore to a point in time only a proven absence ends with
//! 1; whatever else fails ends with 126, which makes the server stop. A standby asks again instead:
//! for it every failure is 1, so that an outage of the store neither stops nor promotes it.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use flotilla::Context;
use flotilla::error::{Code, Error, Result};
use flotilla::exit::Exit;
use flotilla::record::{Line, Record, RecordInfo};
use flotilla::verb::{Effect, Example, Scope, Verb};
use flotilla_archive::Archive;
use flotilla_archive::archive::Located;
use flotilla_archive::wal::{PAGE_SIZE, SegmentSize, WalFile};
use schemars::JsonSchema;
use serde::Serialize;
use tempfile::NamedTempFile;
use tokio::time::Instant;

use crate::cluster::{self, Cluster};
use crate::left;

/// The verb.
pub(crate) const VERB: Verb = Verb {
    name: "wal-fetch",
    effect: Effect::Changes,
    scope: Scope::Required,
    exclusive: false,
    records: &[RecordInfo::of::<FetchedWal>()],
    examples: &[
        Example {
            line: "walg-wrap wal-fetch -q -t s0 --for standby 000000010000000000000042 pg_wal/RECOVERYXLOG",
            does: "What restore_command of a standby calls, as: walg-wrap wal-fetch -q -t s0 --for standby %f %p",
        },
        Example {
            line: "walg-wrap wal-fetch -q -t s0 --for pitr 000000010000000000000042 pg_wal/RECOVERYXLOG",
            does: "The same of a restore to a point in time: recovery stops when the archive fails",
        },
    ],
};

/// What is fetched, and for whom.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The file's name, `%f` of `restore_command`
    #[arg(value_name = "FILE")]
    file: String,
    /// Where it goes, `%p` of `restore_command`
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Who asks, which decides how a failure ends
    #[arg(long = "for", value_enum, value_name = "WHO")]
    whom: Whom,
    /// Fetch from this store instead of the first
    #[arg(long, value_name = "NAME")]
    store: Option<String>,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Whom {
    /// A restore: 1 is a proven absence, 126 any other failure
    Pitr,
    /// A standby: every failure is 1
    Standby,
}

/// A file of the WAL that was fetched.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct FetchedWal {
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
    /// Whether sums were kept beside the object, with which it was compared.
    compared: Option<bool>,
}

impl Record for FetchedWal {
    const KIND: &'static str = "walg-wrap.wal_fetched";
    const COLUMNS: &'static [&'static str] = &["file", "store", "size_bytes", "compared"];
}

/// How the process ends, by the words of its command line: also when these can't be parsed.
pub(crate) fn exit(args: impl Iterator<Item = OsString>, exit: Exit) -> Exit {
    let words: Vec<OsString> = args.skip(1).collect();
    if exit == Exit::Ok || !words.iter().any(|word| word == "wal-fetch") {
        return exit;
    }
    let asks = |whom: &str| {
        let joined = OsString::from(format!("--for={whom}"));
        words.contains(&joined) || words.windows(2).any(|pair| pair[0] == "--for" && pair[1] == whom)
    };
    if asks("standby") {
        Exit::Failed
    } else if asks("pitr") && exit != Exit::Failed {
        Exit::Stop
    } else {
        exit
    }
}

/// Fetches one file.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    let began = Instant::now();
    let Some(shard) = cluster::one_shard::<FetchedWal>(cx)? else { return Ok(()) };
    let found = tokio::select! {
        found = fetch(cx, &shard, &args) => found,
        () = cx.deadline_passed() => Err(cx.deadline_error()),
    };
    match found {
        Ok(Some(body)) => {
            let changed = !cx.global().dry_run;
            let line = Line::ok(Some(shard.name), changed, body, began.elapsed());
            let status = if changed { flotilla::record::Status::Ok } else { flotilla::record::Status::Planned };
            cx.output().line(&line.with_status(status))
        }
        Ok(None) => {
            let error = Error::new(Code::NotFound, format!("there is no {} in the archive", args.file))
                .hint("Recovery asks for more than there is; this is how it finds the end.");
            // Asked for at the end of every recovery and every few seconds by a standby: no news.
            if cx.global().quiet {
                Err(error.exits(Exit::Failed))
            } else {
                cx.output().line(&Line::<FetchedWal>::failed(Some(shard.name), &error, began.elapsed()))
            }
        }
        Err(error) => Err(error.exits(Exit::Stop)),
    }
}

/// Fetches the file; none where it is proven that the archive has none.
async fn fetch(cx: &Context, shard: &flotilla::config::Shard, args: &Args) -> Result<Option<FetchedWal>> {
    let control = Cluster::beside(&args.path)?.map(|cluster| cluster.control);
    let size = control.as_ref().map_or(SegmentSize::DEFAULT, |control| control.segment_size);
    let file = WalFile::parse(&args.file, size)
        .map_err(|e| Error::input(e.to_string()).hint("This is %f of restore_command."))?;
    let archive = match args.whom {
        Whom::Pitr => Archive::open(cx.config()?, shard, args.store.as_deref()).await?,
        // It would hold up a promotion, which asks for what may come next before it begins.
        Whom::Standby => Archive::open_hasty(cx.config()?, shard, args.store.as_deref()).await?,
    };
    let system = match &control {
        Some(control) => Some(control.system_identifier),
        // Where the caller has none, the archive itself says whose it is.
        None => archive.pin().await?.and_then(|pin| pin.system_identifier.parse().ok()),
    };
    let planned = cx.global().dry_run;
    let located = if planned { archive.locate(file).await? } else { archive.locate_body(file).await? };
    let Some(located) = located else { return Ok(None) };
    let mut body = FetchedWal {
        shard: Some(shard.name.clone()),
        store: Some(archive.store().name().to_owned()),
        engine: Some(crate::engine::EMBEDDED.to_owned()),
        file: Some(file.to_string()),
        object: Some(located.key.clone()),
        ..FetchedWal::default()
    };
    if planned {
        return Ok(Some(body));
    }
    let spares = args.whom == Whom::Standby;
    let wanted = Wanted { archive: &archive, file, system, path: &args.path, spares };
    let tried = located.key.clone();
    let fetched = match wanted.fetch(located).await {
        Err(error) if error.code() == Code::Mismatch => match wanted.otherwise(&tried).await? {
            Some((key, fetched)) => {
                tracing::warn!("\"{tried}\" is damaged, and \"{key}\" was fetched instead: {error}");
                body.object = Some(key);
                Ok(fetched)
            }
            None => Err(error),
        },
        fetched => fetched,
    };
    let Some(Fetched { length, compared }) = fetched? else {
        tracing::info!("pg_wal has all of {file} that is in the archive, and more");
        return Ok(None);
    };
    body.size_bytes = Some(length);
    body.compared = Some(compared);
    Ok(Some(body))
}

/// A file of the WAL, and where it goes.
struct Wanted<'a> {
    archive: &'a Archive,
    file: WalFile,
    system: Option<u64>,
    path: &'a Path,
    /// Whether a segment in `pg_wal` that goes on where the archive's ends is left there.
    spares: bool,
}

struct Fetched {
    length: u64,
    compared: bool,
}

impl Wanted<'_> {
    /// Fetches it from this object; none where `pg_wal` has more of it.
    async fn fetch(&self, located: Located) -> Result<Option<Fetched>> {
        let unwritable = |e| {
            Error::new(Code::Io, format!("could not write {}", self.path.display())).hint("Is there room?").source(e)
        };
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut fetched = NamedTempFile::new_in(folder).map_err(unwritable)?;
        let mut sink = fetched.reopen().map_err(unwritable)?;
        let work = move |content: &mut dyn std::io::Read| {
            let mut first = Vec::new();
            content.take(PAGE_SIZE as u64).read_to_end(&mut first)?;
            sink.write_all(&first)?;
            let rest = std::io::copy(content, &mut sink)?;
            let length = first.len() as u64 + rest;
            Ok::<_, std::io::Error>((first, length))
        };
        let Located { key, codec, body } = located;
        let (unpacked, (first, length)) = match body {
            Some(body) => {
                let sums = self.archive.sums(&key).await?;
                self.archive.unpack_body(&key, codec, body, sums, work).await?
            }
            None => self.archive.unpack(&key, codec, work).await?,
        };
        check(self.file, &first, length, self.system)?;
        fetched.flush().map_err(unwritable)?;
        if self.is_spared(folder, fetched.path()) {
            return Ok(None);
        }
        fetched.persist(self.path).map_err(|e| unwritable(e.error))?;
        Ok(Some(Fetched { length, compared: unpacked.compared }))
    }

    fn is_spared(&self, folder: &Path, fetched: &Path) -> bool {
        let (WalFile::Segment(segment), Some(system), true) = (self.file, self.system, self.spares) else {
            return false;
        };
        let own = folder.join(segment.to_string());
        // What can't be read is nothing to spare.
        own.exists() && left::goes_on(&own, fetched, segment, system).unwrap_or(false)
    }

    /// Fetches it from another packing than the one that was tried, where there is one that is sound.
    async fn otherwise(&self, tried: &str) -> Result<Option<(String, Option<Fetched>)>> {
        for other in self.archive.packings(self.file).await?.into_iter().filter(|other| other.key != tried) {
            let key = other.key.clone();
            match self.fetch(other).await {
                Ok(fetched) => return Ok(Some((key, fetched))),
                Err(error) if matches!(error.code(), Code::Mismatch | Code::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

/// What was fetched must be what its name says, and of this cluster.
fn check(file: WalFile, first: &[u8], length: u64, system: Option<u64>) -> Result<()> {
    let wrong = |what: String| {
        Err(Error::new(Code::Mismatch, format!("what the archive holds as {file} is not that: {what}"))
            .hint("It was not used. `walg-wrap verify` looks at all of the archive."))
    };
    if length == 0 {
        return wrong("it is empty".to_owned());
    }
    let (WalFile::Segment(segment) | WalFile::Partial(segment)) = file else { return Ok(()) };
    segment.check(first, length, system).or_else(wrong)
}
