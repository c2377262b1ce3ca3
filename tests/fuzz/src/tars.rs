//! Tars: members, and where their names lead.

use std::io::Read;
use std::path::Component;

use flotilla_archive::tarball::{Member, TarWriter, read_members, relative};

fn members(tar: &[u8]) -> std::io::Result<Vec<(Member, Vec<u8>)>> {
    let mut members = Vec::new();
    let mut each = |member: &Member, content: &mut dyn Read| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        assert_eq!(bytes.len() as u64, member.size, "a member is whole");
        members.push((member.clone(), bytes));
        Ok(())
    };
    read_members(tar, &mut each).map(|()| members)
}

pub(crate) fn run(bytes: &[u8]) {
    if let Ok(name) = std::str::from_utf8(bytes)
        && let Ok(path) = relative(name)
    {
        assert!(path.components().all(|part| matches!(part, Component::Normal(_))), "{name:?}");
    }
    let Ok(found) = members(bytes) else { return };
    let mut tar = TarWriter::new(Vec::new());
    for (member, content) in &found {
        // What no name in a tar can hold is none that is written.
        if member.name.is_empty() || member.name.contains('\0') {
            return;
        }
        tar.file(member, &mut &content[..]).expect("memory can be written");
    }
    let again = members(&tar.finish().expect("memory can be written")).expect("a tar reads back");
    assert_eq!(again.len(), found.len());
}
