//! The table of verbs: for each the arguments of a run that succeeds, and how to make it hang.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;

use flotilla::tool::Tool;
use flotilla::verb::{Effect, Scope, Verb};
use flotilla_tests::{Run, Sandbox, Topology};

/// One way of calling a verb.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each says a thing of its own")]
pub(super) struct Row {
    /// The tool.
    pub(super) tool: &'static str,
    /// The verb, as the registry names it.
    pub(super) verb: &'static str,
    /// What follows the verb in a run that succeeds.
    pub(super) args: &'static [&'static str],
    /// What such a run reads.
    pub(super) stdin: Option<&'static str>,
    /// The same without any target, where the verb needs one.
    pub(super) untargeted: Option<&'static [&'static str]>,
    /// How it can be made to hang.
    pub(super) hang: Hang,
    /// Whether a run that a signal stops says so in a line for each target.
    pub(super) cancelled_lines: bool,
    /// Whether a second run finds nothing to do. Arbitrary SQL is what its author makes of it.
    pub(super) ensures: bool,
    /// Whether a run that succeeds takes more than this suite's servers; its own suite has it then.
    pub(super) apart: bool,
    /// Whether its topology is the one with poolers and balancers.
    pub(super) pools: bool,
    /// How a usage error ends: 2, unless the verb's caller has a table of its own.
    pub(super) usage: i32,
}

/// How a run can be made to hang.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hang {
    /// On a lock of this table.
    Lock(&'static str),
    /// On a server that doesn't answer.
    Mute,
    /// On an open standard input.
    Input,
    /// It asks nobody.
    Never,
}

const ROW: Row = Row {
    tool: "shardctl",
    verb: "",
    args: &[],
    stdin: None,
    untargeted: None,
    hang: Hang::Never,
    cancelled_lines: false,
    ensures: false,
    apart: false,
    pools: false,
    usage: 2,
};

