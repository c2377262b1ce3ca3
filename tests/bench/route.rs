//! `shardctl route`: how many keys a second, and in how much memory.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use flotilla_native::postgres::program;
use flotilla_tests::{Fleet, binary};

use crate::child::{Cost, fed, wall};
use crate::figure::{Figure, mib, millions, rate, ratio, ratio_of_memory};

const KEYS: u32 = 10_000_000;
const FEW: u32 = 1_000_000;
const LEAST: f64 = 2e6;

/// Routes the same keys here and by the server's own function, plain and as JSON lines.
pub(crate) fn measure() -> anyhow::Result<Vec<Figure>> {
    let fleet = Fleet::new().init().start();
    let map = fleet.path().join("map.json");
    fleet.shardctl(["map", &format!("--export={}", map.display())]).run().ok();
    // Ids as a cluster makes them: up to 19 digits, the longest that a key gets.
    fleet.sql(
        0,
        &format!(
            "CREATE UNLOGGED TABLE keys AS SELECT hashint8extended(n, 7) & {} AS k FROM generate_series(1, {KEYS}) n",
            i64::MAX
        ),
    );
    let keys = write(&fleet, "keys", "SELECT k FROM keys");
    let few = write(&fleet, "few", &format!("SELECT k FROM keys LIMIT {FEW}"));
    let event = r#"{"user_id":%s,"event":"page_view","at":"2026-11-23T07:02:11.482913Z","path":"/orders/2026"}"#;
    let events = write(&fleet, "events", &format!("SELECT format('{event}', k) FROM keys LIMIT {FEW}"));

    let route = |input: &Path, field: &[&str]| -> anyhow::Result<Cost> {
        let mut command = Command::new(binary("shardctl"));
        command.args(["route", "--by", "key", "--map"]).arg(&map).args(field).env_clear();
        fed(&mut command, Some(input))
    };
    let (small, plain) = (route(&few, &[])?, route(&keys, &[])?);
    let json = route(&events, &["--field", "user_id"])?;
    let server = psql(&fleet, "COPY (SELECT flotilla.bucket(k) FROM keys) TO STDOUT")?;
    let mut jq = Command::new("jq");
    let jq = fed(jq.args(["-c", ".user_id"]).env_clear(), Some(&events)).context("jq is needed to compare with")?;

    Ok(vec![
        Figure::new(format!("route, {} M plain keys, by CPU time", KEYS / 1_000_000), millions(KEYS, plain.cpu))
            .target("≥ 2 M/s on one core", rate(KEYS, plain.cpu) >= LEAST),
        Figure::new("the same, by the clock", millions(KEYS, plain.wall)).beside(
            format!("psql COPY (SELECT flotilla.bucket(k) …) {}", millions(KEYS, server)),
            ratio(plain.wall, server),
        ),
        Figure::new("route --field, 1 M JSON lines, by CPU time", millions(FEW, json.cpu))
            .beside(format!("jq -c .user_id {}", millions(FEW, jq.cpu)), ratio(json.cpu, jq.cpu)),
        Figure::new(format!("route, peak memory at {} M keys", KEYS / 1_000_000), mib(plain.peak))
            .beside(format!("at 1 M keys {}", mib(small.peak)), ratio_of_memory(plain.peak, small.peak))
            .ratio_at_most(1.1),
    ])
}

/// Has the server write rows to a file that it may write to.
fn write(fleet: &Fleet, name: &str, query: &str) -> PathBuf {
    let path = fleet.primary(0).folder().join(name);
    fleet.sql(0, &format!("COPY ({query}) TO '{}'", path.display()));
    path
}

fn psql(fleet: &Fleet, sql: &str) -> anyhow::Result<std::time::Duration> {
    let mut psql = Command::new(program("psql"));
    psql.args(["-XAtq", "-d", &fleet.primary(0).conninfo(&fleet.topology.dbname), "-c", sql]).env_clear();
    wall(psql.current_dir("/"))
}
