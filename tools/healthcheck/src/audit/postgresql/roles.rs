//! What roles may do, and what their passwords are kept as.

use serde::Deserialize;

use super::server::Settings;
use crate::audit::facts::Facts;
use crate::audit::rule::{Judged, Rule, Severity, holds, none};

/// Only what kind a password is of: never anything of it.
pub(super) const PASSWORDS: &str = "\
SELECT coalesce(json_agg(k ORDER BY k.role), '[]'::json) FROM flotilla_posture.password_kinds() AS k";

pub(super) const ROLES: &str = "\
SELECT json_agg(json_build_object('name', rolname, 'login', rolcanlogin, 'superuser', rolsuper, 'first', oid = 10, \
  'bypassrls', rolbypassrls, 'createrole', rolcreaterole, 'createdb', rolcreatedb, 'replication', rolreplication) \
  ORDER BY rolname) FROM pg_roles WHERE rolname !~ '^pg_'";

pub(super) const MEMBERSHIPS: &str = "\
SELECT coalesce(json_agg(m.rolname || ' in ' || g.rolname ORDER BY m.rolname, g.rolname), '[]'::json) \
FROM pg_roles AS g JOIN pg_roles AS m ON m.oid <> g.oid AND NOT m.rolsuper AND pg_has_role(m.oid, g.oid, 'MEMBER') \
WHERE g.rolname IN ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files', 'pg_write_all_data')";

#[derive(Debug, Deserialize)]
struct Password {
    role: String,
    kind: String,
    #[serde(default)]
    superuser: bool,
}

#[derive(Debug, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "PostgreSQL's own attributes")]
struct Role {
    name: String,
    login: bool,
    superuser: bool,
    /// The one that initdb made.
    first: bool,
    bypassrls: bool,
    createrole: bool,
    createdb: bool,
    replication: bool,
}

#[derive(Debug, Deserialize)]
struct Known {
    admin: String,
    migrator: String,
    app: String,
    app_ro: String,
    monitor: String,
    backup: String,
}

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "postgresql-password-encryption",
        severity: Severity::Fail,
        proof: false,
        why: "The next password that is set would be kept as an MD5 hash, which is as good as the password.",
        mend: "Set password_encryption = 'scram-sha-256'.",
        judge: password_encryption,
    },
    Rule {
        name: "postgresql-md5-password",
        severity: Severity::Fail,
        proof: false,
        why: "An MD5 hash is as good as the password to whoever gets hold of it.",
        mend: "Set these roles' passwords anew, with password_encryption = 'scram-sha-256'.",
        judge: md5_password,
    },
    Rule {
        name: "postgresql-no-password",
        severity: Severity::Warn,
        proof: false,
        why: "A role that may log in and has no password waits for a careless line in pg_hba.conf.",
        mend: "Give it a password, or take LOGIN from it.",
        judge: no_password,
    },
    Rule {
        name: "postgresql-superuser",
        severity: Severity::Fail,
        proof: false,
        why: "A superuser passes every check and can run programs on the server's machine.",
        mend: "Use ALTER ROLE … NOSUPERUSER, and grant what the role needs.",
        judge: superuser,
    },
    Rule {
        name: "postgresql-role-attribute",
        severity: Severity::Fail,
        proof: false,
        why: "With these an ordinary role reads past row security, copies the whole server, or makes roles.",
        mend: "Take the attribute away by ALTER ROLE; only backups need REPLICATION and BYPASSRLS.",
        judge: role_attribute,
    },
    Rule {
        name: "postgresql-role-membership",
        severity: Severity::Fail,
        proof: false,
        why: "Members of these roles read or write the server's files, run programs there, or change every table.",
        mend: "REVOKE the membership, and grant what the role needs.",
        judge: |facts: &Facts| {
            let found: Vec<String> = facts.get("memberships")?;
            none(&found, "nobody is a member of a role that reaches past the database", "members")
        },
    },
];

fn password_encryption(facts: &Facts) -> Judged {
    let settings: Settings = facts.get("settings")?;
    let how = settings.get("password_encryption")?;
    holds(how == "scram-sha-256", format!("password_encryption is {how}"))
}

fn of_kind(facts: &Facts, is_bad: fn(&Password) -> bool) -> Result<Vec<String>, crate::audit::facts::Unseen> {
    let all: Vec<Password> = facts.get("passwords")?;
    Ok(all.into_iter().filter(is_bad).map(|password| password.role).collect())
}

fn md5_password(facts: &Facts) -> Judged {
    let found = of_kind(facts, |password| !matches!(&*password.kind, "scram" | "none"))?;
    none(&found, "every password is kept as a SCRAM verifier", "kept in another form")
}

/// A superuser is let in by its account on the machine.
fn no_password(facts: &Facts) -> Judged {
    let found = of_kind(facts, |password| password.kind == "none" && !password.superuser)?;
    none(&found, "every role that may log in has a password", "without a password")
}

fn superuser(facts: &Facts) -> Judged {
    let known: Known = facts.get("users")?;
    let all: Vec<Role> = facts.get("roles")?;
    let is_bad = |role: &&Role| role.superuser && !role.first && role.name != known.admin;
    let found: Vec<String> = all.iter().filter(is_bad).map(|role| role.name.clone()).collect();
    none(&found, "no superuser but the administrator", "superusers")
}

fn role_attribute(facts: &Facts) -> Judged {
    let known: Known = facts.get("users")?;
    let of_ours = [&known.migrator, &known.app, &known.app_ro, &known.monitor];
    let mut found = Vec::new();
    for role in facts.get::<Vec<Role>>("roles")? {
        if role.superuser || role.name == known.admin || !role.login {
            continue;
        }
        let is_ours = of_ours.contains(&&role.name);
        let is_backup = role.name == known.backup;
        let attributes = [
            ("BYPASSRLS", role.bypassrls && !is_backup),
            ("CREATEROLE", role.createrole),
            // Others may be there for replication alone.
            ("REPLICATION", role.replication && is_ours),
            ("CREATEDB", role.createdb && (is_ours || is_backup)),
        ];
        let bad = attributes.into_iter().filter(|(_, has)| *has);
        found.extend(bad.map(|(attribute, _)| format!("{} has {attribute}", role.name)));
    }
    none(&found, "no role has more attributes than it needs", "attributes")
}
