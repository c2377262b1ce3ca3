//! A golden line of every record that any verb can write.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use flotilla_native::guard::Program;
use flotilla_tests::{Fleet, Outcome, contract, redact, until};

use crate::manners::registry;

/// Records that only a whole stack yields; its suite holds their lines to the contract.
pub(crate) const OF_A_STACK: [&str; 3] = ["shardctl.switchover/1", "shardctl.drill_layer/1", "shardctl.drill/1"];

/// The records that were seen, and their lines as they are promised.
#[derive(Default)]
struct Golden {
    seen: BTreeSet<String>,
    text: String,
}

impl Golden {
    /// Takes the lines of a run: the first of each status of each record.
    fn take(&mut self, outcome: &Outcome) {
        let mut shown = BTreeSet::new();
        let _ = writeln!(self.text, "$ {}", redact(&outcome.shown));
        for line in outcome.stdout.lines() {
            let value = contract::check(line).unwrap_or_else(|why| panic!("{why}"));
            let schema = value["schema"].as_str().unwrap_or_default().to_owned();
            if shown.insert((schema.clone(), value["status"].to_string(), value["changed"].to_string())) {
                let _ = writeln!(self.text, "{}", redact(line));
            }
            self.seen.insert(schema);
        }
        self.text.push('\n');
    }
}

#[test]
fn every_record_has_its_golden_line() {
    let mut fleet = Fleet::new().replicas(1).start();
    let mut golden = Golden::default();
    let one = |fleet: &Fleet, args: &[&str]| fleet.shardctl(args).run();
    golden.take(&one(&fleet, &["init", "--all", "--dry-run", "-j", "1"]).ok());
    golden.take(&one(&fleet, &["init", "--all", "-j", "1"]).ok());
    golden.take(&one(&fleet, &["init", "-t", "s0"]).ok());
    golden.take(&one(&fleet, &["targets", "--shard", "s0"]).ok());
    golden.take(&one(&fleet, &["targets", "--role", "replica", "--shard", "s1"]).ok());
    golden.take(&one(&fleet, &["map"]).ok());
    golden.take(&one(&fleet, &["route", "--by", "key", "1", "x"]).code_is(1));
    let object = "{\"user_id\":\"2\",\"status\":\"error\",\"n\":1.50}\n";
    golden.take(&fleet.shardctl(["route", "--by", "key", "--field", "user_id"]).stdin(object).run().ok());
    golden.take(&one(&fleet, &["key", "parse", "7318349394477056", "x"]).code_is(1));
    golden.take(&one(&fleet, &["key", "new", "--for", "1"]).ok());
    golden.take(
        &one(&fleet, &["sql", "--key", "1", "SELECT $1::bigint AS user_id, NULL AS nothing", "--param", "1"]).ok(),
    );
    golden.take(&one(&fleet, &["sql", "-t", "s1", "SELECT 1 / 0"]).code_is(1));
    fleet.sql(1, "SET ROLE owner; CREATE TABLE t (id bigint, user_id bigint, PRIMARY KEY (user_id, id))");
    let routed = "{\"target\":\"s1\",\"status\":\"ok\",\"bucket\":952,\"input\":{\"user_id\":1}}\n";
    golden.take(&fleet.shardctl(["sql", "--copy", "t", "--new-id", "id"]).stdin(routed).run().ok());
    reconcile(&fleet, &mut golden);
    migrate(&fleet, &mut golden);
    archives(&mut fleet, &mut golden);
    status(&mut fleet, &mut golden);
    fleet.file("pools.toml", crate::manners::pools());
    golden.take(&fleet.tool("poolcfg", ["render", "haproxy", "--config", "pools.toml"]).run().ok());
    golden.take(&fleet.tool("poolcfg", ["check", "--config", "pools.toml"]).run().ok());
    pools(&mut golden);
    golden.take(&fleet.tool("healthcheck", ["probe", "--component", "shard", "-t", "s0"]).run().ok());
    golden.take(&fleet.tool("healthcheck", ["audit", "--component", "store", "-j", "1"]).run());
    golden.take(&fleet.tool("healthcheck", ["audit", "--rules"]).run().ok());
    let alert = ["alert", "--dry-run", "--failures", "1"];
    let twins = "CREATE TABLE pairs (id bigint); CREATE INDEX one ON pairs (id); CREATE INDEX other ON pairs (id)";
    fleet.sql(0, twins);
    let advise = ["advise", "-t", "s0", "--least-window", "0s", "--least-calls", "1000000"];
    golden.take(&fleet.tool("healthcheck", advise).run().ok());
    golden.take(&fleet.tool("healthcheck", alert).stdin(crate::manners::ALERT_INPUT).run().ok());

    let registered = registry().into_iter().flat_map(|(_, verb)| verb.records).map(flotilla::record::RecordInfo::id);
    let registered: BTreeSet<String> = registered.filter(|id| !OF_A_STACK.contains(&id.as_str())).collect();
    assert_eq!(golden.seen, registered, "every record of the registry has a line here");
    insta::assert_snapshot!("golden", golden.text);
}

