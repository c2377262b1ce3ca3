//! Silences: what somebody has said not to be told of for a while.

use std::path::Path;

use chrono::{DateTime, Utc};
use flotilla::{Error, Result, clock};
use serde::Deserialize;

/// A file of silences.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Silences {
    silence: Vec<Silence>,
}

/// One silence. What it doesn't name it covers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Silence {
    component: Option<String>,
    instance: Option<String>,
    shard: Option<String>,
    check: Option<String>,
    /// From then on it counts for nothing.
    until: DateTime<Utc>,
    /// Why, for whoever reads the file.
    #[expect(dead_code, reason = "asked for, so that there is one")]
    reason: String,
}

/// What an alert is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About<'a> {
    pub(crate) component: &'a str,
    pub(crate) instance: &'a str,
    pub(crate) shard: Option<&'a str>,
    pub(crate) check: &'a str,
}

impl Silences {
    /// Those of a file; none where none is given, or where it isn't there: then nobody asked for silence.
    pub(crate) fn read(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else { return Ok(Self::default()) };
        let at = path.display();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Error::config(format!("could not read {at}")).source(error)),
        };
        toml::from_str(&text).map_err(|e| {
            Error::config(format!("{at}: {}", e.message().trim().replace('\n', ", ")))
                .hint("Each [[silence]] has `until` and `reason`, and may have component, instance, shard and check.")
        })
    }

    /// Whether an alert is to be kept quiet now.
    pub(crate) fn cover(&self, about: About<'_>) -> bool {
        let is =
            |wanted: &Option<String>, given: Option<&str>| wanted.as_deref().is_none_or(|wanted| given == Some(wanted));
        self.now().any(|one| {
            is(&one.component, Some(about.component))
                && is(&one.instance, Some(about.instance))
                && is(&one.shard, about.shard)
                && is(&one.check, Some(about.check))
        })
    }

    /// Whether a node as a whole is under maintenance: a silence names it, and no part of it alone.
    pub(crate) fn cover_node(&self, shard: &str, node: &str) -> bool {
        self.now().any(|one| {
            let whole = one.component.is_none() && one.check.is_none();
            whole && one.instance.as_deref() == Some(node) && one.shard.as_deref().is_none_or(|name| name == shard)
        })
    }

    fn now(&self) -> impl Iterator<Item = &Silence> {
        let now = clock::now();
        self.silence.iter().filter(move |one| one.until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::{About, Silences};

    #[test]
    fn a_silence_covers_what_it_names_until_it_ends() {
        let text = "[[silence]]\ninstance = 's0-b'\nuntil = '2999-01-01T00:00:00Z'\nreason = 'new disk'\n\
                    [[silence]]\nshard = 's1'\ncheck = 'lag_bytes'\nuntil = '2999-01-01T00:00:00Z'\nreason = 'load'\n\
                    [[silence]]\nuntil = '2001-01-01T00:00:00Z'\nreason = 'long ago'\n";
        let silences: Silences = toml::from_str(text).unwrap();
        let about = |instance, shard, check| About { component: "postgresql", instance, shard: Some(shard), check };
        assert!(silences.cover(about("s0-b", "s0", "up")));
        assert!(!silences.cover(about("s0-a", "s0", "up")));
        assert!(silences.cover(about("s1-a", "s1", "lag_bytes")));
        assert!(!silences.cover(about("s1-a", "s1", "up")));
        assert!(silences.cover_node("s0", "s0-b") && !silences.cover_node("s1", "s1-a"));
        assert!(
            toml::from_str::<Silences>("[[silence]]\nuntil = '2999-01-01T00:00:00Z'\n").is_err(),
            "a reason is asked for"
        );
    }
}
