//! Servers that speak just enough of PostgreSQL's protocol to be asked one thing: a thousand real
//! ones would be measured, not the tool.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

/// The code in place of a protocol version that asks for TLS.
const SSL_REQUEST: u32 = 80_877_103;
/// What a server reports of itself after the login.
const PARAMETERS: [(&str, &str); 8] = [
    ("server_version", "15.0 (stand-in)"),
    ("server_encoding", "UTF8"),
    ("client_encoding", "UTF8"),
    ("DateStyle", "ISO, MDY"),
    ("standard_conforming_strings", "on"),
    ("integer_datetimes", "on"),
    ("default_transaction_read_only", "off"),
    ("in_hot_standby", "off"),
];

/// Listening stand-ins; they go when this is dropped.
pub(crate) struct StandIn {
    ports: Vec<u16>,
    _runtime: Runtime,
}

impl StandIn {
    /// As many as asked for, each on a port of its own.
    pub(crate) fn start(count: u16) -> io::Result<Self> {
        Self::slow(count, |_| Duration::ZERO)
    }

    /// The same, each of which takes so long over what it is asked.
    pub(crate) fn slow(count: u16, delay: impl Fn(u16) -> Duration) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let ports = (0..count).map(|number| {
            let delay = delay(number);
            let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
            let port = listener.local_addr()?.port();
            runtime.spawn(listen(listener, delay));
            Ok(port)
        });
        let ports = ports.collect::<io::Result<_>>()?;
        Ok(Self { ports, _runtime: runtime })
    }

    /// Their ports.
    pub(crate) fn ports(&self) -> &[u16] {
        &self.ports
    }
}

async fn listen(listener: TcpListener, delay: Duration) {
    while let Ok((stream, _)) = listener.accept().await {
        // A client that hangs up ends its session with an error, which nobody wants to hear of.
        tokio::spawn(async move { drop(serve(stream, delay).await) });
    }
}

/// One session, from the start-up packet to the client's goodbye.
async fn serve(stream: TcpStream, delay: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    loop {
        let length = stream.read_u32().await?;
        let code = stream.read_u32().await?;
        if code != SSL_REQUEST {
            skip(&mut stream, length.saturating_sub(8)).await?;
            break;
        }
        stream.write_all(b"N").await?;
    }
    let mut out = Vec::new();
    message(&mut out, b'R', &0_u32.to_be_bytes());
    for (name, value) in PARAMETERS {
        message(&mut out, b'S', format!("{name}\0{value}\0").as_bytes());
    }
    message(&mut out, b'K', &[0; 8]);
    message(&mut out, b'Z', b"I");
    loop {
        stream.write_all(&out).await?;
        out.clear();
        // Answers gather until the client wants them.
        while !answer(&mut stream, &mut out).await? {}
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
    }
}

/// Answers one message; whether the client now waits for what has gathered.
async fn answer(stream: &mut BufReader<TcpStream>, out: &mut Vec<u8>) -> io::Result<bool> {
    let kind = stream.read_u8().await?;
    let length = stream.read_u32().await?;
    skip(stream, length.saturating_sub(4)).await?;
    match kind {
        b'P' => message(out, b'1', b""),
        b'B' => message(out, b'2', b""),
        b'C' => message(out, b'3', b""),
        b'D' => describe(out),
        b'E' => row(out),
        b'Q' => {
            describe(out);
            row(out);
            message(out, b'Z', b"I");
        }
        b'S' => message(out, b'Z', b"I"),
        b'X' => return Err(io::ErrorKind::ConnectionReset.into()),
        _ => {}
    }
    Ok(matches!(kind, b'Q' | b'S' | b'H'))
}

/// One column `answer` of type `integer`, as text.
fn describe(out: &mut Vec<u8>) {
    let mut body = 1_u16.to_be_bytes().to_vec();
    body.extend_from_slice(b"answer\0");
    body.extend_from_slice(&[0; 6]);
    body.extend_from_slice(&23_u32.to_be_bytes());
    body.extend_from_slice(&4_u16.to_be_bytes());
    body.extend_from_slice(&u32::MAX.to_be_bytes());
    body.extend_from_slice(&[0; 2]);
    message(out, b'T', &body);
}

fn row(out: &mut Vec<u8>) {
    let mut body = 1_u16.to_be_bytes().to_vec();
    body.extend_from_slice(&2_u32.to_be_bytes());
    body.extend_from_slice(b"42");
    message(out, b'D', &body);
    message(out, b'C', b"SELECT 1\0");
}

/// Appends a message: its kind, its length with the length's own four bytes, its body.
fn message(out: &mut Vec<u8>, kind: u8, body: &[u8]) {
    out.push(kind);
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(body);
}

async fn skip(stream: &mut BufReader<TcpStream>, length: u32) -> io::Result<()> {
    tokio::io::copy(&mut stream.take(length.into()), &mut tokio::io::sink()).await.map(drop)
}
