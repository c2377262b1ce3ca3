//! PgBouncer: what it runs with, by its console, and logins that must not succeed.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use flotilla::config::{Config, Pooler, Users};
use flotilla::pg::Endpoint;
use flotilla::{Code, Error, Result, reach};
use serde::{Deserialize, Serialize};

use super::facts::{Facts, Unseen};
use super::login::{Met, guess, knock, with_a_guess, without_proof, without_tls};
use super::rule::{Judged, MOOT, Rule, Severity, holds, none};
use super::{Auditor, Looking};
use crate::component::{Asking, Instance, Subject, is_ours, pooler, text};

/// One PgBouncer.
pub(crate) struct PgBouncer;

/// The file that it knows users by, where it is this machine's.
#[derive(Debug, Serialize, Deserialize)]
struct AuthFile {
    path: String,
    mode: u32,
    /// How many users have something else there than a SCRAM verifier.
    weak: usize,
}

impl Auditor for PgBouncer {
    fn name(&self) -> &'static str {
        "pgbouncer"
    }

    fn instance(&self, _: &Config, subject: &Subject) -> Option<String> {
        let pooler = pooler(subject)?;
        Some(format!("{}:{}", pooler.hostaddr.map_or_else(|| pooler.host.clone(), |a| a.to_string()), pooler.port))
    }

    fn rules(&self) -> Vec<&'static Rule> {
        RULES.iter().collect()
    }

    fn look<'a>(&'a self, asking: &'a Asking, instance: &'a Instance) -> Looking<'a> {
        Box::pin(async move {
            let Some(pooler) = pooler(&instance.subject) else { return Err(Error::internal("a pooler was expected")) };
            let config = asking.config()?;
            let console =
                |user: &str| Ok::<_, Error>(reach::console(config, pooler, user)?.connect_timeout(asking.limit));
            let session = asking.cx.connect(console(&config.users.monitor)?).await?;
            let rows = session.simple("SHOW CONFIG").await?;
            session.close().await;
            let running: HashMap<String, String> = rows
                .iter()
                .filter_map(|row| Some((text(row, "key")?.to_owned(), text(row, "value")?.to_owned())))
                .collect();
            let mut facts = Facts::default();
            facts.note("auth_file", auth_file(pooler, running.get("auth_file").map(String::as_str)).await);
            facts.saw("running", running);
            facts.saw("shared", shared(&config.users));
            let app = app(config, console(&config.users.app)?);
            facts.note("plain_login", knock(app.clone(), false).await);
            facts.note("open_login", open(app.clone(), console(&config.users.pool_admin)?).await);
            facts.note("guess", guess(&asking.cx, app).await);
            Ok(facts)
        })
    }
}

/// Who must not give orders on the console: who connects for something else.
fn shared(users: &Users) -> Vec<&String> {
    vec![&users.admin, &users.app, &users.app_ro, &users.migrator, &users.monitor, &users.backup]
}

/// As an application comes in: to a shard's database.
fn app(config: &Config, console: Endpoint) -> Endpoint {
    match config.shards.first() {
        Some(shard) => console.dbname(&*shard.name),
        None => console,
    }
}

async fn open(app: Endpoint, console: Endpoint) -> Result<Vec<Met>> {
    Ok(vec![knock(app, true).await?, knock(console, true).await?])
}

async fn auth_file(pooler: &Pooler, path: Option<&str>) -> Result<Option<AuthFile>, Unseen> {
    let Some(path) = path.filter(|path| !path.is_empty()) else { return Ok(None) };
    if !is_ours(&pooler.host, pooler.hostaddr).await {
        return Err(Unseen::new(format!("{path} is on another machine")).hint("Audit it there."));
    }
    let unreadable = |error: std::io::Error| {
        Unseen::from(Error::new(Code::Io, format!("could not read {path}")).source(error))
            .hint("Audit as somebody who may read it.")
    };
    let mode = Path::new(path).metadata().map_err(unreadable)?.permissions().mode() & 0o777;
    let users = std::fs::read_to_string(path).map_err(unreadable)?;
    // "user" "what it shows": the text between the third and the fourth quote.
    let secrets = users.lines().filter(|line| line.starts_with('"')).filter_map(|line| line.split('"').nth(3));
    let weak = secrets.filter(|secret| !secret.is_empty() && !secret.starts_with("SCRAM-SHA-256$")).count();
    Ok(Some(AuthFile { path: path.to_owned(), mode, weak }))
}

