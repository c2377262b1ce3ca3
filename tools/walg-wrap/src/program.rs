//! A program of PostgreSQL's that works for this process, and ends with it.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use flotilla::error::{Code, Error, Result};
use flotilla::pg::{Login, Programs};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

/// How much of what it says is kept: the end tells why it failed.
const KEPT: usize = 100;

/// A running program. Dropping it ends it, and its children with it.
pub(crate) struct Program {
    name: &'static str,
    child: Child,
    pid: Option<Pid>,
    said: JoinHandle<VecDeque<String>>,
    output: JoinHandle<Vec<u8>>,
}

impl Program {
    /// Starts it in a process group of its own. `setpriv` sees to it that it ends when this process dies;
    /// of a group that is stopped then, the kernel takes care.
    pub(crate) fn start(
        programs: &Programs,
        name: &'static str,
        login: Option<&Login>,
        args: impl IntoIterator<Item = String>,
    ) -> Result<Self> {
        // Nothing of the caller's: libpq's variables say where else it might log in, and how.
        let kept = ["PATH", "HOME", "TMPDIR"].into_iter().filter_map(|name| Some((name, flotilla::env::path(name)?)));
        let login = login.into_iter().flat_map(Login::variables).map(|(name, value)| (name, OsString::from(value)));
        let variables = kept.map(|(name, value)| (name, value.into())).chain(login);
        Self::launch(name, &programs.path(name), "INT", variables, args)
    }

    /// Starts any program so, with these variables and no others, and with what it gets when this process
    /// dies.
    pub(crate) fn launch(
        name: &'static str,
        program: &Path,
        at_death: &str,
        variables: impl IntoIterator<Item = (&'static str, OsString)>,
        args: impl IntoIterator<Item = String>,
    ) -> Result<Self> {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", at_death, "--"]).arg(program).args(args);
        command.current_dir("/").process_group(0).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // What it says is read here.
        command.env_clear().env("LC_ALL", "C").envs(variables);
        let mut child = command.spawn().map_err(|e| {
            Error::new(Code::NotFound, "could not run \"setpriv\"").hint("Install util-linux.").source(e)
        })?;
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let said = tokio::spawn(listen(child.stderr.take()));
        let output = tokio::spawn(read(child.stdout.take()));
        Ok(Self { name, child, pid, said, output })
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait().map_err(|e| self.lost(e))?.is_some())
    }

    /// Holds it and its children, or lets them go on.
    pub(crate) fn hold(&self, hold: bool) {
        if let Some(pid) = self.pid {
            // It may have ended by itself.
            let _ = kill_process_group(pid, if hold { Signal::STOP } else { Signal::CONT });
        }
    }

    /// Waits for its good end: what it wrote, and what it had to say.
    pub(crate) async fn finish(mut self) -> Result<(Vec<u8>, Vec<String>)> {
        let status: ExitStatus = match self.child.wait().await {
            Ok(status) => status,
            Err(e) => return Err(self.lost(e)),
        };
        self.pid = None;
        let said = (&mut self.said).await.unwrap_or_default();
        let output = (&mut self.output).await.unwrap_or_default();
        if status.success() {
            return Ok((output, said.into()));
        }
        let errors = || said.iter().filter(|line| line.contains("error:") || line.starts_with("ERROR: "));
        let why = errors().next().or(said.back()).map_or("it said nothing", String::as_str);
        let why = why.strip_prefix(self.name).map_or(why, |why| why.trim_start_matches(": error: "));
        let mut error = Error::new(Code::QueryFailed, format!("{} failed: {why}", self.name));
        let rest: Vec<String> = said.iter().filter(|line| !line.ends_with(why)).cloned().collect();
        if !rest.is_empty() {
            error = error.source(std::io::Error::other(rest.join("; ")));
        }
        Err(error)
    }

    fn lost(&self, source: std::io::Error) -> Error {
        Error::new(Code::Io, format!("lost sight of {}", self.name)).source(source)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let (Some(pid), Ok(None)) = (self.pid, self.child.try_wait()) {
            // It tells the server to cancel what its children have asked for, which SIGKILL wouldn't.
            let _ = kill_process(pid, Signal::TERM);
            let _ = kill_process_group(pid, Signal::CONT);
        }
    }
}

async fn listen(stream: Option<impl AsyncRead + Unpin>) -> VecDeque<String> {
    let mut said = VecDeque::new();
    let Some(stream) = stream else { return said };
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        tracing::debug!("{line}");
        if said.len() == KEPT {
            // The first lines say what went wrong, the last how it ended.
            said.remove(KEPT / 2);
        }
        said.push_back(line);
    }
    said
}

async fn read(stream: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        let _ = stream.read_to_end(&mut bytes).await;
    }
    bytes
}

/// What an archive in `pg_dump`'s directory format holds, by `pg_restore --list`.
pub(crate) async fn list(programs: &Programs, folder: &Path, schema: Option<&str>) -> Result<Vec<Item>> {
    let schema = schema.map(|schema| format!("--schema={schema}"));
    let args = ["--list".to_owned()].into_iter().chain(schema).chain([folder.display().to_string()]);
    let (text, _) = Program::start(programs, "pg_restore", None, args)?.finish().await?;
    let text = String::from_utf8_lossy(&text);
    Ok(text.lines().filter_map(Item::parse).collect())
}

/// An item of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// Its number in the archive, which names its file.
    pub(crate) number: u32,
    /// The catalog of the object; 0 where it is none.
    pub(crate) catalog: u32,
    /// The object's OID where it was dumped.
    pub(crate) oid: u32,
    /// What it is, and whose: kind, schema, name, owner. No part of it can be told from the next.
    pub(crate) text: String,
}

impl Item {
    fn parse(line: &str) -> Option<Self> {
        let (number, rest) = line.split_once("; ")?;
        let mut parts = rest.splitn(3, ' ');
        let (catalog, oid) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some(Self { number: number.parse().ok()?, catalog, oid, text: parts.next()?.to_owned() })
    }

    /// Whether it is rows of a table.
    pub(crate) fn is_rows(&self) -> bool {
        self.catalog == 0 && self.text.starts_with("TABLE DATA ")
    }

    /// Whether it is all large objects.
    pub(crate) fn is_large_objects(&self) -> bool {
        self.catalog == 0 && self.text.starts_with("BLOBS ")
    }

    /// The file with its rows.
    pub(crate) fn file(&self) -> String {
        format!("{}.dat", self.number)
    }

    /// As `pg_restore --use-list` reads it.
    pub(crate) fn line(&self) -> String {
        format!("{};\n", self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_whatever_things_are_called() {
        let rows = Item::parse("3376; 0 16394 TABLE DATA odd Schema odd name \"x postgres").unwrap();
        assert!(rows.is_rows() && (rows.number, rows.oid) == (3376, 16394) && rows.file() == "3376.dat");
        let table = Item::parse("217; 1259 16394 TABLE TABLE DATA x postgres").unwrap();
        assert!(!table.is_rows() && table.catalog == 1259);
        assert!(Item::parse("3383; 0 0 BLOBS - BLOBS ").unwrap().is_large_objects());
        assert_eq!(Item::parse(";     dbname: app"), None);
        assert_eq!(Item::parse("; Selected TOC Entries:"), None);
    }
}
