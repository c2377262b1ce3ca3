//! The keys that PgBouncer's releases know, from 1.16 on: since when, what values, which defaults, and
//! whether a reload takes them. A release refuses to start with a key that it doesn't know.

use super::ini;
use crate::version::Version;

/// What values a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any text.
    Text,
    /// A number, also as hexadecimal or octal.
    Integer,
    /// A number that isn't negative.
    Unsigned,
    /// Seconds, with a fraction.
    Seconds,
    /// One of the ways to let clients in.
    AuthType,
    /// When a server connection is given back.
    PoolMode,
    /// libpq's word for how much TLS.
    SslMode,
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    /// Its name.
    pub(crate) name: &'static str,
    /// The minor release of 1 that brought it; 16 stands for older ones too.
    pub(crate) since: u16,
    /// What values it takes.
    pub(crate) kind: Kind,
    /// Whether only a restart takes a new value.
    pub(crate) restart: bool,
    /// Its defaults, each from a minor release on; none where the build or the caller decides.
    pub(crate) defaults: &'static [(u16, &'static str)],
}

const fn key(
    name: &'static str,
    since: u16,
    kind: Kind,
    restart: bool,
    defaults: &'static [(u16, &'static str)],
) -> Key {
    Key { name, since, kind, restart, defaults }
}

use Kind::{AuthType, Integer, PoolMode, Seconds, SslMode, Text, Unsigned};