/// Every verb, some in more than one way.
pub(super) const ROWS: &[Row] = &[
    Row {
        verb: "init",
        args: &["--all"],
        untargeted: Some(&[]),
        hang: Hang::Lock("flotilla.version"),
        cancelled_lines: true,
        ensures: true,
        ..ROW
    },
    Row { verb: "targets", ..ROW },
    Row { verb: "targets", args: &["--role", "primary"], hang: Hang::Mute, cancelled_lines: true, ..ROW },
    Row { verb: "status", hang: Hang::Lock("flotilla.ownership"), ..ROW },
    Row { verb: "map", hang: Hang::Lock("flotilla.ownership"), ..ROW },
    Row { verb: "map", args: &["--export"], hang: Hang::Mute, ..ROW },
    Row { verb: "map --reconcile", hang: Hang::Lock("flotilla.ownership"), ensures: true, ..ROW },
    Row { verb: "route", args: &["--by", "key", "1", "2", "3"], hang: Hang::Mute, ..ROW },
    Row { verb: "route", args: &["--by", "key"], stdin: Some("1\n2\n3\n"), hang: Hang::Input, ..ROW },
    Row { verb: "key new", args: &["--user", "-n", "3"], hang: Hang::Lock("flotilla.ownership"), ..ROW },
    Row { verb: "key parse", args: &["7318349394477056", "7318349394477057"], ..ROW },
    Row {
        verb: "sql --read-only",
        args: &["--all", "SELECT count(*) FROM notes"],
        untargeted: Some(&["SELECT count(*) FROM notes"]),
        hang: Hang::Lock("notes"),
        cancelled_lines: true,
        ..ROW
    },
    Row {
        verb: "sql",
        args: &["--all", "UPDATE notes SET text = 'x'"],
        untargeted: Some(&["UPDATE notes SET text = 'x'"]),
        hang: Hang::Lock("notes"),
        cancelled_lines: true,
        ..ROW
    },
    Row {
        verb: "sql",
        args: &["--key", "2", "DELETE FROM notes WHERE user_id = $1", "--param", "2"],
        hang: Hang::Lock("notes"),
        cancelled_lines: true,
        ..ROW
    },
    Row {
        verb: "sql",
        args: &["--copy", "notes(user_id, text)", "--new-id", "id"],
        stdin: Some(COPY_INPUT),
        untargeted: Some(&["--copy", "notes"]),
        hang: Hang::Lock("notes"),
        ..ROW
    },
    // Patroni, balancers and what breaks them are the stack's, in whose suite these two are.
    Row { verb: "switchover", args: &["s0", "--yes"], apart: true, ..ROW },
    Row { verb: "drill", args: &["s0", "--fault", "switchover", "--yes"], apart: true, ..ROW },
    Row { tool: "migrate", verb: "new", args: &["add moods", "--dir", "written"], ..ROW },
    Row {
        tool: "migrate",
        verb: "new",
        args: &["--pattern", "add-check", "-p", "table=moods", "-p", "check=mood <> ''", "--dir", "patterns"],
        ..ROW
    },
    Row { tool: "migrate", verb: "new --list", ..ROW },
    Row { tool: "migrate", verb: "info", hang: Hang::Mute, cancelled_lines: true, ..ROW },
    Row { tool: "migrate", verb: "plan", hang: Hang::Mute, cancelled_lines: true, ..ROW },
    Row {
        tool: "migrate",
        verb: "apply",
        args: &["--all"],
        untargeted: Some(&[]),
        hang: Hang::Mute,
        cancelled_lines: true,
        ensures: true,
        ..ROW
    },
    Row {
        tool: "migrate",
        verb: "validate",
        args: &["--ignore", "*:pending"],
        hang: Hang::Mute,
        cancelled_lines: true,
        ..ROW
    },
    Row { tool: "migrate", verb: "lint", args: &["--rules"], ..ROW },
    Row { tool: "migrate", verb: "lint --live", hang: Hang::Mute, cancelled_lines: true, ..ROW },
    Row {
        tool: "migrate",
        verb: "undo",
        args: &["--all", "--yes"],
        untargeted: Some(&["--yes"]),
        hang: Hang::Mute,
        cancelled_lines: true,
        ensures: true,
        ..ROW
    },
    Row {
        tool: "migrate",
        verb: "baseline",
        args: &["--all", "--version", "1", "--history-table", "begun.history"],
        untargeted: Some(&["--version", "1", "--history-table", "begun.history"]),
        hang: Hang::Mute,
        cancelled_lines: true,
        ensures: true,
        ..ROW
    },
    Row {
        tool: "migrate",
        verb: "repair",
        args: &["--all"],
        untargeted: Some(&[]),
        hang: Hang::Mute,
        cancelled_lines: true,
        ensures: true,
        ..ROW
    },
    Row { tool: "migrate", verb: "history", hang: Hang::Mute, cancelled_lines: true, ..ROW },
    Row { tool: "walg-wrap", verb: "push", args: &["-t", "s0"], untargeted: Some(&[]), apart: true, ..ROW },
    Row {
        tool: "walg-wrap",
        verb: "wal-push",
        args: &["-t", "s0", "data/pg_wal/00000002.history"],
        untargeted: Some(&["data/pg_wal/00000002.history"]),
        ensures: true,
        ..ROW
    },
    Row {
        tool: "walg-wrap",
        verb: "wal-fetch",
        args: &["-t", "s0", "--for", "standby", "00000002.history", "data/pg_wal/RECOVERYHISTORY"],
        untargeted: Some(&["--for", "standby", "00000002.history", "data/pg_wal/RECOVERYHISTORY"]),
        usage: 1,
        ..ROW
    },
    Row {
        tool: "walg-wrap",
        verb: "fetch",
        args: &["-t", "s0", "--store", "past", "--into", "fetched"],
        untargeted: Some(&["--store", "past", "--into", "fetched"]),
        apart: true,
        ..ROW
    },
    Row { tool: "walg-wrap", verb: "ls", args: &["--wal", "--store", "past"], ..ROW },
    Row { tool: "walg-wrap", verb: "verify", args: &["--store", "past", "--dry-run"], ..ROW },
    Row {
        tool: "walg-wrap",
        verb: "verify --prove",
        args: &["-t", "s0", "--store", "past", "--dry-run"],
        untargeted: Some(&["--store", "past", "--dry-run"]),
        ..ROW
    },
    Row {
        tool: "walg-wrap",
        verb: "retain",
        args: &["--all", "--store", "past", "--full", "1", "--yes"],
        untargeted: Some(&["--store", "past", "--full", "1", "--yes"]),
        ensures: true,
        ..ROW
    },
    Row {
        tool: "walg-wrap",
        verb: "copy",
        args: &["-t", "s0", "--store", "past", "--to", "here"],
        untargeted: Some(&["--store", "past", "--to", "here"]),
        ensures: true,
        ..ROW
    },
    Row { tool: "pitr", verb: "coverage", args: &["--store", "past"], ..ROW },
    Row { tool: "pitr", verb: "plan", args: &["--latest", "--store", "past"], ..ROW },
    Row {
        tool: "pitr",
        verb: "restore",
        args: &["--all", "--latest", "--store", "past", "--into", "restored"],
        untargeted: Some(&["--latest", "--store", "past", "--into", "restored"]),
        apart: true,
        ..ROW
    },
    Row {
        tool: "pitr",
        verb: "drill",
        args: &["--all", "--store", "past", "--into", "drills"],
        untargeted: Some(&["--store", "past", "--into", "drills"]),
        apart: true,
        ..ROW
    },
    Row { tool: "pitr", verb: "point", args: &["--all", "here"], untargeted: Some(&["here"]), apart: true, ..ROW },
    Row { tool: "poolcfg", verb: "render", pools: true, ..ROW },
    Row { tool: "poolcfg", verb: "render", args: &["haproxy"], pools: true, ..ROW },
    Row { tool: "poolcfg", verb: "check", pools: true, ..ROW },
    // Poolers and balancers that run are in the suite `pool`.
    Row { tool: "poolcfg", verb: "diff", args: &["-t", "pool-a"], pools: true, apart: true, ..ROW },
    Row { tool: "poolcfg", verb: "apply", args: &["--all"], untargeted: Some(&[]), pools: true, apart: true, ..ROW },
    Row { tool: "poolcfg", verb: "advise", args: &["-t", "pool-a"], pools: true, apart: true, ..ROW },
    Row { tool: "poolcfg", verb: "stats", args: &["-t", "pool-a"], pools: true, apart: true, ..ROW },
    Row {
        tool: "healthcheck",
        verb: "probe",
        args: &["--component", "postgresql"],
        hang: Hang::Mute,
        cancelled_lines: true,
        ..ROW
    },
    Row { tool: "healthcheck", verb: "advise", hang: Hang::Mute, cancelled_lines: true, ..ROW },
    Row {
        tool: "healthcheck",
        verb: "serve",
        args: &["--listen", "127.0.0.1:0", "--deadline", "300ms"],
        apart: true,
        ..ROW
    },
    Row {
        tool: "healthcheck",
        verb: "agent",
        args: &["--listen", "127.0.0.1:0", "--deadline", "300ms"],
        apart: true,
        ..ROW
    },
    Row {
        tool: "healthcheck",
        verb: "audit",
        args: &["--component", "postgresql"],
        hang: Hang::Mute,
        cancelled_lines: true,
        ..ROW
    },
    // The list of rules is about no target, and reads none.
    Row { tool: "healthcheck", verb: "audit", args: &["--rules"], apart: true, ..ROW },
    Row {
        tool: "healthcheck",
        verb: "alert",
        args: &["--failures", "1", "--command", "cat > /dev/null"],
        stdin: Some(ALERT_INPUT),
        apart: true,
        ..ROW
    },
];

