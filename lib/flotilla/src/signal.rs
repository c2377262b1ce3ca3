//! SIGINT and SIGTERM: the first asks the run to stop, the second ends it at once.
//!
//! A stopped run cancels its queries, releases its locks, writes `cancelled` lines and then dies
//! by the same signal, so that the shell sees 130 or 143 and a loop around it ends too.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::error::{Code, Error, Result};

/// Says whether the run was asked to stop.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    token: CancellationToken,
    by: Arc<AtomicI32>,
}

impl Stop {
    /// Starts to listen. Must be called within the runtime.
    pub(crate) fn listen() -> Result<Self> {
        let stop = Self::default();
        for (kind, number) in [
            (SignalKind::interrupt(), signal_hook::consts::SIGINT),
            (SignalKind::terminate(), signal_hook::consts::SIGTERM),
        ] {
            let mut stream =
                signal(kind).map_err(|e| Error::internal("could not install a signal handler").source(e))?;
            let stop = stop.clone();
            tokio::spawn(async move {
                while stream.recv().await.is_some() {
                    if stop.by.swap(number, Ordering::SeqCst) != 0 {
                        die(number);
                    }
                    stop.token.cancel();
                }
            });
        }
        Ok(stop)
    }

    /// Asks the run to stop, as a signal would, but without dying by one.
    pub fn ask(&self) {
        self.token.cancel();
    }

    /// Whether the run was asked to stop.
    pub fn is_asked(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Waits until the run is asked to stop.
    pub async fn asked(&self) {
        self.token.cancelled().await;
    }

    /// The signal that asked, if one did.
    pub(crate) fn by_signal(&self) -> Option<i32> {
        Some(self.by.load(Ordering::SeqCst)).filter(|n| *n != 0)
    }

    /// An error when the run was asked to stop; for loops to call between steps.
    pub fn check(&self) -> Result<()> {
        if self.is_asked() { Err(cancelled()) } else { Ok(()) }
    }
}

/// The error of work that a signal stopped.
pub fn cancelled() -> Error {
    Error::new(Code::Cancelled, "stopped by a signal")
        .hint("Run the same command again; it goes on where this stopped.")
}

/// Dies by this signal.
pub(crate) fn die(number: i32) {
    // Restores the default action and raises; only a signal without one comes back.
    let _ = signal_hook::low_level::emulate_default_handler(number);
}
