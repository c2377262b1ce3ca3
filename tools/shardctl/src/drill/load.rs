//! The clients of a drill: writers and readers on every way that a client can take, all at once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use flotilla::config::{Config, Shard};
use flotilla::error::{Code, Error, Result};
use flotilla::pg::{Endpoint, Session, SessionAttrs};
use flotilla::reach;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::table;

/// How many clients write on each way.
const WRITERS: u32 = 2;
/// How long a client rests after each statement.
const REST: Duration = Duration::from_millis(20);
/// How long a client waits for an answer before it takes the server for dead.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long it waits for a connection.
const CONNECTING: Duration = Duration::from_secs(2);

/// A way that clients take.
#[derive(Clone, Debug)]
pub(super) struct Way {
    /// `direct`, `balancer` or `pooler`.
    pub(super) layer: &'static str,
    /// `write` or `read`.
    pub(super) access: &'static str,
    endpoint: Endpoint,
}

/// A statement that was acknowledged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Acknowledged {
    pub(super) writer: u32,
    pub(super) seq: u64,
    pub(super) at: Instant,
    /// The position in the WAL behind it, in bytes; 0 of a read.
    pub(super) position: u64,
}

/// What became of the statements on one way.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    pub(super) acknowledged: Vec<Acknowledged>,
    /// By class of SQLSTATE, or by code where no server spoke.
    pub(super) errors: BTreeMap<String, u64>,
    pub(super) last_error: Option<Instant>,
    /// Statements of which nobody knows what became of them.
    pub(super) unknown: u64,
}

/// Clients at work.
pub(super) struct Load {
    pub(super) ways: Vec<(Way, Arc<Mutex<Log>>)>,
    stop: CancellationToken,
    clients: JoinSet<()>,
}

/// Every way there is to this shard.
pub(super) fn ways(config: &Config, shard: &Shard) -> Result<Vec<Way>> {
    let (app, reader) = (&config.users.app, &config.users.app_ro);
    let mut ways = vec![Way { layer: "direct", access: "write", endpoint: reach::primary(config, shard, app)? }];
    let mut add = |layer, access, endpoint: Option<Endpoint>| {
        ways.extend(endpoint.map(|endpoint| Way { layer, access, endpoint }));
    };
    add("balancer", "write", reach::balanced_writer(config, shard, app)?);
    add("balancer", "read", reach::balanced_reader(config, shard, reader)?);
    if !config.poolers.is_empty() {
        add("pooler", "write", Some(reach::writer(config, shard, app)?));
        add("pooler", "read", shard.read_port.map(|_| reach::reader(config, shard, reader)).transpose()?);
    }
    Ok(ways)
}

impl Load {
    /// Starts the clients.
    pub(super) fn start(ways: Vec<Way>, run: Uuid) -> Self {
        let (stop, mut clients, mut writer) = (CancellationToken::new(), JoinSet::new(), 0);
        let mut logged = Vec::new();
        for way in ways {
            let log = Arc::new(Mutex::new(Log::default()));
            for _ in 0..if way.access == "write" { WRITERS } else { 1 } {
                writer += 1;
                let client = Client {
                    endpoint: way
                        .endpoint
                        .clone()
                        .connect_timeout(CONNECTING)
                        .application_name("flotilla shardctl drill"),
                    writes: way.access == "write",
                    run,
                    writer,
                    log: Arc::clone(&log),
                };
                let stop = stop.clone();
                clients.spawn(async move {
                    tokio::select! {
                        () = client.work() => {}
                        () = stop.cancelled() => {}
                    }
                });
            }
            logged.push((way, log));
        }
        Self { ways: logged, stop, clients }
    }

    /// Whether on every way that writes, writes were acknowledged since then.
    pub(super) fn flows_since(&self, since: Instant) -> bool {
        self.ways
            .iter()
            .filter(|(way, _)| way.access == "write")
            .all(|(_, log)| held(log).acknowledged.last().is_some_and(|last| last.at > since))
    }

    /// Stops the clients; what became of their statements.
    pub(super) async fn end(mut self) -> Vec<(Way, Log)> {
        self.stop.cancel();
        while self.clients.join_next().await.is_some() {}
        self.ways.into_iter().map(|(way, log)| (way, held(&log).clone())).collect()
    }
}

struct Client {
    endpoint: Endpoint,
    writes: bool,
    run: Uuid,
    writer: u32,
    log: Arc<Mutex<Log>>,
}

impl Client {
    async fn work(self) {
        let mut session: Option<Session> = None;
        for seq in 1.. {
            if session.is_none() {
                match self.endpoint.connect().await {
                    Ok(connected) => session = Some(connected),
                    Err(error) => self.failed(&error, false),
                }
            }
            if let Some(open) = &session {
                match self.once(open, seq).await {
                    Ok(position) => held(&self.log).acknowledged.push(Acknowledged {
                        writer: self.writer,
                        seq,
                        at: Instant::now(),
                        position,
                    }),
                    Err(error) => {
                        // A server that said no has done nothing; whoever said nothing may have.
                        let unknown = self.writes && error.state().is_none_or(|state| state.starts_with("57P"));
                        self.failed(&error, unknown);
                        // A dead server never answers the goodbye.
                        session.take().map(|session| tokio::spawn(session.close()));
                    }
                }
            }
            tokio::time::sleep(REST).await;
        }
    }

    async fn once(&self, session: &Session, seq: u64) -> Result<u64> {
        let write;
        let sql = if self.writes {
            write = table::write(self.run, self.writer, seq);
            write.as_str()
        } else {
            table::READ
        };
        let answer = tokio::time::timeout(PATIENCE, session.value(sql)).await;
        let answer = answer.unwrap_or_else(|_| Err(Error::new(Code::Timeout, "no answer")))?;
        let position = answer.and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok(if self.writes { position } else { 0 })
    }

    fn failed(&self, error: &Error, unknown: bool) {
        let mut log = held(&self.log);
        *log.errors.entry(class(error)).or_default() += 1;
        log.last_error = Some(Instant::now());
        log.unknown += u64::from(unknown);
    }
}

/// The class of an error: its SQLSTATE's first two letters, or its code where no server spoke.
fn class(error: &Error) -> String {
    match error.state() {
        Some(state) => state.chars().take(2).collect(),
        None => serde_json::to_value(error.code()).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default(),
    }
}

fn held<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The endpoint of a way that must lead to one server of the topology: whether a login arrives.
pub(super) async fn arrives(endpoint: Endpoint, attrs: SessionAttrs) -> Result<()> {
    let session = endpoint.session_attrs(attrs).connect_timeout(CONNECTING).connect().await?;
    session.close().await;
    Ok(())
}
