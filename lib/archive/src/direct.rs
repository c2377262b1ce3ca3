//! Files that are written past the page cache (`O_DIRECT`). What is restored is read again much later, if at all: in
//! the cache it would only push out what a server beside it needs, and getting there takes the processor longer than
//! the disk.

use std::fs::File;
use std::io::{self, Write as _};
use std::num::NonZeroU64;
use std::ops::{Deref, DerefMut};

use rustix::fs::{Advice, OFlags, fadvise, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;

/// What is written at once, in bytes: a disk needs no more to be busy.
pub(crate) const BLOCK: usize = 1 << 20;
/// Where a block begins in memory and in a file, and what its length is a multiple of: what every common disk asks for.
const ALIGNED: usize = 4096;
/// So much of a file that goes through the cache is given to the disk at once, in bytes: what is only written at the
/// end keeps everybody waiting for the disk, and before that the disk for everybody.
const GIVEN: u64 = 8 << 20;

/// Memory of [`BLOCK`] bytes that can be written directly.
pub(crate) struct Block {
    bytes: Vec<u8>,
    begin: usize,
}

impl Block {
    pub(crate) fn new() -> Self {
        let bytes = vec![0; BLOCK + ALIGNED];
        let begin = bytes.as_ptr().align_offset(ALIGNED);
        Self { bytes, begin }
    }
}

impl Deref for Block {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[self.begin..][..BLOCK]
    }
}

impl DerefMut for Block {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.begin..][..BLOCK]
    }
}

/// A file that is written from its beginning to its end, directly where its file system can.
#[derive(Debug)]
pub(crate) struct DirectFile {
    file: File,
    is_direct: bool,
    written: u64,
    given: u64,
}

impl DirectFile {
    /// Goes on with a file in which nothing is yet.
    pub(crate) fn new(file: File) -> Self {
        let mut this = Self { file, is_direct: false, written: 0, given: 0 };
        // tmpfs before Linux 6.6 and others have only the cache.
        this.is_direct = this.set_direct(true).is_ok();
        this
    }

    fn set_direct(&mut self, direct: bool) -> rustix::io::Result<()> {
        let mut flags = fcntl_getfl(&self.file)?;
        flags.set(OFlags::DIRECT, direct);
        fcntl_setfl(&self.file, flags)
    }

    /// Writes the first bytes of a block; less than a whole one is the file's end.
    pub(crate) fn write(&mut self, block: &Block, filled: usize) -> io::Result<()> {
        let mut rest = &block[..filled];
        while !rest.is_empty() {
            let whole = rest.len() - rest.len() % ALIGNED;
            let fits = whole > 0 && rest.as_ptr().align_offset(ALIGNED) == 0;
            if self.is_direct && !fits {
                self.through_the_cache()?;
            }
            let now = if self.is_direct { &rest[..whole] } else { rest };
            match self.file.write(now) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.written += written as u64;
                    rest = &rest[written..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A disk that wants other blocks than all others.
                Err(error) if self.is_direct && Errno::from_io_error(&error) == Some(Errno::INVAL) => {
                    self.through_the_cache()?;
                }
                Err(error) => return Err(error),
            }
        }
        if !self.is_direct {
            self.give();
        }
        Ok(())
    }

    fn through_the_cache(&mut self) -> io::Result<()> {
        self.is_direct = false;
        self.given = self.written;
        Ok(self.set_direct(false)?)
    }

    /// Linux begins to write what it is told isn't needed soon; a hint, so its failure is none.
    fn give(&mut self) {
        if let Some(rest) = NonZeroU64::new(self.written - self.given).filter(|rest| rest.get() >= GIVEN) {
            let _ = fadvise(&self.file, self.given, Some(rest), Advice::DontNeed);
            self.given = self.written;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    /// So many bytes, and what is read again after they were written block by block.
    fn written(folder: &Path, size: usize, direct: bool) -> (Vec<u8>, Vec<u8>) {
        let content: Vec<u8> = (0..size).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let file = tempfile::NamedTempFile::new_in(folder).unwrap();
        let mut to = DirectFile::new(file.reopen().unwrap());
        if !direct {
            to.through_the_cache().unwrap();
        }
        let mut block = Block::new();
        for piece in content.chunks(BLOCK) {
            block[..piece.len()].copy_from_slice(piece);
            to.write(&block, piece.len()).unwrap();
        }
        let mut read = Vec::new();
        file.as_file().read_to_end(&mut read).unwrap();
        (content, read)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        /// On a disk and in memory, directly and through the cache, whatever a file's length.
        #[test]
        fn what_is_written_is_read(blocks in 0..3_usize, pages in 0..3_usize, rest in 0..3_usize, direct: bool) {
            let size = blocks * BLOCK + pages * ALIGNED + rest * 511;
            for folder in ["/var/tmp", "/dev/shm"] {
                let (content, read) = written(Path::new(folder), size, direct);
                prop_assert!(content == read, "{size} bytes in {folder}");
            }
        }
    }

    #[test]
    fn a_full_disk_is_said() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let error = DirectFile::new(full).write(&Block::new(), BLOCK).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
