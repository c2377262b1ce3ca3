//! The guard: a process that pauses poolers and never leaves one paused.
//!
//! It lets go when it is told to, when whoever started it ends, however that ends, when it gets a
//! signal, and in any case when its lease is over. Its orders come on standard input, its answers go to
//! standard output. A console whose PAUSE still waits can't take another command, so RESUME has sessions
//! of its own, opened before anything is paused.

use std::io::Write as _;
use std::time::Duration;

use flotilla::config::{Pooler, Shard};
use flotilla::error::{Error, Result};
use flotilla::pg::Session;
use flotilla::verb::{Effect, Scope, Verb};
use flotilla::{Context, reach};
use futures_util::future::join_all;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines, Stdin};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::pause::{LEASE, Order, Said, names};

/// Not one of the tool's verbs: `switchover` alone calls it.
pub(crate) const VERB: Verb = Verb {
    name: "hold-poolers",
    effect: Effect::Reads,
    scope: Scope::None,
    exclusive: false,
    records: &[],
    examples: &[],
};

/// Which shard.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The shard
    shard: String,
}

/// Serves until it is told to let go.
pub(crate) async fn run(cx: &Context, args: Args) -> Result<()> {
    let config = cx.config()?;
    let shard = config.shard(&args.shard)?;
    let mut consoles = Vec::new();
    for pooler in &config.poolers {
        match Console::open(cx, pooler, shard).await {
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
    names: Vec<String>,
    resuming: Session,
    pausing: Vec<(String, Session)>,
}

impl Console {
    async fn open(cx: &Context, pooler: &Pooler, shard: &Shard) -> Result<Self> {
        let names = names(shard);
        let resuming = console(cx, pooler).await?;
        let mut pausing = Vec::new();
        for name in &names {
            pausing.push((name.clone(), console(cx, pooler).await?));
        }
        Ok(Self { pooler: pooler.clone(), names, resuming, pausing })
    }

    /// Resumes what is paused; which those were.
    async fn let_go(&self) -> Result<Vec<String>> {
        release(&self.resuming, &self.names, &self.pooler.name).await
    }

    /// Resumes, on a new session when the old one is broken, until it is done.
    async fn insist(&self, cx: &Context) {
        let mut done = self.let_go().await;
        while let Err(error) = done {
            flotilla::log::say(&format!("could not resume \"{}\", trying again: {error}", self.pooler.name));
            tokio::time::sleep(Duration::from_millis(250)).await;
            done = match cx.config().and_then(|config| reach::console(config, &self.pooler, &config.users.pool_admin)) {
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

async fn console(cx: &Context, pooler: &Pooler) -> Result<Session> {
    let config = cx.config()?;
    cx.connect(reach::console(config, pooler, &config.users.pool_admin)?).await
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
        .map_err(|e| Error::new(flotilla::Code::OutputClosed, "nobody listens").source(e))
}
