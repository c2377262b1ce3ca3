//! What travels between clients and the server, and who could read it.

use super::server::Settings;
use crate::audit::facts::Facts;
use crate::audit::login::{Met, without_tls};
use crate::audit::rule::{Judged, MOOT, Rule, Severity, holds, none};

/// Sessions that came over the network without TLS; null where others' addresses aren't shown.
pub(super) const PLAIN_SESSIONS: &str = "\
SELECT CASE WHEN pg_has_role('pg_read_all_stats', 'USAGE') THEN ( \
  SELECT coalesce(json_agg(DISTINCT coalesce(a.usename, '?') || ' from ' || host(a.client_addr)), '[]'::json) \
  FROM pg_stat_activity AS a JOIN pg_stat_ssl AS s USING (pid) \
  WHERE NOT s.ssl AND a.client_addr IS NOT NULL) END";

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "postgresql-tls-off",
        severity: Severity::Fail,
        proof: false,
        why: "Without TLS everybody on the way reads queries and rows, and may change them.",
        mend: "Set ssl = on with ssl_cert_file and ssl_key_file, and let pg_hba.conf say hostssl.",
        judge: tls_off,
    },
    Rule {
        name: "postgresql-tls-old",
        severity: Severity::Fail,
        proof: false,
        why: "TLS before 1.2 is broken.",
        mend: "Set ssl_min_protocol_version = 'TLSv1.2' or higher.",
        judge: tls_old,
    },
    Rule {
        name: "postgresql-plaintext-session",
        severity: Severity::Fail,
        proof: false,
        why: "Somebody is connected over the network without TLS right now.",
        mend: "Let pg_hba.conf say hostssl, set sslmode = verify-full at the client, and end these sessions.",
        judge: plaintext_session,
    },
    Rule {
        name: "postgresql-plaintext-login",
        severity: Severity::Fail,
        proof: true,
        why: "A client that is told, or tricked, to do without TLS gets in and is overheard.",
        mend: "Let every line of pg_hba.conf for the network begin with hostssl, and reload.",
        judge: plaintext_login,
    },
    Rule {
        name: "postgresql-listen-everywhere",
        severity: Severity::Warn,
        proof: false,
        why: "It is reachable from every network that the machine is in, also from one that is added later.",
        mend: "Name the addresses in listen_addresses.",
        judge: listen_everywhere,
    },
];

fn tls_off(facts: &Facts) -> Judged {
    let settings: Settings = facts.get("settings")?;
    if settings.get("listen_addresses")?.is_empty() {
        return holds(true, "it listens on no address");
    }
    let ssl = settings.get("ssl")?;
    holds(ssl == "on", format!("ssl is {ssl}"))
}

fn tls_old(facts: &Facts) -> Judged {
    let settings: Settings = facts.get("settings")?;
    let least = settings.get("ssl_min_protocol_version")?;
    holds(matches!(least, "TLSv1.2" | "TLSv1.3"), format!("ssl_min_protocol_version is {least:?}"))
}

fn plaintext_session(facts: &Facts) -> Judged {
    none(&facts.get::<Vec<String>>("plain_sessions")?, "no session without TLS", "without TLS")
}

/// Between a client and a server on one machine's socket there is no network.
fn plaintext_login(facts: &Facts) -> Judged {
    facts.find::<Met>("plain_login")?.map_or(MOOT, |met| without_tls(&met))
}

fn listen_everywhere(facts: &Facts) -> Judged {
    let settings: Settings = facts.get("settings")?;
    let addresses = settings.get("listen_addresses")?;
    let everywhere = addresses.split(',').any(|address| matches!(address.trim(), "*" | "0.0.0.0" | "::"));
    holds(!everywhere, format!("listen_addresses is '{addresses}'"))
}