/// A pooler that was changed by hand, and a balancer.
fn pools(golden: &mut Golden) {
    let pooling = crate::pool::balancer::balancer().0;
    let text = pooling.rendered();
    let pooling = pooling.pooler(&text);
    let mut one = |args: &[&str], code: i32| golden.take(&pooling.fleet.tool("poolcfg", args).run().code_is(code));
    pooling.fleet.file("md5.ini", "[pgbouncer]\nauth_type = md5\n");
    one(&["check", "md5.ini"], 0);
    one(&["check", "--rules"], 0);
    one(&["advise", "-t", "pool-a", "--window", "1s", "--samples", "20"], 3);
    let query = format!("PGUSER=app PGDATABASE=s0 {} -XAtqc 'SELECT 1'", pooling.psql());
    pooling.fleet.script(&query).run().ok();
    one(&["stats", "-t", "pool-a"], 0);
    one(&["stats", "-t", "lb-a"], 0);
    pooling.ask("SET default_pool_size = 11").unwrap();
    one(&["diff", "-t", "pool-a"], 1);
    one(&["apply", "-t", "pool-a", "--dry-run"], 0);
    one(&["apply", "-t", "pool-a"], 0);
}

/// Migrations from plan to undo, with something changed by hand between.
fn migrate(fleet: &Fleet, golden: &mut Golden) {
    golden.take(&fleet.tool("migrate", ["new", "more moods", "--dir", "written"]).run().ok());
    golden.take(&fleet.tool("migrate", ["new", "--list"]).run().ok());
    let mut one = |args: &[&str], code: i32| {
        let args = [args, &["--history-table", "migrated.history"]].concat();
        golden.take(&fleet.tool("migrate", args).run().code_is(code));
    };
    fleet.file("migrations/V1__moods.sql", "CREATE TABLE moods (mood text PRIMARY KEY);");
    fleet.file("migrations/U1__moods.sql", "DROP TABLE moods;");
    one(&["plan", "-t", "s0"], 0);
    one(&["lint", "--live", "-t", "s0"], 0);
    one(&["apply", "--all", "-j", "1"], 0);
    one(&["info", "-t", "s0"], 0);
    fleet.sql(1, "ALTER TABLE migrated.moods ADD COLUMN why text");
    one(&["validate", "-j", "1"], 1);
    fleet.sql(1, "ALTER TABLE migrated.moods DROP COLUMN why");
    one(&["undo", "-t", "s1", "--yes"], 0);
    one(&["repair", "-t", "s0"], 0);
    golden.take(&fleet.tool("migrate", ["baseline", "-t", "s0", "--history-table", "begun.history"]).run().ok());
    golden.take(&fleet.tool("migrate", ["history", "-t", "s0"]).run().ok());
    fleet.file("migrations/V2__worse.sql", "ALTER TABLE moods ADD COLUMN at timestamp DEFAULT clock_timestamp();");
    golden.take(&fleet.tool("migrate", ["lint"]).run().code_is(1));
    golden.take(&fleet.tool("migrate", ["lint", "--rules"]).run().ok());
}

/// A shard that lost what it owned, as after a restore.
fn reconcile(fleet: &Fleet, golden: &mut Golden) {
    fleet.sql(0, "SELECT flotilla.set_ownership(0, 7, 'none', 2)");
    golden.take(&fleet.shardctl(["map"]).run().code_is(1));
    let planned = fleet.shardctl(["map", "--reconcile", "--dry-run"]).run();
    golden.take(&planned);
}

/// What a logical dump of long ago says of itself.
const DUMP: &str = r#"{"version":1,"shard":"s0","node":"s0-a","from_standby":false,"database":"app","encoding":"UTF8",
    "system_identifier":"7000000000000000001","timeline":1,"pg_version":150000,"pg_dump":"pg_dump (PostgreSQL) 15.0",
    "snapshot":"00000003-00000001-1","lsn":"0/1000028","epoch":"1","started":"2024-06-28T15:30:00Z",
    "finished":"2024-06-28T15:31:00Z","permanent":false,"user_data":null,"codec":"lz4","encrypted":false,"key_id":null,
    "tables":3,"rows":12,"large_objects":0,"files":4,"content_bytes":2048,"packed_bytes":2048,"stored_bytes":512,
    "parts":0,"large_files":[]}"#;

