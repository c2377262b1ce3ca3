//! The guard: a process that pauses poolers and never leaves one paused.
//!
//! It lets go when it is told to, when whoever started it ends, however that ends, when it gets a
//! signal, and in any case when its lease is over. Its orders come on standard input, its answers go to
//! standard output. A console whose PAUSE still waits can't take another command, so RESUME has sessions
//! of its own, opened before anything is paused.

use std::io::Write as _;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines, Stdin};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{LEASE, Order, Said};
use crate::config::Pooler;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::pg::Session;
use crate::reach;
use crate::verb::{Effect, Scope, Verb};

/// Not one of a tool's verbs: what pauses poolers calls it, and nobody else.
pub const VERB: Verb = Verb {
    name: "hold-poolers",
    effect: Effect::Reads,
    scope: Scope::None,
    exclusive: false,
    records: &[],
    examples: &[],
};

/// What to hold.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The databases
    #[arg(value_name = "POOLER/DATABASE", required = true)]
    databases: Vec<String>,
    /// The user of the consoles [default: `pool_admin` of the topology]
    #[arg(long, value_name = "USER")]
    user: Option<String>,
}

impl Args {
    /// The databases of a pooler.
    fn of(&self, pooler: &str) -> Vec<String> {
        let all = self.databases.iter().filter_map(|database| database.split_once('/'));
        all.filter(|(name, _)| *name == pooler).map(|(_, database)| database.to_owned()).collect()
    }
}

/// Serves until it is told to let go.
pub async fn run(cx: &Context, args: Args) -> Result<()> {
    let config = cx.config()?;
    let user = args.user.as_ref().unwrap_or(&config.users.pool_admin);
    let mut consoles = Vec::new();
    for pooler in &config.poolers {
        let names = args.of(&pooler.name);
        if names.is_empty() {
            continue;
        }
        match Console::open(cx, pooler, user, names).await {
            Ok(console) => consoles.push(console),
            Err(error) => return say(&Said::Failed(format!("\"{}\": {error}", pooler.name))),
        }
    }
    let mut repaired = Vec::new();
    for console in &consoles {
        match console.let_go().await {
            Ok(names) => repaired.extend(names),
            Err(error) => return say(&Said::Failed(format!("\"{}\": {error}", console.pooler.name))),
        }
    }
    say(&Said::Ready(repaired))?;
    let mut guard = Guard {
        cx: cx.clone(),
        consoles,
        pausing: JoinSet::new(),
        lease: None,
        orders: BufReader::new(tokio::io::stdin()).lines(),
    };
    let told = guard.serve().await;
    // It sends a goodbye into sessions that wait for their PAUSE.
    guard.pausing.abort_all();
    guard.release().await;
    // Nobody may be there to hear it.
    let _ = say(&Said::Released(!told));
    Ok(())
}

struct Guard {
    cx: Context,
    consoles: Vec<Console>,
    pausing: JoinSet<Result<()>>,
    lease: Option<Instant>,
    orders: Lines<BufReader<Stdin>>,
}

