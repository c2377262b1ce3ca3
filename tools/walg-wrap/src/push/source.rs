//! Where a backup is taken from: a walsender that sends it, and a session on the primary.

use std::str::FromStr;
use std::time::Duration;

use flotilla::config::{Node, Shard};
use flotilla::error::{Code, Error, Result};
use flotilla::pg::replication::Replication;
use flotilla::pg::{Session, SessionAttrs, advisory};
use flotilla::{Context, reach};
use flotilla_archive::archive::Pin;
use flotilla_archive::wal::{Lsn, SegmentSize, Timeline};
use tokio::time::Instant;

/// Between looks at how far a standby has come.
const PAUSE: Duration = Duration::from_millis(100);

/// Which server is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// The primary.
    Primary,
    /// A standby, and nothing else.
    Standby,
    /// This node.
    Node(String),
}

impl FromStr for From {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "" => Err("name primary, standby or a node".to_owned()),
            "primary" => Ok(Self::Primary),
            "standby" => Ok(Self::Standby),
            node => Ok(Self::Node(node.to_owned())),
        }
    }
}

impl From {
    /// The node of this name.
    pub(crate) fn node<'a>(shard: &'a Shard, name: &str) -> Result<&'a Node> {
        shard.nodes.iter().find(|node| node.name == *name).ok_or_else(|| {
            Error::usage(format!("shard \"{}\" has no node \"{name}\"", shard.name))
                .hint("Use primary, standby, or a name from the topology.")
        })
    }
}

/// A server that is to be backed up.
pub(crate) struct Source {
    pub(crate) stream: Replication,
    /// On the primary.
    pub(crate) session: Session,
    /// On the standby that is backed up, if it is one.
    standby: Option<Session>,
    /// The node's name.
    pub(crate) node: String,
    pub(crate) system: u64,
    pub(crate) timeline: Timeline,
    /// Where the primary's WAL stands.
    pub(crate) at: Lsn,
    pub(crate) segment_size: SegmentSize,
    /// `server_version_num`.
    pub(crate) version: u32,
    /// Empty where this user may not know it.
    pub(crate) data_dir: String,
    pub(crate) host: String,
}

const FACTS: &str = "SELECT current_setting('server_version_num'), \
    (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_segment_size'), current_setting('archive_mode'), \
    coalesce((SELECT setting FROM pg_catalog.pg_settings WHERE name = 'data_directory'), ''), \
    pg_catalog.pg_current_wal_lsn()";

impl Source {
    pub(crate) async fn open(cx: &Context, shard: &Shard, from: Option<&From>) -> Result<Self> {
        let config = cx.config()?;
        let user = &config.users.backup;
        let session = cx.connect(reach::primary(config, shard, user)?).await?;
        let rows = session.simple(FACTS).await?;
        let odd = || Error::new(Code::QueryFailed, "the server doesn't say what it is");
        let row = rows.first().ok_or_else(odd)?;
        let text = |at: usize| row.get(at).ok_or_else(odd);
        if text(2)? == "off" {
            return Err(Error::new(Code::Unsupported, "archive_mode is off; nothing was touched").hint(
                "A backup is worth nothing without its WAL. Set archive_mode and archive_command, and restart the server.",
            ));
        }
        let bytes = text(1)?.parse().map_err(|_| odd())?;
        let (version, data_dir, at) =
            (text(0)?.parse().map_err(|_| odd())?, text(3)?.to_owned(), text(4)?.parse::<Lsn>()?);
        let (mut stream, node) = Self::stream(cx, shard, from).await?;
        let identity = stream.identify().await?;
        let mut primary = reach::primary(config, shard, user)?.connect_replication().await?;
        let authority = primary.identify().await?;
        primary.close().await;
        if identity.system_identifier != authority.system_identifier {
            return Err(Error::new(
                Code::WrongSystem,
                format!("node \"{node}\" is of another system than the primary of shard \"{}\"", shard.name),
            )
            .hint("Nothing was touched. Set the node up again as a standby of this shard."));
        }
        let standby = if reach::node_at(shard, session.host())?.name == node {
            None
        } else {
            Some(cx.connect(reach::node(config, From::node(shard, &node)?, user)?).await?)
        };
        Ok(Self {
            standby,
            system: identity.system_identifier.parse().map_err(|_| odd())?,
            timeline: Timeline(identity.timeline),
            at,
            segment_size: SegmentSize::new(bytes)?,
            version,
            data_dir,
            host: stream.place().to_owned(),
            stream,
            session,
            node,
        })
    }