const RULES: &[Rule] = &[
    Rule {
        name: "pgbouncer-client-tls",
        severity: Severity::Fail,
        proof: false,
        why: "Clients may talk to it without TLS, and be overheard.",
        mend: "Set client_tls_sslmode = require, or verify-full for clients with certificates.",
        judge: |facts: &Facts| one_of(facts, "client_tls_sslmode", &["require", "verify-ca", "verify-full"]),
    },
    Rule {
        name: "pgbouncer-server-tls",
        severity: Severity::Fail,
        proof: false,
        why: "It would hand its clients' logins to whoever answers in the server's place.",
        mend: "Set server_tls_sslmode = verify-full and server_tls_ca_file.",
        judge: |facts: &Facts| one_of(facts, "server_tls_sslmode", &["verify-full"]),
    },
    Rule {
        name: "pgbouncer-auth-type",
        severity: Severity::Fail,
        proof: false,
        why: "With any and trust everybody is let in, with any even as administrator; plain and md5 give passwords away.",
        mend: "Set auth_type = scram-sha-256, or hba or cert.",
        judge: |facts: &Facts| one_of(facts, "auth_type", &["scram-sha-256", "hba", "cert", "pam"]),
    },
    Rule {
        name: "pgbouncer-plaintext-login",
        severity: Severity::Fail,
        proof: true,
        why: "A client that is told, or tricked, to do without TLS gets in and is overheard.",
        mend: "Set client_tls_sslmode = require.",
        judge: |facts: &Facts| without_tls(&facts.get::<Met>("plain_login")?),
    },
    Rule {
        name: "pgbouncer-open-login",
        severity: Severity::Fail,
        proof: true,
        why: "Whoever reaches the port is let in, or is asked for the password in a form that can be overheard.",
        mend: "Set auth_type = scram-sha-256, with SCRAM verifiers in auth_file.",
        judge: |facts: &Facts| without_proof(&facts.get::<Vec<Met>>("open_login")?),
    },
    Rule {
        name: "pgbouncer-wrong-password",
        severity: Severity::Fail,
        proof: true,
        why: "A password that isn't checked is none.",
        mend: "Set auth_type = scram-sha-256.",
        judge: |facts: &Facts| with_a_guess(&facts.get::<Met>("guess")?),
    },
    Rule {
        name: "pgbouncer-admin-shared",
        severity: Severity::Fail,
        proof: false,
        why: "Whoever has an application's password could pause, kill and reconfigure all pools.",
        mend: "Name in admin_users a user that no database knows, users.pool_admin in the topology.",
        judge: admin_shared,
    },
    Rule {
        name: "pgbouncer-listen-everywhere",
        severity: Severity::Warn,
        proof: false,
        why: "It is reachable from every network that the machine is in, also from one that is added later.",
        mend: "Name the addresses in listen_addr, or say who may come from where with auth_type = hba.",
        judge: listen_everywhere,
    },
    Rule {
        name: "pgbouncer-auth-query",
        severity: Severity::Fail,
        proof: false,
        why: "A query that doesn't look at valid_until lets in roles whose password has ended (CVE-2025-2291).",
        mend: "Let auth_query give no password where valid_until has passed, or use auth_file.",
        judge: auth_query,
    },
    Rule {
        name: "pgbouncer-auth-file",
        severity: Severity::Fail,
        proof: false,
        why: "Passwords in it, or their MD5 hashes, are as good as logins to whoever reads the file.",
        mend: "Keep SCRAM verifiers in auth_file, and its mode at 0640 or narrower.",
        judge: weak_auth_file,
    },
];

fn running<'a>(running: &'a BTreeMap<String, String>, key: &str) -> Result<&'a str, Unseen> {
    running.get(key).map(String::as_str).ok_or_else(|| Unseen::new(format!("its console doesn't show {key}")))
}

fn one_of(facts: &Facts, key: &str, good: &[&str]) -> Judged {
    let all: BTreeMap<String, String> = facts.get("running")?;
    let value = running(&all, key)?;
    holds(good.contains(&value), format!("{key} is {value}"))
}

fn admin_shared(facts: &Facts) -> Judged {
    let all: BTreeMap<String, String> = facts.get("running")?;
    let shared: Vec<String> = facts.get("shared")?;
    let admins = running(&all, "admin_users")?.split(',').map(|name| name.trim().to_owned());
    let found: Vec<String> = admins.filter(|name| shared.contains(name)).collect();
    none(&found, "its administrators are nobody else", "administrators as well")
}

fn listen_everywhere(facts: &Facts) -> Judged {
    let all: BTreeMap<String, String> = facts.get("running")?;
    let addresses = running(&all, "listen_addr")?;
    let everywhere = addresses.split(',').any(|address| matches!(address.trim(), "*" | "0.0.0.0" | "::"));
    holds(!everywhere || running(&all, "auth_type")? == "hba", format!("listen_addr is '{addresses}'"))
}

fn auth_query(facts: &Facts) -> Judged {
    let all: BTreeMap<String, String> = facts.get("running")?;
    if all.get("auth_user").is_none_or(String::is_empty) {
        return MOOT;
    }
    let query = running(&all, "auth_query")?.to_lowercase();
    let looks = query.contains("valuntil") || query.contains("valid_until");
    holds(looks, if looks { "auth_query looks at valid_until" } else { "auth_query doesn't look at valid_until" })
}

fn weak_auth_file(facts: &Facts) -> Judged {
    let Some(AuthFile { path, mode, weak }) = facts.find("auth_file")? else { return MOOT };
    if weak > 0 {
        return holds(false, format!("{path} has {weak} users with something else than a SCRAM verifier"));
    }
    holds(mode & 0o027 == 0, format!("{path} has SCRAM verifiers and mode {mode:04o}"))
}
