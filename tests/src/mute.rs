//! A server that takes connections and never answers: what a hanging one looks like from outside.

use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::wait::until;

/// A Unix socket that accepts and stays silent.
#[derive(Debug)]
pub struct Mute {
    folder: PathBuf,
    taken: Arc<Mutex<Vec<UnixStream>>>,
}

impl Mute {
    /// The port in the socket's name.
    pub const PORT: u16 = 5432;

    /// Listens in this folder, where PostgreSQL's socket would be.
    pub fn in_folder(folder: &Path) -> Self {
        std::fs::create_dir_all(folder).expect("a folder for the socket");
        let socket = folder.join(format!(".s.PGSQL.{}", Self::PORT));
        let listener = UnixListener::bind(&socket).expect("a socket to listen on");
        let taken = Arc::new(Mutex::new(Vec::new()));
        let held = Arc::clone(&taken);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                held.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
            }
        });
        Self { folder: folder.to_owned(), taken }
    }

    /// The socket's folder: the host to connect to.
    pub fn host(&self) -> &Path {
        &self.folder
    }

    /// How many connections it has taken so far.
    pub fn count(&self) -> usize {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Waits until somebody is connected and waiting for an answer.
    pub fn wait_for_caller(&self) {
        until("nobody called the mute server", || (self.count() > 0).then_some(()));
    }

    /// Hangs up on all.
    pub fn hang_up(&self) {
        for stream in self.taken.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}
