//! PostgreSQL: who gets in, what roles may do, and whether it leaves a trace.

mod access;
mod logging;
mod objects;
mod roles;
mod server;
mod trace;
mod transport;

use flotilla::config::{Config, Node, Users};
use flotilla::pg::Session;
use flotilla::{Code, Error, Result, reach};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::facts::{Facts, Unseen};
use super::login::{guess, knock};
use super::rule::Rule;
use super::{Auditor, Looking};
use crate::component::{Asking, Instance, Subject, node};

/// One PostgreSQL server, by SQL as the role that watches, and by logins that must not succeed.
pub(crate) struct PostgreSql;

/// What servers are asked, each a document: the fact, the statement, and what it takes to be answered.
const FACTS: &[(&str, &str, &str)] = &[
    ("settings", server::SETTINGS, MONITOR),
    ("standby", "SELECT to_json(pg_is_in_recovery())", MONITOR),
    ("plain_sessions", transport::PLAIN_SESSIONS, MONITOR),
    ("conninfo_has_password", server::CONNINFO, MONITOR),
    ("slots", "SELECT to_json(count(*)) FROM pg_replication_slots", MONITOR),
    ("hba", access::HBA, POSTURE),
    ("passwords", roles::PASSWORDS, POSTURE),
    ("roles", roles::ROLES, MONITOR),
    ("memberships", roles::MEMBERSHIPS, MONITOR),
    ("public_schema", objects::PUBLIC_SCHEMA, MONITOR),
    ("public_database", objects::PUBLIC_DATABASE, MONITOR),
    ("public_tables", objects::PUBLIC_TABLES, MONITOR),
    ("definers", objects::DEFINERS, MONITOR),
    ("languages", objects::LANGUAGES, MONITOR),
    ("extensions", objects::EXTENSIONS, MONITOR),
];

const MONITOR: &str = "shardctl init makes it a member of pg_monitor.";
const POSTURE: &str = "shardctl init lets it look by 106_posture.sql, where the administrator is a superuser.";

impl Auditor for PostgreSql {
    fn name(&self) -> &'static str {
        "postgresql"
    }

    fn instance(&self, _: &Config, subject: &Subject) -> Option<String> {
        let (_, node) = node(subject)?;
        Some(format!("{}:{}", node.hostaddr.map_or_else(|| node.host.clone(), |a| a.to_string()), node.port))
    }

    fn rules(&self) -> Vec<&'static Rule> {
        [transport::RULES, access::RULES, roles::RULES, objects::RULES, logging::RULES, server::RULES]
            .into_iter()
            .flatten()
            .collect()
    }

    fn look<'a>(&'a self, asking: &'a Asking, instance: &'a Instance) -> Looking<'a> {
        Box::pin(async move {
            let Some((_, node)) = node(&instance.subject) else { return Err(Error::internal("a node was expected")) };
            let config = asking.config()?;
            let mut facts = match asking.log_in(node).await {
                Ok(session) => {
                    let mut facts = asking.guarded(session.canceller(), ask(&session, &config.users)).await?;
                    let left = asking.guarded(session.canceller(), trace::leave(asking, &session, node)).await;
                    facts.note("audit_line", left);
                    session.close().await;
                    facts
                }
                // It is there, but not as it should be: what strangers get is all the more of interest.
                Err(error) if matches!(error.code(), Code::Tls | Code::AuthFailed) => Facts::none(&error),
                Err(error) => return Err(error),
            };
            logins(asking, node, &mut facts).await?;
            Ok(facts)
        })
    }
}

/// Everything that can be read.
async fn ask(session: &Session, users: &Users) -> Result<Facts> {
    let mut facts = Facts::default();
    facts.saw("users", known(users));
    let answers = join_all(FACTS.iter().map(|(_, sql, _)| session.value(sql))).await;
    for ((name, _, how), answer) in FACTS.iter().zip(answers) {
        let hint = format!("Let role \"{}\" read it: {how}", users.monitor);
        match answer {
            Ok(Some(text)) => match serde_json::from_str::<Value>(&text) {
                Ok(value) => facts.saw(name, value),
                Err(error) => facts.missed(name, Unseen::new(format!("the server's answer is no JSON: {error}"))),
            },
            Ok(None) => facts.missed(name, Unseen::new("the server doesn't show it to this role").hint(hint)),
            Err(error) if error.code() == Code::Cancelled => return Err(error),
            Err(error) => facts.missed(name, Unseen { hint: Some(hint), ..Unseen::from(&error) }),
        }
    }
    Ok(facts)
}

/// The names that the topology gives roles, by what they are for.
fn known(users: &Users) -> Value {
    let Users { admin, migrator, app, app_ro, monitor, backup, .. } = users;
    json!({ "admin": admin, "migrator": migrator, "app": app, "app_ro": app_ro, "monitor": monitor, "backup": backup })
}

/// Logins that must not succeed.
async fn logins(asking: &Asking, node: &Node, facts: &mut Facts) -> Result<()> {
    let config = asking.config()?;
    let by_socket = node.host.starts_with('/') && node.hostaddr.is_none();
    let to = |user: &str| Ok::<_, Error>(reach::node(config, node, user)?.connect_timeout(asking.limit));
    let users = &config.users;
    // By a socket an administrator may well be known by his account.
    let mut knocking: Vec<&String> = vec![&users.app, &users.app_ro, &users.monitor];
    knocking.extend((!by_socket).then_some(&users.admin));
    let mut open = Vec::new();
    for user in knocking {
        match knock(to(user)?, !by_socket).await {
            Ok(met) => open.push(met),
            Err(error) => {
                facts.missed("open_login", Unseen::from(error));
                open.clear();
                break;
            }
        }
    }
    if !open.is_empty() {
        facts.saw("open_login", open);
    }
    if by_socket {
        facts.saw("plain_login", Value::Null);
    } else {
        facts.note("plain_login", knock(to(&users.app)?, false).await);
    }
    facts.note("guess", guess(&asking.cx, to(&users.app)?).await);
    Ok(())
}
