//! The data folder of a server on this machine, and a backup of it that has begun.

use std::fs;
use std::path::{Path, PathBuf};

use flotilla::config::Shard;
use flotilla::error::{Code, Error, Result};
use flotilla::pg::Session;
use flotilla::{Context, reach};
use flotilla_archive::backup::Control;
use flotilla_archive::base::Ended;
use flotilla_archive::wal::Lsn;

use super::{From, Source};

/// The first `server_version_num` whose functions have these names.
const SINCE: u32 = 150_000;

/// The data folder of the server that the source is, where it is on this machine and may be read; else why not. A
/// folder of the same path may be another server's: the time of its start tells.
pub(super) async fn at_hand(shard: &Shard, source: &Source) -> Result<Result<PathBuf, String>> {
    let asked = "SELECT floor(extract(epoch FROM pg_catalog.pg_postmaster_start_time()))::bigint, \
                 coalesce((SELECT setting FROM pg_catalog.pg_settings WHERE name = 'data_directory'), '')";
    let rows = source.on_node().simple(asked).await?;
    let text = |at: usize| rows.first().and_then(|row| row.get(at)).unwrap_or_default().to_owned();
    let (started, data) = (text(0), text(1));
    Ok(check(&started, &data, source.system, From::node(shard, &source.node)?.port))
}

/// Why this role can't begin a backup of this server by SQL, if it can't.
pub(super) async fn hindrance(source: &Source) -> Result<Option<String>> {
    if source.version < SINCE {
        return Ok(Some("the server is older than 15".to_owned()));
    }
    let may = "SELECT pg_catalog.has_function_privilege('pg_catalog.pg_backup_start(text, boolean)', 'EXECUTE') \
               AND pg_catalog.has_function_privilege('pg_catalog.pg_backup_stop(boolean)', 'EXECUTE')";
    let may = source.on_node().value(may).await?.as_deref() == Some("t");
    Ok((!may).then(|| "this role may not begin a backup by SQL; shardctl init lets it".to_owned()))
}

fn check(started: &str, data: &str, system: u64, port: u16) -> Result<PathBuf, String> {
    if data.is_empty() {
        return Err("the server doesn't say where its data folder is".to_owned());
    }
    let path = Path::new(data);
    let elsewhere = |why: &str| Err(format!("the server's data folder {data} is not at hand: {why}"));
    let pid = match fs::read_to_string(path.join("postmaster.pid")) {
        Ok(pid) => pid,
        Err(error) => return elsewhere(&error.to_string()),
    };
    let lines: Vec<&str> = pid.lines().map(str::trim).collect();
    let near = |a: &str, b: &str| match (a.parse::<i64>(), b.parse::<i64>()) {
        (Ok(a), Ok(b)) => (a - b).abs() <= 1,
        _ => false,
    };
    if !lines.get(2).is_some_and(|line| near(line, started)) || lines.get(3) != Some(&port.to_string().as_str()) {
        return elsewhere("what is there is another server's");
    }
    let control = match fs::read(path.join("global/pg_control")) {
        Ok(control) => control,
        Err(error) => return elsewhere(&error.to_string()),
    };
    match Control::parse(&control) {
        Ok(control) if control.system_identifier == system => Ok(path.to_owned()),
        _ => elsewhere("what is there is of another system"),
    }
}

/// A backup that the server has begun. The session that goes away ends it, and nothing is left of it.
pub(super) struct Begun {
    session: Session,
    pub(super) start: Lsn,
}

impl Begun {
    /// Begins one, on a session of its own.
    pub(super) async fn begin(cx: &Context, shard: &Shard, source: &Source, label: &str) -> Result<Self> {
        let config = cx.config()?;
        let node = reach::node(config, From::node(shard, &source.node)?, &config.users.backup)?;
        let session = cx.connect(node).await?;
        // It says nothing for as long as the files take.
        session.simple("SET statement_timeout = 0").await?;
        session.simple("SET idle_session_timeout = 0").await?;
        // The label is of this program's own making: letters, digits, dashes, a space.
        let start = session.value(&format!("SELECT pg_catalog.pg_backup_start('{label}', true)")).await?;
        let start =
            start.ok_or_else(|| Error::new(Code::QueryFailed, "the server doesn't say where the backup began"))?;
        Ok(Self { session, start: start.parse()? })
    }

    /// Ends it. Its WAL needn't be archived yet.
    pub(super) async fn end(self) -> Result<Ended> {
        let rows =
            self.session.simple("SELECT lsn, labelfile, spcmapfile FROM pg_catalog.pg_backup_stop(false)").await?;
        let text = |at: usize| {
            let value = rows.first().and_then(|row| row.get(at)).map(str::to_owned);
            value.ok_or_else(|| Error::new(Code::QueryFailed, "the server doesn't say how the backup ended"))
        };
        let ended = Ended { finish: text(0)?.parse()?, label: text(1)?, map: text(2).unwrap_or_default() };
        self.session.close().await;
        Ok(ended)
    }
}
