//! Pages with a wrong checksum that weren't changed since the backup began.
//!
//! A page that is written while it is copied may be half of each, under its old position. The log then
//! has the whole page, since a page's first change after a checkpoint carries it, and recovery puts it
//! there before anybody sees the other. What the log has no page for was damaged before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use flotilla::Result;

use super::members::List;
use super::part::Found;
use super::{Finding, Rule, Run, held, segment};
use crate::catalog::Backup;
use crate::wal::{History, Segment};

/// A page: database, number of the relation's file, fork, block. Tablespaces are left out: their OIDs
/// stand in another form in the log, and the database's files have numbers of their own in each.
type Place = (u32, u32, u8, u32);

/// Finds the damaged pages of a backup.
pub(super) async fn check(run: &Run, backup: &Backup, files: &Arc<Mutex<List>>, found: &[Found]) -> Result<()> {
    let control = found.iter().find_map(|part| part.control.as_ref());
    if control.is_none_or(|control| control.checksum_version == 0) {
        return Ok(());
    }
    let mut suspects: BTreeMap<Place, (&str, &str, u32)> = BTreeMap::new();
    for part in found {
        for (member, block) in &part.pages {
            if let Some((init, place)) = relation(member, *block)
                && !held(files).lists(&init)
            {
                suspects.insert(place, (&part.key, member, *block));
            }
        }
    }
    if suspects.is_empty() {
        return Ok(());
    }
    let damaged = not_made_anew(run, backup, suspects.keys().copied().collect()).await?;
    for (_, (part, member, block)) in suspects.into_iter().filter(|(place, _)| damaged.contains(place)) {
        let said = format!("page {block} of {member:?} has a wrong checksum, and the log doesn't bring it anew");
        run.find(Finding::error(Rule::Page, part, said).at(format!("block {block}")));
    }
    Ok(())
}

/// `/base/5/16385_fsm.1` is database 5, relation 16385, fork 1. With it the name of the fork that only
/// relations have which the log knows nothing of: they are emptied by recovery.
fn relation(member: &str, block: u32) -> Option<(String, Place)> {
    let (folder, name) = member.rsplit_once('/')?;
    let database = if folder == "/global" { 0 } else { folder.rsplit_once('/')?.1.parse().ok()? };
    let stem = name.split('.').next()?;
    let (number, fork) = stem.split_once('_').unwrap_or((stem, ""));
    let init = if fork == "init" { String::new() } else { format!("{folder}/{number}_init") };
    let fork = match fork {
        "" => 0,
        "fsm" => 1,
        "vm" => 2,
        _ => 3,
    };
    Some((init, (database, number.parse().ok()?, fork, block)))
}

/// Those of the pages that the log doesn't bring between the backup's beginning and its end.
async fn not_made_anew(run: &Run, backup: &Backup, suspects: BTreeSet<Place>) -> Result<BTreeSet<Place>> {
    let way = run.catalog.way_to(backup.timeline()).unwrap_or_else(|| History::first(backup.timeline()));
    let (start, finish) = (backup.sentinel.start_lsn, backup.sentinel.finish_lsn);
    let segments: Vec<Segment> = way.segments(start, finish, run.catalog.size).collect();
    let objects: Vec<_> = segments.iter().map_while(|segment| run.catalog.segment(*segment)?.into()).collect();
    let suspects = Arc::new(Mutex::new(suspects));
    let left = Arc::clone(&suspects);
    segment::each_record(run, &objects, move |record| {
        let mut left = held(&left);
        for block in record.blocks().unwrap_or_default().into_iter().filter(|block| block.image || block.init) {
            left.remove(&(block.file.database, block.file.number, block.fork, block.block));
        }
    })
    .await?;
    let left = held(&suspects).clone();
    Ok(left)
}
