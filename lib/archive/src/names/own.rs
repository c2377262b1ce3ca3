//! Names of objects that WAL-G knows nothing of.
//!
//! WAL-G's `delete` lists everything below its prefix and takes any 24 hexadecimal digits in a row,
//! anywhere in a path, for a segment's name: what looks old to it is deleted. So no object of ours has
//! such a run, and ours lie in a folder that WAL-G never lists by name.

/// The folder of everything that is ours alone.
pub const OWN: &str = "flotilla/";

const SUMS: &str = "flotilla/sums/";
const SUFFIX: &str = ".json";

/// Whether the path holds 24 hexadecimal digits in a row, so that WAL-G would take it for a segment.
/// Lower-case digits count: what isn't matched today may be tomorrow.
pub fn has_segment_run(path: &str) -> bool {
    path.as_bytes().split(|byte| !byte.is_ascii_hexdigit()).any(|run| run.len() >= 24)
}

/// The name of the checksums of an object: `wal_005/0000000100000000000000A1.lz4` has its own in
/// `flotilla/sums/wal_005/00000001-00000000-000000A1.lz4.json`. Runs of digits are cut after every
/// eight, a hyphen is doubled.
pub fn sidecar(object: &str) -> String {
    let mut name = String::with_capacity(SUMS.len() + object.len() + 12);
    name.push_str(SUMS);
    let mut run = 0;
    for letter in object.chars() {
        if letter.is_ascii_hexdigit() {
            if run == 8 {
                name.push('-');
                run = 0;
            }
            run += 1;
        } else {
            run = 0;
        }
        if letter == '-' {
            name.push('-');
        }
        name.push(letter);
    }
    name.push_str(SUFFIX);
    name
}

/// The object whose checksums these are; `None` when the name is none that [`sidecar`] gives.
pub fn sidecar_of(name: &str) -> Option<String> {
    let inner = name.strip_prefix(SUMS)?.strip_suffix(SUFFIX)?;
    let mut object = String::with_capacity(inner.len());
    let mut letters = inner.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '-' || letters.next_if_eq(&'-').is_some() {
            object.push(letter);
        }
    }
    (sidecar(&object) == name).then_some(object)
}
