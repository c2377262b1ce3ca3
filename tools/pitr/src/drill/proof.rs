//! The proof: every page's checksum, every relation's structure, every row's commit.

use std::process::Output;

use flotilla::Context;
use flotilla::error::{Code, Error, Result};
use flotilla::pg::Session;
use schemars::JsonSchema;
use serde::Serialize;

use crate::restore::Ready;
use crate::restore::isolate::endpoint;
use crate::restore::server::{self, Server};

/// A table's rows and hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct TableHash {
    /// The table, with its schema.
    pub(crate) table: String,
    /// How many rows it has.
    pub(crate) row_count: u64,
    /// A hash over its rows, in whatever order: equal for equal rows.
    pub(crate) hash: String,
}

/// What was looked at.
pub(super) struct Proof {
    pub(super) pages: Option<u64>,
    pub(super) relations: u64,
    pub(super) tables: Vec<TableHash>,
}

impl Proof {
    /// Looks at a restored shard whose server is stopped.
    pub(super) async fn of(cx: &Context, ready: &Ready, port: u16, shard: &str, last: Option<&str>) -> Result<Self> {
        let pages = checksums(ready).await?;
        let mut server = Server::start(&ready.programs, &ready.place)?;
        server.wait(cx, shard).await?;
        let looked = look(cx, ready, port, last).await;
        server.stop().await?;
        let (relations, tables) = looked?;
        Ok(Self { pages, relations, tables })
    }
}

async fn look(cx: &Context, ready: &Ready, port: u16, last: Option<&str>) -> Result<(u64, Vec<TableHash>)> {
    let config = cx.config()?;
    let session = cx.connect(endpoint(config, &ready.place, port, &config.cluster.dbname)).await?;
    let tables = cx.guarded(session.canceller(), rows(&session, last)).await?;
    session.close().await;
    Ok((amcheck(cx, ready, port).await?, tables))
}

/// Compares the checksum of every page; how many they are, none where the cluster has no checksums.
async fn checksums(ready: &Ready) -> Result<Option<u64>> {
    let mut check = server::command(&ready.programs, &ready.place, "pg_checksums");
    let output = check.args(["--check", "-D"]).arg(ready.place.data()).output().await;
    let output = output.map_err(|e| Error::new(Code::NotFound, "could not run pg_checksums").source(e))?;
    let (said, wrong) = text(&output);
    if wrong.contains("data checksums are not enabled") {
        return Ok(None);
    }
    if !output.status.success() {
        return Err(failed("pg_checksums found damage", &wrong));
    }
    let count = said.lines().find_map(|line| line.strip_prefix("Blocks scanned:"));
    Ok(count.and_then(|count| count.trim().parse().ok()))
}

/// Looks at the structure of every table and index, and that no row of a table is missing in its
/// indexes; how many relations they are.
async fn amcheck(cx: &Context, ready: &Ready, port: u16) -> Result<u64> {
    let config = cx.config()?;
    let mut check = server::command(&ready.programs, &ready.place, "pg_amcheck");
    check.arg("-h").arg(ready.place.socket_folder()).args(["-p", &port.to_string(), "-U", &config.users.admin]);
    check.args(["--install-missing", "--heapallindexed", "--verbose", "-d", &config.cluster.dbname]);
    let output = tokio::select! {
        output = check.output() => output,
        () = cx.stop().asked() => return Err(flotilla::signal::cancelled()),
        () = cx.deadline_passed() => return Err(cx.deadline_error()),
    };
    let output = output.map_err(|e| Error::new(Code::NotFound, "could not run pg_amcheck").source(e))?;
    let (said, wrong) = text(&output);
    if !output.status.success() {
        return Err(failed("pg_amcheck found damage", &format!("{said}\n{wrong}")));
    }
    let checked = wrong
        .lines()
        .chain(said.lines())
        .filter(|line| line.contains("checking heap table") || line.contains("checking btree index"));
    Ok(checked.count() as u64)
}

/// Reads every row: none may have been committed after the point. Each table's rows and hash.
async fn rows(session: &Session, last: Option<&str>) -> Result<Vec<TableHash>> {
    let named = "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class AS c \
                 JOIN pg_namespace AS n ON n.oid = c.relnamespace \
                 WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname <> 'information_schema' \
                 AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'flotilla' ORDER BY 1";
    let tables = session.simple(named).await?;
    let mut hashes = Vec::new();
    for row in tables {
        let table = row.get(0).unwrap_or_default();
        let late = match last {
            Some(last) => format!(
                "count(*) FILTER (WHERE xmin::text::bigint >= 3 AND pg_xact_commit_timestamp(xmin) > '{last}'::timestamptz)"
            ),
            None => "0".to_owned(),
        };
        let sql = format!(
            "SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text, {late} FROM ONLY {table} AS t"
        );
        let answer = session.simple(&sql).await?;
        let value = |at: usize| answer.first().and_then(|row| row.get(at)).unwrap_or_default().to_owned();
        if value(2) != "0" {
            let what = format!("{} rows of {table} were committed after the last commit of the point", value(2));
            return Err(failed("the restored rows are not those of the point", &what));
        }
        let row_count = value(0).parse().map_err(|e| Error::internal("a count is no number").source(e))?;
        hashes.push(TableHash { table: table.to_owned(), row_count, hash: value(1) });
    }
    Ok(hashes)
}

fn text(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    (text(&output.stdout), text(&output.stderr))
}

fn failed(message: &str, said: &str) -> Error {
    let said: String = said.chars().take(2000).collect();
    Error::new(Code::Mismatch, message)
        .hint("What was restored is kept to be looked at. The backup or the WAL behind it is damaged.")
        .source(said)
}
