//! Redis and Sentinel: who gets in, and what an application may do there.

use std::time::Duration;

use flotilla::config::{Config, Redis as Server};
use flotilla::{Code, Error, Result, stream};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, ErrorKind, FromRedisValue as _, RedisConnectionInfo, RedisError, Value};
use serde::{Deserialize, Serialize};

use super::facts::{Facts, Unseen};
use super::rule::{Judged, Rule, Severity, holds, none};
use super::{Auditor, Looking};
use crate::component::{Asking, Instance, Subject, redis_login, redis_server};

/// One Redis server, or one Sentinel.
pub(crate) struct Redis;

/// How something met that must not succeed.
#[derive(Debug, Serialize, Deserialize)]
struct Met {
    taken: bool,
    /// The server's word, or that of the connection.
    said: String,
}

/// What an application has no business with, none of which changes anything.
const ORDERS: [&[&str]; 3] = [&["CONFIG", "GET", "maxmemory"], &["ACL", "USERS"], &["CLIENT", "LIST"]];

impl Auditor for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn instance(&self, _: &Config, subject: &Subject) -> Option<String> {
        let server = redis_server(subject)?;
        Some(format!("{}:{}", server.hostaddr.map_or_else(|| server.host.clone(), |a| a.to_string()), server.port))
    }

    fn rules(&self) -> Vec<&'static Rule> {
        RULES.iter().collect()
    }

    fn look<'a>(&'a self, asking: &'a Asking, instance: &'a Instance) -> Looking<'a> {
        Box::pin(async move {
            let Some(server) = redis_server(&instance.subject) else {
                return Err(Error::internal("a Redis was expected"));
            };
            let config = asking.config()?;
            let nobody = RedisConnectionInfo::default().set_skip_set_lib_name();
            let mut facts = Facts::default();
            facts.note("plaintext", plaintext(asking, server).await);
            facts.note("nobody", ask(asking, server, &nobody, &["PING"]).await.map_err(Unseen::from).and_then(met));
            let guess = nobody
                .set_username(config.users.redis.as_deref().unwrap_or("default"))
                .set_password(format!("not the password {}", asking.cx.run_id()));
            facts.note("guess", ask(asking, server, &guess, &["PING"]).await.map_err(Unseen::from).and_then(met));
            facts.note("orders", orders(asking, server, &redis_login(config)?).await);
            Ok(facts)
        })
    }
}

/// One command, over a connection of its own, as this user.
async fn ask(
    asking: &Asking,
    server: &Server,
    login: &RedisConnectionInfo,
    command: &[&str],
) -> Result<Result<Value, RedisError>> {
    let asked = async {
        let stream = stream::open(asking.config()?, &server.host, server.hostaddr, server.port).await?;
        Ok(over(asking, stream, login, command).await)
    };
    // One that speaks no TLS waits for more of what it takes for a command.
    let limit = patience(asking);
    tokio::time::timeout(limit, asked)
        .await
        .unwrap_or_else(|_| Err(Error::new(Code::Timeout, format!("Redis gave no answer within {limit:?}"))))
}

/// How long one question may take: there are seven.
fn patience(asking: &Asking) -> Duration {
    asking.limit / 8
}

async fn over(
    asking: &Asking,
    stream: stream::Stream,
    login: &RedisConnectionInfo,
    command: &[&str],
) -> Result<Value, RedisError> {
    let settings = AsyncConnectionConfig::new().set_response_timeout(Some(patience(asking)));
    let (mut connection, driver) = MultiplexedConnection::new_with_config(login, stream, settings).await?;
    // Dropped with this, it ends.
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(driver);
    let mut asked = Cmd::new();
    asked.arg(command);
    asked.query_async(&mut connection).await
}

/// Whether the server took it, refused it, or can't be understood.
fn met(answer: Result<Value, RedisError>) -> Result<Met, Unseen> {
    match answer {
        Ok(value) => Ok(Met { taken: true, said: String::from_redis_value(value).unwrap_or_default() }),
        Err(error) if is_refusal(&error) => Ok(Met { taken: false, said: error.to_string() }),
        Err(error) => Err(Unseen::new(format!("the server's answer can't be told: {error}"))),
    }
}

