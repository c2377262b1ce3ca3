//! `stack watchdog`: one beside each node, for the cases that Patroni can't see to itself.
//!
//! **Patroni has died over a living PostgreSQL.** Its lease runs out, a replica takes over, and the old
//! primary goes on acknowledging writes to whoever doesn't come through a balancer. On an asynchronous
//! shard they are lost (285 to 761 in the measured runs); with quorum commit they hang. So a server that
//! leads and whose Patroni has been silent for [`Settings::silence_seconds`] is stopped, before the
//! lease can have run out. Silent is one that is dead, stands still, or hangs: what doesn't answer
//! doesn't renew a lease either, as far as anybody can tell.
//!
//! **PostgreSQL has died under a living Patroni**, which looks every `loop_wait` only. It is told to look
//! now.
//!
//! **Both have died.** Nobody is left to give the lease back, and the replicas would wait until it has run
//! out. A server of which no process is left acknowledges nothing any more; so the lease is given back for it,
//! with quorum commit at once, else when it has had [`Settings::patience_seconds`] to come back in place.
//!
//! **The whole host stood still** and goes on: the lease may have run out meanwhile, and Patroni needs a
//! moment to find out. A server that leads is stopped at once.
//!
//! It does nothing while the cluster is paused, for then Patroni may be stopped on purpose.

mod lease;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use flotilla::config::{Config, Node};
use flotilla::patroni::Rest;
use flotilla::{Code, Error, Result};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use self::lease::{Given, Lease};
use crate::postgres;
use crate::process::{self, Identity, descendants};
use crate::show::say;

/// Between two looks at PostgreSQL's process.
const TICK: Duration = Duration::from_millis(200);
/// Between two questions to Patroni.
const ASKING: Duration = Duration::from_secs(1);
/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(2);
/// Patroni's states while it makes a new cluster. A busy machine can keep it from answering, and what is stopped
/// then has to be made anew.
const MAKING: [&str; 3] =
    ["initializing new cluster", "running custom bootstrap script", "starting after custom bootstrap"];
/// How long an immediate shutdown may take before the processes are killed.
const STOPPING: Duration = Duration::from_secs(1);

/// What a watchdog watches over.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The node.
    pub node: String,
    /// The topology file.
    pub topology: PathBuf,
    /// The node's data folder.
    pub data: PathBuf,
    /// The certificate by which Patroni takes an order.
    pub sslcert: PathBuf,
    /// Its private key.
    pub sslkey: PathBuf,
    /// How long Patroni may be silent before the server that it leaves behind is stopped.
    pub silence_seconds: u32,
    /// How long a server that has died with its Patroni may take to come back before its lease is given back.
    pub patience_seconds: u32,
    /// The key in etcd that names the shard's leader.
    pub leader_key: String,
}

impl Settings {
    /// As a file.
    pub fn text(&self) -> Result<String> {
        toml::to_string(self).map_err(|source| Error::internal("settings are no TOML").source(source))
    }
}

/// Watches until it is killed.
pub fn run(file: &Path) -> Result<()> {
    let text = fs::read_to_string(file)
        .map_err(|source| Error::config(format!("could not read {}", file.display())).source(source))?;
    let settings: Settings =
        toml::from_str(&text).map_err(|source| Error::config(format!("{} is wrong", file.display())).source(source))?;
    let mut config = Config::load(Some(&settings.topology))?;
    config.patroni.sslcert = Some(settings.sslcert.clone());
    config.patroni.sslkey = Some(settings.sslkey.clone());
    let node = config.shards.iter().flat_map(|shard| &shard.nodes).find(|node| node.name == settings.node);
    let node = node.cloned().ok_or_else(|| Error::config(format!("there is no node \"{}\"", settings.node)))?;
    let rest = Rest::new(&config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|source| Error::new(Code::Io, "no runtime").source(source))?;
    let lease = Lease::of(&settings, &config)?;
    let now = Instant::now();
    let watch = Watch {
        settings,
        node,
        rest,
        lease,
        heard: now,
        looked: now,
        paused: false,
        making: false,
        led: None,
        died: None,
    };
    runtime.block_on(watch.watch())
}

struct Watch {
    settings: Settings,
    node: Node,
    rest: Rest,
    lease: Lease,
    /// When Patroni answered last.
    heard: Instant,
    /// When this was at work last.
    looked: Instant,
    /// Whether the cluster was paused then.
    paused: bool,
    /// Whether it was making a new cluster then, which nobody uses yet.
    making: bool,
    /// The server that led when it was looked at last.
    led: Option<Identity>,
    /// When a server that led was found to be gone; none once somebody knows of it.
    died: Option<Instant>,
}

impl Watch {
    async fn watch(mut self) -> Result<()> {
        let silence = Duration::from_secs(u64::from(self.settings.silence_seconds));
        say(&format!("watching \"{}\": stopped when its Patroni is silent for {silence:?}", self.node.name));
        let first = ask(self.rest.clone(), self.node.clone()).await;
        self.hear(first);
        loop {
            let asked = Instant::now();
            // Not one after the other: Patroni whose PostgreSQL has died takes seconds to say what it is.
            let asking = ask(self.rest.clone(), self.node.clone());
            tokio::pin!(asking);
            let mut is_answered = false;
            while !is_answered || asked.elapsed() < ASKING {
                if self.looked.elapsed() >= silence {
                    self.stop("it has stood still with its host", self.looked).await;
                }
                self.looked = Instant::now();
                self.look().await;
                tokio::select! {
                    said = &mut asking, if !is_answered => {
                        is_answered = true;
                        self.hear(said);
                    }
                    () = tokio::time::sleep(TICK) => {}
                }
            }
            if self.heard.elapsed() >= silence {
                self.stop("its Patroni has been silent", self.heard).await;
            }
            let state = if self.heard.elapsed() < silence { "watches" } else { "hears nothing of" };
            // Seen by whoever asks whether it is at work; there is nobody to tell when that fails.
            let _ = fs::write("seen", format!("{state} {}", self.node.name));
        }
    }

