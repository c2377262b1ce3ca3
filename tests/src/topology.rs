//! The text of a `flotilla.toml`, from the parts that a test cares about.

use std::fmt;
use std::path::Path;

/// A topology file to be written.
#[derive(Clone, Debug)]
pub struct Topology {
    /// The cluster's name.
    pub name: String,
    /// How many buckets.
    pub buckets: u32,
    /// The type of the key.
    pub key_type: String,
    /// The database.
    pub dbname: String,
    /// Lines of `[connect]`.
    pub connect: Vec<String>,
    /// The shards.
    pub shards: Vec<ShardEntry>,
    /// Whatever else, at the end.
    pub rest: String,
}

/// A shard in a topology file.
#[derive(Clone, Debug)]
pub struct ShardEntry {
    /// Its name.
    pub name: String,
    /// Its ranges, where the test gives them.
    pub initial_buckets: Option<Vec<String>>,
    /// Its servers.
    pub nodes: Vec<NodeEntry>,
}

/// A server in a topology file.
#[derive(Clone, Debug)]
pub struct NodeEntry {
    /// Its name.
    pub name: String,
    /// Host name or socket folder.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl Default for Topology {
    fn default() -> Self {
        Self {
            name: "demo".to_owned(),
            buckets: 1024,
            key_type: "bigint".to_owned(),
            dbname: "app".to_owned(),
            connect: Vec::new(),
            shards: Vec::new(),
            rest: String::new(),
        }
    }
}

impl Topology {
    /// Adds a shard of one node `NAME-a`, at a socket folder or host.
    #[must_use]
    pub fn shard(mut self, name: &str, host: impl AsRef<Path>, port: u16) -> Self {
        let host = host.as_ref().display().to_string();
        let node = NodeEntry { name: format!("{name}-a"), host, port };
        self.shards.push(ShardEntry { name: name.to_owned(), initial_buckets: None, nodes: vec![node] });
        self
    }

    /// Gives the last shard its first buckets.
    #[must_use]
    pub fn owning(mut self, ranges: &[&str]) -> Self {
        let shard = self.shards.last_mut().expect("a shard to own them");
        shard.initial_buckets = Some(ranges.iter().map(|range| (*range).to_owned()).collect());
        self
    }

    /// Adds a line to `[connect]`.
    #[must_use]
    pub fn connect(mut self, line: impl Into<String>) -> Self {
        self.connect.push(line.into());
        self
    }

    /// Adds text at the end.
    #[must_use]
    pub fn rest(mut self, text: &str) -> Self {
        self.rest.push_str(text);
        self
    }
}

impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, buckets, key_type, dbname, .. } = self;
        writeln!(f, "[cluster]\nname = {name:?}\nbuckets = {buckets}\nkey_type = {key_type:?}\ndbname = {dbname:?}\n")?;
        if !self.connect.is_empty() {
            writeln!(f, "[connect]\n{}\n", self.connect.join("\n"))?;
        }
        for shard in &self.shards {
            writeln!(f, "[[shards]]\nname = {:?}", shard.name)?;
            if let Some(ranges) = &shard.initial_buckets {
                writeln!(f, "initial_buckets = {ranges:?}")?;
            }
            for node in &shard.nodes {
                writeln!(
                    f,
                    "  [[shards.nodes]]\n  name = {:?}\n  host = {:?}\n  port = {}",
                    node.name, node.host, node.port
                )?;
            }
            writeln!(f)?;
        }
        f.write_str(&self.rest)
    }
}