impl Guard {
    /// Does what it is told; whether it was told to let go.
    async fn serve(&mut self) -> bool {
        loop {
            let lease = self.lease;
            let over = async move {
                match lease {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let line = tokio::select! {
                line = self.orders.next_line() => line,
                () = over => return false,
                () = self.cx.stop().asked() => return false,
            };
            let Some(order) = line.ok().flatten().and_then(|line| serde_json::from_str(&line).ok()) else {
                // Its owner has gone.
                return false;
            };
            match order {
                Order::Release => return true,
                Order::Hold(limit) => {
                    let said = self.hold(Duration::from_millis(limit)).await;
                    if said.is_none_or(|said| say(&said).is_err()) {
                        return false;
                    }
                }
            }
        }
    }

    /// Pauses, or goes on waiting for it; none when its owner has gone meanwhile.
    async fn hold(&mut self, limit: Duration) -> Option<Said> {
        if self.lease.is_none() {
            self.lease = Some(Instant::now() + LEASE);
            for console in &mut self.consoles {
                for (name, session) in console.pausing.drain(..) {
                    self.pausing
                        .spawn(async move { session.simple(&format!("PAUSE {}", quoted(&name))).await.map(drop) });
                }
            }
        }
        let until = (Instant::now() + limit).min(self.lease.unwrap_or_else(Instant::now));
        loop {
            tokio::select! {
                done = self.pausing.join_next() => match done {
                    None => return Some(Said::Held),
                    Some(Ok(Ok(()))) => {}
                    Some(Ok(Err(error))) => return Some(Said::Failed(error.to_string())),
                    Some(Err(error)) => return Some(Said::Failed(error.to_string())),
                },
                () = tokio::time::sleep_until(until) => return Some(Said::Waiting),
                // No order comes while one is under way: what ends here is the pipe.
                _ = self.orders.next_line() => return None,
                () = self.cx.stop().asked() => return None,
            }
        }
    }

    /// Lets every pooler go on, trying again for as long as it takes.
    async fn release(&self) {
        if self.lease.is_some() {
            join_all(self.consoles.iter().map(|console| console.insist(&self.cx))).await;
        }
    }
}

/// One pooler's console.
struct Console {
    pooler: Pooler,
    user: String,
    names: Vec<String>,
    resuming: Session,
    pausing: Vec<(String, Session)>,
}

impl Console {
    async fn open(cx: &Context, pooler: &Pooler, user: &str, names: Vec<String>) -> Result<Self> {
        let resuming = console(cx, pooler, user).await?;
        let mut pausing = Vec::new();
        for name in &names {
            pausing.push((name.clone(), console(cx, pooler, user).await?));
        }
        Ok(Self { pooler: pooler.clone(), user: user.to_owned(), names, resuming, pausing })
    }

    /// Resumes what is paused; which those were.
    async fn let_go(&self) -> Result<Vec<String>> {
        release(&self.resuming, &self.names, &self.pooler.name).await
    }

    /// Resumes, on a new session when the old one is broken, until it is done.
    async fn insist(&self, cx: &Context) {
        let mut done = self.let_go().await;
        while let Err(error) = done {
            crate::log::say(&format!("could not resume \"{}\", trying again: {error}", self.pooler.name));
            tokio::time::sleep(Duration::from_millis(250)).await;
            done = match cx.config().and_then(|config| reach::console(config, &self.pooler, &self.user)) {
                Err(error) => Err(error),
                // Not within the run's deadline: whatever has passed, this must be done.
                Ok(endpoint) => match endpoint.connect().await {
                    Err(error) => Err(error),
                    Ok(session) => release(&session, &self.names, &self.pooler.name).await,
                },
            };
        }
    }
}

async fn console(cx: &Context, pooler: &Pooler, user: &str) -> Result<Session> {
    cx.connect(reach::console(cx.config()?, pooler, user)?).await
}

/// Resumes what is paused of these; which those were.
async fn release(session: &Session, names: &[String], pooler: &str) -> Result<Vec<String>> {
    let mut released = Vec::new();
    for row in session.simple("SHOW DATABASES").await? {
        // By name: their set differs from one version of PgBouncer to the next.
        let text = |name: &str| row.try_get(name).ok().flatten().unwrap_or_default().to_owned();
        let name = text("name");
        if names.contains(&name) && text("paused") == "1" {
            session.simple(&format!("RESUME {}", quoted(&name))).await?;
            released.push(format!("{pooler}/{name}"));
        }
    }
    Ok(released)
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn say(said: &Said) -> Result<()> {
    let mut line = serde_json::to_vec(said).map_err(|e| Error::internal("no JSON").source(e))?;
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    out.write_all(&line)
        .and_then(|()| out.flush())
        .map_err(|e| Error::new(crate::Code::OutputClosed, "nobody listens").source(e))
}
