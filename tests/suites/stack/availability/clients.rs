//! Many clients of a pooler, and one that leaves its transaction open.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use flotilla::pg::{Endpoint, Session};
use tokio_util::sync::CancellationToken;

use super::super::Stack;

/// What they saw.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) statements: u64,
    pub(super) errors: Vec<String>,
    pub(super) longest: Duration,
    /// How often the transaction that stood open was ended.
    pub(super) idle_ended: u64,
}

/// Clients at work.
pub(super) struct Clients {
    stop: CancellationToken,
    seen: Arc<Mutex<Seen>>,
    thread: JoinHandle<()>,
}

impl Clients {
    /// Starts so many, each writing again and again, and waits until they write.
    pub(super) fn start(stack: &Stack<'_>, count: u32) -> Self {
        let state = stack.state();
        let dsn = format!(
            "host=pool-a,pool-b hostaddr=127.0.0.31,127.0.0.32 port={} user=app dbname=s0 sslmode=verify-full \
             sslrootcert={}/tls/ca.crt passfile={}/pgpass connect_timeout=5",
            stack.base_port + 632,
            state.display(),
            state.display()
        );
        let (stop, seen) = (CancellationToken::new(), Arc::new(Mutex::new(Seen::default())));
        let (stopped, log) = (stop.clone(), Arc::clone(&seen));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let endpoint = Endpoint::from_argument(&dsn).unwrap();
                let mut clients = tokio::task::JoinSet::new();
                for number in 0..count {
                    clients.spawn(work(endpoint.clone(), number, Arc::clone(&log), stopped.clone()));
                }
                clients.spawn(stand_idle(endpoint, log, stopped));
                while clients.join_next().await.is_some() {}
            });
        });
        let clients = Self { stop, seen, thread };
        flotilla_tests::until("the clients write", || (clients.locked().statements > 500).then_some(()));
        clients
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops them.
    pub(super) fn end(self) -> Seen {
        self.stop.cancel();
        self.thread.join().unwrap();
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn work(endpoint: Endpoint, number: u32, seen: Arc<Mutex<Seen>>, stop: CancellationToken) {
    let mut session: Option<Session> = None;
    let mut n = 0_u64;
    while !stop.is_cancelled() {
        let began = Instant::now();
        let done = async {
            if session.is_none() {
                session = Some(endpoint.connect().await?);
            }
            let sql = format!("INSERT INTO public.stalls VALUES ({number}, {n})");
            session.as_ref().unwrap().simple(&sql).await
        };
        let done = done.await;
        let took = began.elapsed();
        {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.longest = seen.longest.max(took);
            match &done {
                Ok(_) => seen.statements += 1,
                Err(error) => seen.errors.push(error.to_string()),
            }
        }
        if done.is_err() {
            session = None;
        }
        n += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Opens a transaction and leaves it so until somebody ends it.
async fn stand_idle(endpoint: Endpoint, seen: Arc<Mutex<Seen>>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let Ok(session) = endpoint.connect().await else { continue };
        if session.simple("BEGIN; INSERT INTO public.stalls VALUES (-1, 0)").await.is_err() {
            continue;
        }
        tokio::select! {
            _ = session.gone() => seen.lock().unwrap_or_else(PoisonError::into_inner).idle_ended += 1,
            () = stop.cancelled() => {}
        }
    }
}
