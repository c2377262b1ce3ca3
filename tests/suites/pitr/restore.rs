//! Restores, into folders beside the running fleet.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use flotilla_native::account::Account;
use flotilla_native::guard::{Process, Program};
use flotilla_native::postgres::program;
use flotilla_tests::{Fleet, until};
use rustix::process::Signal;
use serde_json::Value;

use super::{archived, back_up, line, mark, moved, objects, pitr, switch, table};

pub(crate) const RESTORED: &str = "pitr.restored/1";

/// A folder to restore into, of the account that servers run as.
pub(crate) fn destination(fleet: &Fleet, name: &str) -> PathBuf {
    let path = fleet.path().join(format!("into-{name}"));
    Account::server().unwrap().private_folder(&path).unwrap();
    path
}

/// The server of a restored shard, which ends when this is dropped.
pub(crate) struct Copy {
    process: Process,
    host: String,
    port: u64,
}

impl Copy {
    pub(crate) fn start(fleet: &Fleet, restored: &Value) -> Self {
        let data = restored["data"].as_str().unwrap();
        let root = PathBuf::from(data).parent().unwrap().to_owned();
        let account = Account::server().unwrap();
        let postgres = Program::new(program("postgres")).args(["-D", data]).account(&account).folder(&root);
        let process = fleet.primary(0).guard().spawn(&postgres.log(&root.join("copy.log"))).unwrap();
        let copy = Self { process, host: root.join("socket").display().to_string(), port: 5433 };
        until("the copy takes connections", || copy.ask("postgres", "SELECT 1").map(drop));
        copy
    }

    pub(crate) fn ask(&self, database: &str, sql: &str) -> Option<String> {
        let mut psql = Command::new(program("psql"));
        let place = format!("host={} port={} user=postgres dbname={database}", self.host, self.port);
        psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", &place, "-c", sql]).current_dir("/");
        let output = Account::server().unwrap().run(&mut psql).output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim_end().to_owned())
    }

    /// What the application's database answers.
    pub(crate) fn app(&self, sql: &str) -> String {
        self.ask("app", sql).unwrap_or_else(|| panic!("{sql} failed"))
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        self.process.signal(Signal::QUIT);
        // Until then it writes into its folder, which may be about to go.
        self.process.wait(Duration::from_mins(1));
    }
}

/// Outbound links, and jobs as `pg_cron` keeps them, with a trigger of an extension that isn't loaded in a copy.
const LINKS: &str = "
    CREATE EXTENSION postgres_fdw; CREATE EXTENSION dblink;
    CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '/var/run', dbname 'app');
    CREATE SERVER others FOREIGN DATA WRAPPER dblink_fdw OPTIONS (host '/var/run', dbname 'app');
    DO $$ BEGIN
        EXECUTE format('ALTER SERVER elsewhere OPTIONS (SET host %L, ADD port %L)',
            current_setting('unix_socket_directories'), current_setting('port'));
        EXECUTE format('ALTER SERVER others OPTIONS (SET host %L, ADD port %L)',
            current_setting('unix_socket_directories'), current_setting('port'));
    END $$;
    CREATE USER MAPPING FOR postgres SERVER elsewhere OPTIONS (user 'postgres', password_required 'false');
    CREATE USER MAPPING FOR PUBLIC SERVER others OPTIONS (user 'postgres');
    CREATE FOREIGN TABLE far (one int) SERVER elsewhere OPTIONS (table_name 'notes_before');
    CREATE SCHEMA cron;
    CREATE TABLE cron.job (jobid bigserial PRIMARY KEY, schedule text, command text, active boolean DEFAULT true);
    CREATE FUNCTION cron.refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''not loaded''; END';
    CREATE TRIGGER refuse BEFORE UPDATE ON cron.job FOR EACH ROW EXECUTE FUNCTION cron.refuse();
    INSERT INTO cron.job (schedule, command) VALUES ('* * * * *', 'SELECT 1'), ('@hourly', 'SELECT 2');