/// The keys of the section `[pgbouncer]`, by name.
pub(crate) const KEYS: &[Key] = &[
    key("admin_users", 16, Text, false, &[(16, "")]),
    key("application_name_add_host", 16, Integer, false, &[(16, "0")]),
    key("auth_dbname", 19, Text, false, &[]),
    key("auth_file", 16, Text, false, &[]),
    key("auth_hba_file", 16, Text, false, &[(16, "")]),
    key("auth_ident_file", 23, Text, false, &[]),
    key("auth_ldap_options", 25, Text, false, &[]),
    key("auth_query", 16, Text, false, &[]),
    key("auth_type", 16, AuthType, false, &[(16, "md5")]),
    key("auth_user", 16, Text, false, &[]),
    key("autodb_idle_timeout", 16, Seconds, false, &[(16, "3600")]),
    key("cancel_wait_timeout", 19, Seconds, false, &[(19, "10")]),
    key("client_idle_timeout", 16, Seconds, false, &[(16, "0")]),
    key("client_login_timeout", 16, Seconds, false, &[(16, "60")]),
    key("client_tls13_ciphers", 25, Text, false, &[]),
    key("client_tls_ca_file", 16, Text, false, &[(16, "")]),
    key("client_tls_cert_file", 16, Text, false, &[(16, "")]),
    key("client_tls_ciphers", 16, Text, false, &[(16, "fast"), (21, "default")]),
    key("client_tls_dheparams", 16, Text, false, &[(16, "auto")]),
    key("client_tls_ecdhcurve", 16, Text, false, &[(16, "auto")]),
    key("client_tls_key_file", 16, Text, false, &[(16, "")]),
    key("client_tls_protocols", 16, Text, false, &[(16, "secure")]),
    key("client_tls_sslmode", 16, SslMode, false, &[(16, "disable")]),
    key("conffile", 16, Text, false, &[]),
    key("default_pool_size", 16, Integer, false, &[(16, "20")]),
    key("disable_pqexec", 16, Integer, true, &[(16, "0")]),
    key("dns_max_ttl", 16, Seconds, false, &[(16, "15")]),
    key("dns_nxdomain_ttl", 16, Seconds, false, &[(16, "15")]),
    key("dns_zone_check_period", 16, Seconds, false, &[(16, "0")]),
    key("idle_transaction_timeout", 16, Seconds, false, &[(16, "0")]),
    key("ignore_startup_parameters", 16, Text, false, &[(16, "")]),
    key("job_name", 16, Text, true, &[(16, "pgbouncer")]),
    key("listen_addr", 16, Text, true, &[(16, "")]),
    key("listen_backlog", 16, Integer, true, &[(16, "128")]),
    key("listen_port", 16, Integer, true, &[(16, "6432")]),
    key("log_connections", 16, Integer, false, &[(16, "1")]),
    key("log_disconnections", 16, Integer, false, &[(16, "1")]),
    key("log_pooler_errors", 16, Integer, false, &[(16, "1")]),
    key("log_stats", 16, Integer, false, &[(16, "1")]),
    key("logfile", 16, Text, false, &[(16, "")]),
    key("max_client_conn", 16, Integer, false, &[(16, "100")]),
    key("max_db_client_connections", 24, Integer, false, &[(24, "0")]),
    key("max_db_connections", 16, Integer, false, &[(16, "0")]),
    key("max_packet_size", 16, Unsigned, false, &[(16, "2147483647")]),
    key("max_prepared_statements", 21, Integer, false, &[(21, "0"), (24, "200")]),
    key("max_user_client_connections", 24, Integer, false, &[(24, "0")]),
    key("max_user_connections", 16, Integer, false, &[(16, "0")]),
    key("min_pool_size", 16, Integer, false, &[(16, "0")]),
    key("peer_id", 19, Integer, false, &[(19, "0")]),
    key("pidfile", 16, Text, true, &[(16, "")]),
    key("pkt_buf", 16, Integer, true, &[(16, "4096")]),
    key("pool_mode", 16, PoolMode, false, &[(16, "session")]),
    key("query_timeout", 16, Seconds, false, &[(16, "0")]),
    key("query_wait_notify", 25, Integer, false, &[(25, "5")]),
    key("query_wait_timeout", 16, Seconds, false, &[(16, "120")]),
    key("reserve_pool_size", 16, Integer, false, &[(16, "0")]),
    key("reserve_pool_timeout", 16, Seconds, false, &[(16, "5")]),
    key("resolv_conf", 16, Text, true, &[(16, "")]),
    key("sbuf_loopcnt", 16, Integer, false, &[(16, "5")]),
    key("scram_iterations", 25, Integer, false, &[(25, "4096")]),
    key("server_check_delay", 16, Seconds, false, &[(16, "30")]),
    key("server_check_query", 16, Text, false, &[(16, "select 1"), (25, "<empty>")]),
    key("server_connect_timeout", 16, Seconds, false, &[(16, "15")]),
    key("server_fast_close", 16, Integer, false, &[(16, "0")]),
    key("server_idle_timeout", 16, Seconds, false, &[(16, "600")]),
    key("server_lifetime", 16, Seconds, false, &[(16, "3600")]),
    key("server_login_retry", 16, Seconds, false, &[(16, "15")]),
    key("server_reset_query", 16, Text, false, &[(16, "DISCARD ALL")]),
    key("server_reset_query_always", 16, Integer, false, &[(16, "0")]),
    key("server_round_robin", 16, Integer, false, &[(16, "0")]),
    key("server_tls13_ciphers", 25, Text, false, &[]),
    key("server_tls_ca_file", 16, Text, false, &[(16, "")]),
    key("server_tls_cert_file", 16, Text, false, &[(16, "")]),
    key("server_tls_ciphers", 16, Text, false, &[(16, "fast"), (21, "default")]),
    key("server_tls_key_file", 16, Text, false, &[(16, "")]),
    key("server_tls_protocols", 16, Text, false, &[(16, "secure")]),
    key("server_tls_sslmode", 16, SslMode, false, &[(16, "disable"), (20, "prefer")]),
    key("service_name", 16, Text, true, &[]),
    key("so_reuseport", 16, Integer, true, &[(16, "0")]),
    key("stats_period", 16, Integer, false, &[(16, "60")]),
    key("stats_users", 16, Text, false, &[(16, "")]),
    key("suspend_timeout", 16, Seconds, false, &[(16, "10")]),
    key("syslog", 16, Integer, false, &[(16, "0")]),
    key("syslog_facility", 16, Text, false, &[(16, "daemon")]),
    key("syslog_ident", 16, Text, false, &[(16, "pgbouncer")]),
    key("tcp_defer_accept", 16, Integer, false, &[]),
    key("tcp_keepalive", 16, Integer, false, &[(16, "1")]),
    key("tcp_keepcnt", 16, Integer, false, &[(16, "0")]),
    key("tcp_keepidle", 16, Integer, false, &[(16, "0")]),
    key("tcp_keepintvl", 16, Integer, false, &[(16, "0")]),
    key("tcp_socket_buffer", 16, Integer, false, &[(16, "0")]),
    key("tcp_user_timeout", 16, Integer, false, &[(16, "0")]),
    key("track_extra_parameters", 20, Text, true, &[(20, "IntervalStyle")]),
    key("transaction_timeout", 25, Seconds, false, &[(25, "0")]),
    key("unix_socket_dir", 16, Text, true, &[]),
    key("unix_socket_group", 16, Text, true, &[(16, "")]),
    key("unix_socket_mode", 16, Integer, true, &[(16, "0777")]),
    key("user", 16, Text, true, &[]),
    key("verbose", 16, Integer, false, &[]),
];

