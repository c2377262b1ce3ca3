//! The poolers, held by a process of its own: see [`super::guard`].

use std::os::unix::process::CommandExt as _;
use std::process::Stdio;
use std::time::Duration;

use flotilla::Context;
use flotilla::config::{Config, Shard};
use flotilla::error::{Code, Error, Result};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// How long the poolers hold clients back at most, whatever becomes of this process. With what RESUME itself
/// takes, nothing is paused for longer than ten seconds.
pub(super) const LEASE: Duration = Duration::from_secs(9);
/// How long the guard may take to connect to all consoles.
const CONNECTING: Duration = Duration::from_secs(20);

/// What the guard is told, a line each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Order {
    /// Pause, and say so when all have; or that it takes longer, after so many milliseconds.
    Hold(u64),
    /// Let go, and end.
    Release,
}

/// What the guard answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Said {
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
pub(super) struct Paused {
    repaired: Vec<String>,
    guard: Option<Guard>,
}

struct Guard {
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

/// The databases of a shard on every pooler: `pool-a/s0`.
pub(super) fn databases(config: &Config, shard: &Shard) -> Vec<String> {
    let of = |pooler: &str| names(shard).into_iter().map(move |name| format!("{pooler}/{name}")).collect::<Vec<_>>();
    config.poolers.iter().flat_map(|pooler| of(&pooler.name)).collect()
}

/// The databases of a shard on a pooler. Readers are held back too: a replica that is to lead drops its sessions.
pub(super) fn names(shard: &Shard) -> Vec<String> {
    let write = shard.write_port.map(|_| shard.name.clone());
    let read = shard.read_port.map(|_| format!("{}_ro", shard.name));
    write.into_iter().chain(read).collect()
}

impl Paused {
    /// Starts the guard and waits until it is connected to every console. Nothing is paused yet.
    pub(super) async fn prepare(cx: &Context, shard: &Shard) -> Result<Self> {
        let config = cx.config()?;
        if databases(config, shard).is_empty() {
            return Ok(Self { repaired: Vec::new(), guard: None });
        }
        let failed = |e: std::io::Error| Error::new(Code::Io, "could not start the poolers' guard").source(e);
        let me = std::env::current_exe().map_err(failed)?;
        let mut command = std::process::Command::new(me);
        command.args([super::guard::VERB.name, "--config"]).arg(&config.path).args(["--", &shard.name]);
        // A group of its own: what the terminal sends to this one isn't for the guard.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        command.env_remove("FLOTILLA_FAILPOINT").env_remove("FLOTILLA_DEADLINE");
        let mut child = Command::from(command).spawn().map_err(failed)?;
        let (Some(orders), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Error::internal("the guard's pipes are missing"));
        };
        let mut guard = Guard { child, orders, answers: BufReader::new(answers).lines() };
        match guard.answer(CONNECTING).await? {
            Said::Ready(repaired) => Ok(Self { repaired, guard: Some(guard) }),
            said => Err(surprise(&said)),
        }
    }

    /// What had been left paused.
    pub(super) fn repaired(&self) -> &[String] {
        &self.repaired
    }

    /// Holds the clients back; false when transactions are still under way after that time.
    pub(super) async fn hold(&mut self, limit: Duration) -> Result<bool> {
        let Some(guard) = &mut self.guard else { return Ok(true) };
        guard.tell(Order::Hold(flotilla::clock::millis(limit))).await?;
        match guard.answer(limit + LEASE).await? {
            Said::Held => Ok(true),
            Said::Waiting => Ok(false),
            said => Err(surprise(&said)),
        }
    }

    /// Lets the clients go on; whether the guard had to do so before.
    pub(super) async fn release(mut self) -> Result<bool> {
        let Some(mut guard) = self.guard.take() else { return Ok(false) };
        // It may have ended by itself after its lease; what it said then is still in the pipe.
        let _ = guard.tell(Order::Release).await;
        let said = guard.answer(LEASE).await;
        let _ = guard.child.wait().await;
        match said? {
            Said::Released(before) => Ok(before),
            said => Err(surprise(&said)),
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
            .hint("Every pooler of the topology must answer on its console; nothing was moved."),
        Said::Released(_) => Error::new(Code::Timeout, "the poolers let go: nothing may stay paused for ten seconds")
            .hint("Look at the shard with `shardctl status`, and run it again."),
        _ => Error::internal("the guard answered something else"),
    }
}

fn gone() -> Error {
    Error::new(Code::Io, "the poolers' guard has ended")
        .hint("Look at the poolers: SHOW DATABASES on their consoles says what is paused; run it again.")
}
