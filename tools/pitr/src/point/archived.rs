//! The proof that a point is in the archive: its record, read from there.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use flotilla::Context;
use flotilla::error::{Code, Error, Result};
use flotilla_archive::archive::pauses;
use flotilla_archive::wal::{Lsn, Segment, Timeline, WalFile};
use flotilla_archive::{Archive, Catalog};

use super::barrier::Made;
use crate::log::{Left, Reader, What};

/// Where it was found.
pub(super) struct Found {
    pub(super) at: Lsn,
    pub(super) time: DateTime<Utc>,
    pub(super) segment: Segment,
}

/// Waits until the archive has the segment, and reads the point's record from it.
pub(super) async fn wait(cx: &Context, archive: &Archive, made: &Made, name: &str, wait: Duration) -> Result<Found> {
    let until = Instant::now() + wait;
    let size = archive.segment_size().await?;
    let segment = Segment::ending_at(Timeline(made.timeline), made.end, size);
    let mut pauses = pauses();
    loop {
        if archive.locate(WalFile::Segment(segment)).await?.is_some() {
            // Where the record crosses into the next segment, that is needed as well.
            let catalog = Catalog::load(archive).await?;
            let reader = Reader::new(archive.clone(), made.system.parse().ok());
            let before = Segment { number: segment.number.saturating_sub(1), ..segment };
            for (one, next) in [(segment, segment.next()), (before, segment)] {
                if catalog.segment(one).is_none() {
                    continue;
                }
                let left = Left { on_way: None, by_any: catalog.left_within(one) };
                let marks = reader.marks(&catalog, one, next, left).await?;
                let is_it =
                    |mark: &&crate::log::Mark| mark.end == made.end && mark.what == What::Point(name.to_owned());
                if let Some(mark) = marks.found.iter().find(is_it) {
                    return Ok(Found { at: mark.at, time: mark.time, segment });
                }
            }
            return Err(Error::new(
                Code::Mismatch,
                format!("segment {segment} in the archive doesn't hold the restore point"),
            )
            .hint("Another server archives there, or what is archived is not what was written."));
        }
        if Instant::now() > until {
            return Err(Error::new(
                Code::Timeout,
                format!("segment {segment} with the restore point is not archived yet"),
            )
            .hint(
                "It was made and is noted nowhere. Look at pg_stat_archiver, then make another under another name.",
            ));
        }
        cx.unless_ended(async {
            tokio::time::sleep(pauses.next().unwrap_or_default()).await;
            Ok(())
        })
        .await?;
    }
}
