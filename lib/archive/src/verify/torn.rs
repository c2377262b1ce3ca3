//! Pages with a wrong checksum that weren't changed since the backup began.
//!
//! A page that is written while it is copied may be half of each, under its old position. The log then
//! has the whole page, since a page's first change after a checkpoint carries it, and recovery puts it
//! there before anybody sees the other. What the log has no page for was damaged before.

use std::collections::{BTreeMap, BTreeSet};

use flotilla::Result;

use super::part::Found;
use super::{Finding, Rule, Run, records};
use crate::catalog::Backup;
use crate::names;
use crate::wal::{BlockRef, History, Segment};

/// A page: database, number of the relation's file, fork, block. Tablespaces are left out: their OIDs
/// stand in another form in the log, and the database's files have numbers of their own in each.
type Place = (u32, u32, u8, u32);

/// Finds the damaged pages of a backup.
pub(super) async fn check(run: &Run, backup: &Backup, found: &[Found]) -> Result<()> {
    let control = found.iter().find_map(|part| part.control.as_ref());
    if control.is_none_or(|control| control.checksum_version == 0) {
        return Ok(());
    }
    let mut suspects: BTreeMap<Place, (&str, &str, u32)> = BTreeMap::new();
    for part in found {
        for (member, block) in &part.pages {
            if let Some((database, number, fork)) = relation(member) {
                suspects.insert((database, number, fork, *block), (&part.key, member, *block));
            }
        }
    }
    if suspects.is_empty() {
        return Ok(());
    }
    let repaired = images(run, backup).await?;
    for (place, (part, member, block)) in suspects {
        if !repaired.contains(&place) {
            let key = part.to_owned();
            let said = format!("page {block} of {member:?} has a wrong checksum, and the log doesn't bring it anew");
            run.find(Finding::error(Rule::Page, &key, said).at(format!("block {block}")));
        }
    }
    Ok(())
}

/// `/base/5/16385_fsm.1` is database 5, relation 16385, fork 1.
fn relation(member: &str) -> Option<(u32, u32, u8)> {
    let (folder, name) = member.rsplit_once('/')?;
    let database = if folder == "/global" { 0 } else { folder.rsplit_once('/')?.1.parse().ok()? };
    let stem = name.split('.').next()?;
    let (number, fork) = stem.split_once('_').map_or((stem, 0), |(number, fork)| {
        (
            number,
            match fork {
                "fsm" => 1,
                "vm" => 2,
                _ => 3,
            },
        )
    });
    Some((database, number.parse().ok()?, fork))
}

/// The pages that the log brings between the backup's beginning and its end.
async fn images(run: &Run, backup: &Backup) -> Result<BTreeSet<Place>> {
    let way = run.catalog.way_to(backup.timeline()).unwrap_or_else(|| History::first(backup.timeline()));
    let (start, finish) = (backup.sentinel.start_lsn, backup.sentinel.finish_lsn);
    let segments: Vec<Segment> = way.segments(start, finish, run.catalog.size).collect();
    let mut images = BTreeSet::new();
    for object in segments.iter().filter_map(|segment| run.catalog.segment(*segment)) {
        // One by one: a page that lies in a record over two segments is looked for in vain, which errs on
        // the side of a finding.
        let parsed = crate::names::Object::of(&object.key, run.catalog.size);
        let names::Object::Wal { file: crate::wal::WalFile::Segment(segment), .. } = parsed else { continue };
        let expected = records::expected(run, segment);
        let read = run.archive.read(&object.key, object.codec, move |content| {
            let mut images = Vec::new();
            let mut records = crate::wal::Records::new(content, segment.start(), expected);
            while let Ok(Some(record)) = records.next_record() {
                images.extend(record.blocks().unwrap_or_default().into_iter().filter(|block| block.image));
            }
            Ok(images)
        });
        match read.await {
            Ok((_, found)) => images.extend(
                found
                    .into_iter()
                    .map(|block: BlockRef| (block.file.database, block.file.number, block.fork, block.block)),
            ),
            // Told of where the log is checked.
            Err(error) if matches!(error.code(), flotilla::Code::Mismatch | flotilla::Code::NotFound) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(images)
}