";

fn rows(copy: &Copy) -> String {
    copy.app("SELECT coalesce(string_agg(n::text, ',' ORDER BY n), '') FROM marks")
}

#[test]
fn a_shard_comes_back_as_it_was_and_reaches_nothing_outside() {
    let fleet = archived(1, 0);
    table(&fleet, 0);
    fleet.sql(
        0,
        "SET ROLE owner; CREATE TABLE notes (user_id bigint PRIMARY KEY); SELECT flotilla.protect('notes', 'user_id')",
    );
    fleet.sql(0, "CREATE SUBSCRIPTION pulls CONNECTION 'host=/nowhere' PUBLICATION p WITH (connect = false)");
    fleet.sql(0, "CREATE TABLE notes_before AS SELECT 1 AS one");
    fleet.sql(0, LINKS);
    fleet.sql(0, "BEGIN; INSERT INTO notes_before VALUES (2); PREPARE TRANSACTION 'open-then'");
    back_up(&fleet, 0);
    for n in 0..3 {
        mark(&fleet, 0, n);
    }
    let before = mark(&fleet, 0, 3);
    // The disaster.
    fleet.sql(0, "DELETE FROM marks");
    switch(&fleet, 0);
    let objects_before = objects(&fleet, 0, "wal_005");
    let into = destination(&fleet, "restored");
    let folder = into.display().to_string();
    let outcome = pitr(&fleet, ["restore", "-t", "s0", "--to", &before, "--into", &folder]).ok();
    let restored = line(&outcome, RESTORED, "s0");
    assert_eq!((&restored["last_commit"], &restored["late_count"]), (&before.as_str().into(), &0.into()), "{restored}");
    assert_eq!((&restored["changed"], &restored["running"]), (&true.into(), &false.into()));
    let isolated = &restored["isolated"];
    assert_eq!(isolated["subscriptions"], serde_json::json!(["app.pulls"]));
    assert_eq!(isolated["revoked_buckets"], serde_json::json!(["0-1023"]));

    assert_eq!(isolated["foreign_servers"], serde_json::json!(["app.elsewhere", "app.others"]));
    assert_eq!(
        (&isolated["cron_jobs"], &isolated["prepared_transactions"]),
        (&2.into(), &serde_json::json!(["open-then"]))
    );

    let copy = Copy::start(&fleet, &restored);
    assert_eq!(rows(&copy), "0,1,2,3");
    assert!(copy.ask("app", "SELECT * FROM far").is_none(), "a foreign table reaches the original");
    assert!(copy.ask("app", "SELECT * FROM dblink('others', 'SELECT 1') AS t (n int)").is_none());
    assert_eq!(copy.app("SELECT bool_or(active) FROM cron.job"), "f");
    assert_eq!(copy.app("SELECT count(*) FROM pg_replication_slots"), "0");
    assert_eq!(copy.app("SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'logical replication%'"), "0");
    let sockets = fs::read_to_string(into.join("s0/data/postmaster.pid")).unwrap();
    assert!(sockets.lines().any(|line| line == into.join("s0/socket").display().to_string()), "{sockets}");
    assert!(!fleet.primary(0).sql_in("app", "SELECT count(*) FROM far").unwrap().is_empty(), "the original still can");
    assert_eq!(fleet.sql(0, "SELECT count(*) FROM marks"), "0");
    let setting = |name: &str| copy.app(&format!("SHOW {name}"));
    assert_eq!((setting("archive_mode").as_str(), setting("listen_addresses").as_str()), ("off", ""));
    assert_eq!((setting("primary_conninfo").as_str(), setting("restore_command").as_str()), ("", ""));
    assert_eq!(setting("unix_socket_directories"), into.join("s0/socket").display().to_string());
    assert_eq!(copy.app("SELECT bool_or(subenabled) FROM pg_subscription"), "f");
    assert_eq!(copy.app("SELECT string_agg(DISTINCT state, ',') FROM flotilla.ownership"), "none");
    assert!(copy.ask("app", "INSERT INTO notes VALUES (1)").is_none(), "a fence lets through what isn't owned");
    assert_eq!(
        copy.app("SELECT system_identifier FROM pg_control_system()"),
        fleet.sql(0, "SELECT system_identifier FROM pg_control_system()")
    );
    assert!(restored["timeline"].as_u64() >= Some(2));
    assert_eq!(objects(&fleet, 0, "wal_005"), objects_before, "the copy has archived something");

    // The folder is full now.
    let again = pitr(&fleet, ["restore", "-t", "s0", "--to", &before, "--into", &folder]).code_is(3);
    assert!(again.stdout.contains("holds a restored shard already; nothing was touched"), "{}", again.transcript());
}

