//! The small documents: whose archive it is, sentinels, `metadata.json`. They are read every time.

use flotilla::Result;

use super::{Finding, Rule, Run, object, proof};
use crate::archive::{Archive, Pin};
use crate::catalog::{Backup, Broken};
use crate::documents::Metadata;
use crate::names;

/// The key of the document that says whose archive it is.
pub(super) const PIN: &str = "flotilla/archive.json";

/// Whose archive it is, as far as that can be read.
pub(super) async fn pin(archive: &Archive, find: &(dyn Fn(Finding) + Sync)) -> Result<Option<Pin>> {
    let bytes = match archive.store().get(PIN).await {
        Ok(body) => body.collect(1 << 16).await?,
        Err(error) if error.is_absent() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let pin: Pin = match serde_json::from_slice(&bytes) {
        Ok(pin) => pin,
        Err(error) => {
            find(Finding::error(Rule::Damaged, PIN, format!("it can't be understood: {error}")));
            return Ok(None);
        }
    };
    let written = serde_json::to_vec(&pin).unwrap_or_default();
    if pin.version != 1 || written != bytes.as_ref() || crate::wal::SegmentSize::new(pin.wal_segment_bytes).is_err() {
        find(Finding::error(Rule::Damaged, PIN, "it is not in the form in which it is written"));
        return Ok(None);
    }
    Ok(Some(pin))
}

/// Compares the documents with one another.
pub(super) async fn check(run: &Run) -> Result<()> {
    pinned(run).await?;
    for (name, why) in &run.catalog.unreadable {
        run.find(Finding::error(Rule::Damaged, &names::sentinel(name), format!("the backup can't be used: {why}")));
    }
    for backup in &run.catalog.backups {
        one(run, backup).await?;
    }
    Ok(())
}

async fn pinned(run: &Run) -> Result<()> {
    let Some(pin) = &run.pin else {
        // Whoever writes sums has pinned the archive before. A copy of WAL-G's objects has sums as well,
        // which don't say whose they are.
        let mut sums = run.inventory.keys().filter_map(|key| names::sidecar_of(&key));
        if run.inventory.get(PIN).is_none()
            && let Some(key) = sums.find(|key| run.inventory.get(key).is_some())
            && object::sums(run, &key).await?.is_some_and(|sums| sums.system_identifier.is_some())
        {
            run.find(Finding::error(Rule::Missing, PIN, "the document that says whose archive this is isn't there"));
        }
        return Ok(());
    };
    if let Some(system) = run.system
        && pin.system_identifier != system.to_string()
    {
        let said = format!("it says system {}, and the backups are of system {system}", pin.system_identifier);
        run.find(Finding::error(Rule::Foreign, PIN, said));
    }
    let major = run.catalog.backups.last().map(|backup| backup.sentinel.pg_version / 10_000);
    if let Some(major) = major.filter(|major| *major != pin.pg_major) {
        let said = format!("it says PostgreSQL {}, and the backups are of {major}", pin.pg_major);
        run.find(Finding::error(Rule::Unfitting, PIN, said));
    }
    Ok(())
}

async fn one(run: &Run, backup: &Backup) -> Result<()> {
    let key = names::sentinel(&backup.name);
    // What was parsed for the catalog is compared with its sums there; what is on record here is the object.
    if run.is_known(&key) {
        run.note_known(1);
    } else {
        object::plain(run, &key).await?;
    }
    metadata(run, backup).await?;
    if let (Some(of), Some(system)) = (backup.sentinel.system_identifier, run.system)
        && of != system
    {
        run.find(Finding::error(Rule::Foreign, &key, format!("the backup is of system {of}, and this is {system}")));
    }
    match backup.name.start(run.catalog.size) {
        Ok(start) if backup.needs(run.catalog.size).0 == start => {}
        // A standby's backup is named by the segment of the byte before.
        Ok(start)
            if crate::wal::Segment::ending_at(start.timeline, backup.sentinel.start_lsn, run.catalog.size) == start => {
        }
        _ => {
            let said = format!("by its name it begins elsewhere than at {}", backup.sentinel.start_lsn);
            run.find(Finding::error(Rule::Unfitting, &key, said));
        }
    }
    match run.catalog.chain(backup) {
        Err(Broken::Unproven(_)) => proof::told(run, backup),
        Err(broken) => run.find(Finding::error(Rule::Missing, &key, format!("it can't be restored: {broken}"))),
        Ok(chain) => {
            let full = backup.sentinel.delta_full_name.as_deref();
            if full.is_some_and(|full| full != chain[0].name.as_str()) {
                let said = format!("it says that its full backup is another than {}", chain[0].name);
                run.find(Finding::error(Rule::Unfitting, &key, said));
            }
            if let Some(parent) = chain.len().checked_sub(2).map(|at| chain[at])
                && backup.name.parent_digits().is_some_and(|digits| digits != parent.name.start_digits())
            {
                run.find(Finding::error(
                    Rule::Unfitting,
                    &key,
                    format!("by its name it stands on another than {}", parent.name),
                ));
            }
        }
    }
    Ok(())
}

async fn metadata(run: &Run, backup: &Backup) -> Result<()> {
    let (key, sentinel) = (names::metadata(&backup.name), names::sentinel(&backup.name));
    let Some(metadata) = &backup.metadata else {
        let is_missing = run.inventory.get(&key).is_none() && Metadata::of(&backup.sentinel).is_some();
        if is_missing && run.still_has(&backup.name).await? {
            run.find(Finding::error(Rule::Missing, &key, "it says whether the backup is permanent, and isn't there"));
        }
        return Ok(());
    };
    if run.is_known(&key) {
        run.note_known(1);
    } else {
        object::rewritten(run, &key, metadata.agrees(&backup.sentinel)).await?;
    }
    let Some(mut expected) = Metadata::of(&backup.sentinel) else { return Ok(()) };
    expected.is_permanent = metadata.is_permanent;
    expected.others.clone_from(&metadata.others);
    if metadata.user_data.is_some() {
        expected.user_data.clone_from(&metadata.user_data);
    }
    if expected != *metadata {
        let said = format!("it says other things of the backup than \"{sentinel}\"");
        run.find(Finding::error(Rule::Unfitting, &key, said));
    }
    Ok(())
}
