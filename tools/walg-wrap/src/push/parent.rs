//! Which backup a delta stands on.

use flotilla_archive::Catalog;
use flotilla_archive::catalog::Backup;

use super::source::Source;

/// The newest backup, where a delta may stand on it; else why not.
pub(super) fn choose<'c>(
    catalog: &'c Catalog,
    source: &Source,
    max_deltas: u32,
    permanent: bool,
) -> Result<&'c Backup, String> {
    let Some(newest) = catalog.newest() else { return Err("there is no backup yet".to_owned()) };
    let sentinel = &newest.sentinel;
    let no = |why: &str| Err(format!("{}: {why}", newest.name));
    if let Err(broken) = catalog.chain(newest) {
        return no(&broken.to_string());
    }
    if sentinel.system_identifier != Some(source.system) {
        return no("it is of another cluster");
    }
    if !sentinel.has_files_metadata() {
        return no("it has no list of its files");
    }
    if sentinel.finish_lsn > source.at {
        return no("it ends behind where the server is");
    }
    let count = sentinel.delta_count.unwrap_or(0) + 1;
    if count > max_deltas {
        return no(&format!("its chain has {max_deltas} deltas already"));
    }
    if newest.is_permanent() && !permanent {
        return no("it is permanent, and this one isn't");
    }
    let number = sentinel.start_lsn.0 / catalog.size.bytes();
    match catalog.way_to(source.timeline) {
        _ if newest.timeline() == source.timeline => Ok(newest),
        Some(way) if way.segment(number, catalog.size).timeline == newest.timeline() => Ok(newest),
        _ => no("the server's timeline doesn't come from its"),
    }
}