    fn hear(&mut self, said: Option<Map<String, Value>>) {
        let Some(state) = said else { return };
        self.heard = Instant::now();
        self.paused = state.get("pause") == Some(&Value::Bool(true));
        self.making = state.get("state").and_then(Value::as_str).is_some_and(|state| MAKING.contains(&state));
    }

    /// Whether the server that led has died; then Patroni has to know, or whoever waits for its lease.
    async fn look(&mut self) {
        let leading = self.leading();
        if let (Some(server), None) = (self.led, leading) {
            if server.is_alive() {
                // It is just ending: a process without a program, and not yet a dead one.
                return;
            }
            if !self.paused && !self.making {
                say(&format!("PostgreSQL of \"{}\" (process {}) is gone", self.node.name, server.pid));
                self.died = Some(Instant::now());
            }
        }
        self.led = leading;
        if leading.is_some() {
            self.died = None;
        }
        let Some(died) = self.died else { return };
        match self.wake().await {
            Ok(()) => {
                say(&format!("Patroni of \"{}\" was told", self.node.name));
                self.died = None;
            }
            Err(error) if !is_refused(&error) => say(&format!("Patroni was not told: {error}")),
            Err(_) if died.elapsed() < Duration::from_secs(u64::from(self.settings.patience_seconds)) => {}
            // A session that hasn't noticed yet may still acknowledge a write.
            Err(_) if self.serving() => {}
            // Nobody listens in Patroni's place: it is dead, or just starts and holds nothing yet.
            Err(_) => match self.lease.give_back().await {
                Ok(given) => {
                    let outcome =
                        if given == Given::Back { "its lease is given back" } else { "its lease was not its own" };
                    say(&format!("Patroni of \"{}\" is gone as well: {outcome}", self.node.name));
                    self.died = None;
                }
                Err(error) => say(&format!("the lease of \"{}\" was not given back: {error}", self.node.name)),
            },
        }
    }

    /// Whether any process of a server works in the data folder: also one whose postmaster was killed, and that
    /// hasn't noticed yet.
    fn serving(&self) -> bool {
        let Ok(data) = fs::canonicalize(&self.settings.data) else { return true };
        process::all().into_iter().any(|process| serves(process, &data))
    }

    /// An order that changes nothing makes Patroni look.
    async fn wake(&self) -> Result<()> {
        let held = self.rest.get(&self.node, "/config", LIMIT).await?.json();
        let same = json!({ "loop_wait": held["loop_wait"] });
        let answer = self.rest.patch(&self.node, "/config", &same, LIMIT).await?;
        if answer.status == 200 {
            return Ok(());
        }
        Err(Error::new(Code::QueryFailed, format!("it answered {}: {}", answer.status, answer.body)))
    }

    /// The server of the data folder, when it runs and isn't a standby.
    fn leading(&self) -> Option<Identity> {
        let data = fs::canonicalize(&self.settings.data).ok()?;
        let lock = fs::read_to_string(data.join("postmaster.pid")).ok()?;
        let server = lock.lines().next()?.trim().parse().ok().and_then(Identity::of)?;
        // The number may belong to somebody else by now.
        (serves(server, &data) && !data.join("standby.signal").exists()).then_some(server)
    }

    /// Ends the server if it leads, at once, without a checkpoint that might take long.
    async fn stop(&self, why: &str, since: Instant) {
        let Some(server) = self.leading().filter(|_| !self.paused && !self.making) else { return };
        let (name, seconds, pid) = (&self.node.name, since.elapsed().as_secs(), server.pid);
        say(&format!("stopping PostgreSQL of \"{name}\" (process {pid}): {why} for {seconds} s"));
        let workers = descendants(server.pid);
        // One that stands still takes no signal but these.
        server.signal(Signal::QUIT);
        server.signal(Signal::CONT);
        let until = Instant::now() + STOPPING;
        while server.is_alive() && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for process in workers.into_iter().chain([server]) {
            process.signal(Signal::KILL);
        }
        postgres::release_shared_memory(&self.settings.data);
        say(&format!("PostgreSQL of \"{}\" is stopped", self.node.name));
    }
}

/// What Patroni says, if it answers.
async fn ask(rest: Rest, node: Node) -> Option<Map<String, Value>> {
    match rest.get(&node, "/patroni", LIMIT).await.ok()?.json() {
        Value::Object(state) if state.contains_key("patroni") => Some(state),
        _ => None,
    }
}

/// Whether a process is PostgreSQL's and works in this data folder, whose path has no links in it.
fn serves(process: Identity, data: &Path) -> bool {
    process.program().is_some_and(|program| program.ends_with("postgres"))
        && process.folder().is_some_and(|folder| folder == data)
}

/// Whether nobody listens where Patroni should: it isn't slow, it isn't there.
fn is_refused(error: &Error) -> bool {
    anyhow::Chain::new(error)
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::ConnectionRefused)
}
