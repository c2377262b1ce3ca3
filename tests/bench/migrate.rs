//! `migrate`: many scripts, many pending scripts, and many databases with nothing to do.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use flotilla_native::postgres::program;
use flotilla_tests::tls::Identity;
use flotilla_tests::{Fleet, PASSWORDS, Sandbox, binary};

use crate::child::wall;
use crate::figure::{Figure, median, ms, ratio};

const FILES: u32 = 4000;
const PENDING: u32 = 200;
const DATABASES: u8 = 16;
const RUNS: usize = 5;
/// Where Flyway's command line is; nothing here downloads it.
const FLYWAY: &str = "FLOTILLA_FLYWAY";

/// All of them.
pub(crate) fn measure() -> anyhow::Result<Vec<Figure>> {
    let in_memory = pending(&Fleet::new().shards(1).init().start(), "in memory, fsync off")?;
    let on_disk = pending(&Fleet::new().shards(1).init().durable().start(), "on disk, fsync on")?;
    Ok(vec![validate()?, in_memory.ratio_at_most(1.15), on_disk.ratio_at_most(1.15), nothing_to_do()?])
}

/// Validation of a history of thousands of scripts, with the fingerprint of what they have made.
fn validate() -> anyhow::Result<Figure> {
    let fleet = Fleet::new().shards(1).init().start();
    for number in 1..=FILES {
        let sql = match number % 10 {
            1 => format!("CREATE TABLE t{number} (id bigint PRIMARY KEY);\n"),
            other => format!("ALTER TABLE t{} ADD COLUMN c{other} text;\n", number - (number - 1) % 10),
        };
        fleet.file(format!("migrations/V{number}__change.sql"), sql);
    }
    wall(&mut migrate(&fleet, &["apply", "-q", "--all"]))?;
    let mut times = Vec::new();
    for _ in 0..RUNS {
        times.push(wall(&mut migrate(&fleet, &["validate", "-q"]))?);
    }
    let took = median(times);
    let what = format!("migrate validate, {FILES} scripts applied");
    Ok(Figure::new(what, ms(took)).target("≤ 1 s", took <= Duration::from_secs(1)))
}

/// Pending scripts of two statements each, from the tool's start to its end, beside one session of psql.
///
/// What psql does is the least that leaves the same: one file, read in one session, that makes the same history
/// table and, for each script, one transaction of its statements, its row in the history and its line in the ledger,
/// as the owner, with the same time limit for locks, each commit as durable. What is left to the tool alone is in
/// its time and not in psql's: reading and checking 200 files and the history, Flyway's lock and the look at it
/// before each row, a session put back to what a script may expect, the commit in git, the journal's file.
fn pending(fleet: &Fleet, how: &str) -> anyhow::Result<Figure> {
    let statements = |number: u32| {
        format!(
            "CREATE TABLE t{number} (id bigint PRIMARY KEY, at timestamptz);\nCREATE INDEX i{number} ON t{number} (at);\n"
        )
    };
    for number in 1..=PENDING {
        fleet.file(format!("migrations/V{number}__change.sql"), statements(number));
    }
    let (mut here, mut beside) = (Vec::new(), Vec::new());
    for run in 0..RUNS {
        // A schema for each run, so that all begin with nothing; whoever comes first has the colder cache.
        let table = format!("here{run}.history");
        let script = fleet.file(format!("psql{run}.sql"), by_hand(&format!("beside{run}"), statements));
        for turn in [run % 2, (run + 1) % 2] {
            if turn == 0 {
                here.push(wall(&mut migrate(fleet, &["apply", "-q", "--all", "--history-table", &table]))?);
            } else {
                beside.push(wall(&mut psql(fleet, &script))?);
            }
        }
    }
    let (here, beside) = (median(here), median(beside));
    Ok(Figure::new(format!("migrate apply, {PENDING} scripts pending, {how}"), ms(here))
        .beside(format!("psql, the same transactions {}", ms(beside)), ratio(here, beside)))
}