fn is_refusal(error: &RedisError) -> bool {
    error.kind() == ErrorKind::AuthenticationFailed
        || matches!(error.code(), Some("NOAUTH" | "NOPERM" | "WRONGPASS" | "DENIED"))
}

/// A server that speaks TLS only breaks off, or answers what is no answer of Redis's.
async fn plaintext(asking: &Asking, server: &Server) -> Result<Met, Unseen> {
    let stream = stream::plain(&server.host, server.hostaddr, server.port).await?;
    let nobody = RedisConnectionInfo::default().set_skip_set_lib_name();
    match over(asking, Box::new(stream), &nobody, &["PING"]).await {
        Ok(_) => Ok(Met { taken: true, said: "it answers".to_owned() }),
        Err(error) if is_refusal(&error) => Ok(Met { taken: true, said: error.to_string() }),
        Err(error) if error.is_timeout() => Err(Unseen::new(format!("without TLS the server is silent: {error}"))),
        Err(error) if error.is_io_error() || error.is_connection_dropped() || error.kind() == ErrorKind::Parse => {
            Ok(Met { taken: false, said: error.to_string() })
        }
        Err(error) => Err(Unseen::new(format!("the server's answer can't be told: {error}"))),
    }
}

/// What the application's user may give of the orders that it has no business with.
async fn orders(asking: &Asking, server: &Server, login: &RedisConnectionInfo) -> Result<Vec<String>, Unseen> {
    // The user gets in, or a refusal would prove nothing.
    if let Err(error) = ask(asking, server, login, &["PING"]).await? {
        return Err(Unseen::new(format!("the application's user doesn't get in: {error}"))
            .hint("Set users.redis and secrets.redis in the topology."));
    }
    let mut taken = Vec::new();
    for order in ORDERS {
        match ask(asking, server, login, order).await? {
            Ok(_) => taken.push(order.join(" ")),
            Err(error) if is_refusal(&error) => {}
            // A Sentinel has no such command.
            Err(error) if error.to_string().to_lowercase().contains("unknown") => {}
            Err(error) => return Err(Unseen::new(format!("the server's answer can't be told: {error}"))),
        }
    }
    Ok(taken)
}

const RULES: &[Rule] = &[
    Rule {
        name: "redis-plaintext",
        severity: Severity::Fail,
        proof: true,
        why: "Passwords and values can be read and changed on the way.",
        mend: "Set port 0 and tls-port, with tls-cert-file and tls-key-file.",
        judge: |facts: &Facts| {
            let Met { taken, said } = facts.get("plaintext")?;
            holds(
                !taken,
                if taken { format!("it speaks without TLS: {said}") } else { "it speaks TLS only".to_owned() },
            )
        },
    },
    Rule {
        name: "redis-open",
        severity: Severity::Fail,
        proof: true,
        why: "Whoever reaches the port reads and changes everything, and may make the server write files.",
        mend: "Set `user default off` and users with passwords in aclfile, or requirepass.",
        judge: |facts: &Facts| {
            let Met { taken, said } = facts.get("nobody")?;
            let seen = if taken { "it answers without a login".to_owned() } else { format!("without a login: {said}") };
            holds(!taken, seen)
        },
    },
    Rule {
        name: "redis-wrong-password",
        severity: Severity::Fail,
        proof: true,
        why: "A user with nopass is let in with any password.",
        mend: "Take nopass from the user by ACL SETUSER … resetpass, and give it a password.",
        judge: |facts: &Facts| {
            let Met { taken, said } = facts.get("guess")?;
            let seen = if taken { "it takes a wrong password".to_owned() } else { format!("a wrong password: {said}") };
            holds(!taken, seen)
        },
    },
    Rule {
        name: "redis-orders",
        severity: Severity::Fail,
        proof: true,
        why: "Whoever has the application's password can reconfigure the server, and through that its machine.",
        mend: "Give the application's user -@admin -@dangerous by ACL SETUSER.",
        judge: orders_taken,
    },
];

fn orders_taken(facts: &Facts) -> Judged {
    none(&facts.get::<Vec<String>>("orders")?, "the application's user gives no orders", "it may")
}
