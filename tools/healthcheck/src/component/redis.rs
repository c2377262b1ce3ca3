//! Redis and Sentinel: role, memory, replication, and whether a failover could be agreed on.

use std::collections::HashMap;

use flotilla::config::{Config, HealthSettings, Redis as Server, RedisRole};
use flotilla::fanout::BoxFuture;
use flotilla::target::Kind;
use flotilla::{Code, Error, Result, secret, stream};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ErrorKind, RedisConnectionInfo, RedisError};
use secrecy::ExposeSecret as _;

use super::{Asking, Component, Found, Instance, Subject};
use crate::check::{Check, Health, Limit};

/// One Redis server, or one Sentinel.
pub(crate) struct Redis;

impl Component for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn instance(&self, _: &Config, subject: &Subject) -> Option<String> {
        let server = server(subject)?;
        Some(format!("{}:{}", server.hostaddr.map_or_else(|| server.host.clone(), |a| a.to_string()), server.port))
    }

    fn ask<'a>(&'a self, asking: &'a Asking, instance: &'a Instance) -> BoxFuture<'a, Result<Found>> {
        Box::pin(async move {
            let Some(server) = server(&instance.subject) else {
                return Err(Error::internal("a Redis was expected"));
            };
            let config = asking.config()?;
            let stream = stream::open(config, &server.host, server.hostaddr, server.port).await?;
            let patience = AsyncConnectionConfig::new().set_response_timeout(Some(asking.limit));
            let opened = MultiplexedConnection::new_with_config(&login(config)?, stream, patience).await;
            let (mut connection, driver) = opened.map_err(failed)?;
            // Dropped with this, it ends.
            let mut tasks = tokio::task::JoinSet::new();
            tasks.spawn(driver);
            let text: String = redis::cmd("INFO").query_async(&mut connection).await.map_err(failed)?;
            let info: HashMap<&str, &str> = text.lines().filter_map(|line| line.split_once(':')).collect();
            Ok(look(server.role, &info, config))
        })
    }
}

/// The Redis of a subject.
pub(crate) fn server(subject: &Subject) -> Option<&Server> {
    match subject {
        Subject::Target(target) => match &target.kind {
            Kind::Redis(server) => Some(server),
            _ => None,
        },
        Subject::Store(_) => None,
    }
}

/// Who tools are to Redis.
pub(crate) fn login(config: &Config) -> Result<RedisConnectionInfo> {
    let mut login = RedisConnectionInfo::default().set_skip_set_lib_name();
    if let Some(user) = &config.users.redis {
        login = login.set_username(user);
    }
    if let Some(path) = &config.secrets.redis {
        login = login.set_password(secret::from_file(path, "Redis password")?.expose_secret());
    }
    Ok(login)
}

fn failed(error: RedisError) -> Error {
    let refused = error.kind() == ErrorKind::AuthenticationFailed
        || matches!(error.code(), Some("NOAUTH" | "NOPERM" | "WRONGPASS"));
    if refused {
        return Error::new(Code::AuthFailed, "Redis refused the login")
            .source(error)
            .hint("Set users.redis and secrets.redis in the topology; the user needs +info.");
    }
    Error::new(Code::Unreachable, "Redis didn't answer").source(error)
}

fn look(role: RedisRole, info: &HashMap<&str, &str>, config: &Config) -> Found {
    let is_now = match (role, info.get("role").copied()) {
        (RedisRole::Sentinel, _) => "sentinel",
        (_, Some("master")) => "primary",
        (_, Some("slave")) => "replica",
        _ => "unknown",
    };
    let mut checks = Vec::new();
    if role == RedisRole::Sentinel {
        checks.extend(watched(info, config));
    } else {
        checks.extend(memory(info, &config.health));
        checks.extend(replication(role, is_now, info, config));
    }
    Found { role: Some(is_now.to_owned()), checks }
}

fn number(info: &HashMap<&str, &str>, name: &str) -> Option<f64> {
    info.get(name)?.trim().parse().ok()
}

