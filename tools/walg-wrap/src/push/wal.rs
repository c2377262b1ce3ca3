//! Waits for the WAL of a backup: without it the backup is none.

use std::collections::BTreeSet;
use std::time::Duration;

use flotilla::error::{Code, Error, Result};
use flotilla_archive::Archive;
use flotilla_archive::archive::pauses;
use flotilla_archive::codec::Codec;
use flotilla_archive::names::{self, Object};
use flotilla_archive::store::{Entry, Listing};
use flotilla_archive::wal::{Segment, WalFile};
use futures_util::TryStreamExt as _;
use tokio::time::Instant;

use super::source::Source;

/// Waits until every segment is in the archive, and the last one can be read.
pub(crate) async fn arrived(
    archive: &Archive,
    source: &Source,
    first: Segment,
    last: Segment,
    limit: Duration,
) -> Result<()> {
    let deadline = Instant::now() + limit;
    let mut pauses = pauses();
    loop {
        let (missing, object) = look(archive, first, last).await?;
        match (missing, object) {
            (None, Some((key, codec))) => {
                let read = archive.read(&key, codec, |content| std::io::copy(content, &mut std::io::sink()));
                let (_, length) = read.await?;
                if length == last.size.bytes() {
                    return Ok(());
                }
                return Err(Error::new(Code::Mismatch, format!("segment {last} has {length} bytes in the archive"))
                    .hint("Nothing is listed of this backup. Find out what wrote the segment."));
            }
            (missing, _) if Instant::now() >= deadline => {
                return Err(late(source, missing.unwrap_or(last), limit).await);
            }
            _ => tokio::time::sleep(pauses.next().unwrap_or_default()).await,
        }
    }
}

/// The first segment that isn't there, and the object of the last one.
async fn look(archive: &Archive, first: Segment, last: Segment) -> Result<(Option<Segment>, Option<(String, Codec)>)> {
    let plain = names::wal(WalFile::Segment(first), Codec::None);
    // One name before the first: a listing begins after it.
    let before = plain[..plain.len() - 1].to_owned();
    let mut entries = archive.store().list(Listing::of(&plain[..names::WAL.len() + 8]).after(before));
    let (mut there, mut object) = (BTreeSet::new(), None);
    while let Some(entry) = entries.try_next().await? {
        let Entry::Object(meta) = entry else { continue };
        if let Object::Wal { file: WalFile::Segment(segment), codec } = Object::of(&meta.key, first.size) {
            there.insert(segment.number);
            if segment == last {
                object.get_or_insert((meta.key, codec));
            }
        }
    }
    let mut segment = first;
    loop {
        if !there.contains(&segment.number) {
            return Ok((Some(segment), object));
        }
        if segment.number >= last.number {
            return Ok((None, object));
        }
        segment = segment.next();
    }
}

async fn late(source: &Source, missing: Segment, limit: Duration) -> Error {
    let sql = "SELECT last_failed_wal FROM pg_catalog.pg_stat_archiver \
               WHERE last_failed_time > coalesce(last_archived_time, '-infinity')";
    let why = match source.session.value(sql).await {
        Ok(Some(failed)) => format!("archive_command fails on {failed}"),
        _ => "archive_command doesn't fail; is it slow, or does it archive elsewhere?".to_owned(),
    };
    let limit = humantime::format_duration(limit);
    Error::new(
        Code::Timeout,
        format!("segment {missing}, which the backup needs, was not archived within {limit}: {why}"),
    )
    .hint("Nothing is listed of this backup. Look at the server's log for what archive_command says.")
}
