//! Fan-out to many targets: time and memory.

use std::process::Command;

use flotilla_native::postgres::program;
use flotilla_tests::{Sandbox, Topology, binary};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::child::{Cost, fed};
use crate::figure::{Figure, mib, ms, ratio, ratio_of_memory};
use crate::standin::StandIn;

const FEW: u16 = 100;
const MANY: u16 = 1000;
const SQL: &str = "SELECT 42 AS answer";
/// As many as the tool works on at once.
const JOBS: &str = "16";

/// One row from each of 100 and of 1,000 targets; as many connections by psql beside it.
pub(crate) fn measure() -> anyhow::Result<Vec<Figure>> {
    let files = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: files.maximum, ..files })?;
    let servers = StandIn::start(MANY)?;
    let sandbox = Sandbox::new();
    let few = shardctl(&sandbox, &servers.ports()[..FEW.into()], &[])?;
    let many = shardctl(&sandbox, servers.ports(), &[])?;
    // Reads the topology and writes a line for each target, without a connection.
    let dry = shardctl(&sandbox, servers.ports(), &["--dry-run"])?;
    let psql = psql(&sandbox, servers.ports())?;
    let each = |cost: Cost, targets: u16| cost.wall / u32::from(targets);
    Ok(vec![
        Figure::new(format!("sql --all, {MANY} targets, peak memory"), mib(many.peak))
            .beside(format!("{FEW} targets {}", mib(few.peak)), ratio_of_memory(many.peak, few.peak)),
        Figure::new("the same, beyond what the topology takes", mib(many.peak))
            .beside(format!("--dry-run {}", mib(dry.peak)), ratio_of_memory(many.peak, dry.peak))
            .ratio_at_most(1.25),
        Figure::new("the same, time for each target", ms(each(many, MANY)))
            .beside(format!("{FEW} targets {}", ms(each(few, FEW))), ratio(each(many, MANY), each(few, FEW))),
        Figure::new("the same, beside psql", ms(each(many, MANY)))
            .beside(format!("xargs -P {JOBS} psql {}", ms(each(psql, MANY))), ratio(many.wall, psql.wall)),
    ])
}

fn shardctl(sandbox: &Sandbox, ports: &[u16], flags: &[&str]) -> anyhow::Result<Cost> {
    let topology = Topology::default().connect("sslmode = \"disable\"");
    let topology = ports
        .iter()
        .enumerate()
        .fold(topology, |topology, (at, port)| topology.shard(&format!("s{at}"), "127.0.0.1", *port));
    let config = sandbox.file(format!("{}.toml", ports.len()), topology.to_string());
    let mut command = Command::new(binary("shardctl"));
    command.env_clear().args(["sql", "--all", "--jobs", JOBS, SQL, "--config"]).arg(config).args(flags);
    fed(&mut command, None)
}

fn psql(sandbox: &Sandbox, ports: &[u16]) -> anyhow::Result<Cost> {
    let lines = ports.iter().map(u16::to_string).collect::<Vec<_>>().join("\n");
    let list = sandbox.file("ports", lines);
    let mut xargs = Command::new("xargs");
    xargs.env_clear().args(["-P", JOBS, "-I{}"]).arg(program("psql"));
    xargs.args(["-XAtq", "-d", "host=127.0.0.1 port={} user=app dbname=app sslmode=disable", "-c", SQL]);
    fed(&mut xargs, Some(&list))
}
