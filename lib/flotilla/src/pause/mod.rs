//! Databases of poolers, held for a while: no client gets a server, and none gets an error.
//!
//! PgBouncer keeps a PAUSE until somebody says RESUME. So a process of its own holds it, a [`guard`], which lets go
//! when whoever started it ends, however that ends, and after [`LEASE`] in any case. A tool that pauses has the
//! guard's verb beside its own.

pub mod guard;

use std::os::unix::process::CommandExt as _;
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::context::Context;
use crate::error::{Code, Error, Result};

/// How long the poolers hold clients back at most, whatever becomes of this process. With what RESUME itself
/// takes, nothing is paused for longer than ten seconds.
pub const LEASE: Duration = Duration::from_secs(9);
/// How long the guard may take to connect to all consoles.
const CONNECTING: Duration = Duration::from_secs(20);

/// How long a PAUSE may take: what `--pause-limit` takes.
pub fn limit(text: &str) -> Result<Duration, String> {
    match crate::clock::parse_duration(text)? {
        limit if (Duration::from_millis(100)..=Duration::from_secs(5)).contains(&limit) => Ok(limit),
        _ => Err("from 100ms to 5s".to_owned()),
    }
}

/// What the guard is told, a line each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Order {
    /// Pause, and say so when all have; or that it takes longer, after so many milliseconds.
    Hold(u64),
    /// Let go, and end.
    Release,
}

/// What the guard answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    /// It is connected to every console; these were paused by somebody who has gone, and it let them go.
    Ready(Vec<String>),
    /// Every pooler holds its clients back.
    Held,
    /// Transactions are still under way.
    Waiting,
    /// Every pooler lets its clients go on; whether it did so before it was told.
    Released(bool),
    /// It can't.
    Failed(String),
}

/// The guard, as its owner sees it. Dropping it lets the poolers go on.
#[derive(Debug)]
pub struct Paused {
    databases: Vec<String>,
    user: Option<String>,
    repaired: Vec<String>,
    guard: Option<Guard>,
}

#[derive(Debug)]
struct Guard {
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Paused {
    /// Starts the guard of these databases, each as `POOLER/DATABASE`, and waits until it is connected to every
    /// console as this user, by default as `users.pool_admin`. Nothing is paused yet.
    pub async fn prepare(cx: &Context, databases: &[String], user: Option<&str>) -> Result<Self> {
        let (all, owner) = (databases.to_vec(), user.map(str::to_owned));
        if databases.is_empty() {
            return Ok(Self { databases: all, user: owner, repaired: Vec::new(), guard: None });
        }
        let failed = |e: std::io::Error| Error::new(Code::Io, "could not start the poolers' guard").source(e);
        let me = std::env::current_exe().map_err(failed)?;
        let mut command = std::process::Command::new(me);
        command.args([guard::VERB.name, "--config"]).arg(&cx.config()?.path);
        command.args(user.map(|user| format!("--user={user}"))).arg("--").args(databases);
        // A group of its own: what the terminal sends to this one isn't for the guard.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        command.env_remove("FLOTILLA_FAILPOINT").env_remove("FLOTILLA_DEADLINE");
        let mut child = Command::from(command).spawn().map_err(failed)?;
        let (Some(orders), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Error::internal("the guard's pipes are missing"));
        };
        let mut guard = Guard { child, orders, answers: BufReader::new(answers).lines() };
        match guard.answer(CONNECTING).await? {
            Said::Ready(repaired) => Ok(Self { databases: all, user: owner, repaired, guard: Some(guard) }),
            said => Err(surprise(&said)),
        }
    }

    /// What had been left paused.
    pub fn repaired(&self) -> &[String] {
        &self.repaired
    }

    /// Holds the clients back; false when transactions are still under way after that time.
    pub async fn hold(&mut self, limit: Duration) -> Result<bool> {
        let Some(guard) = &mut self.guard else { return Ok(true) };
        guard.tell(Order::Hold(crate::clock::millis(limit))).await?;
        match guard.answer(limit + LEASE).await? {
            Said::Held => Ok(true),
            Said::Waiting => Ok(false),
            said => Err(surprise(&said)),
        }
    }

    /// Lets the clients go on; whether the guard had to do so before. Where the guard itself was killed, another
    /// one lets go what that one has left paused.
    pub async fn release(mut self, cx: &Context) -> Result<bool> {
        let Some(mut guard) = self.guard.take() else { return Ok(false) };
        // It may have ended by itself after its lease; what it said then is still in the pipe.
        let _ = guard.tell(Order::Release).await;
        let mut said = guard.answer(LEASE).await;
        // What it said before may not have been read yet: that it holds, or waits.
        while matches!(said, Ok(Said::Held | Said::Waiting)) {
            said = guard.answer(LEASE).await;
        }
        let _ = guard.child.wait().await;
        match said {
            Ok(Said::Released(before)) => Ok(before),
            Ok(said) => Err(surprise(&said)),
            Err(_) => {
                let next = Self::prepare(cx, &self.databases, self.user.as_deref()).await?;
                Ok(!next.repaired.is_empty())
            }
        }
    }
}

impl Guard {
    async fn tell(&mut self, order: Order) -> Result<()> {
        let mut line = serde_json::to_vec(&order).map_err(|e| Error::internal("no JSON").source(e))?;
        line.push(b'\n');
        self.orders.write_all(&line).await.map_err(|e| gone().source(e))
    }

    async fn answer(&mut self, limit: Duration) -> Result<Said> {
        let line = tokio::time::timeout(limit, self.answers.next_line()).await;
        let line = line.map_err(|_| {
            Error::new(Code::Timeout, format!("the poolers' guard did not answer within {limit:?}"))
                .hint("Look at the poolers: SHOW DATABASES on their consoles says what is paused.")
        })?;
        let line = line.map_err(|e| gone().source(e))?.ok_or_else(gone)?;
        serde_json::from_str(&line).map_err(|e| Error::internal("the guard said what can't be read").source(e))
    }
}

fn surprise(said: &Said) -> Error {
    match said {
        Said::Failed(why) => Error::new(Code::Unreachable, format!("the poolers could not be held: {why}"))
            .hint("Every pooler that is to be held must answer on its console; nothing was touched."),
        Said::Released(_) => Error::new(Code::Timeout, "the poolers let go: nothing may stay paused for ten seconds")
            .hint("Look at `shardctl status`, and run it again."),
        _ => Error::internal("the guard answered something else"),
    }
}

fn gone() -> Error {
    Error::new(Code::Io, "the poolers' guard has ended")
        .hint("Look at the poolers: SHOW DATABASES on their consoles says what is paused; run it again.")
}