/// Parameters of a database's connection string, each with the minor release that brought it.
const OF_DATABASES: &[(&str, u16)] = &[
    ("application_name", 16),
    ("auth_dbname", 19),
    ("auth_query", 22),
    ("auth_user", 16),
    ("client_encoding", 16),
    ("connect_query", 16),
    ("datestyle", 16),
    ("dbname", 16),
    ("host", 16),
    ("load_balance_hosts", 24),
    ("max_db_client_connections", 24),
    ("max_db_connections", 16),
    ("min_pool_size", 16),
    ("password", 16),
    ("pool_mode", 16),
    ("pool_size", 16),
    ("port", 16),
    ("reserve_pool", 16),
    ("reserve_pool_size", 24),
    ("server_lifetime", 23),
    ("timezone", 16),
    ("user", 16),
];

/// The same for users.
const OF_USERS: &[(&str, u16)] = &[
    ("client_idle_timeout", 24),
    ("idle_transaction_timeout", 24),
    ("max_user_client_connections", 24),
    ("max_user_connections", 16),
    ("pool_mode", 16),
    ("pool_size", 23),
    ("query_timeout", 24),
    ("reserve_pool_size", 24),
    ("transaction_timeout", 25),
];

/// The same for peers.
const OF_PEERS: &[(&str, u16)] = &[("host", 19), ("pool_size", 19), ("port", 19)];

/// The sections, each with the minor release that brought it.
const SECTIONS: &[(&str, u16)] = &[("databases", 16), ("users", 16), ("peers", 19), ("pgbouncer", 16)];

/// Whether a release has a section; the release that brought it, where a newer one has.
pub(crate) fn section(name: &str, version: Version) -> Result<(), Option<u16>> {
    known(SECTIONS, name, version)
}

/// The same for a parameter of a connection string in a section.
pub(crate) fn parameter(section: &str, name: &str, version: Version) -> Result<(), Option<u16>> {
    let list = match section {
        "databases" => OF_DATABASES,
        "users" => OF_USERS,
        _ => OF_PEERS,
    };
    known(list, name, version)
}

fn known(list: &[(&str, u16)], name: &str, version: Version) -> Result<(), Option<u16>> {
    match list.iter().find(|(known, _)| *known == name) {
        Some((_, since)) if has(*since, version) => Ok(()),
        Some((_, since)) => Err(Some(*since)),
        None => Err(None),
    }
}

fn has(since: u16, version: Version) -> bool {
    version >= Version::new(1, since)
}

impl Key {
    /// The key of this name.
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// Whether a release has it.
    pub(crate) fn is_in(&self, version: Version) -> bool {
        has(self.since, version)
    }

