//! Writes tars.

use std::fmt;
use std::io::{self, Read, Write};

use tar::{Builder, EntryType, Header};

use super::{Kind, Member};

const BLOCK: usize = 512;
const BUFFER: usize = 256 << 10;

/// Writes a tar, member by member. Without [`TarWriter::finish`] it is cut off.
pub struct TarWriter<W: Write> {
    builder: Builder<W>,
    buffer: Vec<u8>,
}

impl<W: Write> fmt::Debug for TarWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TarWriter").finish_non_exhaustive()
    }
}

impl<W: Write> TarWriter<W> {
    /// Writes to this.
    pub fn new(sink: W) -> Self {
        Self { builder: Builder::new(sink), buffer: Vec::new() }
    }

    /// Adds a folder or an empty file.
    pub fn empty(&mut self, member: &Member) -> io::Result<()> {
        self.header(&Member { size: 0, ..member.clone() })
    }

    /// Adds a file of the member's size. A file that grew is cut there and one that shrank is filled up
    /// with zeros, as the log will say what became of it; how many zeros is what it gives back.
    pub fn file(&mut self, member: &Member, content: &mut dyn Read) -> io::Result<u64> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(BUFFER, 0);
        let mut content = content.take(member.size);
        let left = self.file_of(member, |write| {
            loop {
                match content.read(&mut buffer) {
                    Ok(0) => return Ok(()),
                    Ok(read) => write(&buffer[..read])?,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        });
        self.buffer = buffer;
        left
    }

    /// The same of a file whose content `fill` writes piece by piece: at most the member's size.
    pub fn file_of(
        &mut self,
        member: &Member,
        fill: impl FnOnce(&mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()>,
    ) -> io::Result<u64> {
        self.header(member)?;
        let mut left = member.size;
        let sink = self.builder.get_mut();
        fill(&mut |piece| {
            left =
                left.checked_sub(piece.len() as u64).ok_or_else(|| io::Error::other("more than the member's size"))?;
            sink.write_all(piece)
        })?;
        let padding = member.size.next_multiple_of(BLOCK as u64) - member.size;
        io::copy(&mut io::repeat(0).take(left + padding), self.builder.get_mut())?;
        Ok(left)
    }

    /// Ends the tar by two blocks of zeros and gives back what it was written to.
    pub fn finish(self) -> io::Result<W> {
        self.builder.into_inner()
    }

    fn header(&mut self, member: &Member) -> io::Result<()> {
        let mut header = Header::new_ustar();
        header.set_entry_type(if member.kind == Kind::Directory { EntryType::Directory } else { EntryType::Regular });
        header.set_size(member.size);
        header.set_mode(member.mode);
        header.set_mtime(member.mtime);
        header.set_uid(member.uid);
        header.set_gid(member.gid);
        let name = member.name.as_bytes();
        if let Some((prefix, rest)) = split(&member.name) {
            let fields = header.as_ustar_mut().ok_or_else(|| io::Error::other("the header is no ustar header"))?;
            fields.prefix[..prefix.len()].copy_from_slice(prefix.as_bytes());
            fields.name[..rest.len()].copy_from_slice(rest.as_bytes());
        } else {
            self.builder.append_pax_extensions([("path", name)])?;
            let short = name.len().min(100);
            header.as_old_mut().name[..short].copy_from_slice(&name[..short]);
        }
        header.set_cksum();
        self.builder.get_mut().write_all(header.as_bytes())
    }
}

/// The name in ustar's two fields; `None` when it doesn't fit them and needs an extension.
fn split(name: &str) -> Option<(&str, &str)> {
    if !name.is_ascii() {
        return None;
    }
    if name.len() <= 100 {
        return Some(("", name));
    }
    let slashes = name.match_indices('/').map(|(at, _)| at);
    let fits = |at: &usize| (1..=155).contains(at) && (1..=100).contains(&(name.len() - at - 1));
    slashes.rev().find(fits).map(|at| (&name[..at], &name[at + 1..]))
}