/// What the tool's run comes to, as a script for psql.
fn by_hand(schema: &str, statements: impl Fn(u32) -> String) -> String {
    let mut script = format!(
        "SET ROLE owner;\nCREATE SCHEMA {schema};\nSET search_path = {schema};\nSET lock_timeout = 2000;\nSET synchronous_commit = on;\n\
         CREATE TABLE history (installed_rank int PRIMARY KEY, version varchar(50), description varchar(200) NOT NULL, \
         type varchar(20) NOT NULL, script varchar(1000) NOT NULL, checksum int, installed_by varchar(100) NOT NULL, \
         installed_on timestamp NOT NULL DEFAULT now(), execution_time int NOT NULL, success boolean NOT NULL);\n\
         CREATE INDEX ON history (success);\n"
    );
    for number in 1..=PENDING {
        let _ = write!(
            script,
            "BEGIN;\n{}INSERT INTO history SELECT coalesce(max(installed_rank), 0) + 1, '{number}', 'change', 'SQL', \
             'V{number}__change.sql', 1, session_user, clock_timestamp(), 1, true FROM history;\n\
             INSERT INTO flotilla.ledger (run_id, tool, verb, operator, target, status, changed, duration_ms, detail) VALUES \
             ('6f1c3a34-3c3c-4d0e-9f0e-111111111111', 'psql', 'apply', 'bench', 's0', 'ok', true, 1, '{{\"version\": \"{number}\"}}');\n\
             COMMIT;\n",
            statements(number)
        );
    }
    script
}

/// One run over many databases that are up to date, beside one run of Flyway for each.
fn nothing_to_do() -> anyhow::Result<Figure> {
    // Flyway speaks TCP, and here without TLS; the tool by verify-full, as it should be.
    let fleet =
        Fleet::new().shards(DATABASES).tls(Identity::valid()).rule("host all migrator samehost trust").init().start();
    for number in 1..=3 {
        fleet.file(
            format!("migrations/V{number}__change.sql"),
            format!("CREATE TABLE t{number} (id bigint PRIMARY KEY);\n"),
        );
    }
    wall(&mut migrate(&fleet, &["apply", "-q", "--all"]))?;
    let mut times = Vec::new();
    for _ in 0..RUNS {
        times.push(wall(&mut migrate(&fleet, &["apply", "-q", "--all"]))?);
    }
    let here = median(times);
    let figure = Figure::new(format!("migrate apply, {DATABASES} databases, nothing to do"), ms(here));
    let Some(flyway) = flotilla::env::path(FLYWAY) else {
        return Ok(figure.target(format!("≥ 50 times as fast as Flyway; {FLYWAY} is not set"), false));
    };
    let mut beside = Duration::ZERO;
    for shard in 0..usize::from(DATABASES) {
        beside += wall(&mut by_flyway(&flyway, &fleet, shard))?;
    }
    let times = ratio(beside, here);
    Ok(figure.beside(format!("Flyway, one after another {}", ms(beside)), times).target("ratio ≥ 50", times >= 50.0))
}

fn by_flyway(flyway: &Path, fleet: &Fleet, shard: usize) -> Command {
    let mut command = Command::new(flyway);
    let url = format!("jdbc:postgresql://127.0.0.1:{}/app?sslmode=disable", fleet.primary(shard).port());
    let password = PASSWORDS.iter().find(|(role, _)| *role == "migrator").map_or("", |(_, password)| password);
    command
        .env_clear()
        .env("HOME", fleet.path())
        .env("PATH", "/usr/bin:/bin")
        .env("FLYWAY_PASSWORD", password)
        .current_dir(fleet.path())
        .arg(format!("-url={url}"))
        .args(["-user=migrator", "-locations=filesystem:migrations", "-skipCheckForUpdate", "migrate"]);
    command
}

fn migrate(fleet: &Fleet, args: &[&str]) -> Command {
    command(fleet, &binary("migrate").display().to_string(), args)
}

fn psql(fleet: &Fleet, script: &Path) -> Command {
    let host = fleet.primary(0).socket_folder().display().to_string();
    let script = script.display().to_string();
    let target = format!("host={host} port={} user=migrator dbname=app", fleet.primary(0).port());
    command(
        fleet,
        &program("psql").display().to_string(),
        &["-Xq", "-v", "ON_ERROR_STOP=1", "-d", &target, "-f", &script],
    )
}

/// A command in the environment that the fleet's tools are run in.
fn command(sandbox: &Sandbox, program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs(sandbox.environment()).current_dir(sandbox.path()).args(args);
    command
}
