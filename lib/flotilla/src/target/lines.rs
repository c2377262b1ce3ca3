//! Target lines: JSON objects with a `target` key, or bare names.

use std::collections::HashMap;
use std::io::Read;

use serde_json::{Map, Value};

use super::{Index, Target};
use crate::config::Config;
use crate::error::{Code, Error, Result};
use crate::input::{self, Lines};

/// Reads target lines. All are checked before any is worked on; an empty pipe is an error, for a crashed
/// tool leaves one. Memory doesn't grow with the lines.
pub fn read(config: &Config, source: impl Read) -> Result<Vec<Target>> {
    gather(config, source, false)
}

/// Reads target lines, and keeps the objects among them in [`Target::lines`].
pub fn read_with_lines(config: &Config, source: impl Read) -> Result<Vec<Target>> {
    gather(config, source, true)
}

fn gather(config: &Config, source: impl Read, keep: bool) -> Result<Vec<Target>> {
    let index = Index::new(config);
    let mut lines = Lines::new(source);
    let mut targets: Vec<Target> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    while let Some(line) =
        lines.next_line().map_err(|e| Error::new(Code::Io, "could not read standard input").source(e))?
    {
        let number = line.number;
        let text = input::text(line.bytes?, number)?.trim();
        if text.is_empty() {
            continue;
        }
        let object = if text.starts_with('{') { Some(object(text, number)?) } else { None };
        let name = object.as_ref().map_or(Ok(text), |object| name(object, number))?;
        let at = if let Some(at) = places.get(name) {
            *at
        } else {
            targets.push(index.target(name).map_err(|e| e.within(format_args!("line {number}")))?);
            places.insert(name.to_owned(), targets.len() - 1);
            targets.len() - 1
        };
        let target = &mut targets[at];
        // One bad line about a target outweighs its good ones.
        if target.upstream_failure.is_none() {
            target.upstream_failure = object.as_ref().and_then(failure);
        }
        target.lines.extend(object.filter(|_| keep));
    }
    if targets.is_empty() {
        return Err(Error::new(Code::NoTargets, "no target came through the pipe; nothing was touched")
            .hint("Did the tool before fail? Name targets with -t NAME, or give --all."));
    }
    Ok(targets)
}

fn object(text: &str, number: u64) -> Result<Map<String, Value>> {
    let map = input::object(text, number)?;
    input::check_major(&map, number)?;
    Ok(map)
}

fn name(object: &Map<String, Value>, number: u64) -> Result<&str> {
    object.get("target").and_then(Value::as_str).ok_or_else(|| {
        Error::input(format!("line {number} has no \"target\""))
            .hint("Lines for this verb name a target, for example {\"target\":\"s0\"}.")
    })
}

/// The status of a line whose tool failed.
fn failure(object: &Map<String, Value>) -> Option<String> {
    match object.get("status")? {
        Value::String(status) if status == "ok" || status == "planned" => None,
        Value::String(status) => Some(status.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::path::Path;

    use super::*;

    fn config(nodes: usize) -> Config {
        let mut text = "[cluster]\nname = \"demo\"\ndbname = \"app\"\n[[shards]]\nname = \"s0\"\n".to_owned();
        for node in 0..nodes {
            let _ = writeln!(text, "[[shards.nodes]]\nname = \"n{node}\"\nhost = \"/tmp/{node}\"");
        }
        Config::parse(&text, Path::new("flotilla.toml")).expect("a topology")
    }

    #[test]
    fn the_lines_of_a_target_are_kept_in_their_order() {
        let lines = concat!(
            "{\"target\":\"n1\",\"status\":\"planned\",\"step\":1}\n",
            "n0\n",
            "{\"target\":\"n1\",\"status\":\"ok\",\"step\":2}\n",
            "{\"target\":\"n0\",\"step\":3}\n",
        );
        let targets = read_with_lines(&config(2), lines.as_bytes()).expect("targets");
        let steps = |target: &Target| target.lines.iter().map(|line| line["step"].to_string()).collect::<Vec<_>>();
        let seen: Vec<_> = targets.iter().map(|target| (target.name.as_str(), steps(target))).collect();
        assert_eq!(seen, [("n1", vec!["1".to_owned(), "2".to_owned()]), ("n0", vec!["3".to_owned()])]);
        assert!(read(&config(2), lines.as_bytes()).expect("targets").iter().all(|target| target.lines.is_empty()));
    }

    #[test]
    fn one_bad_line_outweighs_the_good_ones_before_and_after() {
        let line = |status: &str| format!("{{\"target\":\"n0\",\"status\":{status}}}\n");
        let all = [line("\"ok\""), line("\"error\""), line("7"), line("\"planned\"")].concat();
        let targets = read(&config(1), all.as_bytes()).expect("targets");
        assert_eq!(targets[0].upstream_failure.as_deref(), Some("error"));
        let targets = read(&config(1), line("7").as_bytes()).expect("targets");
        assert_eq!(targets[0].upstream_failure.as_deref(), Some("7"));
    }

    /// Compared name by name, this would be eight hundred million comparisons.
    #[test]
    fn many_lines_of_many_targets_are_looked_up() {
        let mut lines = String::new();
        for line in 0..400_000 {
            let _ = writeln!(lines, "n{}", line % 2000);
        }
        let targets = read(&config(2000), lines.as_bytes()).expect("targets");
        assert_eq!((targets.len(), targets[1999].name.as_str()), (2000, "n1999"));
    }
}