#[test]
fn every_kind_of_point_is_reached_and_tablespaces_lie_beneath() {
    let fleet = archived(1, 0);
    let space = fleet.primary(0).folder().join("space");
    fs::create_dir(&space).unwrap();
    Account::server().unwrap().own(&space).unwrap();
    fleet.sql(0, &format!("CREATE TABLESPACE space LOCATION '{}'", space.display()));
    fleet.sql(0, "CREATE TABLE marks (n bigint PRIMARY KEY, note text) TABLESPACE space");
    back_up(&fleet, 0);
    let times: Vec<String> = (0..5).map(|n| mark(&fleet, 0, n)).collect();
    let xid = fleet.sql(0, "SELECT xmin FROM marks WHERE n = 2");
    fleet.sql(0, "SELECT pg_create_restore_point('here')");
    mark(&fleet, 0, 5);
    switch(&fleet, 0);
    let lsn = line(&pitr(&fleet, ["plan", "--xid", &xid]).ok(), "pitr.plan/1", "s0")["stop_lsn"].clone();
    let lsn = lsn.as_str().unwrap();
    for (at, (args, expected)) in [
        (&["--to", &moved(&times[3], -1)][..], "0,1,2"),
        (&["--to", &times[3]], "0,1,2,3"),
        (&["--to", &times[3], "--exclusive"], "0,1,2"),
        (&["--xid", &xid], "0,1,2"),
        (&["--xid", &xid, "--exclusive"], "0,1"),
        (&["--lsn", lsn], "0,1,2"),
        (&["--lsn", lsn, "--exclusive"], "0,1"),
        (&["--name", "here"], "0,1,2,3,4"),
        (&["--latest"], "0,1,2,3,4,5"),
    ]
    .into_iter()
    .enumerate()
    {
        let into = destination(&fleet, &format!("r{at}"));
        let folder = into.display().to_string();
        let outcome = pitr(&fleet, [&["restore", "-t", "s0", "--into", &folder], args].concat()).ok();
        let restored = line(&outcome, RESTORED, "s0");
        let copy = Copy::start(&fleet, &restored);
        assert_eq!(rows(&copy), expected, "{args:?}");
        let links = copy.app("SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = 'space'");
        assert!(links.starts_with(&into.join("s0/tablespaces").display().to_string()), "{links}");
    }
}

