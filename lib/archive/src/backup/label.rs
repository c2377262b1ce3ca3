//! `backup_label` (`xlogbackup.c`): where recovery of a base backup begins.

use std::fmt;

use crate::Corrupt;
use crate::wal::{Lsn, Segment, SegmentSize, Timeline};

/// What the file says. Every line is kept, known or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupLabel {
    /// Where the log must be read from.
    pub start: Lsn,
    /// The segment in which that is, by its name.
    pub segment: String,
    /// The backup's checkpoint.
    pub checkpoint: Lsn,
    /// Whether it was taken from a standby.
    pub from_standby: bool,
    /// The timeline on which it began.
    pub timeline: Timeline,
    /// The label that was given.
    pub label: String,
    text: String,
}

impl BackupLabel {
    /// Reads the file.
    pub fn parse(bytes: &[u8], size: SegmentSize) -> Result<Self, Corrupt> {
        let wrong = |what: &str| Corrupt::new(format!("backup_label: {what}"));
        let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= 1 << 16);
        let text = text.ok_or_else(|| wrong("it is no text of at most 64 KiB"))?;
        let field = |name: &str| {
            let mut found = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            found.next().filter(|_| found.next().is_none())
        };
        let position = |text: &str| text.parse::<Lsn>();
        let begin = field("START WAL LOCATION").ok_or_else(|| wrong("it has no START WAL LOCATION"))?;
        let (start, file) = begin.split_once(" (file ").ok_or_else(|| wrong("START WAL LOCATION names no file"))?;
        let start = position(start)?;
        let segment = file.strip_suffix(')').ok_or_else(|| wrong("START WAL LOCATION is cut off"))?;
        let named = Segment::parse(segment, size)?;
        if named != Segment::containing(named.timeline, start, size) {
            return Err(wrong("START WAL LOCATION names another file than the position is in"));
        }
        let checkpoint = field("CHECKPOINT LOCATION").ok_or_else(|| wrong("it has no CHECKPOINT LOCATION"))?;
        let checkpoint = position(checkpoint)?;
        let timeline = match field("START TIMELINE") {
            Some(number) => Timeline(number.parse().map_err(|_| wrong("START TIMELINE is no number"))?),
            None => named.timeline,
        };
        if timeline != named.timeline {
            return Err(wrong("START TIMELINE is another than the file's"));
        }
        Ok(Self {
            start,
            segment: segment.to_owned(),
            checkpoint,
            from_standby: field("BACKUP FROM") == Some("standby"),
            timeline,
            label: field("LABEL").unwrap_or_default().to_owned(),
            text: text.to_owned(),
        })
    }
}

impl fmt::Display for BackupLabel {
    /// The file, as it was read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