/// A line as `healthcheck probe` writes it, as far as alerts look at it.
pub(crate) const ALERT_INPUT: &str = concat!(
    r#"{"schema":"healthcheck.probe/1","target":"s0-a","status":"error","component":"postgresql","instance":"s0-a","#,
    r#""checks":[{"check":"up","of":null,"status":"fail","message":"it is down","hint":null}]}"#,
    "\n",
);

/// Lines as `shardctl route` writes them; the shards own these buckets by the even split of two.
const COPY_INPUT: &str = concat!(
    r#"{"schema":"shardctl.route/1","target":"s0","status":"ok","bucket":378,"input":{"user_id":2,"text":"x"}}"#,
    "\n",
    r#"{"schema":"shardctl.route/1","target":"s1","status":"ok","bucket":952,"input":{"user_id":1,"text":"y"}}"#,
    "\n",
);

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.tool, self.verb, self.args.join(" "))
    }
}

impl Row {
    /// What the registry says of the verb.
    pub(super) fn entry(&self) -> &'static Verb {
        let verbs = registry().into_iter().filter(|(tool, _)| *tool == self.tool).map(|(_, verb)| verb);
        verbs.into_iter().find(|verb| verb.name == self.verb).unwrap_or_else(|| panic!("{self} is no verb"))
    }

    /// Whether it may change something.
    pub(super) fn changes(&self) -> bool {
        self.entry().effect > Effect::Reads
    }

    /// A run of the verb with other arguments.
    pub(super) fn with(&self, sandbox: &Sandbox, args: &[&str]) -> Run {
        if self.tool == "migrate" && !sandbox.path().join("migrations").exists() {
            sandbox.file("migrations/V1__moods.sql", "CREATE TABLE moods (mood text PRIMARY KEY);");
            sandbox.file("migrations/U1__moods.sql", "DROP TABLE moods;");
        }
        let run = sandbox.tool(self.tool, self.verb.split(' ')).args(args);
        if self.pools { run.env("FLOTILLA_CONFIG", sandbox.path().join("pools.toml")) } else { run }
    }

    /// The run that succeeds.
    pub(super) fn run(&self, sandbox: &Sandbox) -> Run {
        self.run_plus(sandbox, &[])
    }

    /// The same with more arguments.
    pub(super) fn run_plus(&self, sandbox: &Sandbox, more: &[&str]) -> Run {
        let run = self.with(sandbox, &[self.args, more].concat());
        match self.stdin {
            Some(text) => run.stdin(text),
            None => run,
        }
    }
}

