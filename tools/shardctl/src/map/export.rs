//! The map as one file.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use flotilla::Context;
use flotilla::error::{Code, Error, Result};
use flotilla::ownership::{MapFile, read_live};

/// Writes the map to standard output (`-`) or, by rename, to a file.
pub(super) async fn run(cx: &Context, path: &Path) -> Result<()> {
    let file = proven(cx).await?;
    let mut text = serde_json::to_vec(&file).map_err(|e| Error::internal("the map is not JSON").source(e))?;
    text.push(b'\n');
    if path == Path::new("-") {
        return cx.output().raw(&text);
    }
    let broken = |e| Error::new(Code::Io, format!("could not write {}", path.display())).source(e);
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    // A router that reads while this writes must see the old map or the new one, never half.
    let mut out = File::create(&part).map_err(broken)?;
    out.write_all(&text).and_then(|()| out.sync_all()).map_err(broken)?;
    fs::rename(&part, path).map_err(broken)
}

/// The map as all shards agree on it. One with a hole or a dispute is not handed out.
pub(super) async fn proven(cx: &Context) -> Result<MapFile> {
    let comparison = read_live(cx).await?;
    if let Some(finding) = comparison.findings.first() {
        let code = if finding.kind == "unreachable" { Code::Unreachable } else { Code::Mismatch };
        return Err(Error::new(code, format!("the map is not whole: {}", finding.message))
            .hint("Applications must not be given a map that isn't proven; look at `shardctl map`."));
    }
    Ok(MapFile::new(&comparison, cx.config()?))
}
