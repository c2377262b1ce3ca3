//! A server with data that changes, and what proves that a restored one has the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use flotilla_native::account::Account;
use flotilla_native::postgres::{Server, Shutdown, program};
use flotilla_tests::{Fleet, ObjectStore};

use super::walg::{LAYOUTS, Layout};

/// The key of encrypted archives. A word that occurs nowhere else.
pub(super) const KEY: &str = "planted-Zx81-archive-key-of-32-b";

/// A shard that archives, with tables of pgbench and one in a tablespace.
pub(super) fn fleet(layout: Layout, with_space: bool) -> Fleet {
    fleet_by("", layout, with_space)
}

/// The same, with more lines of `[archive]`.
pub(super) fn fleet_by(lines: &str, layout: Layout, with_space: bool) -> Fleet {
    let mut fleet = Fleet::new().shards(1).init().archiving().set("max_wal_size", "256MB").start();
    let settings = format!("{lines}{}", layout.settings(&fleet));
    fleet.archive(&settings);
    filled(fleet, with_space)
}

/// A shard that archives, with one small table: for what reads an archive again and again.
pub(super) fn small(lines: &str, layout: Layout) -> Fleet {
    let mut fleet = Fleet::new().shards(1).init().archiving().start();
    let settings = format!("{lines}{}", layout.settings(&fleet));
    fleet.archive(&settings);
    key(&fleet);
    fleet.sql(0, "CREATE TABLE spaced AS SELECT g AS id, md5(g::text) AS text FROM generate_series(1, 3000) g");
    fleet.archived(0);
    fleet
}

/// How long a verification may take on a busy machine, of what isn't optimised.
pub(super) const LONG: Duration = Duration::from_mins(5);

/// A shard that archives in an S3 service, with the same tables and more lines of `[archive]`.
pub(super) fn on_s3(service: &ObjectStore, lines: &str) -> Fleet {
    let mut fleet = Fleet::new().shards(1).init().archiving().start();
    let settings = format!("{lines}{}", LAYOUTS[1].settings(&fleet));
    fleet.archive_in(service, "backups", &settings);
    filled(fleet, false)
}

/// A shard with a standby that archives in an S3 service, with the same tables.
pub(super) fn replicated(service: &ObjectStore) -> Fleet {
    let builder = Fleet::new().shards(1).replicas(1).init().archiving();
    let mut fleet =
        builder.set("full_page_writes", "on").set("max_wal_size", "256MB").set("checkpoint_timeout", "1h").start();
    let settings = LAYOUTS[1].settings(&fleet);
    fleet.archive_in(service, "backups", &settings);
    filled(fleet, false)
}

fn filled(fleet: Fleet, with_space: bool) -> Fleet {
    key(&fleet);
    bench(&fleet, &["-i", "-q", "-s", "2"]);
    let mut place = "pg_default";
    if with_space {
        let space = space(&fleet);
        fs::create_dir(&space).unwrap();
        Account::server().unwrap().own(&space).unwrap();
        fleet.sql(0, &format!("CREATE TABLESPACE space LOCATION '{}'", space.display()));
        place = "space";
    }
    fleet.sql(0, &format!("CREATE TABLE spaced TABLESPACE {place} AS SELECT g AS id, repeat('s', 100) AS text FROM generate_series(1, 20000) g"));
    fleet.sql(0, &format!("CREATE INDEX spaced_id ON spaced (id) TABLESPACE {place}"));
    // With the first segment the archive is this cluster's, and its folder is there.
    fleet.archived(0);
    fleet
}

/// The names of all finished backups, the first one first.
pub(super) fn listed(fleet: &Fleet) -> Vec<String> {
    // There is no folder before the first one.
    let entries = fs::read_dir(fleet.path().join("archive/s0/basebackups_005")).into_iter().flatten();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> =
        names.filter_map(|name| name.strip_suffix("_backup_stop_sentinel.json").map(str::to_owned)).collect();
    names.sort();
    names
}

