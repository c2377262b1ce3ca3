//! Reads tars.

use std::io::{self, Read};

use tar::{Archive, EntryType};

use super::{Kind, Member};
use crate::Corrupt;

/// Remembers whether somebody asked for more than there was.
struct Source<R> {
    inner: R,
    ended: bool,
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.ended |= read == 0 && !buffer.is_empty();
        Ok(read)
    }
}

/// Hands every member and its content to `each`, in order, and reads the source to its end, so that
/// the checksum of what it is packed in has been compared when this returns.
pub fn read_members(
    source: impl Read,
    each: &mut dyn FnMut(&Member, &mut dyn Read) -> io::Result<()>,
) -> io::Result<()> {
    read(source, false, each)
}

/// The same of a tar that a server sends: it has links as well, which are passed over.
pub fn read_server_members(
    source: impl Read,
    each: &mut dyn FnMut(&Member, &mut dyn Read) -> io::Result<()>,
) -> io::Result<()> {
    read(source, true, each)
}

fn read(
    source: impl Read,
    pass_links: bool,
    each: &mut dyn FnMut(&Member, &mut dyn Read) -> io::Result<()>,
) -> io::Result<()> {
    let mut archive = Archive::new(Source { inner: source, ended: false });
    for entry in archive.entries()? {
        let mut entry = entry.map_err(damaged)?;
        let name = String::from_utf8(entry.path_bytes().into_owned())
            .map_err(|_| Corrupt::new("a member of the tar has a name that is not UTF-8"))?;
        let header = entry.header();
        let kind = match header.entry_type() {
            EntryType::Regular | EntryType::Continuous => Kind::File,
            EntryType::Directory => Kind::Directory,
            EntryType::Symlink if pass_links => continue,
            _ => return Err(Corrupt::new(format!("member {name:?} is neither a file nor a folder")).into()),
        };
        let member = Member {
            kind,
            size: entry.size(),
            mode: header.mode().map_err(damaged)?,
            uid: header.uid().map_err(damaged)?,
            gid: header.gid().map_err(damaged)?,
            mtime: header.mtime().map_err(damaged)?,
            name,
        };
        let mut content = Counted { inner: &mut entry, read: 0, name: &member.name, size: member.size };
        each(&member, &mut content)?;
        io::copy(&mut content, &mut io::sink())?;
    }
    let mut source = archive.into_inner();
    if source.ended {
        return Err(Corrupt::new("the tar is cut off").into());
    }
    let mut rest = [0; 4096];
    loop {
        match source.read(&mut rest)? {
            0 => return Ok(()),
            read if rest[..read].iter().any(|byte| *byte != 0) => {
                return Err(Corrupt::new("there is something behind the tar").into());
            }
            _ => {}
        }
    }
}

/// What the tar's own reader finds wrong is damage; failures to read stay what they are.
fn damaged(error: io::Error) -> io::Error {
    if Corrupt::of(&error).is_some() || !matches!(error.kind(), io::ErrorKind::Other | io::ErrorKind::UnexpectedEof) {
        return error;
    }
    Corrupt::new(format!("the tar is damaged: {error}")).into()
}

/// A member's content, which must be as long as its header says.
struct Counted<'a, R> {
    inner: &'a mut R,
    read: u64,
    name: &'a str,
    size: u64,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read += read as u64;
        if read == 0 && !buffer.is_empty() && self.read < self.size {
            return Err(Corrupt::new(format!("the tar is cut off in {:?}", self.name)).into());
        }
        Ok(read)
    }
}
