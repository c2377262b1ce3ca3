//! Who gets in: `pg_hba.conf` as the server has read it, and logins that must not succeed.

use serde::Deserialize;

use crate::audit::facts::Facts;
use crate::audit::login::{Met, with_a_guess, without_proof};
use crate::audit::rule::{Judged, Rule, Severity, none};

pub(super) const HBA: &str = "SELECT coalesce(json_agg(r ORDER BY r.line_number), '[]'::json) FROM ( \
  SELECT line_number, type, database, user_name, address, netmask, auth_method, error FROM pg_hba_file_rules) AS r";

/// One line of it.
#[derive(Debug, Deserialize)]
struct Line {
    #[serde(rename = "line_number")]
    number: u32,
    #[serde(default)]
    r#type: Option<String>,
    #[serde(default)]
    database: Option<Vec<String>>,
    #[serde(default)]
    user_name: Option<Vec<String>>,
    #[serde(default)]
    address: Option<String>,
    #[serde(default)]
    netmask: Option<String>,
    #[serde(default)]
    auth_method: Option<String>,
    #[serde(default)]
    error: Option<String>,
}

impl Line {
    fn method(&self) -> &str {
        self.auth_method.as_deref().unwrap_or_default()
    }

    /// Whether it lets anybody in.
    fn admits(&self) -> bool {
        self.error.is_none() && self.method() != "reject"
    }

    fn is_everywhere(&self) -> bool {
        let all_bits_free = matches!(self.netmask.as_deref(), Some("0.0.0.0" | "::"));
        matches!(self.address.as_deref(), Some("all")) || (self.address.is_some() && all_bits_free)
    }

    /// Whether only this machine is meant.
    fn is_loopback(&self) -> bool {
        let address = self.address.as_deref().unwrap_or_default();
        address == "samehost" || address == "localhost" || address == "::1" || address.starts_with("127.")
    }

    fn shown(&self) -> String {
        let list = |names: &Option<Vec<String>>| names.as_deref().unwrap_or_default().join(",");
        let parts = [
            self.r#type.clone().unwrap_or_default(),
            list(&self.database),
            list(&self.user_name),
            self.address.clone().unwrap_or_default(),
            self.method().to_owned(),
        ];
        let parts: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        format!("line {} ({})", self.number, parts.join(" "))
    }
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "postgresql-weak-hba",
        severity: Severity::Fail,
        proof: false,
        why: "These ways let in whoever asks, or show the password or something as good on the way.",
        mend: "Use scram-sha-256, or peer on a Unix socket, in pg_hba.conf, and reload.",
        judge: weak_hba,
    },
    Rule {
        name: "postgresql-wide-hba",
        severity: Severity::Fail,
        proof: false,
        why: "A login to everything from everywhere is as safe as the weakest of all passwords.",
        mend: "Name networks in pg_hba.conf, and the databases and roles that come from them.",
        judge: wide_hba,
    },
    Rule {
        name: "postgresql-plaintext-hba",
        severity: Severity::Fail,
        proof: false,
        why: "A line that begins with host takes logins without TLS as well.",
        mend: "Write hostssl instead of host in pg_hba.conf, and reload.",
        judge: plaintext_hba,
    },
    Rule {
        name: "postgresql-broken-hba",
        severity: Severity::Fail,
        proof: false,
        why: "The server goes on with the old rules, and doesn't start again with the new ones.",
        mend: "Mend the line in pg_hba.conf, and reload.",
        judge: broken_hba,
    },
    Rule {
        name: "postgresql-open-login",
        severity: Severity::Fail,
        proof: true,
        why: "Whoever reaches the port is let in, or is asked for the password in a form that can be overheard.",
        mend: "Use scram-sha-256 in pg_hba.conf, and set the role's password anew where it is an MD5 hash.",
        judge: |facts: &Facts| without_proof(&facts.get::<Vec<Met>>("open_login")?),
    },
    Rule {
        name: "postgresql-wrong-password",
        severity: Severity::Fail,
        proof: true,
        why: "A password that isn't checked is none.",
        mend: "Look for trust and for an authentication of its own (LDAP, RADIUS, PAM) in pg_hba.conf.",
        judge: |facts: &Facts| with_a_guess(&facts.get::<Met>("guess")?),
    },
];

fn lines(facts: &Facts, is_bad: fn(&Line) -> bool) -> Result<Vec<String>, crate::audit::facts::Unseen> {
    Ok(facts.get::<Vec<Line>>("hba")?.iter().filter(|line| is_bad(line)).map(Line::shown).collect())
}

fn weak_hba(facts: &Facts) -> Judged {
    let weak = lines(facts, |line| line.admits() && matches!(line.method(), "trust" | "password" | "md5" | "ident"))?;
    none(&weak, "no line with trust, password, md5 or ident", "in pg_hba.conf")
}

fn wide_hba(facts: &Facts) -> Judged {
    let wide = lines(facts, |line| {
        let all = |names: &Option<Vec<String>>, words: &[&str]| {
            names.iter().flatten().any(|name| words.contains(&name.as_str()))
        };
        line.admits()
            && line.is_everywhere()
            && (all(&line.database, &["all", "replication"]) || all(&line.user_name, &["all"]))
    })?;
    none(&wide, "no line for everybody from everywhere", "in pg_hba.conf")
}

fn plaintext_hba(facts: &Facts) -> Judged {
    let plain = lines(facts, |line| {
        line.admits() && matches!(line.r#type.as_deref(), Some("host" | "hostnossl")) && !line.is_loopback()
    })?;
    none(&plain, "logins from other machines need TLS", "in pg_hba.conf")
}

fn broken_hba(facts: &Facts) -> Judged {
    let broken: Vec<String> = facts
        .get::<Vec<Line>>("hba")?
        .iter()
        .filter_map(|line| Some(format!("line {}: {}", line.number, line.error.as_deref()?)))
        .collect();
    none(&broken, "every line can be read", "in pg_hba.conf")
}
