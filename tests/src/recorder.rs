//! A server that writes down what is posted to it: what a webhook's receiver sees.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

/// Takes posts on a loopback port until the test ends.
#[derive(Debug)]
pub struct Recorder {
    url: String,
    posts: Arc<Mutex<Vec<Value>>>,
    status: Arc<AtomicU16>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl Recorder {
    /// Listens, and answers everything with 200.
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
        let (posts, status) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicU16::new(200)));
        let (kept, answer) = (Arc::clone(&posts), Arc::clone(&status));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if let Some(post) = take(stream, answer.load(Ordering::SeqCst)) {
                    kept.lock().unwrap_or_else(PoisonError::into_inner).push(post);
                }
            }
        });
        Self { url, posts, status }
    }

    /// Where to post to.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Answers with this from now on.
    pub fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// What was posted and taken since the last call.
    pub fn take(&self) -> Vec<Value> {
        std::mem::take(&mut *self.posts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One request; its document, when it was answered with a success.
fn take(stream: TcpStream, status: u16) -> Option<Value> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 || line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let answer = format!("HTTP/1.1 {status} said\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    reader.into_inner().write_all(answer.as_bytes()).ok()?;
    serde_json::from_slice(&body).ok().filter(|_| status == 200)
}
