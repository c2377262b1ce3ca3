//! How long a tool takes to start: what every line of a crontab and every pipe pays.

use std::process::Command;
use std::time::Duration;

use flotilla_native::postgres::program;
use flotilla_tests::binary;

use crate::child::wall;
use crate::figure::{Figure, median, ms, ratio};

const TOOLS: [&str; 6] = ["shardctl", "migrate", "walg-wrap", "pitr", "poolcfg", "healthcheck"];
const RUNS: usize = 30;
const MOST: Duration = Duration::from_millis(10);

/// `--version` of every tool, of psql, and a program that does nothing, in turn.
pub(crate) fn measure() -> anyhow::Result<Vec<Figure>> {
    let mut commands: Vec<Command> = TOOLS.map(|tool| Command::new(binary(tool))).into();
    commands.extend([Command::new(program("psql")), Command::new("true")]);
    let mut times = vec![Vec::with_capacity(RUNS); commands.len()];
    for command in &mut commands {
        command.arg("--version").env_clear();
    }
    for _ in 0..RUNS {
        for (command, times) in commands.iter_mut().zip(&mut times) {
            times.push(wall(command)?);
        }
    }
    let medians: Vec<Duration> = times.into_iter().map(median).collect();
    let (tools, others) = medians.split_at(TOOLS.len());
    let beside = format!("psql {}, true {}", ms(others[0]), ms(others[1]));
    let figure = |(tool, took): (&str, &Duration)| {
        let figure = Figure::new(format!("{tool} --version"), ms(*took));
        figure.beside(&*beside, ratio(*took, others[0])).target("≤ 10 ms", *took <= MOST)
    };
    Ok(TOOLS.into_iter().zip(tools).map(figure).collect())
}
