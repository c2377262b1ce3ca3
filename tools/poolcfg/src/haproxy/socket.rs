//! HAProxy's sockets: of a worker, for operators, and of the master, which reloads.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use flotilla::{Code, Error, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Gives an order and reads the whole answer.
pub(crate) async fn ask(socket: &Path, order: &str) -> Result<String> {
    let answer = async {
        let mut stream = UnixStream::connect(socket).await?;
        stream.write_all(format!("{order}\n").as_bytes()).await?;
        // The master's socket stays open for another order unless it is told that none will come.
        stream.shutdown().await?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&bytes).into_owned())
    };
    let late = || std::io::Error::from(std::io::ErrorKind::TimedOut);
    tokio::time::timeout(LIMIT, answer).await.unwrap_or_else(|_| Err(late())).map_err(|source| {
        Error::new(Code::Unreachable, format!("HAProxy doesn't answer at {}", socket.display()))
            .hint("Does it run on this machine, and may you open the socket? It is made by `stats socket` or `-S`.")
            .source(source)
    })
}

/// A line of `show stat`, by column.
pub(crate) type Stat = BTreeMap<String, String>;

/// `show stat`: every frontend, backend and server.
pub(crate) async fn stats(socket: &Path) -> Result<Vec<Stat>> {
    Ok(table(&ask(socket, "show stat").await?))
}

/// HAProxy's CSV: a line of heads behind a hash, then the rows.
fn table(csv: &str) -> Vec<Stat> {
    let mut lines = csv.lines().filter(|line| !line.is_empty());
    let heads: Vec<&str> = lines.next().unwrap_or_default().trim_start_matches("# ").split(',').collect();
    lines
        .map(|line| {
            let cells = heads.iter().zip(line.split(','));
            cells.map(|(head, cell)| ((*head).to_owned(), cell.to_owned())).collect()
        })
        .collect()
}

/// `show info typed`: what the process says of itself, by name.
pub(crate) async fn info(socket: &Path) -> Result<BTreeMap<String, String>> {
    Ok(typed(&ask(socket, "show info typed").await?))
}

/// `0.Name.1:POS:str:HAProxy`, by name.
fn typed(text: &str) -> BTreeMap<String, String> {
    let line = |line: &str| {
        let mut fields = line.splitn(4, ':');
        let name = fields.next()?.split('.').nth(1)?.to_owned();
        Some((name, fields.nth(2)?.to_owned()))
    };
    text.lines().filter_map(line).collect()
}

/// `show servers state`: by backend and server.
pub(crate) async fn states(socket: &Path) -> Result<Vec<Stat>> {
    let text = ask(socket, "show servers state").await?;
    let mut lines = text.lines().skip_while(|line| !line.starts_with("# "));
    let heads: Vec<String> =
        lines.next().unwrap_or_default().trim_start_matches("# ").split(' ').map(str::to_owned).collect();
    let row = |line: &str| heads.iter().cloned().zip(line.split(' ').map(str::to_owned)).collect();
    Ok(lines.filter(|line| !line.is_empty()).map(row).collect())
}

/// What the master says of its processes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Processes {
    /// How often it has reloaded.
    pub(crate) reloads: u64,
    /// How many of these failed; none where the release doesn't say.
    pub(crate) failed: Option<u64>,
    /// The workers of now.
    pub(crate) workers: Vec<u64>,
    /// The workers that finish their sessions.
    pub(crate) old: Vec<u64>,
}

/// `show proc`, from the master.
pub(crate) async fn processes(master: &Path) -> Result<Processes> {
    processes_in(&ask(master, "show proc").await?).ok_or_else(|| {
        Error::new(Code::Unsupported, format!("{} is no master socket of HAProxy", master.display()))
            .hint("Start HAProxy with `-W -S PATH,mode,600`, and name that path as master_socket.")
    })
}

fn processes_in(text: &str) -> Option<Processes> {
    let mut found = Processes::default();
    let (mut master, mut part) = (false, "");
    for line in text.lines() {
        if let Some(head) = line.strip_prefix('#') {
            part = head.trim();
            continue;
        }
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let (Some(pid), Some(kind)) = (words.first().and_then(|pid| pid.parse().ok()), words.get(1)) else { continue };
        match *kind {
            "master" => {
                master = true;
                found.reloads = words.get(2).and_then(|n| n.parse().ok()).unwrap_or(0);
                let failed = line.split_once("[failed: ").and_then(|(_, rest)| rest.split_once(']'));
                found.failed = failed.and_then(|(n, _)| n.trim().parse().ok());
            }
            "worker" if part == "old workers" => found.old.push(pid),
            "worker" => found.workers.push(pid),
            _ => {}
        }
    }
    master.then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_read() {
        let text = "#<PID>          <type>          <reloads>       <uptime>        <version>      \n\
                    27979           master          2 [failed: 1]   0d00h00m15s     2.6.12-1+deb12u4\n# workers\n\
                    28312           worker          1               0d00h00m10s     2.6.12-1+deb12u4\n# old workers\n\
                    28300           worker          2               0d00h00m20s     2.6.12-1+deb12u4\n# programs\n\n";
        let wanted = Processes { reloads: 2, failed: Some(1), workers: vec![28312], old: vec![28300] };
        assert_eq!(processes_in(text), Some(wanted));
        assert_eq!(processes_in("Unknown command"), None);
    }

    #[test]
    fn statistics_are_read_by_column() {
        let rows = table("# pxname,svname,status,\ns0,a,UP,\ns0,BACKEND,DOWN,\n\n");
        assert_eq!((rows.len(), &*rows[1]["svname"], &*rows[0]["status"]), (2, "BACKEND", "UP"));
        assert_eq!(typed("0.Name.1:POS:str:HA:Proxy\n15.Maxconn.1:CLP:u32:1000\n")["Name"], "HA:Proxy");
    }
}
