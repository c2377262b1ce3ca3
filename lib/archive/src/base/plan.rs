//! Which members of which backup of a chain make up the cluster.
//!
//! The last backup's `files_metadata.json` lists what exists at the end. Each of its files is stored
//! whole in it, or has changed pages there, or is as in the parent; so every file is followed down the
//! chain to where it is whole. What lies outside that way is never unpacked.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

use crate::Corrupt;
use crate::documents::{FileEntry, Visit};

/// The member that is written last of all.
pub(super) const PG_CONTROL: &str = "/global/pg_control";
/// The member that says where recovery begins.
pub(super) const LABEL: &str = "backup_label";
/// Members that may be in no list: the last backup's own count, and no other's. The map of tablespaces
/// is never restored: with it, recovery would lead the links to where the original's are.
pub(super) const UTILITY: [&str; 3] = [PG_CONTROL, LABEL, "tablespace_map"];

/// The way of a file down the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// It isn't whole in the backups that were looked at; this is the next.
    To(u8),
    /// It is whole in this one.
    From(u8),
}

/// What is done with a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// It is the whole file.
    Whole,
    /// Its changed pages are put over the file.
    Pages,
    /// It belongs to another time.
    Nothing,
}

/// The members that are needed. Names are kept as hashes of 128 bits, keyed at random: a cluster may
/// have millions of files.
#[derive(Debug)]
pub(super) struct Plan {
    files: HashMap<u128, Way>,
    hashers: [RandomState; 2],
    /// Members to come from each backup, the full one first.
    expected: Vec<u64>,
    /// Whether there is a list at all.
    listed: bool,
}

impl Plan {
    /// A plan of a chain of this many backups, without a list: everything of the one backup.
    pub(super) fn everything() -> Self {
        Self {
            files: HashMap::new(),
            hashers: [RandomState::new(), RandomState::new()],
            expected: vec![0],
            listed: false,
        }
    }

    /// A plan of a chain of this many backups, whose lists are to be read from the last to the first.
    pub(super) fn of(length: usize) -> Self {
        Self { expected: vec![0; length], listed: true, ..Self::everything() }
    }

    fn hash(&self, name: &str) -> u128 {
        let [high, low] = self.hashers.each_ref().map(|hasher| u128::from(hasher.hash_one(name)));
        high << 64 | low
    }

    fn last(&self) -> usize {
        self.expected.len() - 1
    }

    /// How many members must come from this backup; none known without a list.
    pub(super) fn expected(&self, level: usize) -> Option<u64> {
        self.listed.then(|| self.expected[level])
    }

    /// What is done with a member of this backup.
    pub(super) fn of_member(&self, level: usize, name: &str) -> Use {
        if !self.listed {
            return Use::Whole;
        }
        match self.files.get(&self.hash(name)) {
            Some(Way::From(from)) if usize::from(*from) == level => Use::Whole,
            Some(Way::From(from)) if usize::from(*from) < level => Use::Pages,
            _ => Use::Nothing,
        }
    }

    /// Whether all files were found whole; else how many weren't.
    pub(super) fn check(&self) -> Result<(), Corrupt> {
        let missing = self.files.values().filter(|way| matches!(way, Way::To(_))).count();
        if missing > 0 {
            let what = format!("files_metadata.json: {missing} files are whole in no backup of the chain");
            return Err(Corrupt::new(what));
        }
        Ok(())
    }
}

/// Reads the list of one backup into the plan.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) plan: Plan,
    level: usize,
    /// Of each part that has a list of members, whether one of them is needed.
    pub(super) parts: HashMap<String, bool>,
}

impl Reading {
    pub(super) fn new(plan: Plan, level: usize) -> Self {
        Self { plan, level, parts: HashMap::new() }
    }
}

impl Visit for Reading {
    fn file(&mut self, name: String, entry: FileEntry) -> Result<(), Corrupt> {
        if UTILITY.contains(&name.as_str()) {
            return Ok(());
        }
        let (level, last) = (self.level, self.plan.last());
        let at = |level: usize| u8::try_from(level).map_err(|_| Corrupt::new("the chain is too long"));
        let here = Way::To(at(level)?);
        let hash = self.plan.hash(&name);
        let known = self.plan.files.get(&hash).copied();
        match (known, level == last) {
            (None, true) => {}
            (Some(_), true) => return Err(Corrupt::new(format!("{name:?} is there twice"))),
            (Some(way), false) if way == here => {}
            // Gone later, or replaced as a whole.
            _ => return Ok(()),
        }
        let stands_on_parent = entry.is_incremented || entry.is_skipped;
        let way = match (stands_on_parent, level) {
            (false, _) => Way::From(at(level)?),
            (true, 0) => {
                return Err(Corrupt::new(format!("{name:?} is not whole, and the backup stands on no other")));
            }
            (true, _) => Way::To(at(level - 1)?),
        };
        self.plan.expected[level] += u64::from(!entry.is_skipped);
        self.plan.files.insert(hash, way);
        Ok(())
    }

    fn member(&mut self, part: &str, name: String) -> Result<(), Corrupt> {
        let (level, last) = (self.level, self.plan.last());
        let needed = if UTILITY.contains(&name.as_str()) {
            level == last
        } else {
            match self.plan.files.get(&self.plan.hash(&name)) {
                // The files may come behind the parts.
                None => level == last && self.plan.files.is_empty(),
                Some(Way::From(from) | Way::To(from)) => usize::from(*from) <= level,
            }
        };
        match self.parts.get_mut(part) {
            Some(known) => *known |= needed,
            None => drop(self.parts.insert(part.to_owned(), needed)),
        }
        Ok(())
    }
}
