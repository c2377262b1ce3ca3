//! One object: read to its end and compared with its sums, and with what it was before.

use std::io::{self, Read};

use flotilla::{Code, Result};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{Finding, Rule, Run};
use crate::archive::{Archive, Opened};
use crate::backup::BackupLabel;
use crate::codec::Codec;
use crate::digest::{Passed, Sum, Summing};
use crate::documents::Sidecar;
use crate::names::{self, Object};
use crate::store::StoreError;
use crate::wal::{PageHeader, WalFile};

/// The longest object that is held in memory.
const SMALL: usize = 64 << 20;
/// As much is read of a history file, in bytes.
const HISTORY: u64 = 1 << 20;

/// The sums beside an object, which are read every time the object is. `None` where there are none, or
/// a finding about them.
pub(super) async fn sums(run: &Run, key: &str) -> Result<Option<Sidecar>> {
    let name = names::sidecar(key);
    if run.inventory.get(&name).is_none() {
        return Ok(None);
    }
    let Some(bytes) = small(run, &name).await? else { return Ok(None) };
    let sums = match Sidecar::parse(key, &bytes) {
        Ok(sums) => sums,
        Err(corrupt) => {
            run.find(Finding::error(Rule::Damaged, &name, corrupt.to_string()));
            return Ok(None);
        }
    };
    // They are always written in one form: another is another's work, or damage that still reads well.
    if sums.to_json() != bytes.as_ref() {
        run.find(Finding::error(Rule::Damaged, &name, "the sums are not in the form in which they are written"));
        return Ok(None);
    }
    if let (Some(of), Some(system)) = (&sums.system_identifier, run.system)
        && *of != system.to_string()
    {
        run.find(Finding::error(Rule::Foreign, &name, format!("the sums are of system {of}, and this is {system}")));
    }
    run.note(&name, Sum::of(&bytes));
    Ok(Some(sums))
}

/// An object that is held in memory. `None` where it isn't there any more, or the store doesn't give it.
async fn small(run: &Run, key: &str) -> Result<Option<bytes::Bytes>> {
    let read = match run.archive.store().get(key).await {
        Ok(body) => body.collect(SMALL).await,
        Err(error) => Err(error),
    };
    match read {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => run.withheld(key, error.into()).await.map(|()| None),
    }
}

/// Compares what was read with the sums, and with what was there before.
fn compare(run: &Run, key: &str, stored: Passed, content: Option<Passed>, sums: Option<&Sidecar>) {
    let before = run.before(key);
    if let Some(sums) = sums {
        if let Err(corrupt) = sums.compare(stored) {
            run.find(Finding::error(Rule::Changed, key, corrupt.to_string()));
        } else if content.is_some_and(|content| sums.is_content(content.into()) == Some(false)) {
            let name = names::sidecar(key);
            run.find(Finding::error(Rule::Changed, &name, format!("the sums of \"{key}\" are of another content")));
        }
    } else if before.is_some_and(|before| before != stored.sum) && !is_rewritten(run, key) {
        let said = "it is not what it was when it was read before, and such objects are never replaced";
        run.find(Finding::error(Rule::Changed, key, said));
    }
    run.note(key, stored.sum);
    run.keep_proof(key, stored, content);
}

/// Whether it is one of the objects that are written anew: WAL-G notes in `metadata.json` that a backup is
/// permanent (what else that says is compared with the sentinel), and notes of ours change.
fn is_rewritten(run: &Run, key: &str) -> bool {
    match run.inventory.object(key) {
        Object::Metadata(_) | Object::WalExtra(_) | Object::Unknown(_) => true,
        Object::Own(key) => key != super::documents::PIN,
        _ => false,
    }
}

/// Reads a packed object by `work`. `None` where it can't be read, which is a finding already.
pub(super) async fn packed<T, F>(run: &Run, key: &str, codec: Codec, work: F) -> Result<Option<(Opened, T)>>
where
    T: Send + 'static,
    F: FnOnce(&mut dyn Read) -> io::Result<T> + Send + 'static,
{
    read(run, &run.archive, key, codec, work).await
}

/// The same of a document, which is neither packed nor encrypted.
pub(super) async fn document<T, F>(run: &Run, key: &str, work: F) -> Result<Option<(Opened, T)>>
where
    T: Send + 'static,
    F: FnOnce(&mut dyn Read) -> io::Result<T> + Send + 'static,
{
    read(run, &run.archive.unsealed(), key, Codec::None, work).await
}

async fn read<T, F>(run: &Run, archive: &Archive, key: &str, codec: Codec, work: F) -> Result<Option<(Opened, T)>>
where
    T: Send + 'static,
    F: FnOnce(&mut dyn Read) -> io::Result<T> + Send + 'static,
{
    let sums = sums(run, key).await?;
    let body = match run.archive.store().get(key).await {
        Ok(body) => body,
        Err(error) if error.is_absent() => return Ok(None),
        Err(error) => return run.withheld(key, error.into()).await.map(|()| None),
    };
    if !codec.is_read() {
        run.find(Finding::warning(Rule::Unknown, key, "it is packed in a way that wal-g alone reads"));
        return Ok(None);
    }
    match archive.read_body(key, codec, body, None, work).await {
        Ok((opened, value)) => {
            compare(run, key, opened.stored, Some(opened.content), sums.as_ref());
            Ok(Some((opened, value)))
        }
        Err(error) if error.code() == Code::Mismatch => {
            let said = match sums {
                Some(sums) if archive.is_encrypted() && is_as_written(run, key, &sums).await? => {
                    "it is what was written, and can't be read with this key".to_owned()
                }
                _ => error.message().to_owned(),
            };
            run.find(Finding::error(Rule::Damaged, key, said));
            Ok(None)
        }
        Err(error) => run.withheld(key, error).await.map(|()| None),
    }
}

