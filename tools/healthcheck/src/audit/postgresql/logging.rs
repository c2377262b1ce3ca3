//! Whether it leaves a trace, and what the trace gives away.

use super::server::Settings;
use crate::audit::facts::{Facts, Unseen};
use crate::audit::rule::{Judged, MOOT, Rule, Severity, holds, none};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "postgresql-audit-off",
        severity: Severity::Fail,
        proof: false,
        why: "Nothing says afterwards who changed tables and rights.",
        mend: "Add pgaudit to shared_preload_libraries and restart, a replica first.",
        judge: audit_off,
    },
    Rule {
        name: "postgresql-audit-scope",
        severity: Severity::Fail,
        proof: false,
        why: "An audit trail without changes of structure and of rights leaves out what an attacker does first.",
        mend: "ALTER DATABASE … SET pgaudit.log = 'ddl, role'; shardctl init does so.",
        judge: audit_scope,
    },
    Rule {
        name: "postgresql-audit-unwritten",
        severity: Severity::Fail,
        proof: true,
        why: "A statement that has to be audited left no line in the log: settings are one thing, a trace another.",
        mend: "Look at log_destination, log_min_messages and who keeps the log; name the file as `log` of the node.",
        judge: audit_unwritten,
    },
    Rule {
        name: "postgresql-log-sessions",
        severity: Severity::Warn,
        proof: false,
        why: "Nothing says afterwards who was connected when, and from where.",
        mend: "Set log_connections, log_disconnections and log_replication_commands to on.",
        judge: log_sessions,
    },
    Rule {
        name: "postgresql-log-prefix",
        severity: Severity::Warn,
        proof: false,
        why: "A line of the log that doesn't name time, user, database and client can't be traced back.",
        mend: "Set log_line_prefix = '%m [%p] %q%u@%d %h ', or write the log as CSV or JSON.",
        judge: log_prefix,
    },
    Rule {
        name: "postgresql-log-parameters",
        severity: Severity::Warn,
        proof: false,
        why: "Values of statements are people's data and passwords; in the log they are outside all rights.",
        mend: "Set log_parameter_max_length and log_parameter_max_length_on_error to 0, and pgaudit.log_parameter to off.",
        judge: log_parameters,
    },
];

fn has_audit(settings: &Settings) -> Result<bool, Unseen> {
    Ok(settings.get("shared_preload_libraries")?.split(',').any(|library| library.trim() == "pgaudit"))
}

fn audit_off(facts: &Facts) -> Judged {
    let settings: Settings = facts.get("settings")?;
    let seen = format!("shared_preload_libraries is '{}'", settings.get("shared_preload_libraries")?);
    holds(has_audit(&settings)?, seen)
}

/// Where pgaudit isn't loaded at all, another rule says so.
fn audit_scope(facts: &Facts) -> Judged {
    let settings: Settings = facts.get("settings")?;
    if !has_audit(&settings)? {
        return MOOT;
    }
    let scope = settings.find("pgaudit.log").unwrap_or("none");
    let has = |word: &str| {
        let mut found = false;
        for class in scope.split(',').map(str::trim) {
            found = (found || class == word || class == "all") && class != format!("-{word}");
        }
        found
    };
    holds(has("ddl") && has("role"), format!("pgaudit.log is '{scope}'"))
}

/// Only a primary runs statements that are audited for everybody; and where it is off, others say so.
fn audit_unwritten(facts: &Facts) -> Judged {
    if facts.get::<bool>("standby")? || !has_audit(&facts.get("settings")?)? {
        return MOOT;
    }
    let written: bool = facts.get("audit_line")?;
    let seen =
        if written { "the line of a test statement is in the log" } else { "a test statement left no line in the log" };
    holds(written, seen)
}

fn log_sessions(facts: &Facts) -> Judged {
    let settings: Settings = facts.get("settings")?;
    let mut off = Vec::new();
    for name in ["log_connections", "log_disconnections", "log_replication_commands"] {
        if settings.get(name)? != "on" {
            off.push(name.to_owned());
        }
    }
    none(&off, "sessions are logged", "off")
}

fn log_prefix(facts: &Facts) -> Judged {
    let settings: Settings = facts.get("settings")?;
    let (prefix, destination) = (settings.get("log_line_prefix")?, settings.get("log_destination")?);
    if destination.split(',').all(|one| matches!(one.trim(), "csvlog" | "jsonlog")) {
        return holds(true, format!("log_destination is '{destination}'"));
    }
    let has = |escapes: &[char]| {
        prefix
            .split('%')
            .skip(1)
            .any(|rest| rest.trim_start_matches(|c: char| c == '-' || c.is_ascii_digit()).starts_with(escapes))
    };
    let fine = has(&['m', 't', 'n']) && has(&['u']) && has(&['d']) && has(&['h', 'r']);
    holds(fine, format!("log_line_prefix is '{prefix}'"))
}

fn log_parameters(facts: &Facts) -> Judged {
    let settings: Settings = facts.get("settings")?;
    let logs = settings.get("log_statement")? != "none" || settings.get("log_min_duration_statement")? != "-1";
    let mut found = Vec::new();
    if logs && settings.get("log_parameter_max_length")? != "0" {
        found.push("log_parameter_max_length isn't 0".to_owned());
    }
    if settings.get("log_parameter_max_length_on_error")? != "0" {
        found.push("log_parameter_max_length_on_error isn't 0".to_owned());
    }
    if settings.find("pgaudit.log_parameter") == Some("on") {
        found.push("pgaudit.log_parameter is on".to_owned());
    }
    none(&found, "values stay out of the log", "values get into the log")
}
