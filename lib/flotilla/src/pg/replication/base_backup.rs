//! `BASE_BACKUP`: a running server's files as tar archives, through the replication protocol.

use std::fmt::Write as _;

use bytes::{Buf as _, Bytes};
use postgres_protocol::message::backend::Message;

use super::{Replication, TextRow, cut_short, text_row};
use crate::error::Result;
use crate::pg::report::Report;
use crate::pg::wire::{garbled, unexpected};

/// How a base backup is taken.
#[derive(Clone, Debug)]
pub struct BaseBackupOptions {
    /// What `backup_label` calls it.
    pub label: String,
    /// Whether the checkpoint before it is done at once rather than spread.
    pub fast_checkpoint: bool,
    /// Whether the server checks the pages' checksums; a wrong one fails the backup at its end.
    pub verify_checksums: bool,
    /// At most this much is read per second, in KiB, as `pg_basebackup --max-rate`.
    pub max_rate_kib: Option<u32>,
    /// Whether a manifest with a SHA-256 of each file comes last. To make it takes the server as much time as all
    /// the rest.
    pub manifest: bool,
}

impl BaseBackupOptions {
    fn command(&self) -> String {
        let mut command = format!("BASE_BACKUP (LABEL {}, PROGRESS, TABLESPACE_MAP, WAIT false", literal(&self.label));
        let checkpoint = if self.fast_checkpoint { "fast" } else { "spread" };
        // Writing to a string doesn't fail.
        let _ = write!(command, ", CHECKPOINT '{checkpoint}', VERIFY_CHECKSUMS {}", self.verify_checksums);
        if let Some(rate) = self.max_rate_kib {
            let _ = write!(command, ", MAX_RATE {rate}");
        }
        command.push_str(if self.manifest {
            ", MANIFEST 'yes', MANIFEST_CHECKSUMS 'SHA256'"
        } else {
            ", MANIFEST 'no'"
        });
        command.push_str(", TARGET 'client')");
        command
    }
}

/// A replication command's literal: its scanner knows doubled quotes and nothing else.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A place in the WAL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// As `16/B374D848`.
    pub lsn: String,
    /// The timeline.
    pub timeline: u32,
}

/// A folder of the cluster that a backup contains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tablespace {
    /// Its object id; `None` for the data folder itself.
    pub oid: Option<u32>,
    /// Where it is on the server; `None` for the data folder itself.
    pub location: Option<String>,
    /// About how large it is, in bytes.
    pub estimated_bytes: Option<u64>,
}

/// What comes next in a base backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A tar archive begins.
    Archive {
        /// Its file name: `base.tar`, or a tablespace's object id with `.tar`.
        name: String,
        /// The tablespace's place on the server; empty for the data folder.
        location: String,
    },
    /// The backup manifest begins.
    Manifest,
    /// Bytes of what has begun.
    Data(Bytes),
    /// How much of the estimate is done, in bytes.
    Progress(u64),
}

/// A base backup under way. Dropped before its end it leaves the session unusable.
pub struct BaseBackup<'r> {
    session: &'r mut Replication,
    /// Where recovery from this backup must begin.
    pub start: Position,
    /// What it contains; the data folder is last.
    pub tablespaces: Vec<Tablespace>,
    end: Option<Position>,
}

impl Replication {
    /// Begins a base backup. It returns once the checkpoint is done.
    pub async fn base_backup(&mut self, options: &BaseBackupOptions) -> Result<BaseBackup<'_>> {
        self.begin(&options.command()).await?;
        let mut results: Vec<Vec<TextRow>> = Vec::new();
        loop {
            match self.wire.next().await? {
                Message::RowDescription(_) => results.push(Vec::new()),
                Message::DataRow(body) => results.last_mut().ok_or_else(unexpected)?.push(text_row(&body)?),
                Message::CommandComplete(_) => {}
                Message::CopyOutResponse(_) => break,
                Message::ErrorResponse(body) => {
                    let error = Report::parse(body.fields()).map_err(|e| garbled(&e))?.error();
                    self.wire.settle().await?;
                    return Err(error);
                }
                _ => return Err(unexpected()),
            }
        }
        let [start, spaces] = results.as_slice() else { return Err(unexpected()) };
        let start = position(start)?;
        let tablespaces = spaces.iter().map(|row| tablespace(row)).collect::<Result<_>>()?;
        Ok(BaseBackup { session: self, start, tablespaces, end: None })
    }
}