    async fn stream(cx: &Context, shard: &Shard, from: Option<&From>) -> Result<(Replication, String)> {
        let config = cx.config()?;
        let user = &config.users.backup;
        let found = |stream: Replication| {
            let node = reach::node_at(shard, stream.host())?.name.clone();
            Ok((stream, node))
        };
        if let Some(From::Node(name)) = from {
            return found(reach::node(config, From::node(shard, name)?, user)?.connect_replication().await?);
        }
        if from != Some(&From::Primary) && (shard.nodes.len() > 1 || from.is_some()) {
            let endpoint = reach::primary(config, shard, user)?.session_attrs(SessionAttrs::Standby);
            match endpoint.connect_replication().await {
                Ok(stream) => return found(stream),
                Err(error) if from.is_some() => return Err(error),
                Err(error) => tracing::info!("no standby answers, so the primary is backed up: {error}"),
            }
        }
        found(reach::primary(config, shard, user)?.connect_replication().await?)
    }

    /// A session on the node that is backed up.
    pub(super) fn on_node(&self) -> &Session {
        self.standby.as_ref().unwrap_or(&self.session)
    }

    /// What the archive is pinned to.
    pub(crate) fn pin(&self) -> Pin {
        Pin::new(self.system, self.version / 10_000, self.segment_size.bytes())
    }

    /// Keeps other pushes of the shard away, from any machine.
    pub(crate) async fn lock(&self) -> Result<()> {
        if advisory::try_lock(&self.session, &advisory::Key::Name("walg-wrap push".to_owned())).await? {
            return Ok(());
        }
        Err(Error::new(Code::LockHeld, "another backup of this shard is being made")
            .hint("Wait until it has ended; pg_stat_progress_basebackup shows how far it is."))
    }

    /// Ends the primary's segment at hand.
    pub(crate) async fn switch_wal(&self) -> Result<()> {
        self.session.simple("SELECT pg_catalog.pg_switch_wal()").await.map(drop)
    }

    /// Sees to it that the backup begins in a segment of its own, for its name goes by the segment.
    ///
    /// The primary begins every backup with a checkpoint. A standby can only go back to the last one that
    /// it has replayed, so the primary makes one and the standby gets the time to replay it.
    pub(crate) async fn fresh_start(&self, limit: Duration) -> Result<()> {
        self.switch_wal().await?;
        let Some(standby) = &self.standby else { return Ok(()) };
        self.session.simple("CHECKPOINT").await.map_err(|error| {
            if error.state() == Some("42501") {
                return error.hint("Run shardctl init: it lets this role ask for checkpoints. Or use --from primary.");
            }
            error
        })?;
        let at = self.session.value("SELECT pg_catalog.pg_current_wal_lsn()").await?.unwrap_or_default();
        let replayed = format!("SELECT pg_catalog.pg_last_wal_replay_lsn() >= '{}'", at.parse::<Lsn>()?);
        let deadline = Instant::now() + limit;
        while standby.value(&replayed).await?.as_deref() != Some("t") {
            if Instant::now() >= deadline {
                let limit = humantime::format_duration(limit);
                let what = format!("node \"{}\" hasn't replayed the WAL up to {at} within {limit}", self.node);
                return Err(Error::new(Code::Timeout, what)
                    .hint("Nothing was made. See whether its replay is paused or held up, or use --from primary."));
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }
}
