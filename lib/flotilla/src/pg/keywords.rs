//! The options that a connection string, a service file or the environment may set.
//!
//! The list is libpq's. An option that isn't acted upon is accepted only where nothing depends on
//! it; one whose neglect would weaken a connection is refused, never ignored.

use crate::error::{Error, Result};

/// What is done with an option.
#[derive(Clone, Copy, Debug)]
pub(super) enum Support {
    /// It is acted upon.
    Acted,
    /// It has no effect, and nobody is the worse for it.
    Idle,
    /// Only these values can be honoured; any other would be a promise that isn't kept.
    Only(&'static [&'static str], &'static str),
}

/// One option.
#[derive(Debug)]
pub(super) struct Keyword {
    pub(super) name: &'static str,
    pub(super) env: Option<&'static str>,
    pub(super) secret: bool,
    pub(super) support: Support,
}

const fn acted(name: &'static str, env: Option<&'static str>) -> Keyword {
    Keyword { name, env, secret: false, support: Support::Acted }
}

const fn idle(name: &'static str, env: Option<&'static str>) -> Keyword {
    Keyword { name, env, secret: false, support: Support::Idle }
}

const fn only(
    name: &'static str,
    env: Option<&'static str>,
    values: &'static [&'static str],
    why: &'static str,
) -> Keyword {
    Keyword { name, env, secret: false, support: Support::Only(values, why) }
}

/// Every option, each once.
pub(super) const KEYWORDS: &[Keyword] = &[
    // PGSERVICE is read where the service file is, before the rest of the environment.
    acted("service", None),
    acted("user", Some("PGUSER")),
    Keyword { name: "password", env: Some("PGPASSWORD"), secret: true, support: Support::Acted },
    acted("passfile", Some("PGPASSFILE")),
    acted("channel_binding", Some("PGCHANNELBINDING")),
    acted("connect_timeout", Some("PGCONNECT_TIMEOUT")),
    acted("dbname", Some("PGDATABASE")),
    acted("host", Some("PGHOST")),
    acted("hostaddr", Some("PGHOSTADDR")),
    acted("port", Some("PGPORT")),
    idle("client_encoding", Some("PGCLIENTENCODING")),
    acted("options", Some("PGOPTIONS")),
    acted("application_name", Some("PGAPPNAME")),
    acted("fallback_application_name", None),
    acted("keepalives", None),
    acted("keepalives_idle", None),
    acted("keepalives_interval", None),
    acted("keepalives_count", None),
    acted("tcp_user_timeout", None),
    acted("sslmode", Some("PGSSLMODE")),
    idle("sslcompression", Some("PGSSLCOMPRESSION")),
    acted("sslcert", Some("PGSSLCERT")),
    acted("sslkey", Some("PGSSLKEY")),
    Keyword {
        name: "sslpassword",
        env: None,
        secret: true,
        support: Support::Only(
            &[],
            "encrypted private keys can't be read here; decrypt the key and keep it at mode 0600",
        ),
    },
    acted("sslrootcert", Some("PGSSLROOTCERT")),
    acted("sslcrl", Some("PGSSLCRL")),
    acted("sslcrldir", Some("PGSSLCRLDIR")),
    acted("sslsni", Some("PGSSLSNI")),
    only(
        "sslcertmode",
        Some("PGSSLCERTMODE"),
        &["allow"],
        "a client certificate is shown whenever one is configured and the server asks",
    ),
    only("sslnegotiation", Some("PGSSLNEGOTIATION"), &["postgres"], "TLS starts with PostgreSQL's own request"),
    acted("requirepeer", Some("PGREQUIREPEER")),
    only(
        "require_auth",
        Some("PGREQUIREAUTH"),
        &[],
        "the server chooses the authentication method; channel_binding=require makes sure that it proves who it is",
    ),
    acted("ssl_min_protocol_version", Some("PGSSLMINPROTOCOLVERSION")),
    acted("ssl_max_protocol_version", Some("PGSSLMAXPROTOCOLVERSION")),
    only("gssencmode", Some("PGGSSENCMODE"), &["disable", "prefer"], "there is no GSSAPI here; use TLS"),
    idle("krbsrvname", Some("PGKRBSRVNAME")),
    idle("gsslib", Some("PGGSSLIB")),
    only("replication", None, &["false", "off", "no", "0"], "this connection speaks SQL only"),
    acted("target_session_attrs", Some("PGTARGETSESSIONATTRS")),
    only("load_balance_hosts", Some("PGLOADBALANCEHOSTS"), &["disable"], "hosts are tried in the order given"),
];

/// Finds an option by its exact name.
pub(super) fn find(name: &str) -> Option<&'static Keyword> {
    KEYWORDS.iter().find(|keyword| keyword.name == name)
}

/// The error for a name that isn't an option's.
pub(super) fn unknown(name: &str) -> Error {
    // What libpq's users mistype most: underscores, case, the names of other drivers.
    let plain = |s: &str| s.to_ascii_lowercase().replace(['_', '-'], "");
    let aliases =
        [("database", "dbname"), ("username", "user"), ("server", "host"), ("ssl", "sslmode"), ("schema", "options")];
    let near = KEYWORDS
        .iter()
        .map(|k| k.name)
        .find(|k| plain(k) == plain(name))
        .or_else(|| aliases.iter().find(|(alias, _)| *alias == plain(name)).map(|(_, keyword)| *keyword));
    let error = Error::config(format!("invalid connection option \"{}\"", name.escape_debug()));
    match near {
        Some(near) => error.hint(format!("Did you mean \"{near}\"?")),
        None => error.hint("The options are libpq's: host, port, dbname, user, service, sslmode and so on."),
    }
}

/// Refuses a value that would have to be ignored although something depends on it.
pub(super) fn check(keyword: &Keyword, value: &str) -> Result<()> {
    match keyword.support {
        Support::Only(values, why) if !value.is_empty() && !values.contains(&value) => {
            let shown =
                if keyword.secret { String::new() } else { format!(" with value \"{}\"", value.escape_debug()) };
            Err(Error::config(format!("connection option \"{}\"{shown} is not supported", keyword.name))
                .hint(format!("Leave it out: {why}.")))
        }
        _ => Ok(()),
    }
}