impl BaseBackup<'_> {
    /// What comes next; `None` once the server has ended the backup without an error.
    pub async fn next(&mut self) -> Result<Option<Event>> {
        if self.end.is_some() {
            return Ok(None);
        }
        loop {
            match self.session.wire.next().await? {
                Message::CopyData(body) => return event(body.into_bytes()).map(Some),
                Message::CopyDone | Message::RowDescription(_) | Message::CommandComplete(_) => {}
                Message::DataRow(body) => {
                    self.end = Some(position(&[text_row(&body)?])?);
                }
                Message::ErrorResponse(body) => {
                    let error = Report::parse(body.fields()).map_err(|e| garbled(&e))?.error();
                    self.session.wire.settle().await?;
                    return Err(error);
                }
                Message::ReadyForQuery(_) => {
                    return if self.end.is_some() { Ok(None) } else { Err(cut_short()) };
                }
                _ => return Err(unexpected()),
            }
        }
    }

    /// Where the WAL that this backup needs ends; known after the last event.
    pub fn end(&self) -> Option<&Position> {
        self.end.as_ref()
    }
}

fn event(mut message: Bytes) -> Result<Event> {
    if message.is_empty() {
        return Err(unexpected());
    }
    Ok(match message.get_u8() {
        b'd' => Event::Data(message),
        b'm' => Event::Manifest,
        b'n' => Event::Archive { name: text(&mut message)?, location: text(&mut message)? },
        b'p' => Event::Progress(message.try_get_u64().map_err(|_| unexpected())?),
        _ => return Err(unexpected()),
    })
}

/// A text that ends with NUL.
fn text(message: &mut Bytes) -> Result<String> {
    let end = message.iter().position(|byte| *byte == 0).ok_or_else(unexpected)?;
    let text = String::from_utf8(message.split_to(end).to_vec()).map_err(|_| unexpected())?;
    message.advance(1);
    Ok(text)
}

fn position(rows: &[TextRow]) -> Result<Position> {
    match rows {
        [row] => match row.as_slice() {
            [Some(lsn), Some(timeline), ..] => {
                Ok(Position { lsn: lsn.clone(), timeline: timeline.parse().map_err(|_| unexpected())? })
            }
            _ => Err(unexpected()),
        },
        _ => Err(unexpected()),
    }
}

fn tablespace(row: &[Option<String>]) -> Result<Tablespace> {
    let [oid, location, size, ..] = row else { return Err(unexpected()) };
    let oid = oid.as_deref().map(str::parse).transpose().map_err(|_| unexpected())?;
    // The server estimates in KiB.
    let kib: Option<u64> = size.as_deref().map(str::parse).transpose().map_err(|_| unexpected())?;
    Ok(Tablespace { oid, location: location.clone(), estimated_bytes: kib.map(|kib| kib.saturating_mul(1024)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_told_apart_by_their_first_byte() {
        let read = |bytes: &'static [u8]| event(Bytes::from_static(bytes)).ok();
        let archive = Event::Archive { name: "16384.tar".to_owned(), location: "/ts".to_owned() };
        assert_eq!(read(b"n16384.tar\0/ts\0"), Some(archive));
        assert_eq!(read(b"dabc"), Some(Event::Data(Bytes::from_static(b"abc"))));
        assert_eq!(read(b"m"), Some(Event::Manifest));
        assert_eq!(read(b"p\0\0\0\0\0\0\x01\0"), Some(Event::Progress(256)));
        for broken in [&b""[..], b"x", b"nbase.tar", b"nbase.tar\0/ts", b"p\0\0"] {
            assert_eq!(read(broken), None, "{broken:?}");
        }
    }

    #[test]
    fn a_label_is_quoted() {
        let options = BaseBackupOptions {
            label: "it's".to_owned(),
            fast_checkpoint: true,
            verify_checksums: true,
            max_rate_kib: None,
            manifest: false,
        };
        assert!(options.command().starts_with("BASE_BACKUP (LABEL 'it''s', PROGRESS, "), "{}", options.command());
    }
}
