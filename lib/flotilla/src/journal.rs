//! The journal: who did what to which target, when, why, and how it ended.
//!
//! It is kept twice. The table `flotilla.ledger` on each shard travels with the data through
//! failover and restore; the file beside the tools holds what couldn't be written there. Audit
//! trail, history and missed jobs are views of it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;
use uuid::Uuid;

use crate::clock;
use crate::config::Shard;
use crate::context::Context;
use crate::env;
use crate::error::{Code, Error, Result};
use crate::pg::Session;
use crate::reach;

/// How long a primary may take to be told of what was done elsewhere.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who runs the tool.
#[derive(Clone, Debug)]
pub struct Operator(String);

impl Operator {
    /// The user behind this process: through sudo, the one who called it.
    pub(crate) fn current() -> Self {
        let uid = rustix::process::getuid();
        let name = env::var("SUDO_USER")
            .or_else(|| env::var("LOGNAME"))
            .or_else(|| env::var("USER"))
            .unwrap_or_else(|| if uid.is_root() { "root".to_owned() } else { format!("uid {}", uid.as_raw()) });
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Self(format!("{name}@{host}"))
    }
}

/// One line of the journal.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// The run that wrote it; one run writes a line per target.
    pub run_id: Uuid,
    /// The tool.
    pub tool: &'static str,
    /// The verb.
    pub verb: &'static str,
    /// Who ran it, as `user@host`.
    pub operator: String,
    /// Why, in the operator's words.
    pub reason: Option<String>,
    /// The target.
    pub target: String,
    /// How it ended: a record's `status`.
    pub status: &'static str,
    /// Whether anything was changed.
    pub changed: bool,
    /// When the line was made, UTC.
    pub at: String,
    /// How long the work on the target had taken when the line was written, in milliseconds.
    pub duration_ms: u64,
    /// What the tool wants remembered.
    pub detail: Value,
    #[serde(skip)]
    began: Instant,
}

impl Entry {
    pub(crate) fn new(
        run_id: Uuid,
        tool: &'static str,
        verb: &'static str,
        operator: &Operator,
        reason: Option<&str>,
        target: &str,
        began: Instant,
    ) -> Self {
        Self {
            run_id,
            tool,
            verb,
            operator: operator.0.clone(),
            reason: reason.map(str::to_owned),
            target: target.to_owned(),
            status: "ok",
            changed: true,
            at: clock::rfc3339(clock::now()),
            duration_ms: 0,
            detail: Value::Null,
            began,
        }
    }

    /// The same entry with what the tool wants remembered.
    #[must_use]
    pub fn detail(self, detail: Value) -> Self {
        Self { detail, ..self }
    }

    /// The same entry, ended in this error.
    #[must_use]
    pub fn failed(self, error: &Error) -> Self {
        let detail = serde_json::json!({ "error": error.record(), "detail": self.detail });
        Self { status: "error", changed: false, detail, ..self }
    }

    /// Writes the entry to the shard's ledger; within the caller's transaction when one is open, so
    /// that the change and its trace live or die together. The file gets it as well.
    pub async fn write(&self, session: &Session) -> Result<()> {
        session.simple(&self.to_file_and_sql()).await.map(drop)
    }

    /// Appends the entry to the file alone; for what no shard could be told.
    pub fn to_file(&self) {
        self.timed().keep();
    }

    /// Writes the entry to the ledger of a shard's primary, by this user, where that answers; otherwise to the
    /// file alone. For what is done to archives, also when their shard is down.
    pub async fn leave(&self, cx: &Context, shard: &Shard, user: &str) {
        let written = async {
            let endpoint = reach::primary(cx.config()?, shard, user)?.connect_timeout(PATIENCE);
            let session = cx.connect(endpoint).await?;
            let written = session.simple(&self.timed().sql()).await.map(drop);
            session.close().await;
            written
        };
        if let Err(error) = written.await {
            tracing::info!("the ledger on the primary has no line of this: {error}");
        }
        self.to_file();
    }

    fn timed(&self) -> Self {
        Self { duration_ms: clock::millis(self.began.elapsed()), ..self.clone() }
    }

    /// Appends the entry to the file, and gives the SQL that writes it to the ledger; for whoever sends more in the
    /// same message.
    pub fn to_file_and_sql(&self) -> String {
        let entry = self.timed();
        entry.keep();
        entry.sql()
    }

    fn sql(&self) -> String {
        let detail = self.detail.to_string();
        let run_id = self.run_id.to_string();
        format!(
            "INSERT INTO flotilla.ledger (run_id, tool, verb, operator, reason, target, status, changed, duration_ms, \
             detail) VALUES ({}::uuid, {}, {}, {}, {}, {}, {}, {}, {}, {}::jsonb)",
            literal(&run_id),
            literal(self.tool),
            literal(self.verb),
            literal(&self.operator),
            self.reason.as_deref().map_or_else(|| "NULL".to_owned(), literal),
            literal(&self.target),
            literal(self.status),
            self.changed,
            self.duration_ms,
            literal(&detail),
        )
    }

    fn keep(&self) {
        if let Err(error) = self.append() {
            tracing::warn!("the journal file was not written: {error}");
        }
    }

    fn append(&self) -> Result<()> {
        let dir = state_dir()?;
        let path = dir.join("journal.jsonl");
        let mut line = serde_json::to_vec(self).map_err(|e| Error::internal("an entry is not JSON").source(e))?;
        line.push(b'\n');
        let written = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        // One write of one line to an O_APPEND file: lines of several processes don't mix.
        written
            .and_then(|mut f| f.write_all(&line))
            .map_err(|e| Error::new(Code::Io, format!("could not write {}", path.display())).source(e))
    }
}

/// The last lines of this machine's file, the newest first: of its last mebibytes, for nobody cuts it short.
pub fn recent() -> Result<Vec<Value>> {
    const MOST: u64 = 4 << 20;
    let path = state_dir()?.join("journal.jsonl");
    let failed = |e| Error::new(Code::Io, format!("could not read {}", path.display())).source(e);
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let size = file.metadata().map_err(failed)?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(MOST))).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes).map_err(failed)?;
    // The first line may be cut; it is then no JSON either.
    let lines = bytes.split(|byte| *byte == b'\n').rev();
    Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
}

/// The folder for what outlives a run.
pub fn state_dir() -> Result<PathBuf> {
    let dir = match (env::path("XDG_STATE_HOME"), env::path("HOME")) {
        (Some(state), _) => state.join("flotilla"),
        (None, _) if rustix::process::geteuid().is_root() => PathBuf::from("/var/lib/flotilla"),
        (None, Some(home)) => home.join(".local/state/flotilla"),
        (None, None) => crate::lock::runtime_dir()?,
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&dir)
        .map_err(|e| Error::new(Code::Io, format!("could not make {}", dir.display())).source(e))?;
    Ok(dir)
}

/// Quotes a literal for any `standard_conforming_strings`.
fn literal(text: &str) -> String {
    postgres_protocol::escape::escape_literal(&text.replace('\0', "\u{fffd}"))
}