#[test]
fn what_can_not_be_restored_is_refused_before_anything_is_touched() {
    let mut fleet = archived(2, 0);
    for shard in 0..2 {
        table(&fleet, shard);
        back_up(&fleet, shard);
    }
    let time = mark(&fleet, 0, 1);
    for shard in 0..2 {
        mark(&fleet, shard, 2);
        switch(&fleet, shard);
    }
    let into = destination(&fleet, "restored");
    let folder = into.display().to_string();
    let empty = || assert_eq!(fs::read_dir(&into).unwrap().count(), 0);
    pitr(&fleet, ["restore", "--all", "--into", &folder]).code_is(2).no_lines().says("no point was named");
    pitr(&fleet, ["restore", "--latest", "--into", &folder]).code_is(2).no_lines().says("nothing was touched");
    // All or none.
    let late = mark(&fleet, 0, 3);
    switch(&fleet, 0);
    let outcome = pitr(&fleet, ["restore", "--all", "--to", &late, "--into", &folder]).code_is(3);
    assert_eq!(line(&outcome, RESTORED, "s0")["error"]["code"], "refused");
    assert!(line(&outcome, RESTORED, "s1")["error"]["message"].as_str().unwrap().contains("not in the archive yet"));
    empty();
    // A plan that the archive has moved away from.
    let plan = pitr(&fleet, ["plan", "--to", &time]).ok().stdout;
    pitr(&fleet, ["plan", "--latest"]).ok();
    for shard in 0..2 {
        back_up(&fleet, shard);
    }
    let restore = |plan: &str| fleet.tool("pitr", ["restore", "--into", &folder, "--dry-run"]).stdin(plan).run();
    restore(&plan).ok();
    let backup = objects(&fleet, 0, "basebackups_005").remove(0);
    fs::remove_file(backup.with_file_name(format!(
        "{}_backup_stop_sentinel.json",
        backup.file_name().unwrap().to_str().unwrap().trim_end_matches("_backup_stop_sentinel.json")
    )))
    .unwrap();
    let outcome = restore(&plan).code_is(3);
    assert_eq!(line(&outcome, RESTORED, "s0")["status"], "error");
    let meddled = plan.replacen("\"plan\":\"", "\"plan\":\"0", 2);
    let outcome = restore(&meddled);
    assert!(outcome.lines().iter().any(|line| line["error"]["code"] == "state_moved"), "{}", outcome.transcript());
    empty();
    // A folder with something in it, and one of root's.
    fs::write(into.join("precious"), "data").unwrap();
    let outcome = pitr(&fleet, ["restore", "-t", "s1", "--latest", "--into", &folder]);
    assert!(outcome.stdout.contains("is not empty; nothing was touched"), "{}", outcome.transcript());
    fs::remove_file(into.join("precious")).unwrap();
    if rustix::process::geteuid().is_root() {
        let owned = fleet.path().join("roots");
        fs::create_dir(&owned).unwrap();
        let outcome = pitr(&fleet, ["restore", "-t", "s1", "--latest", "--into", &owned.display().to_string()]);
        assert!(outcome.stdout.contains("PostgreSQL doesn't run as root"), "{}", outcome.transcript());
        // A topology that the server's account can't read.
        let topology = fleet.path().join("flotilla.toml");
        super::open(&fleet, &topology, 0o600);
        let outcome = pitr(&fleet, ["restore", "-t", "s1", "--latest", "--into", &folder]);
        assert!(outcome.stdout.contains("can't fetch WAL; nothing was touched"), "{}", outcome.transcript());
        super::open(&fleet, &topology, 0o644);
    }
    empty();
    fleet.write_topology();
}

#[test]
fn killed_at_any_step_it_leaves_no_server_and_nothing_that_looks_restored() {
    let fleet = archived(1, 0);
    table(&fleet, 0);
    back_up(&fleet, 0);
    mark(&fleet, 0, 1);
    switch(&fleet, 0);
    for point in ["noted", "fetched", "configured", "recovered", "isolated"] {
        let into = destination(&fleet, point);
        let folder = into.display().to_string();
        let args = ["restore", "-t", "s0", "--latest", "--into", &folder];
        let killed = fleet.tool("pitr", args).env("FLOTILLA_FAILPOINT", format!("restore.{point}")).run();
        assert_eq!(killed.signal(), Some(9), "{point}: {}", killed.transcript());
        let pid = into.join("s0/data/postmaster.pid");
        until("its server has ended", || (!pid.exists()).then_some(()));
        let again = pitr(&fleet, args);
        assert!(again.stdout.contains("holds a restore that was cut off while"), "{point}: {}", again.transcript());
        assert!(again.stdout.contains("rm -r"), "{point}: {}", again.transcript());
        fs::remove_dir_all(into.join("s0")).unwrap();
        pitr(&fleet, args).ok();
    }
}
