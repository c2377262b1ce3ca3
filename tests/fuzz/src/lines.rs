//! Lines of a pipe: the first byte is the longest line, the second how much a read gives.

use std::io::Read;

use flotilla::input::{self, Lines};

use crate::refusal;

/// Gives a few bytes at a time, as a slow writer does.
struct Slow<'a> {
    bytes: &'a [u8],
    most: usize,
}

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = self.most.min(buffer.len());
        self.bytes.read(&mut buffer[..most])
    }
}

pub(crate) fn run(bytes: &[u8]) {
    let [limit, most, bytes @ ..] = bytes else { return };
    let limit = usize::from(*limit);
    let mut lines = Lines::with_limit(Slow { bytes, most: usize::from(*most).max(1) }, limit);
    let mut expected = bytes.split(|byte| *byte == b'\n').collect::<Vec<_>>();
    // What follows the last line feed is a line only if there is anything.
    if expected.last().is_some_and(|last| last.is_empty()) {
        expected.pop();
    }
    for (number, expected) in (1..).zip(expected) {
        let line = lines.next_line().expect("bytes can be read").expect("there is another line");
        assert_eq!(line.number, number);
        match line.bytes {
            Err(error) => {
                refusal(&error);
                assert!(expected.len() > limit, "{expected:?} is not longer than {limit}");
            }
            Ok(found) => {
                assert!(expected.len() <= limit, "{expected:?} is longer than {limit}");
                assert_eq!(found, expected.strip_suffix(b"\r").unwrap_or(expected));
                if let Ok(text) = input::text(found, number).inspect_err(refusal)
                    && let Ok(object) = input::object(text, number).inspect_err(refusal)
                {
                    let _ = input::check_major(&object, number).inspect_err(refusal);
                }
            }
        }
    }
    assert!(lines.next_line().expect("bytes can be read").is_none(), "there is a line too many");
}
