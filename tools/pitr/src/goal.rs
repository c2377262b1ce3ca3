//! The point to go back to, as the command line or a plan's line names it.

use std::fmt;

use chrono::{DateTime, Utc};
use flotilla::clock::rfc3339;
use flotilla::error::{Error, Result};
use flotilla_archive::wal::Lsn;

use crate::when::{self, When};

/// The point to go back to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// A time.
    Time(DateTime<Utc>),
    /// A position in the WAL.
    Lsn(Lsn),
    /// A transaction's end.
    Xid(u32),
    /// A named restore point.
    Name(String),
    /// The last that is proven to be in the archive.
    Latest,
}

impl Goal {
    /// The word for its kind.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Time(_) => "time",
            Self::Lsn(_) => "lsn",
            Self::Xid(_) => "xid",
            Self::Name(_) => "name",
            Self::Latest => "latest",
        }
    }

    /// Its value; none of the latest point.
    pub(crate) fn value(&self) -> Option<String> {
        match self {
            Self::Time(at) => Some(rfc3339(*at)),
            Self::Lsn(at) => Some(at.to_string()),
            Self::Xid(xid) => Some(xid.to_string()),
            Self::Name(name) => Some(name.clone()),
            Self::Latest => None,
        }
    }

    /// What was written as kind and value.
    pub(crate) fn read(kind: &str, value: Option<&str>) -> Option<Self> {
        Some(match (kind, value) {
            ("time", Some(text)) => Self::Time(when::parse(text).ok()?.at),
            ("lsn", Some(text)) => Self::Lsn(text.parse().ok()?),
            ("xid", Some(text)) => Self::Xid(text.parse().ok()?),
            ("name", Some(text)) => Self::Name(text.to_owned()),
            ("latest", _) => Self::Latest,
            _ => return None,
        })
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(at) => write!(f, "{}", rfc3339(*at)),
            Self::Lsn(at) => write!(f, "WAL position {at}"),
            Self::Xid(xid) => write!(f, "transaction {xid}"),
            Self::Name(name) => write!(f, "restore point \"{name}\""),
            Self::Latest => f.write_str("the latest point"),
        }
    }
}

/// Which point.
#[derive(Clone, Debug, clap::Args)]
#[group(id = "goal", multiple = false)]
pub(crate) struct GoalArgs {
    /// Go back to this time; without an offset it is UTC
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    to: Option<When>,
    /// Go back to this WAL position
    #[arg(long, value_name = "LSN", value_parser = lsn)]
    lsn: Option<Lsn>,
    /// Go back to the end of this transaction
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(u32).range(3..))]
    xid: Option<u32>,
    /// Go back to this restore point
    #[arg(long, value_name = "POINT")]
    name: Option<String>,
    /// Go to the last that is proven to be in the archive
    #[arg(long)]
    latest: bool,
}

/// How the point is to be taken.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct SideArgs {
    /// Leave out what happened exactly at the time, position or transaction
    #[arg(long, requires = "goal")]
    pub(crate) exclusive: bool,
}

fn lsn(text: &str) -> Result<Lsn, String> {
    text.parse()
        .map_err(|e: flotilla_archive::Corrupt| format!("{e}; write it as PostgreSQL does, such as 16/B374D848"))
}

impl GoalArgs {
    /// The point, and the time as it was given; none where no point was named.
    pub(crate) fn goal(&self) -> Option<Goal> {
        let to = self.to.map(|when| Goal::Time(when.at));
        let latest = self.latest.then_some(Goal::Latest);
        let name = self.name.clone().map(Goal::Name);
        to.or(self.lsn.map(Goal::Lsn)).or(self.xid.map(Goal::Xid)).or(name).or(latest)
    }

    /// The point, which must be named.
    pub(crate) fn required(&self) -> Result<Goal> {
        self.goal().ok_or_else(|| {
            Error::usage("no point was named; nothing was touched")
                .hint("Give one of --to TIME, --lsn LSN, --xid ID, --name POINT and --latest.")
        })
    }

    /// The time as it was given.
    pub(crate) fn when(&self) -> Option<When> {
        self.to
    }
}