/// What is planned of archives; what is done to them takes servers that archive, as its own suites have.
fn archives(fleet: &mut Fleet, golden: &mut Golden) {
    crate::manners::here(fleet);
    crate::manners::past(fleet);
    golden.take(&fleet.tool("walg-wrap", ["wal-push", "-t", "s0", "data/pg_wal/00000002.history"]).run().ok());
    let fetch = ["wal-fetch", "-t", "s0", "--for", "standby", "00000002.history", "data/pg_wal/RECOVERYHISTORY"];
    golden.take(&fleet.tool("walg-wrap", fetch).run().ok());
    let fetch = ["fetch", "-t", "s0", "--store", "past", "--into", "fetched", "--dry-run"];
    golden.take(&fleet.tool("walg-wrap", fetch).run());
    golden.take(&fleet.tool("walg-wrap", ["push", "-t", "s0", "--store", "past", "--dry-run"]).run());
    fleet.file("past/s0/flotilla/logical/20240628T153000.000Z/dump.json", DUMP);
    fleet.file("past/s0/flotilla/logical/20240628T153000.000Z/contents.json.lz4", "contents");
    golden.take(&fleet.tool("walg-wrap", ["ls", "-t", "s0", "--store", "past", "--wal"]).run().ok());
    golden.take(&fleet.tool("walg-wrap", ["verify", "-t", "s0", "--dry-run"]).run().ok());
    fleet.file("archive/s0/stray.txt", "nobody knows what this is");
    golden.take(&fleet.tool("walg-wrap", ["verify", "-t", "s0"]).run().code_is(1));
    let dump = ["push", "-t", "s0", "--store", "past", "--type", "logical", "--dry-run"];
    golden.take(&fleet.tool("walg-wrap", dump).run());
    let load = ["fetch", "-t", "s0", "--store", "past", "--type", "logical", "--into", "loaded"];
    golden.take(&fleet.tool("walg-wrap", load).run());
    let retain = ["retain", "-t", "s0", "--store", "past", "--full", "1", "--dry-run"];
    golden.take(&fleet.tool("walg-wrap", retain).run().ok());
    // Recovery would run as the servers' account, which has to read all of it.
    let into = fleet.path().join("restored");
    std::fs::create_dir(&into).expect("a folder to restore into");
    flotilla_native::account::Account::server().and_then(|server| server.own(&into)).expect("the servers' folder");
    let open = "chmod 755 . && chmod 644 flotilla.toml && chmod -R a+rX past";
    fleet.script(open).run().ok();
    for args in [
        &["coverage", "--store", "past", "-t", "s0"][..],
        &["plan", "--store", "past", "-t", "s0", "--latest"],
        &["restore", "--store", "past", "-t", "s0", "--latest", "--into", "restored", "--dry-run"],
        &["point", "here", "--all", "--dry-run", "--store", "past"],
        &["drill", "--store", "past", "-t", "s0", "--latest", "--into", "restored", "--dry-run"],
    ] {
        golden.take(&fleet.tool("pitr", args).run().ok());
    }
    let copy = ["copy", "-t", "s0", "--store", "past", "--to", "here"];
    let mut log = std::fs::read_dir(fleet.path().join("past/s0/wal_005")).expect("the log").flatten();
    let segment = log.next().expect("a segment").file_name();
    fleet.file(format!("archive/s0/wal_005/{}", segment.display()), "another's");
    golden.take(&fleet.tool("walg-wrap", copy).run().code_is(1));
}

/// With a real PgBouncer, whose pools are part of the screen.
fn status(fleet: &mut Fleet, golden: &mut Golden) {
    let server = fleet.primary(0);
    let folder = server.socket_folder().to_owned();
    let ini = format!(
        "[databases]\ns0 = host={0} port=5432 dbname=app\n[pgbouncer]\nlisten_addr =\nlisten_port = 6432\n\
         unix_socket_dir = {0}\nauth_type = scram-sha-256\nauth_file = {0}/userlist.txt\nstats_users = monitor\n\
         pool_mode = transaction\n",
        folder.display()
    );
    let account = flotilla_native::account::Account::server().expect("the servers' account");
    for (name, text) in [
        ("pgbouncer.ini", ini),
        ("userlist.txt", std::fs::read_to_string(fleet.path().join("secrets/userlist.txt")).expect("verifiers")),
    ] {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("a file beside the server");
        account.own(&path).expect("the server's file");
    }
    let bouncer = Program::new("/usr/sbin/pgbouncer")
        .arg(folder.join("pgbouncer.ini").display().to_string())
        .account(&account)
        .log(&folder.join("pgbouncer.log"));
    server.guard().spawn(&bouncer).expect("pgbouncer starts");
    until("pgbouncer listens", || folder.join(".s.PGSQL.6432").exists().then_some(()));
    let pooler = format!("[[poolers]]\nname = \"pool-a\"\nhost = \"{}\"\nport = 6432\n", folder.display());
    fleet.topology.rest.push_str(&pooler);
    // A replica that the topology calls another region's: it follows, and that is all that is asked.
    let standby = fleet.topology.shards[1].nodes.pop().expect("a replica");
    let standby = format!(
        "[[standby_clusters]]\nname = \"s1-west\"\nshard = \"s1\"\nstore = \"past\"\n\
         [[standby_clusters.nodes]]\nname = \"s1-west-a\"\nhost = \"{}\"\nport = {}\n",
        standby.host, standby.port
    );
    fleet.topology.rest.push_str(&standby);
    fleet.write_topology();
    // A pool is listed from its first use on.
    fleet.shardctl(["sql", "-t", "s0", "SELECT 1"]).run().ok();
    let all = fleet.shardctl(["status", "--ledger", "1"]).run().ok();
    golden.take(&all);
}
