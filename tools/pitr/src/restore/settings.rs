//! The configuration of a restored server: its own, of which nothing leads outside.
//!
//! The original's files are kept aside. They name archives to write to, primaries to follow, libraries
//! that start jobs, and addresses to listen on; a copy that heeds them harms the original.

use std::fmt::Write as _;
use std::path::Path;

use flotilla_archive::backup::Control;
use flotilla_archive::wal::Timeline;

use super::place::Place;
use crate::cut::Cut;

/// Libraries that a copy may load: they only watch. Objects in the database may need them.
const HARMLESS: [&str; 3] = ["pg_stat_statements", "pgaudit", "auto_explain"];

/// Where recovery goes.
pub(crate) struct Target<'c> {
    pub(crate) cut: &'c Cut,
    pub(crate) timeline: Timeline,
    /// The command line that fetches a file of the WAL.
    pub(crate) command: String,
}

/// The text of `postgresql.conf`; without a target, that of a server that has recovered.
pub(crate) fn postgresql_conf(
    place: &Place,
    shard: &str,
    port: u16,
    control: &Control,
    libraries: &[String],
    target: Option<&Target<'_>>,
) -> String {
    let mut text = String::from("# Written by `pitr restore`: a copy that is cut off from everything outside.\n");
    let mut set = |name: &str, value: &str| {
        let _ = writeln!(text, "{name} = '{}'", value.replace('\\', "\\\\").replace('\'', "''"));
    };
    let data = place.data();
    set("listen_addresses", "");
    set("port", &port.to_string());
    set("unix_socket_directories", &place.socket_folder().display().to_string());
    set("unix_socket_permissions", "0700");
    set("hba_file", &data.join("pg_hba.conf").display().to_string());
    set("ident_file", &data.join("pg_ident.conf").display().to_string());
    set("cluster_name", &format!("pitr-{shard}"));
    set("ssl", "off");
    set("archive_mode", "off");
    set("archive_command", "");
    set("primary_conninfo", "");
    set("primary_slot_name", "");
    set("max_logical_replication_workers", "0");
    set("synchronous_standby_names", "");
    set("hot_standby", "off");
    set("shared_preload_libraries", &libraries.join(", "));
    // Prepared transactions and locks in the WAL need the room that they had.
    let parameters = &control.parameters;
    set("max_connections", &parameters.max_connections.max(20).to_string());
    set("max_worker_processes", &parameters.max_worker_processes.max(8).to_string());
    set("max_wal_senders", &parameters.max_wal_senders.max(1).to_string());
    set("max_prepared_transactions", &parameters.max_prepared_transactions.max(100).to_string());
    set("max_locks_per_transaction", &parameters.max_locks_per_transaction.max(64).to_string());
    set("wal_level", if parameters.wal_level >= 2 { "logical" } else { "replica" });
    set("wal_log_hints", if parameters.wal_log_hints { "on" } else { "off" });
    set("track_commit_timestamp", if parameters.track_commit_timestamp { "on" } else { "off" });
    set("dynamic_shared_memory_type", "mmap");
    set("log_destination", "stderr");
    set("logging_collector", "off");
    set("log_line_prefix", "%m [%p] ");
    set("log_timezone", "UTC");
    set("timezone", "UTC");
    set("lc_messages", "C");
    if let Some(Target { cut, timeline, command }) = target {
        set("restore_command", command);
        set("recovery_target_lsn", &cut.at.to_string());
        set("recovery_target_inclusive", if cut.inclusive { "on" } else { "off" });
        set("recovery_target_timeline", &timeline.to_string());
        set("recovery_target_action", "promote");
    }
    text
}

/// Only who may enter the folder of the socket gets in: the server's account and root.
pub(crate) const PG_HBA: &str = "# Written by `pitr restore`. Only its account and root may enter the socket's folder.\n\
                                 local all all trust\n";

/// Those of the original's libraries that a copy may load.
pub(crate) fn libraries(original: &str) -> Vec<String> {
    let named = original.split(',').map(|name| name.trim().trim_matches('"').rsplit('/').next().unwrap_or_default());
    named.filter(|name| HARMLESS.contains(name)).map(str::to_owned).collect()
}

/// The command line of `restore_command`.
pub(crate) fn restore_command(program: &Path, config: &Path, store: Option<&str>, shard: &str) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''").replace('%', "%%"));
    let mut command = format!("{} wal-fetch -q", quoted(&program.display().to_string()));
    let _ = write!(command, " --config {}", quoted(&config.display().to_string()));
    if let Some(store) = store {
        let _ = write!(command, " --store {}", quoted(store));
    }
    let _ = write!(command, " -t {} --for pitr %f %p", quoted(shard));
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_libraries_that_watch_are_loaded() {
        let all = "pg_cron, \"pgaudit\",pg_stat_statements , $libdir/auto_explain, timescaledb";
        assert_eq!(libraries(all), ["pgaudit", "pg_stat_statements", "auto_explain"]);
        assert_eq!(libraries(""), Vec::<String>::new());
    }

    #[test]
    fn a_path_is_quoted_for_the_shell_and_for_the_server() {
        let command = restore_command(Path::new("/o'b/100%/walg-wrap"), Path::new("/c d/f.toml"), None, "s0");
        assert_eq!(command, r"'/o'\''b/100%%/walg-wrap' wal-fetch -q --config '/c d/f.toml' -t 's0' --for pitr %f %p");
    }
}
