//! HAProxy: whether every shard has servers behind it, and whether somebody queues.

use std::path::PathBuf;

use flotilla::config::{Balancer, Config, HealthSettings};
use flotilla::fanout::BoxFuture;
use flotilla::http::Request;
use flotilla::target::Kind;
use flotilla::{Code, Error, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::{Asking, Component, Found, Instance, Subject};
use crate::check::{Check, Health, Limit};

/// One HAProxy, by its page of statistics, else by its socket where that is on this machine.
pub(crate) struct Haproxy;

impl Component for Haproxy {
    fn name(&self) -> &'static str {
        "haproxy"
    }

    fn instance(&self, config: &Config, subject: &Subject) -> Option<String> {
        let balancer = balancer(subject)?;
        let host = balancer.hostaddr.map_or_else(|| balancer.host.clone(), |a| a.to_string());
        match balancer.stats_port {
            Some(port) => Some(format!("http://{host}:{port}/;csv")),
            None => Some(socket(config, balancer)?.display().to_string()),
        }
    }

    fn ask<'a>(&'a self, asking: &'a Asking, instance: &'a Instance) -> BoxFuture<'a, Result<Found>> {
        Box::pin(async move {
            let csv = if instance.endpoint.starts_with('/') {
                by_socket(&instance.endpoint).await?
            } else {
                let answer = asking.http()?.ask(Request::get(&instance.endpoint)).await?;
                if answer.status == 401 {
                    return Err(Error::new(Code::AuthFailed, "its statistics want a login")
                        .hint("Let this machine read them without one: they are on a port of their own."));
                }
                answer.text()
            };
            let config = asking.config()?;
            Ok(Found { role: None, checks: checks(&csv, config)? })
        })
    }
}

/// The balancer of a subject.
pub(crate) fn balancer(subject: &Subject) -> Option<&Balancer> {
    match subject {
        Subject::Target(target) => match &target.kind {
            Kind::Balancer(balancer) => Some(balancer),
            _ => None,
        },
        Subject::Store(_) => None,
    }
}

/// Where the topology says, else where `poolcfg render` puts it; none where it isn't on this machine.
fn socket(config: &Config, balancer: &Balancer) -> Option<PathBuf> {
    let usual = || Some(config.path.parent()?.join("run").join(format!("{}.sock", balancer.name)));
    balancer.stats_socket.clone().or_else(usual).filter(|path| path.exists())
}

async fn by_socket(path: &str) -> Result<String> {
    let failed = |e| Error::new(Code::Unreachable, format!("could not ask {path}")).source(e);
    let mut stream = UnixStream::connect(path).await.map_err(failed)?;
    stream.write_all(b"show stat\n").await.map_err(failed)?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.map_err(failed)?;
    Ok(text)
}

/// One line of the statistics.
struct Row<'a> {
    heads: &'a [&'a str],
    fields: Vec<&'a str>,
}

impl Row<'_> {
    fn text(&self, name: &str) -> &str {
        let at = self.heads.iter().position(|head| *head == name);
        at.and_then(|at| self.fields.get(at)).copied().unwrap_or_default()
    }

    fn number(&self, name: &str) -> Option<f64> {
        self.text(name).parse().ok()
    }

    fn is_up(&self) -> bool {
        self.text("status").starts_with("UP")
    }
}

fn checks(csv: &str, config: &Config) -> Result<Vec<Check>> {
    let mut lines = csv.lines();
    let heads: Vec<&str> = lines.next().unwrap_or_default().trim_start_matches("# ").split(',').collect();
    if !heads.contains(&"pxname") {
        return Err(Error::new(Code::QueryFailed, "the answer is not HAProxy's statistics")
            .hint("Does `stats_port` in the topology name the port of HAProxy's statistics?"));
    }
    let rows: Vec<Row<'_>> = lines.map(|line| Row { heads: &heads, fields: line.split(',').collect() }).collect();
    let mut checks = Vec::new();
    for backend in rows.iter().filter(|row| row.text("svname") == "BACKEND") {
        let name = backend.text("pxname");
        let servers: Vec<&Row<'_>> = rows
            .iter()
            .filter(|row| row.text("pxname") == name && !matches!(row.text("svname"), "BACKEND" | "FRONTEND"))
            .collect();
        if !servers.is_empty() {
            checks.extend(of_backend(name, backend, &servers, config));
        }
    }
    Ok(checks)
}

