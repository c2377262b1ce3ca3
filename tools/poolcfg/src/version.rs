//! Versions of programs: which keys a file may have, and what a reload does, depends on them.

use std::fmt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use flotilla::{Code, Error, Result, env};

/// A release: major, minor and patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The first number.
    pub major: u16,
    /// The second.
    pub minor: u16,
    /// The third; 0 where none is given.
    pub patch: u16,
}

impl Version {
    /// This release, without a patch.
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor, patch: 0 }
    }

    /// The first word that looks like a release: `PgBouncer 1.18.0`, `HAProxy version 2.6.12-1+deb12u4`.
    pub fn find(text: &str) -> Option<Self> {
        text.split(|c: char| c.is_whitespace() || c == ',').find_map(Self::parse)
    }

    /// Reads `1.18`, `2.6.12` or `2.6.12-1+deb12u4`.
    pub fn parse(text: &str) -> Option<Self> {
        let number = text.split(|c: char| !c.is_ascii_digit() && c != '.').next()?;
        let mut parts = number.split('.').map(str::parse::<u16>);
        let (major, minor) = (parts.next()?.ok()?, parts.next()?.ok()?);
        let patch = match parts.next() {
            Some(patch) => patch.ok()?,
            None => 0,
        };
        Some(Self { major, minor, patch })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// A program whose configuration this tool writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// PgBouncer.
    Pgbouncer,
    /// HAProxy.
    Haproxy,
    /// Prometheus's own checker.
    Promtool,
}

impl Program {
    /// Its name on the PATH.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pgbouncer => "pgbouncer",
            Self::Haproxy => "haproxy",
            Self::Promtool => "promtool",
        }
    }

    /// The oldest release whose configuration this tool knows; also what is assumed where none is installed.
    pub const fn oldest(self) -> Version {
        match self {
            Self::Pgbouncer => Version::new(1, 16),
            Self::Haproxy => Version::new(2, 4),
            Self::Promtool => Version::new(2, 0),
        }
    }

    /// Where it is: on the PATH, or where Debian puts it, for a crontab's PATH has no `sbin`.
    pub fn find(self) -> Option<PathBuf> {
        let path = env::path("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/bin"].map(PathBuf::from));
        let is_program = |path: &PathBuf| {
            use std::os::unix::fs::PermissionsExt as _;
            path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
        };
        folders.map(|folder| folder.join(self.name())).find(is_program)
    }

    /// The installed release; none where the program isn't installed or doesn't say.
    pub fn installed(self) -> Option<Version> {
        let flag = if self == Self::Haproxy { "-v" } else { "--version" };
        let output = Command::new(self.find()?).arg(flag).stdin(Stdio::null()).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout);
        Version::find(&text).or_else(|| Version::find(&String::from_utf8_lossy(&output.stderr)))
    }
}

/// `--for-version`: for which release of which program.
#[derive(Clone, Copy, Debug, Default)]
pub struct Versions {
    /// PgBouncer's, where it was given.
    pub pgbouncer: Option<Version>,
    /// HAProxy's, where it was given.
    pub haproxy: Option<Version>,
}

impl Versions {
    /// Reads `pgbouncer=1.25` and `haproxy=2.8`.
    pub fn parse(words: &[String]) -> Result<Self> {
        let mut versions = Self::default();
        for word in words {
            let (program, version) = word.split_once('=').unwrap_or_default();
            let version = Version::parse(version).filter(|_| !program.is_empty());
            let bad = || {
                Error::usage(format!("{word:?} is no version of a program"))
                    .hint("Write it as pgbouncer=1.25 or haproxy=2.8.")
            };
            let version = version.ok_or_else(bad)?;
            let (program, place) = match program {
                "pgbouncer" => (Program::Pgbouncer, &mut versions.pgbouncer),
                "haproxy" => (Program::Haproxy, &mut versions.haproxy),
                _ => return Err(bad()),
            };
            if version < program.oldest() {
                return Err(Error::new(
                    Code::Usage,
                    format!(
                        "{} {version} is older than {}, the oldest that is known",
                        program.name(),
                        program.oldest()
                    ),
                )
                .hint("Update it; or write its configuration by hand."));
            }
            *place = Some(version);
        }
        Ok(versions)
    }

    /// What was given, else what is installed, else the oldest that is known.
    pub fn of(self, program: Program) -> Version {
        let given = match program {
            Program::Pgbouncer => self.pgbouncer,
            Program::Haproxy => self.haproxy,
            Program::Promtool => None,
        };
        given.or_else(|| program.installed()).unwrap_or(program.oldest())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_say_their_versions_in_their_own_ways() {
        let version = |text| Version::find(text).map(|v| v.to_string());
        assert_eq!(version("PgBouncer 1.18.0\nlibevent 2.1.12"), Some("1.18.0".to_owned()));
        assert_eq!(
            version("HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/"),
            Some("2.6.12".to_owned())
        );
        assert_eq!(version("no number here"), None);
    }

    #[test]
    fn versions_are_given_by_program() {
        let words = |words: &[&str]| Versions::parse(&words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>());
        let both = words(&["pgbouncer=1.25", "haproxy=2.8.1"]).expect("versions");
        assert_eq!((both.pgbouncer, both.haproxy.map(|v| v.patch)), (Some(Version::new(1, 25)), Some(1)));
        for bad in ["1.25", "pgbouncer", "pgbouncer=", "nginx=1.2", "pgbouncer=1.12"] {
            assert!(words(&[bad]).is_err(), "{bad}");
        }
    }
}
