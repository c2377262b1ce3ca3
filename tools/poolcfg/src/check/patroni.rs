//! What rules need of Patroni's file: how long a lease lasts, and how many connections a server takes.

use flotilla::{Error, Result};
use yaml_rust2::{Yaml, YamlLoader};

/// The numbers of a file, or of what `patronictl show-config` prints.
#[derive(Clone, Debug, Default)]
pub(crate) struct Patroni {
    /// Seconds that a lease lasts.
    ttl: Option<i64>,
    /// Seconds between two rounds.
    loop_wait: Option<i64>,
    /// Seconds that a failing request is tried again.
    retry_timeout: Option<i64>,
    /// PostgreSQL's `max_connections`.
    pub(crate) max_connections: Option<i64>,
}

impl Patroni {
    /// Reads a text.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let all = YamlLoader::load_from_str(text)
            .map_err(|source| Error::input("not YAML").hint("Give Patroni's configuration file.").source(source))?;
        let root = all.first().cloned().unwrap_or(Yaml::Null);
        let dynamic = match &root["bootstrap"]["dcs"] {
            Yaml::BadValue => &root,
            dcs => dcs,
        };
        let number = |yaml: &Yaml| yaml.as_i64().or_else(|| yaml.as_str().and_then(|text| text.parse().ok()));
        let of = |key: &str| number(&dynamic[key]);
        let max = |yaml: &Yaml| number(&yaml["postgresql"]["parameters"]["max_connections"]);
        Ok(Self {
            ttl: of("ttl"),
            loop_wait: of("loop_wait"),
            retry_timeout: of("retry_timeout"),
            max_connections: max(dynamic).or_else(|| max(&root)),
        })
    }

    /// Seconds that a lease lasts; Patroni's default where the file doesn't say.
    pub(crate) fn ttl(&self) -> i64 {
        self.ttl.unwrap_or(30)
    }

    /// Seconds between two rounds.
    pub(crate) fn loop_wait(&self) -> i64 {
        self.loop_wait.unwrap_or(10)
    }

    /// Seconds that a failing request is tried again.
    pub(crate) fn retry_timeout(&self) -> i64 {
        self.retry_timeout.unwrap_or(10)
    }
}

#[cfg(test)]
mod tests {
    use super::Patroni;

    #[test]
    fn numbers_are_found_at_both_places() {
        let file = "scope: s\nbootstrap:\n  dcs:\n    ttl: 20\n    postgresql:\n      parameters:\n        max_connections: 250\n";
        let file = Patroni::parse(file).expect("a file");
        assert_eq!((file.ttl(), file.loop_wait(), file.max_connections), (20, 10, Some(250)));
        let shown = Patroni::parse("loop_wait: 5\nttl: 30\n").expect("what is shown");
        assert_eq!((shown.loop_wait(), shown.max_connections), (5, None));
        assert!(Patroni::parse("a: [").is_err());
    }
}