fn of_backend(name: &str, backend: &Row<'_>, servers: &[&Row<'_>], config: &Config) -> Vec<Check> {
    let settings: &HealthSettings = &config.health;
    let up = servers.iter().filter(|server| server.is_up()).count();
    #[expect(clippy::cast_precision_loss, reason = "a handful of servers")]
    let count = Some(up as f64);
    let servers_up = Check::number("servers_up", count, "servers", Limit::below(None, 1.0)).of(name);
    let mut checks = vec![
        servers_up
            .message(format!("backend \"{name}\" has no server"))
            .hint("Clients are refused: look at the shard's nodes and their Patronis."),
    ];
    let shard = |suffix: &str| config.shards.iter().find(|s| name.strip_suffix(suffix) == Some(&*s.name));
    if shard("-primary").is_some() && up > 1 {
        let check = Check::holds(
            "one_primary",
            false,
            Health::Fail,
            format!("backend \"{name}\" sends writes to {up} servers"),
        );
        checks.push(
            check.of(name).hint("More than one Patroni claims to lead: see `healthcheck probe --component shard`."),
        );
    }
    if let Some(shard) = shard("-replicas").filter(|_| up > 0) {
        let wanted = shard.nodes.len().saturating_sub(1);
        let message = format!("backend \"{name}\" has {up} of {wanted} replicas");
        checks.push(
            Check::holds("replicas_up", up >= wanted, Health::Warn, message)
                .of(name)
                .hint("A replica is down, or further behind than haproxy.max_lag_bytes."),
        );
    }
    let queue = backend.number("qcur");
    checks.push(
        Check::number("queue", queue, "sessions", Limit::above(0.0, None))
            .of(name)
            .hint("Sessions wait for a server: its maxconn is reached."),
    );
    if let Some((now, most)) = backend.number("scur").zip(backend.number("slim").filter(|most| *most > 0.0)) {
        let limit = Limit::above(settings.balancer_sessions_ratio_warn, None);
        checks.push(Check::number("sessions_ratio", Some(now / most), "ratio", limit).of(name).hint("Raise maxconn."));
    }
    let failed: f64 = servers.iter().filter_map(|server| server.number("chkdown")).sum();
    checks.extend(Check::figure("check_downs_total", Some(failed), "").map(|figure| figure.of(name)));
    checks
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use flotilla::config::Config;

    use super::checks;
    use crate::check::Health;

    #[test]
    fn a_backend_without_servers_has_failed_and_one_with_too_few_is_warned_of() {
        let text = "[cluster]\nname = 'c'\ndbname = 'app'\n[[shards]]\nname = 's0'\n\
                    nodes = [{ name = 'a', host = '/a' }, { name = 'b', host = '/b' }, { name = 'c', host = '/c' }]";
        let config = Config::parse(text, Path::new("flotilla.toml")).unwrap();
        let csv = "# pxname,svname,qcur,scur,slim,status,chkdown\ns0-primary,a,0,1,,DOWN,1\ns0-primary,b,0,1,,DOWN,0\n\
                   s0-primary,BACKEND,2,0,100,DOWN,\ns0-replicas,b,0,0,,UP 1/2,0\ns0-replicas,BACKEND,0,90,100,UP,\n\
                   stats,FRONTEND,,1,100,OPEN,\nstats,BACKEND,0,0,10,UP,\n";
        let found = checks(csv, &config).unwrap();
        let status = |check: &str, of: &str| {
            found.iter().find(|c| c.check == check && c.of.as_deref() == Some(of)).map(|c| c.status)
        };
        assert_eq!(status("servers_up", "s0-primary"), Some(Health::Fail));
        assert_eq!(status("queue", "s0-primary"), Some(Health::Warn));
        assert_eq!(status("servers_up", "s0-replicas"), Some(Health::Pass));
        assert_eq!(status("replicas_up", "s0-replicas"), Some(Health::Warn));
        assert_eq!(status("sessions_ratio", "s0-replicas"), Some(Health::Warn));
        assert_eq!(status("servers_up", "stats"), None);
        assert!(checks("<html>", &config).is_err());
    }
}