/// Every verb of every tool.
pub(crate) fn registry() -> Vec<(&'static str, &'static Verb)> {
    let of = |tool: &'static str, verbs: &'static [Verb]| verbs.iter().map(move |verb| (tool, verb));
    of(shardctl::Cli::NAME, shardctl::Cli::VERBS)
        .chain(of(migrate::Cli::NAME, migrate::Cli::VERBS))
        .chain(of(walg_wrap::Cli::NAME, walg_wrap::Cli::VERBS))
        .chain(of(pitr::Cli::NAME, pitr::Cli::VERBS))
        .chain(of(poolcfg::Cli::NAME, poolcfg::Cli::VERBS))
        .chain(of(healthcheck::Cli::NAME, healthcheck::Cli::VERBS))
        .collect()
}

/// A topology with poolers and balancers; nobody connects to them.
pub(crate) fn pools() -> String {
    let pools = "[[poolers]]\nname = \"pool-a\"\nhost = \"pool-a\"\nhostaddr = \"127.0.0.31\"\nport = 15632\n\n\
                 [[balancers]]\nname = \"lb-a\"\nhost = \"lb-a\"\nhostaddr = \"127.0.0.41\"\nstats_port = 15790\n\n\
                 [secrets]\nverifiers = \"secrets/userlist.txt\"\n";
    let topology = Topology::default().connect("sslrootcert = \"tls/ca.crt\"").shard("s0", "127.0.0.11", 15432);
    let node = "port = 15432\n  patroni = \"https://127.0.0.11:15008\"\n";
    let ports = "name = \"s0\"\nwrite_port = 15700\nread_port = 15701\n";
    topology.rest(pools).to_string().replacen("name = \"s0\"\n", ports, 1).replacen("port = 15432\n", node, 1)
}

#[test]
fn every_verb_of_every_tool_has_a_row() {
    let known: BTreeSet<_> = registry().into_iter().map(|(tool, verb)| (tool, verb.name)).collect();
    let tabled: BTreeSet<_> = ROWS.iter().map(|row| (row.tool, row.verb)).collect();
    assert_eq!(known, tabled);
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tools");
    let tools: BTreeSet<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let registered: BTreeSet<String> = known.iter().map(|(tool, _)| (*tool).to_owned()).collect();
    assert_eq!(registered, tools, "registry() in this file lists each tool once");
}

#[test]
fn a_verb_that_needs_targets_is_tried_without() {
    for row in ROWS {
        let needs = row.entry().scope == Scope::Required;
        let named = row.args.contains(&"--key");
        assert_eq!(row.untargeted.is_some(), needs && !named, "{row}");
    }
}
