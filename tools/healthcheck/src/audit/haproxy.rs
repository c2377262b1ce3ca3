//! HAProxy: who may look at it, and who may give it orders.

use std::net::{IpAddr, ToSocketAddrs as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use flotilla::config::{Balancer, Config};
use flotilla::http::Request;
use flotilla::{Code, Error};
use serde::{Deserialize, Serialize};

use super::facts::{Facts, Unseen};
use super::rule::{Judged, MOOT, Rule, Severity, holds, none};
use super::{Auditor, Looking};
use crate::component::{Asking, Instance, Subject, balancer, is_ours};

/// One HAProxy.
pub(crate) struct Haproxy;

/// Its page of statistics, as it answers without a login.
#[derive(Debug, Serialize, Deserialize)]
struct Page {
    status: u16,
    /// Whether only this machine reaches it.
    loopback: bool,
    /// Whether the topology names who may.
    allowed: bool,
    /// Whether it takes orders.
    orders: bool,
}

/// A file, and who may do what with it.
#[derive(Debug, Serialize, Deserialize)]
struct FileMode {
    path: String,
    mode: u32,
}

impl Auditor for Haproxy {
    fn name(&self) -> &'static str {
        "haproxy"
    }

    fn instance(&self, _: &Config, subject: &Subject) -> Option<String> {
        let balancer = balancer(subject)?;
        let host = balancer.hostaddr.map_or_else(|| balancer.host.clone(), |a| a.to_string());
        Some(balancer.stats_port.map_or_else(|| host.clone(), |port| format!("{host}:{port}")))
    }

    fn rules(&self) -> Vec<&'static Rule> {
        RULES.iter().collect()
    }

    fn look<'a>(&'a self, asking: &'a Asking, instance: &'a Instance) -> Looking<'a> {
        Box::pin(async move {
            let Some(balancer) = balancer(&instance.subject) else {
                return Err(Error::internal("a balancer was expected"));
            };
            let config = asking.config()?;
            let mut facts = Facts::default();
            facts.note("page", page(asking, config, balancer).await);
            facts.note("sockets", modes(balancer, &[&balancer.stats_socket, &balancer.master_socket]).await);
            facts.note("files", modes(balancer, &[&balancer.config_file]).await);
            Ok(facts)
        })
    }
}

async fn page(asking: &Asking, config: &Config, balancer: &Balancer) -> Result<Option<Page>, Error> {
    let Some(port) = balancer.stats_port else { return Ok(None) };
    let host = balancer.hostaddr.map_or_else(|| balancer.host.clone(), |a| a.to_string());
    let answer = asking.stranger()?.ask(Request::get(&format!("http://{host}:{port}/"))).await?;
    let address = balancer.hostaddr.or_else(|| address(&balancer.host));
    Ok(Some(Page {
        status: answer.status,
        loopback: address.is_some_and(|address| address.is_loopback()),
        allowed: config.haproxy.stats_allow.as_ref().is_some_and(|allow| !allow.is_empty()),
        // The page of an administrator has a form that is sent back, with boxes to tick.
        orders: answer.is_success() && answer.text().contains("method=\"post\""),
    }))
}

fn address(host: &str) -> Option<IpAddr> {
    Some((host, 0).to_socket_addrs().ok()?.next()?.ip())
}

/// The modes of files, where they are this machine's; none where the topology names none.
async fn modes(balancer: &Balancer, paths: &[&Option<std::path::PathBuf>]) -> Result<Vec<FileMode>, Unseen> {
    let named: Vec<&Path> = paths.iter().filter_map(|path| path.as_deref()).collect();
    if !named.is_empty() && !is_ours(&balancer.host, balancer.hostaddr).await {
        return Err(Unseen::new("its files are on another machine").hint("Audit it there."));
    }
    let mode = |path: &Path| {
        let looked = path.metadata().map_err(|error| {
            Unseen::from(Error::new(Code::Io, format!("could not look at {}", path.display())).source(error))
                .hint("Audit as somebody who may look at it.")
        })?;
        Ok(FileMode { path: path.display().to_string(), mode: looked.permissions().mode() & 0o777 })
    };
    named.into_iter().map(mode).collect()
}

const RULES: &[Rule] = &[
    Rule {
        name: "haproxy-stats-open",
        severity: Severity::Fail,
        proof: true,
        why: "Its page names every server, its address and its state to whoever asks.",
        mend: "Say in haproxy.stats_allow of the topology who may see it, or keep it on a loopback address.",
        judge: stats_open,
    },
    Rule {
        name: "haproxy-stats-orders",
        severity: Severity::Fail,
        proof: true,
        why: "Whoever sees the page can take servers out.",
        mend: "Remove `stats admin`; operators have the socket.",
        judge: stats_orders,
    },
    Rule {
        name: "haproxy-socket-open",
        severity: Severity::Fail,
        proof: false,
        why: "Whoever may open its socket can take servers out and read its memory of clients.",
        mend: "Give the socket `mode 600` or `mode 660` with a group.",
        judge: |facts: &Facts| wide(facts, "sockets", 0o007, "its sockets are closed to others", "others may open"),
    },
    Rule {
        name: "haproxy-file-writable",
        severity: Severity::Fail,
        proof: false,
        why: "Whoever may change its file sends clients where he likes at the next reload.",
        mend: "Take the right to write it from group and others: chmod go-w.",
        judge: |facts: &Facts| wide(facts, "files", 0o022, "only its owner may change its file", "others may change"),
    },
];

fn stats_open(facts: &Facts) -> Judged {
    let Some(page) = facts.find::<Page>("page")? else { return MOOT };
    match page.status {
        401 | 403 => holds(true, format!("its page answers {} without a login", page.status)),
        _ if page.loopback => holds(true, "its page is on a loopback address"),
        status => {
            holds(page.allowed, format!("its page answers {status} without a login on an address of the network"))
        }
    }
}

fn stats_orders(facts: &Facts) -> Judged {
    let Some(page) = facts.find::<Page>("page")? else { return MOOT };
    holds(!page.orders, if page.orders { "its page takes orders" } else { "its page takes no orders" })
}

fn wide(facts: &Facts, name: &str, bits: u32, fine: &str, bad: &str) -> Judged {
    let files: Vec<FileMode> = facts.get(name)?;
    if files.is_empty() {
        return MOOT;
    }
    let shown = |file: &FileMode| format!("{} ({:04o})", file.path, file.mode);
    none(&files.iter().filter(|file| file.mode & bits != 0).map(shown).collect::<Vec<_>>(), fine, bad)
}