    /// What holds in a release where the file doesn't say.
    pub(crate) fn default(&self, version: Version) -> Option<&'static str> {
        self.defaults.iter().rev().find(|(since, _)| has(*since, version)).map(|(_, default)| *default)
    }

    /// Why a value isn't one, as PgBouncer would see it.
    pub(crate) fn refuses(&self, value: &str, version: Version) -> Option<String> {
        let one_of = |words: &[&str]| {
            let known = words.iter().any(|word| word.eq_ignore_ascii_case(value));
            (!known).then(|| format!("not one of {}", words.join(", ")))
        };
        match self.kind {
            Kind::Text => None,
            Kind::Integer => integer(value).is_none().then(|| "not a number".to_owned()),
            Kind::Unsigned => integer(value).is_none_or(|n| n < 0).then(|| "not a number from 0".to_owned()),
            Kind::Seconds => seconds(value).is_none().then(|| "not a number of seconds".to_owned()),
            Kind::PoolMode => one_of(&["session", "transaction", "statement"]),
            Kind::SslMode => one_of(&["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]),
            Kind::AuthType => {
                let mut words = vec!["any", "trust", "plain", "md5", "cert", "hba", "pam", "scram-sha-256"];
                if has(25, version) {
                    words.push("ldap");
                }
                one_of(&words)
            }
        }
    }

    /// Whether two values mean the same to PgBouncer: 60 and 60.0, Session and session.
    pub(crate) fn is_same(&self, one: &str, other: &str) -> bool {
        match self.kind {
            Kind::Text => one == other,
            Kind::Integer | Kind::Unsigned => match (integer(one), integer(other)) {
                (Some(one), Some(other)) => one == other,
                _ => one == other,
            },
            Kind::Seconds => match (seconds(one), seconds(other)) {
                (Some(one), Some(other)) => (one - other).abs() < 1e-6 * one.abs().max(1.0),
                _ => one == other,
            },
            Kind::AuthType | Kind::PoolMode | Kind::SslMode => one.eq_ignore_ascii_case(other),
        }
    }
}

/// A number as C's strtol reads it with base 0.
pub(crate) fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let number = match lower.strip_prefix("0x") {
        Some(hexadecimal) => i64::from_str_radix(hexadecimal, 16),
        None if lower.len() > 1 && lower.starts_with('0') => i64::from_str_radix(&lower[1..], 8),
        None if lower.starts_with(|c: char| c.is_ascii_digit()) => lower.parse(),
        None => return None,
    };
    number.ok().map(|number| if negative { -number } else { number })
}

/// Seconds with a fraction.
pub(crate) fn seconds(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|seconds| seconds.is_finite() && *seconds >= 0.0)
}

/// The connection string of a database, user or peer, or why it isn't one to a release.
pub(crate) fn check_pairs(section: &str, value: &str, version: Version) -> Result<Vec<(String, String)>, String> {
    let pairs = ini::pairs(value)?;
    for (name, value) in &pairs {
        match parameter(section, name, version) {
            Ok(()) => {}
            Err(Some(since)) => return Err(format!("\"{name}\" came with 1.{since}, and this is {version}")),
            Err(None) => return Err(format!("\"{name}\" is no parameter of [{section}]")),
        }
        if name == "pool_mode"
            && let Some(why) = Key::find("pool_mode").and_then(|key| key.refuses(value, version))
        {
            return Err(format!("pool_mode is {why}"));
        }
        if name == "port" && value.parse::<u16>().map_or(true, |port| port == 0) {
            return Err("port is no port".to_owned());
        }
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_order_and_known_by_release() {
        assert!(KEYS.windows(2).all(|pair| pair[0].name < pair[1].name));
        let prepared = Key::find("max_prepared_statements").expect("a key");
        let at = |minor| (prepared.is_in(Version::new(1, minor)), prepared.default(Version::new(1, minor)));
        assert_eq!([at(18), at(21), at(25)], [(false, None), (true, Some("0")), (true, Some("200"))]);
        assert!(Key::find("listen_port").is_some_and(|key| key.restart));
    }

    #[test]
    fn values_are_read_as_c_reads_them() {
        assert_eq!(
            ["7", "-7", "0777", "0x10", "0", "x", "", "7s", "08"].map(integer),
            [Some(7), Some(-7), Some(511), Some(16), Some(0), None, None, None, None]
        );
        let lifetime = Key::find("server_lifetime").expect("a key");
        assert!(lifetime.is_same("60", "60.0") && !lifetime.is_same("60", "61"));
        assert!(lifetime.refuses("1h", Version::new(1, 18)).is_some());
        assert!(check_pairs("databases", "host=x server_lifetime=9", Version::new(1, 18)).is_err());
        assert!(check_pairs("databases", "host=x server_lifetime=9", Version::new(1, 23)).is_ok());
    }
}