/// Writes the key where the topology says.
pub(super) fn key(fleet: &Fleet) {
    let key = fleet.operator("key");
    fs::write(&key, KEY).unwrap();
    private(&key);
}

/// Where the tablespace is.
pub(super) fn space(fleet: &Fleet) -> PathBuf {
    fleet.primary(0).folder().join("space")
}

pub(super) fn private(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    Account::server().unwrap().own(path).unwrap();
}

fn pgbench(fleet: &Fleet, args: &[&str]) -> Command {
    let mut pgbench = Command::new(program("pgbench"));
    pgbench.args(args).arg(fleet.primary(0).conninfo(&fleet.topology.dbname)).current_dir("/");
    Account::server().unwrap().run(&mut pgbench);
    pgbench
}

/// Runs pgbench to its end.
pub(super) fn bench(fleet: &Fleet, args: &[&str]) {
    let done = pgbench(fleet, args).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// Transactions that go on until this is dropped.
pub(super) struct Load(Child);

impl Load {
    pub(super) fn on(fleet: &Fleet) -> Self {
        let mut pgbench = pgbench(fleet, &["-n", "-c", "2", "-T", "3600", "--rate", "200"]);
        Self(pgbench.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Changes that a delta must carry: rows, a new table, one that is gone, one that is rewritten, one cut.
pub(super) fn change(fleet: &Fleet, round: u32) {
    for sql in [
        format!("CREATE TABLE made_{round} AS SELECT generate_series(1, 5000) AS n"),
        format!("DROP TABLE IF EXISTS made_{}", round.saturating_sub(1)),
        format!("UPDATE spaced SET text = 'round {round}' WHERE id % 10 = {round}"),
        format!("DELETE FROM spaced WHERE id > {}", 20_000 - 1000 * round),
        "VACUUM spaced".to_owned(),
        "CREATE TABLE IF NOT EXISTS rewritten AS SELECT generate_series(1, 3000) AS n".to_owned(),
        "VACUUM FULL rewritten".to_owned(),
    ] {
        fleet.sql(0, &sql);
    }
    bench(fleet, &["-n", "-t", "200"]);
}

/// What every table holds, as one text.
pub(super) fn content(server: &Server) -> String {
    let tables = server
        .sql_in(
            "app",
            "SELECT string_agg(format('SELECT %L || count(*) || md5(string_agg(t::text, %L ORDER BY t::text)) FROM %s t', \
             c.oid::regclass || ' ', ',', c.oid::regclass), ' UNION ALL ' ORDER BY c.oid::regclass::text) FROM pg_class c \
             WHERE c.relkind = 'r' AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)",
        )
        .unwrap();
    server.sql_in("app", &format!("{tables} ORDER BY 1")).unwrap()
}

/// Compares a restored server with what the original held, its indexes with its tables, and, stopped,
/// every page with its checksum.
pub(super) fn is_sound(mut restored: Server, expected: &str) {
    assert_eq!(content(&restored), expected);
    restored.sql_in("app", "CREATE EXTENSION IF NOT EXISTS amcheck").unwrap();
    let mut amcheck = Command::new(program("pg_amcheck"));
    amcheck.args(["--heapallindexed", "-U", "postgres", "-p", &restored.port().to_string(), "-h"]);
    amcheck.arg(restored.socket_folder()).args(["-d", "app"]).current_dir("/");
    let checked = Account::server().unwrap().run(&mut amcheck).output().unwrap();
    let said = [checked.stdout, checked.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(checked.status.success(), "{said}\n{}", restored.log());
    restored.stop(Shutdown::Fast).unwrap();
    let mut checksums = Command::new(program("pg_checksums"));
    checksums.arg("--check").arg("-D").arg(restored.data()).current_dir("/");
    let checked = Account::server().unwrap().run(&mut checksums).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

/// Every file below a folder, by name.
pub(super) fn objects(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(objects(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}