/// Whether the object is, as stored, what its sums say.
async fn is_as_written(run: &Run, key: &str, sums: &Sidecar) -> Result<bool> {
    let Some(stored) = stored(run, key).await? else { return Ok(false) };
    Ok(sums.compare(stored).is_ok())
}

/// The sum of an object as it is stored. `None` where it isn't there any more, or the store doesn't give it.
async fn stored(run: &Run, key: &str) -> Result<Option<Passed>> {
    let read = async {
        let mut body = run.archive.store().get(key).await?;
        let mut summing = Summing::new(io::sink());
        while let Some(piece) = body.try_next().await? {
            // A sink takes everything.
            let _ = io::Write::write_all(&mut summing, &piece);
        }
        Ok::<_, StoreError>(summing.finish().1)
    };
    match read.await {
        Ok(passed) => Ok(Some(passed)),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => run.withheld(key, error.into()).await.map(|()| None),
    }
}

/// Reads an object that is neither packed nor encrypted. `None` where it isn't there any more.
pub(super) async fn plain(run: &Run, key: &str) -> Result<Option<bytes::Bytes>> {
    let sums = sums(run, key).await?;
    let Some(content) = small(run, key).await? else { return Ok(None) };
    let passed = Passed { bytes: content.len() as u64, sum: Sum::of(&content) };
    compare(run, key, passed, Some(passed), sums.as_ref());
    Ok(Some(content))
}

/// Reads an object that WAL-G writes anew. Where it `agrees` with what else says the same, sums of what it
/// was before say nothing against it.
pub(super) async fn rewritten(run: &Run, key: &str, agrees: bool) -> Result<()> {
    let sums = sums(run, key).await?;
    let Some(content) = small(run, key).await? else { return Ok(()) };
    let passed = Passed { bytes: content.len() as u64, sum: Sum::of(&content) };
    let sums = sums.filter(|sums| !agrees || sums.compare(passed).is_ok());
    compare(run, key, passed, Some(passed), sums.as_ref());
    Ok(())
}

/// Everything that is neither of a backup nor a segment.
pub(super) async fn others(run: &Run) -> Result<()> {
    let (known, unread): (Vec<String>, Vec<String>) = run.inventory.others().partition(|key| run.is_known(key));
    run.note_known(known.len());
    drop(known);
    stream::iter(unread)
        .map(|key| async move { other(run, &key).await })
        .buffer_unordered(run.archive.parallelism())
        .try_for_each(|()| std::future::ready(Ok(())))
        .await
}

async fn other(run: &Run, key: &str) -> Result<()> {
    match run.inventory.object(key) {
        Object::Wal { file, codec } => small_wal(run, key, file, codec).await,
        Object::WalExtra(name) if name.contains("_delta") => {
            let codec = Codec::of_name(key).1;
            packed(run, key, codec, |content| io::copy(content, &mut io::sink())).await.map(drop)
        }
        // Of ours, whose form their own readers know: whole by their sums, and by nothing else here.
        _ => {
            let sums = sums(run, key).await?;
            let Some(stored) = stored(run, key).await? else { return Ok(()) };
            compare(run, key, stored, None, sums.as_ref());
            if sums.is_none() && run.inventory.get(key).is_some_and(|meta| meta.size == 0) {
                run.find(Finding::error(Rule::Damaged, key, "it is empty"));
            }
            Ok(())
        }
    }
}

/// History files, of timelines and of backups, and segments that were never filled.
async fn small_wal(run: &Run, key: &str, file: WalFile, codec: Codec) -> Result<()> {
    let read = packed(run, key, codec, move |content| {
        let mut bytes = Vec::new();
        let first = if matches!(file, WalFile::Partial(_)) { 8192 } else { HISTORY };
        (&mut *content).take(first).read_to_end(&mut bytes)?;
        let rest = io::copy(content, &mut io::sink())?;
        Ok((bytes, rest))
    });
    let Some((opened, (bytes, _))) = read.await? else { return Ok(()) };
    match file {
        WalFile::Backup(segment, offset) => match BackupLabel::parse(&bytes, run.catalog.size) {
            Ok(label)
                if label.start.0 % run.catalog.size.bytes() == u64::from(offset)
                    && label.segment == segment.to_string() => {}
            Ok(label) => {
                let said = format!("it is of the backup that began at {} in {}", label.start, label.segment);
                run.find(Finding::error(Rule::Unfitting, key, said));
            }
            Err(corrupt) => run.find(Finding::error(Rule::Damaged, key, corrupt.to_string())),
        },
        WalFile::Partial(segment) => {
            if opened.content.bytes != segment.size.bytes() {
                let said = format!("it has {} bytes instead of {}", opened.content.bytes, segment.size.bytes());
                run.find(Finding::error(Rule::Damaged, key, said));
                return Ok(());
            }
            match PageHeader::parse(&bytes) {
                Err(what) => run.find(Finding::error(Rule::Damaged, key, what).at(segment.start())),
                Ok(header) if header.at != segment.start() || header.timeline > segment.timeline => {
                    let said = format!("it begins at {} of timeline {}", header.at, header.timeline);
                    run.find(Finding::error(Rule::Unfitting, key, said));
                }
                Ok(header) => super::segment::compare_system(run, key, &header),
            }
        }
        // Understood when the catalog was read; what was wrong is told with the timelines.
        WalFile::History(_) | WalFile::Segment(_) => {}
    }
    Ok(())
}
