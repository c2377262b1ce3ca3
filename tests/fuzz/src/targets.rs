//! Target lines.

use std::path::Path;

use flotilla::config::Config;
use flotilla::target;

use crate::refusal;

const TOPOLOGY: &str = r#"
cluster = { name = "demo", dbname = "app" }
shards = [
  { name = "s0", nodes = [{ name = "s0-a", host = "/a" }, { name = "s0-b", host = "/b" }] },
  { name = "s1", nodes = [{ name = "s1-a", host = "/c" }] },
]
"#;

pub(crate) fn run(bytes: &[u8]) {
    let config = Config::parse(TOPOLOGY, Path::new("flotilla.toml")).expect("a topology");
    let read = target::read_with_lines(&config, bytes);
    assert_eq!(read.is_ok(), target::read(&config, bytes).is_ok());
    let targets = match read {
        Err(error) => return refusal(&error),
        Ok(targets) => targets,
    };
    let mut names: Vec<&str> = targets.iter().map(|target| target.name.as_str()).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert!(all > 0 && names.len() == all, "a target stands twice");
    for target in &targets {
        assert!(target.lines.iter().all(|line| line["target"] == *target.name));
        let good = |status: Option<&serde_json::Value>| status.is_none_or(|s| s == "ok" || s == "planned");
        // One bad line is enough, and nothing else is.
        let bad = target.lines.iter().any(|line| !good(line.get("status")));
        assert_eq!(target.upstream_failure.is_some(), bad, "{:?}", target.lines);
    }
}
