//! `healthcheck`: many endpoints beside the slowest alone, and many requests while a server hangs.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use flotilla_tests::{Mute, Sandbox, Topology, binary};

use crate::child::wall;
use crate::figure::{Figure, median, mib, ms, ratio_of_memory};
use crate::standin::StandIn;

const ENDPOINTS: u16 = 50;
const RUNS: usize = 9;
const MOST_BEYOND: Duration = Duration::from_millis(50);
/// Requests a second, and for how long; `FLOTILLA_BENCH_SECONDS` asks for longer.
const RATE: u32 = 1000;
const SECONDS: u32 = 20;
const CONNECTIONS: u32 = 8;
const MOST_P99: Duration = Duration::from_millis(20);

/// Both measurements.
pub(crate) fn measure() -> anyhow::Result<Vec<Figure>> {
    let mut figures = vec![probe()?];
    figures.extend(serve()?);
    Ok(figures)
}

fn topology(ports: &[u16]) -> Topology {
    let topology = Topology::default().connect("sslmode = \"disable\"");
    let shards = ports.iter().enumerate();
    shards.fold(topology, |topology, (at, port)| topology.shard(&format!("s{at}"), "127.0.0.1", *port))
}

/// Fifty endpoints, each slower than the one before; the last takes a tenth of a second over each question.
fn probe() -> anyhow::Result<Figure> {
    let servers = StandIn::slow(ENDPOINTS, |number| Duration::from_millis(2) * u32::from(number + 1))?;
    let sandbox = Sandbox::new();
    let config = sandbox.file("flotilla.toml", topology(servers.ports()).to_string());
    let run = |more: &[&str]| {
        // Stand-ins are no good servers: what they answer is an error, and that is an answer.
        let script = "\"$0\" \"$@\" || test $? = 1";
        let mut command = Command::new("/bin/sh");
        command.env_clear().args(["-c", script]).arg(binary("healthcheck"));
        command.args(["probe", "--component", "postgresql", "--timeout", "30s", "--config"]).arg(&config).args(more);
        wall(&mut command)
    };
    let (mut all, mut alone) = (Vec::new(), Vec::new());
    let slowest = format!("s{}-a", ENDPOINTS - 1);
    for _ in 0..RUNS {
        all.push(run(&[])?);
        alone.push(run(&["-t", &slowest])?);
    }
    let (all, alone) = (median(all), median(alone));
    let beyond = all.saturating_sub(alone);
    Ok(Figure::new(format!("probe of {ENDPOINTS} endpoints, beyond the slowest"), ms(beyond))
        .beside(format!("all {}, the slowest alone {}", ms(all), ms(alone)), crate::figure::ratio(all, alone))
        .target("≤ 50 ms", beyond <= MOST_BEYOND))
}

/// A running server, on one core.
struct Serving {
    child: Child,
    address: String,
}

impl Serving {
    fn start(config: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new("taskset");
        command.env_clear().args(["-c", "0"]).arg(binary("healthcheck"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(config);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let lines = BufReader::new(child.stderr.take().context("standard error")?).lines();
        let said =
            lines.map_while(Result::ok).find_map(|line| line.split_once("serving http://").map(|(_, a)| a.to_owned()));
        Ok(Self { child, address: said.context("the server didn't start")? })
    }

    /// What it holds in memory now, in bytes.
    fn memory(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A thousand requests a second for `/health`, each due at its own time, whatever became of the one before: a
/// server that stalls is late for all of them. One of its databases takes connections and never answers.
fn serve() -> anyhow::Result<Vec<Figure>> {
    let seconds = flotilla::env::var("FLOTILLA_BENCH_SECONDS").and_then(|text| text.parse().ok()).unwrap_or(SECONDS);
    let servers = StandIn::start(20)?;
    let sandbox = Sandbox::new();
    let mute = Mute::in_folder(&sandbox.path().join("mute"));
    let topology = topology(servers.ports()).shard("hangs", mute.host(), Mute::PORT);
    let config = sandbox.file("flotilla.toml", topology.to_string());
    let serving = Serving::start(&config)?;
    // What is made at the first requests is made once.
    let warm = load(&serving.address, 3)?;
    anyhow::ensure!(!warm.is_empty(), "nothing was answered");
    let before = serving.memory()?;
    let mut took = load(&serving.address, seconds)?;
    let after = serving.memory()?;
    took.sort_unstable();
    let asked = usize::try_from(RATE * seconds)?;
    let p99 = took.get(took.len() * 99 / 100).copied().unwrap_or_default();
    Ok(vec![
        Figure::new(format!("serve, {RATE} requests/s for {seconds} s on one core, p99"), ms(p99))
            .beside(format!("p50 {}, {} of {asked} answered", ms(median(took.clone())), took.len()), 0.0)
            .target("≤ 20 ms, all answered", p99 <= MOST_P99 && took.len() == asked),
        Figure::new("the same, memory at the end", mib(after))
            .beside(format!("after 3 s {}", mib(before)), ratio_of_memory(after, before))
            .ratio_at_most(1.1),
    ])
}

fn load(address: &str, seconds: u32) -> anyhow::Result<Vec<Duration>> {
    let began = Instant::now() + Duration::from_millis(50);
    let each = Duration::from_secs(1) * CONNECTIONS / RATE;
    let workers: Vec<_> = (0..CONNECTIONS)
        .map(|worker| {
            let (address, first) = (address.to_owned(), began + each * worker / CONNECTIONS);
            std::thread::spawn(move || one_connection(&address, first, each, RATE / CONNECTIONS * seconds))
        })
        .collect();
    let mut took = Vec::new();
    for worker in workers {
        took.extend(worker.join().map_err(|_| anyhow::anyhow!("a worker panicked"))??);
    }
    Ok(took)
}

fn one_connection(address: &str, first: Instant, each: Duration, count: u32) -> anyhow::Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut took, mut line, mut body) = (Vec::new(), String::new(), Vec::new());
    for number in 0..count {
        let due = first + each * number;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        stream.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")?;
        let mut length = 0;
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
            if line == "\r\n" {
                break;
            }
            anyhow::ensure!(!line.is_empty(), "the server hung up");
        }
        body.resize(length, 0);
        reader.read_exact(&mut body)?;
        took.push(due.elapsed());
    }
    Ok(took)
}