fn memory(info: &HashMap<&str, &str>, settings: &HealthSettings) -> Option<Check> {
    let used = number(info, "used_memory")?;
    match number(info, "maxmemory").filter(|most| *most > 0.0) {
        // A cache is meant to be full: it evicts.
        Some(_) if info.get("maxmemory_policy").is_some_and(|policy| policy.trim() != "noeviction") => {
            Check::figure("memory_bytes", Some(used), "bytes")
        }
        Some(most) => {
            let limit = Limit::above(settings.redis_memory_ratio_warn, 1.0);
            Some(
                Check::number("memory_ratio", Some(used / most), "ratio", limit)
                    .hint("When it is full, writes fail: raise maxmemory."),
            )
        }
        None => Check::figure("memory_bytes", Some(used), "bytes"),
    }
}

fn replication(role: RedisRole, is_now: &str, info: &HashMap<&str, &str>, config: &Config) -> Vec<Check> {
    let followers = config.redis.iter().filter(|one| one.role == RedisRole::SessionReplica).count();
    let mut checks = Vec::new();
    if is_now == "replica" {
        let link = info.get("master_link_status").map_or("unknown", |link| link.trim());
        let health = if link == "up" { Health::Pass } else { Health::Fail };
        checks.push(
            Check::word("link", link, health)
                .message(format!("its link to the primary is {link}"))
                .hint("Is the primary up? A replica that doesn't follow loses sessions when it takes over."),
        );
        if let Some(ago) = number(info, "master_last_io_seconds_ago").filter(|ago| *ago >= 0.0) {
            checks.push(
                Check::number("heard_seconds", Some(ago), "seconds", Limit::above(15.0, 60.0))
                    .hint("The primary is silent."),
            );
        }
    } else if role != RedisRole::Cache && followers > 0 {
        let follow = number(info, "connected_slaves").unwrap_or(0.0);
        checks.push(
            Check::number("replicas", Some(follow), "replicas", Limit::below(1.0, None))
                .message("no replica follows it")
                .hint("Until one does, losing this server loses sessions."),
        );
    }
    if number(info, "loading") == Some(1.0) {
        checks.push(Check::word("loading", "yes", Health::Fail).message("it is loading its data").hint("Wait for it."));
    }
    let saves = ["aof_last_write_status", "rdb_last_bgsave_status"];
    for name in saves.into_iter().filter(|name| info.get(name).is_some_and(|said| said.trim() == "err")) {
        let check = Check::holds("persistence", false, Health::Fail, "it couldn't write to its disk").of(name);
        checks.push(check.hint("Its log says why; look for a full disk."));
    }
    checks
}

/// What a Sentinel says of the primaries that it watches: `master0:name=session,status=ok,…,sentinels=3`.
fn watched(info: &HashMap<&str, &str>, config: &Config) -> Vec<Check> {
    let known = config.redis.iter().filter(|one| one.role == RedisRole::Sentinel).count();
    let mut checks = Vec::new();
    let mut masters: Vec<_> =
        info.iter().filter(|(key, _)| key.strip_prefix("master").is_some_and(|n| n.parse::<u32>().is_ok())).collect();
    masters.sort();
    for (_, line) in masters {
        let fields: HashMap<&str, &str> = line.trim().split(',').filter_map(|pair| pair.split_once('=')).collect();
        let name = fields.get("name").copied().unwrap_or("?");
        let status = fields.get("status").copied().unwrap_or("unknown");
        let health = if status == "ok" { Health::Pass } else { Health::Fail };
        checks.push(
            Check::word("master", status, health)
                .of(name)
                .message(format!("it holds primary \"{name}\" for {status}"))
                .hint("A failover should follow, if a majority of the Sentinels agrees."),
        );
        #[expect(clippy::cast_precision_loss, reason = "a handful")]
        let limit = Limit::below(known as f64, (known / 2 + 1) as f64);
        let sentinels = number(&fields, "sentinels");
        checks.push(
            Check::number("sentinels", sentinels, "sentinels", limit)
                .of(name)
                .hint("Without a majority of the Sentinels nobody fails over."),
        );
    }
    if checks.is_empty() {
        checks.push(
            Check::holds("master", false, Health::Fail, "it watches no primary")
                .hint("Its configuration needs a line `sentinel monitor`."),
        );
    }
    checks
}
