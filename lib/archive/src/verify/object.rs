//! One object: read to its end and compared with its sums, and with what it was before.

use std::io::{self, Read};

use flotilla::{Code, Result};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{Finding, Rule, Run};
use crate::archive::{Archive, Opened};
use crate::backup::BackupLabel;
use crate::codec::Codec;
use crate::digest::{Passed, Sum};
use crate::documents::Sidecar;
use crate::names::{self, Object};
use crate::wal::{PageHeader, WalFile};

/// The longest object that is held in memory.
const SMALL: usize = 64 << 20;

/// The sums beside an object, which are read every time the object is. An outer `None` means that there
/// is a finding about them.
pub(super) async fn sums(run: &Run, key: &str) -> Result<Option<Sidecar>> {
    let name = names::sidecar(key);
    if run.inventory.get(&name).is_none() {
        return Ok(None);
    }
    let bytes = match run.archive.store().get(&name).await {
        Ok(body) => body.collect(SMALL).await?,
        Err(error) if error.is_absent() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
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

/// Compares what was read with the sums, and with what was there before.
fn compare(run: &Run, key: &str, stored: Passed, content: Option<Passed>, sums: Option<&Sidecar>) {
    // Taken out first: a finding needs the lock as well.
    let before = run.shared().remembered.get(key).map(|seen| seen.sha256);
    if let Some(sums) = sums {
        if let Err(corrupt) = sums.compare(stored) {
            run.find(Finding::error(Rule::Changed, key, corrupt.to_string()));
        } else if content.is_some_and(|content| sums.is_content(content) == Some(false)) {
            let name = names::sidecar(key);
            run.find(Finding::error(Rule::Changed, &name, format!("the sums of \"{key}\" are of another content")));
        }
    } else if before.is_some_and(|before| before != stored.sum) {
        let said = "it is not what it was when it was read before, and such objects are never replaced";
        run.find(Finding::error(Rule::Changed, key, said));
        return;
    }
    if !run.shared().faulty.contains(key) {
        run.note(key, stored.sum);
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
        Err(error) => return Err(error.into()),
    };
    match archive.read_body(key, codec, body, None, work).await {
        Ok((opened, value)) => {
            compare(run, key, opened.stored, Some(opened.content), sums.as_ref());
            Ok(Some((opened, value)))
        }
        Err(error) if error.code() == Code::Mismatch => {
            run.find(Finding::error(Rule::Damaged, key, error.message()));
            Ok(None)
        }
        Err(error) if error.causes().iter().any(|cause| cause.contains("are read by wal-g alone")) => {
            run.find(Finding::warning(Rule::Unknown, key, "it is packed in a way that wal-g alone reads"));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Reads an object that is neither packed nor encrypted. `None` where it isn't there any more.
pub(super) async fn plain(run: &Run, key: &str) -> Result<Option<bytes::Bytes>> {
    let sums = sums(run, key).await?;
    let content = match run.archive.store().get(key).await {
        Ok(body) => body.collect(SMALL).await,
        Err(error) => Err(error),
    };
    let content = match content {
        Ok(content) => content,
        Err(error) if error.is_absent() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let passed = Passed { bytes: content.len() as u64, sum: Sum::of(&content) };
    compare(run, key, passed, Some(passed), sums.as_ref());
    Ok(Some(content))
}

/// Everything that is neither of a backup nor a segment.
pub(super) async fn others(run: &Run) -> Result<()> {
    let keys: Vec<String> = run.inventory.others().map(str::to_owned).collect();
    let unread: Vec<String> = keys.iter().filter(|key| !run.is_known(key)).cloned().collect();
    run.note_known(keys.len() - unread.len());
    stream::iter(unread)
        .map(|key| async move { other(run, &key).await })
        .buffer_unordered(run.archive.parallelism())
        .try_collect::<Vec<()>>()
        .await?;
    Ok(())
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
            let body = match run.archive.store().get(key).await {
                Ok(body) => body,
                Err(error) if error.is_absent() => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let mut summing = crate::digest::Summing::new(io::sink());
            let mut body = body;
            while let Some(piece) = body.try_next().await? {
                io::Write::write_all(&mut summing, &piece)
                    .map_err(|e| flotilla::Error::internal("a sink").source(e))?;
            }
            compare(run, key, summing.finish().1, None, sums.as_ref());
            if sums.is_none() && run.inventory.get(key).is_some_and(|meta| meta.size == 0) {
                run.find(Finding::error(Rule::Damaged, key, "it is empty"));
            }
            Ok(())
        }
    }
}

/// History files, of timelines and of backups, and segments that were never filled.
async fn small_wal(run: &Run, key: &str, file: WalFile, codec: Codec) -> Result<()> {
    let most = run.catalog.size.bytes();
    let read = packed(run, key, codec, move |content| {
        let mut bytes = Vec::new();
        let first = if matches!(file, WalFile::Partial(_)) { 8192 } else { most };
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
