//! The server as a whole: its settings, its release, and what it keeps.

use std::collections::HashMap;

use serde::Deserialize;

use crate::audit::facts::{Facts, Unseen};
use crate::audit::rule::{Judged, MOOT, Rule, Severity, holds};

/// Those that rules look at. Placeholders of extensions that aren't loaded are in no view.
pub(super) const SETTINGS: &str = "\
SELECT json_object_agg(name, setting) FROM pg_settings WHERE name IN ( \
  'ssl', 'ssl_min_protocol_version', 'listen_addresses', 'password_encryption', 'shared_preload_libraries', \
  'pgaudit.log', 'pgaudit.log_parameter', 'log_connections', 'log_disconnections', 'log_replication_commands', \
  'log_line_prefix', 'log_destination', 'log_statement', 'log_min_duration_statement', 'log_parameter_max_length', \
  'log_parameter_max_length_on_error', 'max_slot_wal_keep_size', 'authentication_timeout', \
  'unix_socket_permissions', 'unix_socket_directories', 'server_version_num', 'data_checksums')";

/// Whether a standby's connection string holds a password: never the string.
pub(super) const CONNINFO: &str = "\
SELECT to_json(setting ~* '(^|[^a-z])password *=') FROM pg_settings WHERE name = 'primary_conninfo'";

/// Settings as the server shows them to this role.
#[derive(Debug, Deserialize)]
pub(super) struct Settings(HashMap<String, String>);

impl Settings {
    /// One that every server has.
    pub(super) fn get(&self, name: &str) -> Result<&str, Unseen> {
        self.find(name).ok_or_else(|| {
            Unseen::new(format!("{name} isn't shown to this role")).hint("Make it a member of pg_read_all_settings.")
        })
    }

    /// One that may not be there.
    pub(super) fn find(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// The first minor release of each major in which no hole is known that its notes call one (November 2025:
/// CVE-2025-12817, CVE-2025-12818).
const SOUND: [(u32, u32); 5] = [(14, 20), (15, 15), (16, 11), (17, 7), (18, 1)];

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "postgresql-known-holes",
        severity: Severity::Fail,
        proof: false,
        why: "Its release has holes that are public, with the repairs beside them.",
        mend: "Install the newest minor release of its major and restart, a replica first.",
        judge: known_holes,
    },
    Rule {
        name: "postgresql-slot-limit",
        severity: Severity::Warn,
        proof: false,
        why: "A slot that nobody reads any more keeps WAL until the disk is full and every write stops.",
        mend: "Set max_slot_wal_keep_size below the free space of the disk.",
        judge: slot_limit,
    },
    Rule {
        name: "postgresql-login-timeout",
        severity: Severity::Warn,
        proof: false,
        why: "Connections that never log in take places from those that would.",
        mend: "Set authentication_timeout to 60 seconds or less.",
        judge: login_timeout,
    },
    Rule {
        name: "postgresql-socket-open",
        severity: Severity::Warn,
        proof: false,
        why: "Every account on the machine reaches the server's socket.",
        mend: "Set unix_socket_permissions = 0770 or narrower, with unix_socket_group for who needs it.",
        judge: socket_open,
    },
    Rule {
        name: "postgresql-stored-password",
        severity: Severity::Fail,
        proof: false,
        why: "A password in primary_conninfo is in a file, in backups, and shown to whoever reads settings.",
        mend: "Name a password file by passfile in primary_conninfo instead; Patroni does so by postgresql.pgpass.",
        judge: stored_password,
    },
    Rule {
        name: "postgresql-checksums-off",
        severity: Severity::Warn,
        proof: false,
        why: "Pages that a disk or a person has changed are read as if they were right, and backed up.",
        mend: "Stop the server and run pg_checksums --enable, a replica first.",
        judge: checksums_off,
    },
];

fn known_holes(facts: &Facts) -> Judged {
    let settings: Settings = facts.get("settings")?;
    let number: u32 = settings.get("server_version_num")?.parse().map_err(|_| Unseen::new("it has no version"))?;
    let (major, minor) = (number / 10_000, number % 10_000);
    let seen = format!("it is PostgreSQL {major}.{minor}");
    match SOUND.iter().find(|(known, _)| *known == major) {
        Some((_, sound)) => holds(minor >= *sound, seen),
        None if SOUND.iter().all(|(known, _)| major < *known) => holds(false, format!("{seen}, which nobody repairs")),
        None => Err(Unseen::new(format!("{seen}, which this release of healthcheck doesn't know"))
            .hint("Use a newer healthcheck.")),
    }
}

fn slot_limit(facts: &Facts) -> Judged {
    let settings: Settings = facts.get("settings")?;
    let (limit, slots) = (settings.get("max_slot_wal_keep_size")?, facts.get::<u64>("slots")?);
    holds(limit != "-1" || slots == 0, format!("max_slot_wal_keep_size is {limit} MB, with {slots} slots"))
}

fn login_timeout(facts: &Facts) -> Judged {
    let settings: Settings = facts.get("settings")?;
    let seconds = settings.get("authentication_timeout")?;
    holds(seconds.parse().is_ok_and(|s: u32| s <= 60), format!("authentication_timeout is {seconds} s"))
}

fn socket_open(facts: &Facts) -> Judged {
    let settings: Settings = facts.get("settings")?;
    if settings.get("unix_socket_directories")?.is_empty() {
        return holds(true, "it has no socket");
    }
    let mode = settings.get("unix_socket_permissions")?;
    let open = u32::from_str_radix(mode, 8).is_ok_and(|mode| mode & 0o007 != 0);
    holds(!open, format!("unix_socket_permissions is {mode}"))
}

fn stored_password(facts: &Facts) -> Judged {
    if !facts.get::<bool>("standby")? {
        return MOOT;
    }
    let has: bool = facts.get("conninfo_has_password")?;
    holds(!has, if has { "primary_conninfo holds a password" } else { "primary_conninfo holds no password" })
}

fn checksums_off(facts: &Facts) -> Judged {
    let settings: Settings = facts.get("settings")?;
    let on = settings.get("data_checksums")?;
    holds(on == "on", format!("data_checksums is {on}"))
}
