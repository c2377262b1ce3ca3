//! `shardctl sql --all` beside psql on the same shards.

use std::process::Command;
use std::thread;
use std::time::Duration;

use flotilla_native::postgres::program;
use flotilla_tests::{Fleet, binary};

use crate::child::wall;
use crate::figure::{Figure, median, ms, ratio};

const RUNS: usize = 15;
const SHARDS: u8 = 2;
const SQL: &str = "SELECT count(*) FROM visits";
const MOST: f64 = 1.2;

/// Counts a million rows on each of two shards: by the tool, by psql on one after the other, and
/// by psql on both at once.
pub(crate) fn measure() -> anyhow::Result<Vec<Figure>> {
    // One process for each shard: with parallel workers, shards on one machine take each other's cores.
    let fleet = Fleet::new().shards(SHARDS).init().set("max_parallel_workers_per_gather", "0").start();
    load(&fleet);
    let rows: Vec<String> = (0..SHARDS).map(|shard| fleet.sql(shard.into(), SQL)).collect();

    let mut here = Vec::new();
    let mut alone = vec![Vec::new(); usize::from(SHARDS)];
    let mut together = Vec::new();
    for _ in 0..RUNS {
        here.push(wall(&mut shardctl(&fleet))?);
        for (shard, times) in alone.iter_mut().enumerate() {
            times.push(wall(&mut psql(&fleet, shard))?);
        }
        together.push(at_once(&fleet)?);
    }
    let here = median(here);
    let slowest = alone.into_iter().map(median).max().unwrap_or_default();
    let together = median(together);
    let figure = |what: String, beside: &str, other: Duration| {
        Figure::new(what, ms(here)).beside(format!("{beside} {}", ms(other)), ratio(here, other)).ratio_at_most(MOST)
    };
    Ok(vec![
        figure(format!("sql --all '{SQL}', {} rows", rows.join(" + ")), "psql, the slowest shard alone", slowest),
        figure("the same".to_owned(), "psql on both at once", together),
    ])
}

/// A sharded table in which each shard has its own million of two.
fn load(fleet: &Fleet) {
    fleet
        .shardctl(["sql", "--all", "--as", "migrator", "CREATE TABLE visits (user_id bigint PRIMARY KEY, note text)"])
        .run()
        .ok();
    fleet.shardctl(["sql", "--all", "--as", "migrator", "SELECT flotilla.protect('visits', 'user_id')"]).run().ok();
    for shard in 0..usize::from(SHARDS) {
        fleet.sql(
            shard,
            "INSERT INTO visits SELECT n, 'a note of some length' FROM generate_series(1, 2000000) n
             JOIN flotilla.ownership o ON o.state = 'owned' AND flotilla.bucket(n) BETWEEN first_bucket AND last_bucket",
        );
        fleet.sql(shard, "VACUUM (ANALYZE) visits");
    }
}

fn shardctl(fleet: &Fleet) -> Command {
    let mut command = Command::new(binary("shardctl"));
    command.env_clear().args(["sql", "--all", SQL, "--config"]).arg(fleet.path().join("flotilla.toml"));
    command.env("PGPASSFILE", fleet.path().join("passwords"));
    command
}

/// By the same role over the same socket, so that the login costs the same.
fn psql(fleet: &Fleet, shard: usize) -> Command {
    let server = fleet.primary(shard);
    let address = format!("host={} port={} user=app", server.socket_folder().display(), server.port());
    let mut command = Command::new(program("psql"));
    command.env_clear().args(["-XAtq", "-d", &format!("{address} dbname={}", fleet.topology.dbname), "-c", SQL]);
    command.env("PGPASSFILE", fleet.path().join("passwords")).current_dir("/");
    command
}

/// psql on all shards at the same time; how long the slowest took.
fn at_once(fleet: &Fleet) -> anyhow::Result<Duration> {
    let commands: Vec<Command> = (0..usize::from(SHARDS)).map(|shard| psql(fleet, shard)).collect();
    let running: Vec<_> = commands.into_iter().map(|mut command| thread::spawn(move || wall(&mut command))).collect();
    let times = running.into_iter().map(|run| run.join().map_err(|_| anyhow::anyhow!("a thread panicked"))?);
    let times = times.collect::<anyhow::Result<Vec<_>>>()?;
    Ok(times.into_iter().max().unwrap_or_default())
}
