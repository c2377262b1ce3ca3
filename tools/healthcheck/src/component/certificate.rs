//! Certificates, as each server shows them: until when they last, and whether a client would take them.

use std::net::IpAddr;

use flotilla::config::{Config, StoreUrl};
use flotilla::fanout::BoxFuture;
use flotilla::target::Kind;
use flotilla::tls::Shown;
use flotilla::{Code, Error, Result, stream};
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Asking, Component, Found, Instance, Subject};
use crate::check::{Check, Limit};

/// The certificates of one server: each of its ports that speaks TLS.
pub(crate) struct Certificate;

/// A port that speaks TLS.
#[expect(clippy::struct_field_names, reason = "a port has a port")]
struct Port {
    /// What listens there.
    of: &'static str,
    host: String,
    hostaddr: Option<IpAddr>,
    port: u16,
    /// Whether it is asked for TLS first, in PostgreSQL's way.
    asks_first: bool,
}

/// PostgreSQL's request for TLS: its length and its number.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

impl Component for Certificate {
    fn name(&self) -> &'static str {
        "certificate"
    }

    fn instance(&self, config: &Config, subject: &Subject) -> Option<String> {
        let ports = ports(config, subject);
        let shown = ports.iter().map(|port| {
            format!("{}:{}", port.hostaddr.map_or_else(|| port.host.clone(), |a| a.to_string()), port.port)
        });
        let text = shown.collect::<Vec<_>>().join(", ");
        (!text.is_empty()).then_some(text)
    }

    fn pause(&self) -> std::time::Duration {
        std::time::Duration::from_mins(1)
    }

    fn ask<'a>(&'a self, asking: &'a Asking, instance: &'a Instance) -> BoxFuture<'a, Result<Found>> {
        Box::pin(async move {
            let config = asking.config()?;
            let ports = ports(config, &instance.subject);
            let seen = join_all(ports.iter().map(|port| look(config, port))).await;
            // One connection failed like the next: the server isn't there.
            if let Some(error) = first_error_of_all(&seen) {
                return Err(error);
            }
            let mut checks = Vec::new();
            for (port, seen) in ports.iter().zip(seen) {
                checks.extend(checks_of(port, seen, config));
            }
            Ok(Found { role: None, checks })
        })
    }
}

fn first_error_of_all(seen: &[Result<Shown>]) -> Option<Error> {
    let errors: Vec<&Error> = seen.iter().filter_map(|one| one.as_ref().err()).collect();
    let first = errors.first().filter(|_| errors.len() == seen.len())?;
    let error = Error::new(first.code(), first.message().to_owned());
    Some(match first.record().hint {
        Some(hint) => error.hint(hint),
        None => error,
    })
}

fn checks_of(port: &Port, seen: Result<Shown>, config: &Config) -> Vec<Check> {
    let shown = match seen {
        Ok(shown) => shown,
        Err(error) => return vec![Check::unknown("certificate_days", error.message().to_owned()).of(port.of)],
    };
    let left = shown.ends - flotilla::clock::now();
    #[expect(clippy::cast_precision_loss, reason = "seconds of some years")]
    let days = left.num_seconds() as f64 / 86_400.0;
    let settings = &config.health;
    let limit = Limit::below(settings.certificate_days_warn, settings.certificate_days_fail);
    let days = Check::number("certificate_days", Some((days * 100.0).round() / 100.0), "days", limit).of(port.of);
    let ends = shown.ends.format("%Y-%m-%d");
    let days = days
        .message(format!("the certificate of {} ends on {ends}", port.of))
        .hint("Renew it, and have the server reload.");
    let objection = shown.objection;
    let trusted = Check::holds(
        "certificate_trusted",
        objection.is_none(),
        crate::check::Health::Fail,
        objection.as_ref().map(|error| error.message().to_owned()).unwrap_or_default(),
    );
    let hint = objection.and_then(|error| error.record().hint).unwrap_or_default();
    vec![days, trusted.of(port.of).hint(hint)]
}

async fn look(config: &Config, port: &Port) -> Result<Shown> {
    let roots = match stream::roots(config)? {
        Some(roots) => roots,
        None => flotilla::tls::Roots::system()?,
    };
    let mut tcp = stream::plain(&port.host, port.hostaddr, port.port).await?;
    if port.asks_first {
        let broken = |e: std::io::Error| Error::new(Code::Unreachable, "it broke off the request for TLS").source(e);
        tcp.write_all(&SSL_REQUEST).await.map_err(broken)?;
        if tcp.read_u8().await.map_err(broken)? != b'S' {
            return Err(Error::new(Code::Tls, "it speaks no TLS").hint("Turn ssl on in its configuration."));
        }
    }
    stream::certificate(tcp, &port.host, roots).await
}

/// The ports of a subject that speak TLS, where the topology has an authority or a URL says so.
fn ports(config: &Config, subject: &Subject) -> Vec<Port> {
    let has_authority = config.connect.sslrootcert.is_some();
    let direct = |of, host: &str, hostaddr, port| Port { of, host: host.to_owned(), hostaddr, port, asks_first: false };
    let postgres = |of, host: &str, hostaddr, port| {
        (has_authority && !host.starts_with('/')).then(|| Port { asks_first: true, ..direct(of, host, hostaddr, port) })
    };
    let mut ports = Vec::new();
    match subject {
        Subject::Store(store) => {
            let is_s3 = matches!(store.url, StoreUrl::S3 { .. });
            // A store may have an authority of its own; only those of the topology's are looked at here.
            let of_theirs = store.ca_file == config.connect.sslrootcert;
            ports.extend(store.endpoint.as_deref().filter(|_| is_s3 && of_theirs).and_then(|url| https("s3", url)));
        }
        Subject::Target(target) => match &target.kind {
            Kind::Node { node, .. } => {
                ports.extend(postgres("postgresql", &node.host, node.hostaddr, node.port));
                ports.extend(node.patroni.as_deref().and_then(|url| https("patroni", url)));
            }
            Kind::Pooler(pooler) => ports.extend(postgres("pgbouncer", &pooler.host, pooler.hostaddr, pooler.port)),
            Kind::Etcd(etcd) => ports.extend(https("etcd", &etcd.url)),
            Kind::Redis(redis) if has_authority => {
                ports.push(direct("redis", &redis.host, redis.hostaddr, redis.port));
            }
            _ => {}
        },
    }
    ports
}

/// Where a URL with TLS leads.
fn https(of: &'static str, url: &str) -> Option<Port> {
    let (host, port) = flotilla::reach::host_and_port(url);
    let host = host.trim_matches(['[', ']']).to_owned();
    url.starts_with("https://").then(|| Port { of, host, hostaddr: None, port: port.unwrap_or(443), asks_first: false })
}
